//! Bringing the network up: lanes, the asset, the debtors' accounts. Every step is done once and may be repeated.

use crate::{
    network::{Bank, Holder, TRUSTING_PERIOD_S},
    submitter::{call, once},
};
use anyhow::{Result, ensure};
use catenary_apps::{
    accounts::{AccountName, KeyGrant},
    admin::{self, AdminCall, OpenAccount, Tick},
    asset::{self, AssetCall, Create, Freeze, Mint},
};
use catenary_crypto::sha256;
use catenary_links::ChainClient;
use catenary_orders::{ASSET, Order};
use catenary_packet::{
    ClientId, PacketCall,
    messages::{CreateClient, RegisterCounterparty},
};
use catenary_relay::query::HeaderView;
use catenary_types::{AccountNumber, Amount, AssetId, Call, Message, Trust, limits::CALLS_MAX};
use futures::future::try_join_all;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// The asset of the orders.
pub fn asset() -> AssetId {
    ASSET.parse().expect("a well-formed asset")
}

/// Clients and counterparties of all lanes.
pub async fn lanes(chains: &[Arc<dyn ChainClient>]) -> Result<()> {
    let headers =
        try_join_all(Bank::all().map(async |bank| first_header(&*chains[bank.0], &bank.operator()).await))
            .await?;
    let home = create_clients(
        Bank::partners()
            .map(|partner| (&headers[partner.0], partner.client_at_home(), Bank::client_of_home())),
    );
    once(&*chains[0], &Bank::HOME.operator(), "lanes", home).await?;
    let partners = Bank::partners().map(async |partner| {
        let lane = (&headers[0], Bank::client_of_home(), partner.client_at_home());
        once(&*chains[partner.0], &partner.operator(), "lanes", create_clients([lane])).await
    });
    try_join_all(partners).await?;
    Ok(())
}

/// What a client starts from.
pub struct ClientStart {
    header: HeaderView,
    trust: Trust,
}

/// A header to start a client from: an idle new chain has none, so it is asked for one.
pub async fn first_header(chain: &dyn ChainClient, operator: &Holder) -> Result<ClientStart> {
    let tick = call(admin::KIND, &AdminCall::Tick(Tick {}));
    once(chain, operator, "first-header", vec![tick]).await?;
    Ok(ClientStart { header: chain.header(None).await?, trust: chain.status().await?.trust })
}

/// Creates clients of chains from their headers and registers their counterparties, in this order.
pub fn create_clients<'a>(
    lanes: impl IntoIterator<Item = (&'a ClientStart, ClientId, ClientId)>,
) -> Vec<Call> {
    let calls = lanes.into_iter().flat_map(|(ClientStart { header, trust }, client, counterparty)| {
        let create = CreateClient::new(&header.signed, &header.validators, TRUSTING_PERIOD_S).under(*trust);
        let register = RegisterCounterparty { client, counterparty };
        [PacketCall::CreateClient(create), PacketCall::RegisterCounterparty(register)]
    });
    calls.map(|message| call(catenary_packet::KIND, &message)).collect()
}

/// Opens the debtors' accounts and mints exactly what their orders need, `months` times.
pub async fn debtors(home: &dyn ChainClient, orders: &[Order], months: u32) -> Result<()> {
    let operator = Bank::HOME.operator();
    let create = AssetCall::Create(Create { asset: asset(), decimals: 2 });
    once(home, &operator, "asset", vec![call(asset::KIND, &create)]).await?;
    let mut needs = BTreeMap::<&AccountNumber, u128>::new();
    for order in orders {
        *needs.entry(&order.debtor).or_default() += order.amount.0 * u128::from(months);
    }
    let numbers: Vec<_> = needs.keys().copied().cloned().collect();
    open_accounts(home, Bank::HOME, &numbers).await?;
    let mints = needs.iter().map(|(number, need)| {
        let to = AccountName { organisation: Bank::HOME.organisation(), number: (*number).clone() };
        let mint = Mint { asset: asset(), to, amount: Amount(*need) };
        call(asset::KIND, &AssetCall::Mint(mint))
    });
    in_batches(home, &operator, "fund", mints.collect()).await
}

/// Opens accounts of a bank with the sandbox keys of their holders, except those that have keys.
pub async fn open_accounts(chain: &dyn ChainClient, bank: Bank, numbers: &[AccountNumber]) -> Result<()> {
    let mut missing_before = usize::MAX;
    loop {
        let calls = openings(chain, bank, numbers).await?;
        let missing = calls.len();
        let opened = in_batches(chain, &bank.operator(), "open", calls).await;
        // What a run before this one sent may have come into a block while this one asked: then there is less to open.
        if opened.is_ok() || missing >= missing_before {
            return opened;
        }
        missing_before = missing;
    }
}

/// The calls that open those of these accounts that have no keys.
async fn openings(chain: &dyn ChainClient, bank: Bank, numbers: &[AccountNumber]) -> Result<Vec<Call>> {
    let mut calls = Vec::new();
    for number in numbers {
        let holder = Holder::of(bank, number);
        let known = chain.account(holder.account, Vec::new()).await?.value;
        if known.is_none_or(|known| known.account.keys.is_empty()) {
            let keys = vec![KeyGrant { key: holder.key.public_key(), weight: 1 }];
            let open = OpenAccount { number: number.clone(), threshold: 1, keys };
            calls.push(call(admin::KIND, &AdminCall::OpenAccount(open)));
        }
    }
    Ok(calls)
}

/// Freezes accounts of a bank.
pub async fn freeze(chain: &dyn ChainClient, bank: Bank, numbers: &BTreeSet<AccountNumber>) -> Result<()> {
    let numbers: Vec<_> = numbers.iter().cloned().collect();
    open_accounts(chain, bank, &numbers).await?;
    let calls = numbers
        .iter()
        .map(|number| call(asset::KIND, &AssetCall::Freeze(Freeze { account: bank.account(number) })));
    in_batches(chain, &bank.operator(), "freeze", calls.collect()).await
}

/// Sends many calls in as few transactions as fit, each under a reference that follows from its content.
pub async fn in_batches(
    chain: &dyn ChainClient,
    operator: &Holder,
    what: &str,
    calls: Vec<Call>,
) -> Result<()> {
    let batches = calls.chunks(CALLS_MAX).map(async |batch| {
        let content: Vec<u8> = batch.iter().flat_map(Message::encode).collect();
        let digest = sha256(&content).to_string();
        once(chain, operator, &format!("{what}-{}", &digest[..16]), batch.to_vec()).await
    });
    let done = try_join_all(batches).await?;
    ensure!(done.iter().all(|view| view.receipt.succeeded()), "a batch of {what} failed");
    Ok(())
}
