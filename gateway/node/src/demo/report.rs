//! What the demo says at the end: a table for people, one JSON object for programs.

use super::Nodes;
use super::{Options, payments::Payments, reconcile::Books};
use catenary_orders::crowns;
use catenary_system::NodeStats;
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use nix::sys::resource::{UsageWho, getrusage};
use serde::Serialize;
use std::{fmt, time::Duration};

/// Resources used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Usage {
    cpu_us: i64,
    peak_rss_bytes: i64,
    /// What only the nodes themselves can count, where they run in this process.
    counted: Option<Counted>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    signatures_verified: u64,
    /// Blocks of all chains, each counted once.
    blocks: u64,
    nodes: NodeStats,
}

impl Usage {
    /// Used so far.
    pub fn now(nodes: &Nodes) -> Self {
        let usage = getrusage(UsageWho::RUSAGE_SELF);
        let own = usage.map_or((0, 0), |usage| {
            let (user, system) = (usage.user_time(), usage.system_time());
            let us = |time: nix::sys::time::TimeVal| time.tv_sec() * 1_000_000 + time.tv_usec();
            (us(user) + us(system), usage.max_rss() * 1024)
        });
        let ((cpu_us, peak_rss_bytes), counted) = match nodes {
            Nodes::Here(cluster) => {
                let signatures_verified = catenary_crypto::signatures_verified();
                let blocks = cluster.front().stats().blocks;
                (own, Some(Counted { signatures_verified, blocks, nodes: cluster.stats() }))
            }
            Nodes::Apart(processes) => {
                let used = processes.used();
                ((used.cpu_us, used.peak_rss_bytes), None)
            }
        };
        Self { cpu_us, peak_rss_bytes, counted }
    }

    /// Used since another reading; the peak is that of the whole process.
    pub fn since(self, before: &Self) -> Self {
        let since = |(now, before): (Counted, Counted)| Counted {
            signatures_verified: now.signatures_verified - before.signatures_verified,
            blocks: now.blocks - before.blocks,
            nodes: now.nodes.since(before.nodes),
        };
        Self {
            cpu_us: self.cpu_us - before.cpu_us,
            peak_rss_bytes: self.peak_rss_bytes,
            counted: self.counted.zip(before.counted).map(since),
        }
    }
}

/// The outcome of a run.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Payments that were orders.
    pub orders: usize,
    /// Of these, credited and acknowledged.
    pub settled: usize,
    /// Of these, refunded.
    pub refunded: usize,
    /// Rows that were none.
    pub refused: Vec<RefusedRow>,
    /// Sum of settled payments in crowns.
    pub credited: String,
    /// Whether all books agree.
    pub reconciled: bool,
    /// Payments that went back to where they came from.
    pub returned: usize,
    /// From the first submission to the last acknowledgement, in seconds.
    pub duration_s: f64,
    /// Completed transfers per second.
    pub transfers_per_s: f64,
    /// From submission to acknowledgement, in milliseconds.
    pub latency_ms: Latency,
    /// Processor time of all processes per payment, in microseconds.
    pub cpu_us_per_transfer: f64,
    /// What only nodes of this process can count.
    #[serde(flatten)]
    pub counted: Option<CountedReport>,
    /// Most memory that the process held, in bytes.
    pub peak_rss_bytes: i64,
    /// The partner banks.
    pub banks: Vec<BankReport>,
    /// What does not agree, in sentences.
    pub differences: Vec<String>,
    #[serde(skip)]
    home: Option<BankReport>,
}

/// What the nodes of this process counted.
#[derive(Clone, Debug, Serialize)]
pub struct CountedReport {
    /// Flushes of journal and block logs per payment.
    pub fsyncs_per_transfer: f64,
    /// Signatures checked per payment.
    pub signatures_verified_per_transfer: f64,
    /// Messages between nodes per payment.
    pub messages_per_transfer: f64,
    /// Messages between nodes that were dropped because a queue was full.
    pub messages_dropped: u64,
    /// Blocks of all chains.
    pub blocks: u64,
}

