//! Payments from one chain to another, one after the other, whatever is done to the network meanwhile.

use crate::{
    load::{finalise, key, operator, transaction},
    net::{Net, until},
};
use catenary_apps::{
    accounts::AccountName,
    asset::{self, AssetCall, Create, Mint},
};
use catenary_links::ChainClient;
use catenary_packet::ClientId;
use catenary_transfer::{self as transfer, Send, TransferCall};
use catenary_types::{Amount, AssetId, UnixSeconds};
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use tokio::task::JoinHandle;

/// What the first operator has to pay with.
const FUNDS: u128 = 1_000_000;
/// How long a payment may take before it is refunded: longer than any test.
const TIMEOUT_S: u64 = 1_800;

/// Payments of one unit each, until they are stopped.
pub struct Payments {
    stop: Arc<AtomicBool>,
    paying: JoinHandle<u64>,
    /// The chain that is paid to, through each node, and what it calls the asset.
    target: (Vec<Arc<dyn ChainClient>>, AssetId),
}

fn receiver() -> AccountName {
    AccountName { organisation: "ORG1".parse().unwrap(), number: "payee".parse().unwrap() }
}

impl Payments {
    /// Opens a lane from one chain to another, on each of which the client of it has this number, and begins to pay.
    pub async fn start(net: &Net, chains: [usize; 2], clients: [u64; 2]) -> Self {
        let [source, target] = chains.map(|chain| net.chain_id(chain).to_string());
        let (path, key) = (net.operator_key(), key(&net.operator_key()));
        let arguments = ["lanes", "open", "--chain", &source, "--chain", &target, "--operator"];
        net.operate(0, &[&arguments[..], &[path.to_str().unwrap()]].concat());

        let nodes = net.clients(chains[0]);
        let asset: AssetId = "COIN".parse().unwrap();
        let own = AccountName { organisation: "ORG1".parse().unwrap(), number: "operator".parse().unwrap() };
        let mint = Mint { asset: asset.clone(), to: own, amount: Amount(FUNDS) };
        let create = Create { asset: asset.clone(), decimals: 0 };
        for call in [AssetCall::Create(create), AssetCall::Mint(mint)] {
            let signed = transaction(nodes[0].chain_id(), operator(), (asset::KIND, &call), &[&key]);
            finalise(&nodes, &signed).await;
        }
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = stop.clone();
        let voucher = format!("transfer/{}/{asset}", ClientId::bft(clients[1])).parse().unwrap();
        let client = ClientId::bft(clients[0]);
        let paying = tokio::spawn(async move {
            let mut paid = 0;
            while !stopped.load(Ordering::Relaxed) {
                let timeout = UnixSeconds(catenary_runtime::now().seconds().0 + TIMEOUT_S);
                let (client, asset, memo) = (client.clone(), asset.clone(), String::new());
                let send = Send { client, asset, amount: Amount(1), receiver: receiver(), timeout, memo };
                let call = (transfer::KIND, &TransferCall::Send(send));
                let signed = transaction(nodes[0].chain_id(), operator(), call, &[&key]);
                finalise(&nodes, &signed).await;
                paid += 1;
            }
            paid
        });
        Self { stop, paying, target: (net.clients(chains[1]), voucher) }
    }

    /// Stops, and waits until all that was paid has arrived, and not more. Says how many payments that were.
    pub async fn settle(self) -> u64 {
        self.stop.store(true, Ordering::Relaxed);
        let paid = self.paying.await.unwrap();
        let (nodes, voucher) = self.target;
        let arrived = async || {
            let account = nodes[0].account(receiver().id(), vec![voucher.clone()]).await;
            let view = account.ok().and_then(|account| account.value);
            let arrived = view.map_or(Amount(0), |view| view.balances[0].1);
            assert!(arrived.0 <= u128::from(paid), "{} of {paid} payments arrived", arrived.0);
            arrived == Amount(paid.into())
        };
        until("what was paid arrives", arrived).await;
        paid
    }
}
