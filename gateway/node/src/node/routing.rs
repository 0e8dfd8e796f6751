//! The router of a node: it serves every lane between two chains that run here, as they come and go.

use super::config::RouterSection;
use crate::{
    keys,
    lanes::{End, Lane, ends, lanes},
};
use anyhow::{Context as _, Result};
use catenary_crypto::SigningKey;
use catenary_links::ChainClient;
use catenary_relay::{ChainConfig, ChainIndex, LaneConfig, LaneEnd, RelayConfig};
use catenary_runtime::Router;
use catenary_system::Node;
use catenary_types::{AccountId, ChainId, Height};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};
use tokio::time::sleep;

/// How often the chains are asked for their lanes.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The account that a router acts as.
pub fn account(section: &RouterSection) -> Result<AccountId> {
    Ok(AccountId::new(&section.organisation.parse()?, &section.account.parse()?))
}

/// A router that runs, with its chains in the order of its configuration.
pub struct Serving {
    pub router: Router,
    pub chains: Vec<ChainId>,
}

/// The present router of a node, if it has one.
pub type Served = RefCell<Option<Serving>>;

/// A node's router and what it serves.
pub struct Routing<'a> {
    node: &'a Node,
    account: AccountId,
    key: Arc<SigningKey>,
    patience_ms: u64,
    /// What each chain said last: how far it was, and its clients. One that is down keeps its word.
    said: BTreeMap<ChainId, (Height, Vec<End>)>,
    lanes: Vec<Lane>,
    served: &'a Served,
}

impl<'a> Routing<'a> {
    /// A router over a node's chains, which serves nothing yet.
    pub fn new(node: &'a Node, section: &RouterSection, served: &'a Served) -> Result<Self> {
        let (account, key) = (account(section)?, Arc::new(keys::signing_key(&section.key)?));
        let patience_ms = section.patience_ms;
        let (said, lanes) = (BTreeMap::new(), Vec::new());
        Ok(Self { node, account, key, patience_ms, said, lanes, served })
    }

    /// Serves the lanes that there are. Ends only with an error.
    pub async fn follow(mut self) -> Result<()> {
        loop {
            let before = self.ask().await;
            let present = self.said.iter().map(|(chain, (_, ends))| (chain.clone(), ends.clone())).collect();
            let lanes = lanes(&present);
            if lanes != self.lanes {
                self.lanes = lanes;
                self.serve(&before).await?;
            }
            sleep(LOOK_INTERVAL).await;
        }
    }

    /// Asks all chains for their clients, and gives the heights they said before.
    async fn ask(&mut self) -> BTreeMap<ChainId, Height> {
        let before = self.said.iter().map(|(chain, (height, _))| (chain.clone(), *height)).collect();
        let chains = self.node.chains();
        let present: BTreeSet<_> = chains.iter().map(|chain| chain.chain_id().clone()).collect();
        self.said.retain(|chain, _| present.contains(chain));
        for chain in chains {
            if let Ok(said) = chain.read(|state| (state.height(), ends(state))).await {
                self.said.insert(chain.chain_id().clone(), said);
            }
        }
        before
    }

    /// Puts a router of the present lanes in the place of the last one. It reads on where that one was; what came over a new
    /// lane came after the chains were asked before.
    async fn serve(&mut self, before: &BTreeMap<ChainId, Height>) -> Result<()> {
        let mut cursors = BTreeMap::new();
        let last = self.served.take();
        if let Some(Serving { router, chains }) = last {
            let at = router.cursors().await.unwrap_or_default();
            cursors.extend(chains.into_iter().zip(at));
        }
        let served: BTreeSet<_> =
            self.lanes.iter().flat_map(|lane| &lane.ends).map(|(chain, _)| chain).collect();
        let served: Vec<_> = served.into_iter().cloned().collect();
        if served.is_empty() {
            return Ok(());
        }
        let config = |chain_id: &ChainId| ChainConfig {
            chain_id: chain_id.clone(),
            account: self.account,
            key: self.key.clone(),
            from: from(cursors.get(chain_id), before.get(chain_id)),
        };
        let life = format!("router {}, {}", self.account, catenary_runtime::now().0);
        let relay = RelayConfig {
            chains: served.iter().map(config).collect(),
            lanes: self.lanes.iter().map(|lane| lane_config(&served, lane)).collect::<Result<_>>()?,
            seed: catenary_crypto::sha256(life.as_bytes()).0,
            patience_ms: self.patience_ms,
        };
        let mut clients = self.node.clients();
        clients.retain(|chain| served.contains(chain.chain_id()));
        clients.sort_by_key(|chain: &Arc<dyn ChainClient>| chain.chain_id().clone());
        let router = Router::start(self.node.home(0), relay, clients)?;
        self.served.replace(Some(Serving { router, chains: served }));
        Ok(())
    }
}

/// Where to read on: all that was under way on earlier lanes stands from `cursor` on, all of new ones after `before`.
fn from(cursor: Option<&Height>, before: Option<&Height>) -> Height {
    match (cursor, before) {
        (Some(cursor), Some(before)) => (*cursor).min(*before).max(Height(1)),
        _ => Height(1),
    }
}

fn lane_config(served: &[ChainId], lane: &Lane) -> Result<LaneConfig> {
    let end = |(chain, end): &(ChainId, End)| -> Result<LaneEnd> {
        let at = served.iter().position(|id| id == chain).context("a chain of the lanes is served")?;
        let End { client, trusting_period_s, .. } = end.clone();
        Ok(LaneEnd { chain: ChainIndex(at), client, trusting_period_s })
    };
    let [one, other] = &lane.ends;
    Ok(LaneConfig { ends: [end(one)?, end(other)?] })
}
