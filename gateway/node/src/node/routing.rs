//! The router of a node, and opening the lanes that it serves.

use super::config::{LaneSection, RouterSection};
use crate::{
    keys,
    network::{Holder, TRUSTING_PERIOD_S},
    setup::{create_clients, first_header},
    submitter::once,
};
use anyhow::{Context as _, Result};
use catenary_links::{ChainClient, Directory};
use catenary_packet::ClientId;
use catenary_relay::{ChainConfig, ChainIndex, LaneConfig, LaneEnd, RelayConfig};
use catenary_runtime::Router;
use catenary_system::Node;
use catenary_types::{AccountId, Height};
use std::{collections::BTreeMap, sync::Arc};

/// The account that a router acts as.
pub fn account(section: &RouterSection) -> Result<AccountId> {
    Ok(AccountId::new(&section.organisation.parse()?, &section.account.parse()?))
}

/// Starts the router over this node's chains.
pub fn start(node: &Node, section: &RouterSection) -> Result<Router> {
    let chains = node.clients();
    let (account, key) = (account(section)?, Arc::new(keys::signing_key(&section.key)?));
    let config = |chain: &Arc<dyn ChainClient>| {
        let chain_id = chain.chain_id().clone();
        ChainConfig { chain_id, account, key: key.clone(), from: Height(1) }
    };
    let life = format!("router {account}, {}", catenary_runtime::now().0);
    let relay = RelayConfig {
        chains: chains.iter().map(config).collect(),
        lanes: section.lanes.iter().map(|lane| lane_config(&chains, lane)).collect::<Result<_>>()?,
        seed: catenary_crypto::sha256(life.as_bytes()).0,
        patience_ms: section.patience_ms,
    };
    Ok(Router::start(node.home(0), relay, chains)?)
}

fn lane_config(chains: &[Arc<dyn ChainClient>], lane: &LaneSection) -> Result<LaneConfig> {
    let directory = Directory::new(chains.iter().cloned());
    let end = |side: usize| -> Result<LaneEnd> {
        let id = directory.find(&lane.chains[side])?.chain_id().clone();
        let at =
            chains.iter().position(|chain| *chain.chain_id() == id).context("a chain of the directory")?;
        let client = lane.clients[side].parse()?;
        Ok(LaneEnd { chain: ChainIndex(at), client, trusting_period_s: TRUSTING_PERIOD_S })
    };
    Ok(LaneConfig { ends: [end(0)?, end(1)?] })
}

/// Opens lanes: each end gets the client of its lane, in the order of the clients' numbers. What is open stays as it is.
pub async fn open_lanes(directory: &Directory, lanes: &[LaneSection], operator: &Holder) -> Result<()> {
    let mut ends = BTreeMap::<&str, Vec<(ClientId, &str, ClientId)>>::new();
    for LaneSection { chains: [one, other], clients } in lanes {
        let [client, counterparty]: [ClientId; 2] = [clients[0].parse()?, clients[1].parse()?];
        ends.entry(one).or_default().push((client.clone(), other, counterparty.clone()));
        ends.entry(other).or_default().push((counterparty, one, client));
    }
    let mut headers = BTreeMap::new();
    for name in ends.keys() {
        headers.insert(*name, first_header(&*directory.find(name)?, operator).await?);
    }
    for (name, mut clients) in ends {
        clients.sort_by_key(|(client, ..)| {
            client.as_str().rsplit('-').next().and_then(|text| text.parse::<u64>().ok())
        });
        let chain = directory.find(name)?;
        for (client, other, counterparty) in clients {
            let reference = format!("lane-{client}");
            let calls = create_clients([(&headers[other], client, counterparty)]);
            once(&*chain, operator, &reference, calls)
                .await
                .with_context(|| format!("the lane from {name} to {other}"))?;
        }
    }
    Ok(())
}
