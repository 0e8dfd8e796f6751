//! What is paid: every workload as transactions that are signed before the clock runs.

use crate::{
    network::Holder,
    setup::in_batches,
    submitter::{call, once},
};
use anyhow::Result;
use catenary_apps::{
    accounts::{AccountName, KeyGrant},
    admin::{self, AdminCall, OpenAccount},
    asset::{self, AssetCall, Create, Mint, Transfer},
};
use catenary_crypto::{SigningKey, sha256};
use catenary_links::ChainClient;
use catenary_packet::ClientId;
use catenary_transfer::{Send, TransferCall};
use catenary_types::{
    AccountId, AccountNumber, Amount, AssetId, Body, Call, ChainId, Message, Organisation, RequestId, TxId,
    UnixSeconds,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::sync::Arc;

/// Accounts that pay, on each chain.
const PAYERS: usize = 256;
/// Accounts that are paid, on each chain.
const PAYEES: u32 = 10_000;
/// What a payer owns: nobody runs out.
const FUNDS: u128 = 1 << 60;
/// How long a transaction asks to be valid.
const VALID_FOR_S: u64 = 1_800;

/// What kind of payments.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Workload {
    /// One payment in each transaction, to accounts drawn evenly.
    Single,
    /// A hundred payments in each.
    #[value(name = "batch-100")]
    Batch100,
    /// A thousand payments in each.
    #[value(name = "batch-1000")]
    Batch1000,
    /// One payment in each transaction, all to one account.
    OnePayee,
    /// One payment in each transaction, to accounts drawn by Zipf's law.
    Zipf,
    /// One payment to another chain in each transaction; done when its acknowledgement is final.
    Cross,
}

impl Workload {
    /// Its name, as the command line writes it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Single => "single",
            Self::Batch100 => "batch-100",
            Self::Batch1000 => "batch-1000",
            Self::OnePayee => "one-payee",
            Self::Zipf => "zipf",
            Self::Cross => "cross",
        }
    }

    /// Payments in one transaction.
    pub fn payments(self) -> usize {
        match self {
            Self::Batch100 => 100,
            Self::Batch1000 => 1_000,
            Self::Single | Self::OnePayee | Self::Zipf | Self::Cross => 1,
        }
    }
}

/// The accounts of one chain.
pub struct Payers {
    organisation: Organisation,
    numbers: Vec<AccountNumber>,
    key: Arc<SigningKey>,
}

/// A signed transaction.
pub struct Signed {
    pub tx_id: TxId,
    pub envelope: Vec<u8>,
}

fn asset() -> AssetId {
    "BENCH".parse().expect("a well-formed asset")
}

impl Payers {
    /// Opens the accounts that pay and gives them money.
    pub async fn open(
        chain: &dyn ChainClient,
        operator: &Holder,
        organisation: &Organisation,
    ) -> Result<Self> {
        let create = AssetCall::Create(Create { asset: asset(), decimals: 2 });
        once(chain, operator, "bench-asset", vec![call(asset::KIND, &create)]).await?;
        let key = SigningKey::from_seed(&sha256(b"catenary bench").0);
        let numbers: Vec<AccountNumber> =
            (0..PAYERS).map(|number| format!("payer-{number}").parse()).collect::<Result<_, _>>()?;
        let open = |number: &AccountNumber| {
            let keys = vec![KeyGrant { key: key.public_key(), weight: 1 }];
            call(
                admin::KIND,
                &AdminCall::OpenAccount(OpenAccount { number: number.clone(), threshold: 1, keys }),
            )
        };
        in_batches(chain, operator, "bench-open", numbers.iter().map(open).collect()).await?;
        let mint = |number: &AccountNumber| {
            let to = AccountName { organisation: organisation.clone(), number: number.clone() };
            call(asset::KIND, &AssetCall::Mint(Mint { asset: asset(), to, amount: Amount(FUNDS) }))
        };
        in_batches(chain, operator, "bench-fund", numbers.iter().map(mint).collect()).await?;
        Ok(Self { organisation: organisation.clone(), numbers, key: Arc::new(key) })
    }

    /// So many signed transactions; `client` leads to the other chain where the workload crosses.
    pub fn sign(
        &self,
        chain_id: &ChainId,
        workload: Workload,
        client: Option<&ClientId>,
        count: usize,
    ) -> Vec<Signed> {
        let mut random = StdRng::from_os_rng();
        let now = catenary_runtime::now().seconds().0;
        let valid_until = UnixSeconds(now + VALID_FOR_S);
        let sign = |number: usize| {
            let payee = |random: &mut StdRng| self.payee(workload, random);
            let calls = (0..workload.payments()).map(|_| {
                let to = payee(&mut random);
                self.call(to, client, now)
            });
            let calls: Vec<Call> = calls.collect();
            let sender = AccountId::new(&self.organisation, &self.numbers[number % self.numbers.len()]);
            let mut request_id = RequestId([0; 16]);
            random.fill(&mut request_id.0);
            let body =
                Body { chain_id: chain_id.clone(), sender, request_id, valid_until, reference: None, calls };
            let envelope = body.sign(&[&self.key]);
            Signed { tx_id: TxId(sha256(&envelope.body)), envelope: envelope.encode() }
        };
        (0..count).map(sign).collect()
    }

    fn payee(&self, workload: Workload, random: &mut StdRng) -> AccountName {
        let number = match workload {
            Workload::OnePayee => 0,
            Workload::Zipf => zipf(random),
            _ => random.random_range(0..PAYEES),
        };
        let number = format!("payee-{number}").parse().expect("a well-formed account number");
        AccountName { organisation: self.organisation.clone(), number }
    }

    fn call(&self, to: AccountName, client: Option<&ClientId>, now: u64) -> Call {
        let amount = Amount(1);
        match client {
            None => {
                let transfer = Transfer { asset: asset(), to, amount, memo: String::new() };
                call(asset::KIND, &AssetCall::Transfer(transfer))
            }
            Some(client) => {
                let timeout = UnixSeconds(now + VALID_FOR_S);
                let (client, memo) = (client.clone(), String::new());
                let send = Send { client, asset: asset(), amount, receiver: to, timeout, memo };
                call(catenary_transfer::KIND, &TransferCall::Send(send))
            }
        }
    }
}

/// The payee of rank r is drawn in proportion to 1 / r: between two powers of two, each rank is about as likely.
fn zipf(random: &mut StdRng) -> u32 {
    let octave = random.random_range(0..PAYEES.ilog2());
    random.random_range(1 << octave..2 << octave).min(PAYEES) - 1
}