/// A row that was refused.
#[derive(Clone, Debug, Serialize)]
pub struct RefusedRow {
    /// Line of the input.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// Latency at two percentiles.
#[derive(Clone, Debug, Serialize)]
pub struct Latency {
    /// Half of the payments were faster.
    pub p50: f64,
    /// One in a hundred was slower.
    pub p99: f64,
}

/// One bank.
#[derive(Clone, Debug, Serialize)]
pub struct BankReport {
    /// Its code.
    pub name: String,
    /// Its chain.
    pub chain_id: String,
    /// Payments to it.
    pub orders: usize,
    /// Of these, credited.
    pub credited_orders: usize,
    /// Sum of those in crowns.
    pub credited: String,
    /// Of the payments, refunded.
    pub refunded_orders: usize,
    /// What the home chain holds for it, in crowns.
    pub escrow: String,
    /// Vouchers on its chain, in crowns.
    pub vouchers: String,
}

impl Report {
    /// Puts everything together.
    #[expect(clippy::float_arithmetic, reason = "figures for people, read by no rule")]
    pub fn new(
        options: &Options,
        payments: &Payments,
        returned: usize,
        books: Books,
        duration: Duration,
        usage: Usage,
    ) -> Self {
        let mut banks = books.banks.iter().map(|books| BankReport {
            name: books.bank.name().into(),
            chain_id: books.chain_id.to_string(),
            orders: books.orders,
            credited_orders: books.credited_orders,
            credited: crowns(books.credited),
            refunded_orders: books.refunded_orders,
            escrow: crowns(books.escrow),
            vouchers: crowns(books.vouchers),
        });
        let home = banks.next();
        let of_home = |of: fn(&BankReport) -> usize| home.as_ref().map_or(0, of);
        let (orders, settled) = (of_home(|home| home.orders), of_home(|home| home.credited_orders));
        let per_transfer = |count: f64| count / orders.max(1) as f64;
        let [p50, p99] = payments.latency_ms([50, 99]);
        let refused = options.orders.refused.iter();
        let refused = refused.map(|row| RefusedRow { line: row.line, reason: row.reason.clone() });
        Self {
            orders,
            settled,
            refunded: of_home(|home| home.refunded_orders),
            refused: refused.collect(),
            credited: home.as_ref().map_or_else(String::new, |home| home.credited.clone()),
            reconciled: books.differences.is_empty(),
            returned,
            duration_s: duration.as_secs_f64(),
            transfers_per_s: payments.completed_here() as f64 / duration.as_secs_f64(),
            latency_ms: Latency { p50, p99 },
            cpu_us_per_transfer: per_transfer(usage.cpu_us as f64),
            counted: usage.counted.map(|Counted { signatures_verified, blocks, nodes }| CountedReport {
                fsyncs_per_transfer: per_transfer(nodes.fsyncs as f64),
                signatures_verified_per_transfer: per_transfer(signatures_verified as f64),
                messages_per_transfer: per_transfer(nodes.messages_sent as f64),
                messages_dropped: nodes.messages_dropped,
                blocks,
            }),
            peak_rss_bytes: usage.peak_rss_bytes,
            banks: banks.collect(),
            differences: books.differences,
            home,
        }
    }

    /// 0 if everything was settled or refunded and reconciled, 3 if moreover some rows were refused, else 1.
    pub fn exit_code(&self) -> u8 {
        match (self.reconciled, self.refused.is_empty()) {
            (false, _) => 1,
            (true, false) => 3,
            (true, true) => 0,
        }
    }

    fn table(&self) -> Table {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        table.set_header(["bank", "orders", "settled", "credited", "refunded", "escrow", "vouchers"]);
        for bank in self.banks.iter().chain(&self.home) {
            table.add_row([
                bank.name.clone(),
                bank.orders.to_string(),
                bank.credited_orders.to_string(),
                bank.credited.clone(),
                bank.refunded_orders.to_string(),
                bank.escrow.clone(),
                bank.vouchers.clone(),
            ]);
        }
        table.column_iter_mut().skip(1).for_each(|column| column.set_cell_alignment(CellAlignment::Right));
        table
    }
}

impl fmt::Display for Report {
    #[expect(clippy::float_arithmetic, reason = "figures for people, read by no rule")]
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for row in &self.refused {
            writeln!(f, "line {}: refused: {}", row.line, row.reason)?;
        }
        writeln!(f, "{}", self.table())?;
        writeln!(
            f,
            "{} of {} orders settled, {} refunded, {} CZK credited, {} returned",
            self.settled, self.orders, self.refunded, self.credited, self.returned
        )?;
        writeln!(
            f,
            "{:.2} s, {:.0} transfers/s, latency p50 {:.0} ms, p99 {:.0} ms",
            self.duration_s, self.transfers_per_s, self.latency_ms.p50, self.latency_ms.p99
        )?;
        write!(f, "per transfer: {:.0} us of processor time, ", self.cpu_us_per_transfer)?;
        if let Some(counted) = &self.counted {
            write!(
                f,
                "{:.2} signatures verified, {:.2} fsyncs, {:.3} blocks, {:.1} messages; ",
                counted.signatures_verified_per_transfer,
                counted.fsyncs_per_transfer,
                counted.blocks as f64 / self.orders.max(1) as f64,
                counted.messages_per_transfer,
            )?;
        }
        writeln!(f, "peak memory {:.0} MiB", self.peak_rss_bytes as f64 / 1_048_576.0)?;
        for difference in &self.differences {
            writeln!(f, "{difference}")?;
        }
        f.write_str(if self.reconciled { "Reconciled" } else { "NOT reconciled" })
    }
}
