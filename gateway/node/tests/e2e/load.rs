//! Transactions on every chain, whatever is done to the network, and what of them became final.

use crate::net::{Net, PATIENCE};
use catenary_apps::{
    accounts::KeyGrant,
    admin::{self, AdminCall, OpenAccount},
};
use catenary_crypto::{SigningKey, sha256};
use catenary_links::ChainClient;
use catenary_relay::{gateway::SubmitOutcome, query::TransactionName};
use catenary_types::{AccountId, Body, Call, ChainId, Message, RequestId, TxId, UnixSeconds};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    fs,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::{sleep, timeout};

/// Pause between two transactions of the load, on each chain.
const LOAD_PAUSE: Duration = Duration::from_millis(60);

/// Transactions on every chain until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Vec<TxId>>>,
}

/// What the load saw in final blocks.
pub struct Loaded(Vec<Vec<TxId>>);

impl Loaded {
    pub fn is_final(&self, chain: usize) -> Vec<TxId> {
        self.0.get(chain).cloned().unwrap_or_default()
    }

    pub fn counts(&self) -> Vec<usize> {
        self.0.iter().map(Vec::len).collect()
    }
}

impl Load {
    /// On all chains that there are now.
    pub fn start(net: &Net) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let key = Arc::new(key(&net.operator_key()));
        let task = |chain: usize| {
            let (nodes, key, stop) = (net.clients(chain), key.clone(), stop.clone());
            tokio::spawn(async move { open_accounts(&nodes, &key, &stop).await })
        };
        Self { tasks: net.chains().map(task).collect(), stop }
    }

    /// Stops; what was submitted last is waited for.
    pub async fn stop(self) -> Loaded {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for task in self.tasks {
            all.push(timeout(PATIENCE, task).await.expect("the load ends").unwrap());
        }
        Loaded(all)
    }
}

/// The key in a file.
pub fn key(path: &Path) -> SigningKey {
    SigningKey::from_seed(&seed(path))
}

pub fn seed(path: &Path) -> [u8; 32] {
    let text = fs::read_to_string(path).unwrap();
    text.trim().parse::<catenary_crypto::PublicKey>().unwrap().0
}

/// A transaction of one call, which asks to be valid for ten minutes.
pub fn transaction(
    chain_id: &ChainId,
    sender: AccountId,
    (instance, call): (&str, &impl Message),
    keys: &[&SigningKey],
) -> (TxId, Vec<u8>) {
    let mut request_id = RequestId([0; 16]);
    StdRng::from_os_rng().fill(&mut request_id.0);
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let body = Body {
        chain_id: chain_id.clone(),
        sender,
        request_id,
        valid_until: UnixSeconds(seconds + 600),
        reference: None,
        calls: vec![Call { instance: instance.parse().unwrap(), message: call.encode() }],
    };
    let envelope = body.sign(keys);
    (TxId(sha256(&envelope.body)), envelope.encode())
}

/// The account of the first organisation's operator.
pub fn operator() -> AccountId {
    AccountId::new(&"ORG1".parse().unwrap(), &"operator".parse().unwrap())
}

/// The transaction that opens an account of the first organisation.
pub fn opening(chain_id: &ChainId, key: &SigningKey, number: &str) -> (TxId, Vec<u8>) {
    let keys = vec![KeyGrant { key: key.public_key(), weight: 1 }];
    let open = OpenAccount { number: number.parse().unwrap(), threshold: 1, keys };
    transaction(chain_id, operator(), (admin::KIND, &AdminCall::OpenAccount(open)), &[key])
}

/// Gets a transaction into a block, whatever is done to the network. A node that answers may be cut off from all others, so each
/// try goes to the next one.
pub async fn finalise(nodes: &[Arc<dyn ChainClient>], (tx_id, envelope): &(TxId, Vec<u8>)) {
    for chain in nodes.iter().cycle() {
        // Unavailable is what a network says that is being torn apart.
        if let Ok(outcomes) = chain.submit(vec![envelope.clone()]).await {
            match &outcomes[0] {
                SubmitOutcome::Refused(refusal) if !refusal.reason.may_retry() => panic!("{refusal}"),
                _ => {}
            }
        }
        let found = chain.transaction(TransactionName::Id(*tx_id)).await;
        if let Some(view) = found.ok().and_then(|found| found.value) {
            assert!(view.receipt.succeeded(), "{:?}", view.receipt);
            return;
        }
        sleep(LOAD_PAUSE).await;
    }
}

/// Opens one account after the other, and says what was final. Every one of them must become so.
async fn open_accounts(nodes: &[Arc<dyn ChainClient>], key: &SigningKey, stop: &AtomicBool) -> Vec<TxId> {
    let life: u64 = StdRng::from_os_rng().random();
    let (mut is_final, mut number) = (Vec::new(), 0_u64);
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let signed = opening(nodes[0].chain_id(), key, &format!("{life:016x}-{number}"));
        finalise(nodes, &signed).await;
        is_final.push(signed.0);
    }
    is_final
}
