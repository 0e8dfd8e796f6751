//! Writes what `catenary verify` reads: the home chain's blocks, and each partner's answers with their proofs.

use super::Network;
use crate::network::Bank;
use anyhow::{Context as _, Result, bail};
use catenary_ledger::stores;
use catenary_relay::gateway::ProofRequest;
use catenary_types::{Height, SignedHeader};
use catenary_verify::{HomeWriter, Lane, PartnerWriter};
use std::{path::Path, time::Duration};

/// Writes the evidence of everything that the home chain has sent so far.
pub async fn write(network: &Network, folder: &Path) -> Result<()> {
    for lane in write_home(network, folder).await? {
        write_partner(network, folder, &lane).await.with_context(|| format!("lane {}", lane.client))?;
    }
    Ok(())
}

/// Every block up to an empty one, under which the last outcomes are proven.
async fn write_home(network: &Network, folder: &Path) -> Result<Vec<Lane>> {
    let home = &network.chains[0];
    let mut writer = HomeWriter::create(folder, &network.nodes.genesis()[0])?;
    let mut height = Height(1);
    loop {
        let Some(view) = home.block(height).await? else {
            // The seal of the last block is under way.
            tokio::time::sleep(Duration::from_millis(10)).await;
            continue;
        };
        let signed = SignedHeader { header: view.block.header, certificate: view.certificate };
        writer.block(&signed, &view.validators, &view.block.envelopes, &view.receipts)?;
        let newest = home.status().await?.height;
        if height >= newest && view.block.envelopes.is_empty() {
            return Ok(writer.finish()?);
        }
        height = height.next();
    }
}

async fn write_partner(network: &Network, folder: &Path, lane: &Lane) -> Result<()> {
    let at = network.chains.iter().position(|chain| chain.chain_id().as_str() == lane.chain_id);
    let Some(at) = at else { bail!("chain {} is not here", lane.chain_id) };
    if lane.requests.is_empty() {
        return Ok(());
    }
    let chain = &network.chains[at];
    let mut writer = PartnerWriter::create(folder, Bank(at).name(), &network.nodes.genesis()[at])?;
    for request in &lane.requests {
        let newest = chain.status().await?.height;
        let height = newest.previous().unwrap_or_default();
        let proof = ProofRequest { height, store: stores::IBC, keys: request.keys.clone() };
        let view = chain.prove(proof).await?;
        writer.proof(&view.header.signed, &view.header.validators, request, &view.proof);
    }
    Ok(writer.finish()?)
}
