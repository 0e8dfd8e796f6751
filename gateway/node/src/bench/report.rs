//! The outcome of a measurement.

use super::{Options, drive::Driven};
use crate::processes::Used;
use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use serde::Serialize;
use std::{fmt, time::Instant};

/// What was measured. "Per transaction" sums over all nodes.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// What was paid.
    pub workload: &'static str,
    /// Nodes.
    pub nodes: usize,
    /// Chains.
    pub chains: usize,
    /// By which kind of group they agreed.
    pub consensus: &'static str,
    /// Transactions that were due in a second.
    pub rate_per_s: u32,
    /// Transactions that became final in a second, from the first one due to the last one final.
    pub committed_per_s: f64,
    /// Payments of these.
    pub payments_per_s: f64,
    /// From the moment a transaction was due until it was final.
    pub latency_ms: Latency,
    /// Processor time of all nodes in microseconds.
    pub cpu_us_per_tx: f64,
    /// Bytes that crossed the loopback interface, those of the load included.
    pub bytes_wire_per_tx: f64,
    /// What the data folders of all nodes grew by.
    pub bytes_disk_per_tx: f64,
    /// The largest memory of a node.
    pub rss_bytes: i64,
    /// Requests that were refused as "busy" and sent again.
    pub busy: u64,
}

/// Percentiles in milliseconds.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    p50: f64,
    p90: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl Report {
    /// Puts the chains together.
    #[expect(clippy::float_arithmetic, reason = "figures for people, read by no rule")]
    pub fn new(options: &Options, begin: Instant, driven: &[Driven], used: &Used) -> Result<Self> {
        let missing: usize = driven.iter().map(|chain| chain.missing).sum();
        ensure!(
            missing == 0,
            "{missing} transactions were not final in time: the rate is too high for this network"
        );
        let mut latency = Histogram::<u64>::new_with_bounds(1, 600_000_000, 3)?;
        for chain in driven {
            latency.add(&chain.latency_us)?;
        }
        let last = driven.iter().map(|chain| chain.last).max().unwrap_or(begin);
        let seconds = last.saturating_duration_since(begin).as_secs_f64();
        let committed = latency.len() as f64;
        let at = |quantile: f64| latency.value_at_quantile(quantile) as f64 / 1_000.0;
        Ok(Self {
            workload: options.workload.name(),
            nodes: options.nodes,
            chains: options.chains,
            consensus: options.consensus.name(),
            rate_per_s: options.rate,
            committed_per_s: committed / seconds,
            payments_per_s: committed / seconds * options.workload.payments() as f64,
            latency_ms: Latency {
                p50: at(0.5),
                p90: at(0.9),
                p99: at(0.99),
                p999: at(0.999),
                max: latency.max() as f64 / 1_000.0,
            },
            cpu_us_per_tx: used.cpu_us as f64 / committed,
            bytes_wire_per_tx: used.bytes_wire as f64 / committed,
            bytes_disk_per_tx: used.bytes_disk as f64 / committed,
            rss_bytes: used.peak_rss_bytes,
            busy: driven.iter().map(|chain| chain.busy).sum(),
        })
    }
}

impl fmt::Display for Report {
    #[expect(clippy::float_arithmetic, reason = "figures for people, read by no rule")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Latency { p50, p90, p99, p999, max } = &self.latency_ms;
        writeln!(
            f,
            "{} on {} chains of {} nodes, {} due/s",
            self.workload, self.chains, self.nodes, self.rate_per_s
        )?;
        writeln!(
            f,
            "committed  {:.0} transactions/s, {:.0} payments/s",
            self.committed_per_s, self.payments_per_s
        )?;
        writeln!(f, "latency    p50 {p50:.1} ms, p90 {p90:.1}, p99 {p99:.1}, p99.9 {p999:.1}, max {max:.1}")?;
        writeln!(f, "processor  {:.0} us per transaction, all nodes", self.cpu_us_per_tx)?;
        writeln!(f, "wire       {:.0} bytes per transaction, load included", self.bytes_wire_per_tx)?;
        writeln!(f, "disk       {:.0} bytes per transaction, all nodes", self.bytes_disk_per_tx)?;
        writeln!(f, "memory     {:.0} MiB, the largest node", self.rss_bytes as f64 / 1_048_576.0)?;
        write!(f, "busy       {} requests", self.busy)
    }
}
