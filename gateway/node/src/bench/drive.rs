//! Open loop: every transaction has its moment, and its latency counts from there, whether or not the network was ready for it.

use super::workload::{Signed, Workload};
use crate::submitter::submit_and_count;
use anyhow::{Context as _, Result, bail};
use catenary_links::ChainClient;
use catenary_relay::gateway::{SharedBlock, SubmitOutcome};
use catenary_types::{Height, TxId, limits::ENVELOPE_BYTES_MAX};
use futures::StreamExt;
use hdrhistogram::Histogram;
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};
use tokio::{
    sync::mpsc,
    time::{sleep, sleep_until},
};

/// How often what is due is sent.
const TICK: Duration = Duration::from_millis(2);
/// Transactions and bytes of one request, as the door takes them.
const REQUEST_ENVELOPES_MAX: usize = 1_000;
const REQUEST_BYTES_MAX: usize = 4 * ENVELOPE_BYTES_MAX;
/// How long what was sent last may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// What became of the transactions of one chain.
pub struct Driven {
    /// From the moment a transaction was due until it was final, in microseconds.
    pub latency_us: Histogram<u64>,
    /// When the last one was final.
    pub last: Instant,
    /// How often a request was refused as "busy".
    pub busy: u64,
    /// Transactions that were not final in time.
    pub missing: usize,
}

/// Sends one transaction every `interval` from `begin` on, through all nodes in turn, and follows them through final blocks.
pub async fn drive(
    nodes: &[Arc<dyn ChainClient>],
    signed: Vec<Signed>,
    (begin, interval): (Instant, Duration),
    workload: Workload,
) -> Result<Driven> {
    let tip = nodes[0].status().await?.height;
    let due = |number: usize| begin + interval.saturating_mul(u32::try_from(number).unwrap_or(u32::MAX));
    let dues: BTreeMap<TxId, Instant> =
        signed.iter().enumerate().map(|(number, signed)| (signed.tx_id, due(number))).collect();
    let end = due(signed.len()) + PATIENCE;
    let follow = follow(&*nodes[0], tip.next(), dues, workload, end);
    let (driven, busy) = tokio::try_join!(follow, send(nodes, signed, due))?;
    Ok(Driven { busy, ..driven })
}

async fn send(
    nodes: &[Arc<dyn ChainClient>],
    signed: Vec<Signed>,
    due: impl Fn(usize) -> Instant,
) -> Result<u64> {
    let (report, mut reports) = mpsc::unbounded_channel::<Result<u64>>();
    let mut waiting = signed.into_iter().enumerate().peekable();
    let mut turn = 0;
    while let Some((number, _)) = waiting.peek() {
        sleep_until(due(*number).into()).await;
        let (now, mut batch, mut bytes) = (Instant::now(), Vec::new(), 0);
        while let Some((_, signed)) = waiting.next_if(|(number, next)| {
            let fits = batch.len() < REQUEST_ENVELOPES_MAX && bytes + next.envelope.len() < REQUEST_BYTES_MAX;
            due(*number) <= now && fits
        }) {
            bytes += signed.envelope.len();
            batch.push(signed.envelope);
        }
        let (node, report) = (nodes[turn % nodes.len()].clone(), report.clone());
        turn += 1;
        tokio::spawn(async move { report.send(submit(&*node, batch).await) });
        sleep(TICK).await;
    }
    drop(report);
    let mut busy = 0;
    while let Some(outcome) = reports.recv().await {
        busy += outcome?;
    }
    Ok(busy)
}

/// Submits until every envelope was taken; says how often one was not.
async fn submit(node: &dyn ChainClient, batch: Vec<Vec<u8>>) -> Result<u64> {
    let (outcomes, busy) = submit_and_count(node, batch).await?;
    match outcomes.iter().find(|outcome| matches!(outcome, SubmitOutcome::Refused(_))) {
        Some(SubmitOutcome::Refused(refusal)) => bail!("{}: {refusal}", node.chain_id()),
        _ => Ok(busy),
    }
}

async fn follow(
    node: &dyn ChainClient,
    from: Height,
    mut dues: BTreeMap<TxId, Instant>,
    workload: Workload,
    end: Instant,
) -> Result<Driven> {
    let mut blocks = node.final_blocks(from).await?.blocks;
    let latency_us = Histogram::new_with_bounds(1, 600_000_000, 3).context("the bounds of a histogram")?;
    let mut driven = Driven { latency_us, last: Instant::now(), busy: 0, missing: 0 };
    let mut transfers = BTreeMap::new();
    while !(dues.is_empty() && transfers.is_empty()) {
        let Ok(block) = tokio::time::timeout_at(end.into(), blocks.next()).await else { break };
        let block = block.context("a stream of blocks ended")??;
        driven.last = Instant::now();
        for due in settled(&block, workload, &mut dues, &mut transfers)? {
            let latency = driven.last.saturating_duration_since(due).as_micros();
            driven.latency_us.saturating_record(u64::try_from(latency).unwrap_or(u64::MAX).max(1));
        }
    }
    driven.missing = dues.len() + transfers.len();
    Ok(driven)
}

/// When each transaction was due that a block settles.
fn settled(
    block: &SharedBlock,
    workload: Workload,
    dues: &mut BTreeMap<TxId, Instant>,
    transfers: &mut BTreeMap<String, Instant>,
) -> Result<Vec<Instant>> {
    let mut settled = Vec::new();
    for receipt in &block.receipts {
        let due = dues.remove(&receipt.tx_id);
        if due.is_some() && !receipt.succeeded() {
            bail!("a payment failed: {}: {}", receipt.reason, receipt.detail);
        }
        if workload != Workload::Cross {
            settled.extend(due);
            continue;
        }
        for event in &receipt.events {
            let transfer = || event.text("transfer_id").unwrap_or_default().to_owned();
            match (event.kind.as_str(), due) {
                ("transfer_sent", Some(due)) => drop(transfers.insert(transfer(), due)),
                ("transfer_completed", _) => settled.extend(transfers.remove(&transfer())),
                ("transfer_refunded", _) => bail!("a payment was refunded"),
                _ => {}
            }
        }
    }
    Ok(settled)
}
