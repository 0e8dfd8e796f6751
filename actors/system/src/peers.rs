//! The links of a node to nodes of other processes, and whom it believes: what its own chains say.

use crate::Node;
use catenary_consensus::Peer;
use catenary_crypto::PublicKey;
use catenary_ledger::records::OrganisationRecord;
use catenary_links::peers::{Authority, NewLink, Peers, PeersConfig, PeersError, Trust};
use catenary_runtime::Supervisor;
use catenary_types::ChainId;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{task::AbortHandle, time::sleep};

/// How often the chains are asked whom they believe.
const ASK_INTERVAL: Duration = Duration::from_secs(2);

/// The running links of a node. They end when this is dropped.
pub struct NodePeers {
    _peers: Peers,
    asking: AbortHandle,
    supervisor: Supervisor,
    numbers: Arc<Numbers>,
}

impl NodePeers {
    /// Connects a node whose chains have been started, on the runtime that this is called on. It asks its chains again and again
    /// which authorities they record, and believes no other.
    pub async fn start(node: &Node, config: PeersConfig) -> Result<Self, PeersError> {
        let trust = config.trust.clone();
        let mut asked = Asked { supervisor: node.supervisor().clone(), answers: BTreeMap::new() };
        asked.ask(&trust).await;
        let (supervisor, numbers) = (node.supervisor().clone(), Arc::new(Numbers::default()));
        let (to, known) = (supervisor.clone(), numbers.clone());
        let peers = Peers::start(config, move |link| connect(&to, &known, link))?;
        let asking = tokio::spawn(async move {
            loop {
                sleep(ASK_INTERVAL).await;
                asked.ask(&trust).await;
            }
        });
        Ok(Self { _peers: peers, asking: asking.abort_handle(), supervisor, numbers })
    }

    /// Every node that ever had a link, and whether it has one now.
    pub fn links(&self) -> BTreeMap<PublicKey, bool> {
        let connected: BTreeSet<_> = self.supervisor.connected().into_iter().map(|peer| peer.0).collect();
        let numbers = self.numbers.0.lock().unwrap_or_else(PoisonError::into_inner);
        numbers.iter().map(|(node, peer)| (*node, connected.contains(&peer.0))).collect()
    }
}

impl Drop for NodePeers {
    fn drop(&mut self) {
        self.asking.abort();
    }
}

fn connect(supervisor: &Supervisor, numbers: &Numbers, NewLink { node, end }: NewLink) {
    supervisor.connect(numbers.of(node.key), end);
}

/// One number for each node that ever had a link; authorities vouch for every one of them.
#[derive(Default)]
struct Numbers(Mutex<BTreeMap<PublicKey, Peer>>);

impl Numbers {
    fn of(&self, node: PublicKey) -> Peer {
        let mut numbers = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let next = Peer(numbers.len() as u64);
        *numbers.entry(node).or_insert(next)
    }
}

/// What the chains said last. One that is down keeps its word.
struct Asked {
    supervisor: Supervisor,
    answers: BTreeMap<ChainId, BTreeSet<Authority>>,
}

impl Asked {
    async fn ask(&mut self, trust: &Trust) {
        let chains = self.supervisor.chains();
        self.answers.retain(|id, _| chains.iter().any(|chain| chain.chain_id() == id));
        for chain in &chains {
            let recorded = chain.read(|state| {
                let members = state.organisations().values();
                let authorities = |member: &OrganisationRecord| {
                    let of_member = |root| (member.name.clone(), root);
                    member.roots.iter().copied().map(of_member).collect::<Vec<_>>()
                };
                members.flat_map(authorities).collect()
            });
            if let Ok(recorded) = recorded.await {
                self.answers.insert(chain.chain_id().clone(), recorded);
            }
        }
        let mut authorities = BTreeMap::<Authority, BTreeSet<ChainId>>::new();
        for (chain, recorded) in &self.answers {
            for authority in recorded {
                authorities.entry(authority.clone()).or_default().insert(chain.clone());
            }
        }
        trust.set_authorities(authorities);
    }
}
