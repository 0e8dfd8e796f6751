//! Payments from one chain to another until they are stopped.

use crate::net::{Net, catenary, settled, transaction, until};
use catenary_apps::{
    accounts::AccountName,
    asset::{self, AssetCall, Create, Mint},
};
use catenary_crypto::Hash;
use catenary_links::ChainClient;
use catenary_packet::ClientId;
use catenary_relay::query::TransferStatus;
use catenary_transfer::{Send, TransferCall};
use catenary_types::{AccountId, Amount, Message, Receipt, UnixSeconds};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::task::JoinHandle;

/// The chains, and the client on each of them that follows the other.
const FROM: usize = 1;
const TO: usize = 2;
const CLIENT: u64 = 1;
/// Money enough for every payment of a test.
const FUNDS: Amount = Amount(1_000_000);
/// How long a payment may take before it is returned.
const TIMEOUT_S: u64 = 1_800;

/// Payments of one unit each. A router reads all of a chain when it starts, so neither of the two is a long one.
pub struct Payments {
    stop: Arc<AtomicBool>,
    task: JoinHandle<Vec<Hash>>,
}

fn account(number: &str) -> AccountName {
    AccountName { organisation: "ORG1".parse().unwrap(), number: number.parse().unwrap() }
}

impl Payments {
    /// Opens the lanes and gives the operator money of its own asset.
    pub async fn start(net: &Net) -> Self {
        let mut command = catenary(&["lanes", "open", "--config"]);
        command.arg(net.config(0)).arg("--operator").arg(net.operator_file());
        let output = command.output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));

        let (nodes, chain_id, operator) = (net.clients(FROM), net.chain_id(FROM), net.operator());
        let asset = || "CZK".parse().unwrap();
        let create = AssetCall::Create(Create { asset: asset(), decimals: 2 });
        let mint = AssetCall::Mint(Mint { asset: asset(), to: account("operator"), amount: FUNDS });
        for call in [create, mint] {
            settled(&nodes, transaction(&chain_id, &operator, asset::KIND, call.encode())).await;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut sent = Vec::new();
            while !stopped.load(Ordering::Relaxed) {
                let send = TransferCall::Send(Send {
                    client: ClientId::bft(CLIENT),
                    asset: asset(),
                    amount: Amount(1),
                    receiver: account("payee"),
                    timeout: UnixSeconds(catenary_runtime::now().seconds().0 + TIMEOUT_S),
                    memo: String::new(),
                });
                let call = transaction(&chain_id, &operator, catenary_transfer::KIND, send.encode());
                sent.push(transfer_id(&settled(&nodes, call).await));
            }
            sent
        });
        Self { stop, task }
    }

    /// Stops, and waits until every payment has arrived; a node shows as much money in the account that was paid. Gives how
    /// many they were.
    pub async fn stop(self, net: &Net, node: usize) -> usize {
        self.stop.store(true, Ordering::Relaxed);
        let sent = self.task.await.unwrap();
        let home = net.client(0, FROM);
        for id in &sent {
            until("a payment arrives", async || status(&*home, *id).await == Some(TransferStatus::Completed))
                .await;
        }
        let payee = account("payee");
        let payee = AccountId::new(&payee.organisation, &payee.number);
        let away = net.client(node, TO);
        let voucher = format!("transfer/{}/CZK", ClientId::bft(CLIENT)).parse().unwrap();
        until("the account has the money", async || {
            let account = away.account(payee, vec![Clone::clone(&voucher)]).await.ok();
            let balances = account.and_then(|at| at.value).map(|view| view.balances).unwrap_or_default();
            balances.first().is_some_and(|(_, amount)| *amount == Amount(sent.len() as u128))
        })
        .await;
        sent.len()
    }
}

async fn status(chain: &dyn ChainClient, id: Hash) -> Option<TransferStatus> {
    chain.transfer(id).await.ok()?.value.map(|view| view.status)
}

fn transfer_id(receipt: &Receipt) -> Hash {
    let event = receipt.events.iter().find(|event| event.kind == "transfer_sent").unwrap();
    event.text("transfer_id").unwrap().parse::<catenary_crypto::PublicKey>().map(|id| Hash(id.0)).unwrap()
}
