//! Sends every order as one transaction and follows it until it is settled.

use super::{
    Network, Nodes, Silence,
    rough::Rough,
    tracker::{Status, Tracker},
};
use crate::{
    network::{Bank, Holder},
    setup::asset,
    submitter::{Signed, call, sign, submit},
};
use anyhow::{Context as _, Result};
use catenary_apps::accounts::AccountName;
use catenary_links::{BlockStream, ChainClient};
use catenary_orders::Order;
use catenary_relay::{
    gateway::SubmitOutcome,
    query::{Activity, ChainStatus},
};
use catenary_transfer::{Send, TransferCall};
use catenary_types::{Height, UnixSeconds};
use catenary_verify::reference;
use futures::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// Payments under way at once: enough to fill blocks, few enough to keep each one's latency low.
const WINDOW: usize = 2_000;
/// Payments in one submission.
const BATCH: usize = 250;
/// How long the home chain may be silent before the demo says so.
const STALL: Duration = Duration::from_secs(2);
/// Longest wait for the first block after silent nodes are back.
const RETURN: Duration = Duration::from_secs(30);
/// A payment's deadline. A bank that is down longer gets its payments refunded.
const TIMEOUT_S: u64 = 600;

/// How to run the payments.
pub struct Plan<'a> {
    /// How often the month is repeated.
    pub months: u32,
    /// What real life adds.
    pub rough: Option<&'a Rough>,
    /// Which nodes fall silent.
    pub silence: Silence,
    /// Whether to show progress.
    pub progress: bool,
}

/// The payments: every order, once per month.
pub struct Payments {
    orders: Vec<Order>,
    tracker: Mutex<Tracker>,
}

impl Payments {
    /// Payments of these orders over these months.
    pub fn new(orders: &[Order], months: u32) -> Self {
        let references =
            (0..months).flat_map(|month| orders.iter().map(move |order| reference(order, month).to_string()));
        let tracker = Mutex::new(Tracker::new(references));
        Self { orders: orders.to_vec(), tracker }
    }

    /// Each payment's order and where it stands.
    pub fn outcomes(&self) -> Vec<(&Order, Status)> {
        let tracker = self.tracker();
        let orders = self.orders.iter().cycle();
        orders.zip(tracker.statuses().iter().cloned()).collect()
    }

    /// How many payments of this process were completed.
    pub fn completed_here(&self) -> usize {
        self.tracker().latencies.len()
    }

    /// Latencies in milliseconds at these percentiles.
    #[expect(clippy::float_arithmetic, reason = "figures for people, read by no rule")]
    pub fn latency_ms(&self, percentiles: [usize; 2]) -> [f64; 2] {
        let mut latencies = self.tracker().latencies.clone();
        latencies.sort();
        percentiles.map(|percent| {
            let at = latencies.len().saturating_sub(1) * percent / 100;
            latencies.get(at).map_or(0.0, |latency| latency.as_secs_f64() * 1_000.0)
        })
    }

    /// Sends what is not sent yet and returns when every payment is settled.
    pub async fn settle(&mut self, network: &Network, plan: &Plan<'_>) -> Result<()> {
        let home = network.chains[0].clone();
        let BlockStream { tip, mut blocks } = home.final_blocks(Height(1)).await?;
        let bar = progress_bar(self.tracker().statuses().len(), plan.progress);
        for height in 0..=tip.0 {
            if height == network.resumed_at.0 {
                eprintln!("{}", self.tracker().standing());
            }
            if height < tip.0 {
                let block = blocks.next().await.context("the home chain stopped")??;
                self.tracker().absorb(&block);
            }
        }
        bar.set_position(self.tracker().settled() as u64);
        let window = Arc::new(Semaphore::new(WINDOW));
        let follow = async {
            while !self.tracker().is_done() {
                let Ok(block) = tokio::time::timeout(STALL, blocks.next()).await else {
                    eprintln!(
                        "no block of the home chain for {} s; {}",
                        STALL.as_secs(),
                        self.tracker().standing()
                    );
                    say_who_waits(network).await;
                    continue;
                };
                let block = block.context("the home chain stopped")??;
                let settled = self.tracker().absorb(&block);
                window.add_permits(settled);
                bar.inc(settled as u64);
            }
            anyhow::Ok(())
        };
        let disturb = async {
            let all = self.tracker().statuses().len();
            match (plan.rough, &network.nodes) {
                (Some(rough), _) => rough.halt(network, || self.tracker().settled()).await,
                (None, Nodes::Apart(processes)) => {
                    processes.kill_halfway(|| self.tracker().settled(), all).await
                }
                (None, Nodes::Here(_)) => Ok(()),
            }
        };
        let result =
            tokio::try_join!(follow, self.send(&*home, &window, plan), disturb, self.silence(network, plan));
        bar.finish_and_clear();
        result.map(drop)
    }

    /// Cuts nodes off, and joins them again after a while.
    async fn silence(&self, network: &Network, plan: &Plan<'_>) -> Result<()> {
        let Silence { nodes, duration } = plan.silence;
        if nodes == 0 {
            return Ok(());
        }
        let (cluster, home) = (network.nodes.here()?, &network.chains[0]);
        cluster.silence(nodes, true);
        if let Some(duration) = duration {
            tokio::time::sleep(duration).await;
            let next = home.status().await?.height.next();
            cluster.silence(nodes, false);
            let back = Instant::now();
            let mut blocks = home.final_blocks(next).await?.blocks;
            // There may be none to come, if all is settled.
            if !self.tracker().is_done()
                && let Ok(Some(_)) = tokio::time::timeout(RETURN, blocks.next()).await
            {
                eprintln!("silent nodes: {nodes} are back, the next block came {:.1?} later", back.elapsed());
            }
        }
        Ok(())
    }

    async fn send(&self, home: &dyn ChainClient, window: &Semaphore, plan: &Plan<'_>) -> Result<()> {
        let unsent = |(payment, status): (usize, &Status)| (*status == Status::Unsent).then_some(payment);
        let unsent: Vec<_> = self.tracker().statuses().iter().enumerate().filter_map(unsent).collect();
        for batch in unsent.chunks(BATCH) {
            window.acquire_many(batch.len() as u32).await?.forget();
            let mut numbers = batch.to_vec();
            if let Some(rough) = plan.rough {
                numbers.extend(rough.repeated(batch));
            }
            let signed: Vec<_> = numbers.iter().map(|payment| self.sign(home, *payment, plan)).collect();
            {
                let mut tracker = self.tracker();
                for (payment, signed) in numbers.iter().zip(&signed) {
                    tracker.submitted(*payment, signed.tx_id);
                }
            }
            let envelopes = signed.into_iter().map(|signed| signed.envelope).collect();
            for (payment, outcome) in numbers.iter().zip(submit(home, envelopes).await?) {
                if let SubmitOutcome::Refused(refusal) = outcome {
                    self.tracker().refused(*payment, refusal.to_string());
                    window.add_permits(1);
                }
            }
        }
        Ok(())
    }

    fn sign(&self, home: &dyn ChainClient, payment: usize, plan: &Plan<'_>) -> Signed {
        let order = &self.orders[payment % self.orders.len()];
        let month = u32::try_from(payment / self.orders.len()).unwrap_or(u32::MAX);
        let bank = Bank(order.bank + 1);
        let timeout_s = plan.rough.and_then(|rough| rough.timeout_s(bank)).unwrap_or(TIMEOUT_S);
        let now = catenary_runtime::now();
        let send = Send {
            client: bank.client_at_home(),
            asset: asset(),
            amount: order.amount,
            receiver: AccountName { organisation: bank.organisation(), number: order.creditor.clone() },
            timeout: UnixSeconds(now.seconds().0 + timeout_s),
            memo: order.purpose.clone(),
        };
        let reference = reference(order, month);
        let debtor = Holder::of(Bank::HOME, &order.debtor);
        let call = call(catenary_transfer::KIND, &TransferCall::Send(send));
        sign(home.chain_id(), &debtor, &reference, now.0, vec![call])
    }

    fn tracker(&self) -> MutexGuard<'_, Tracker> {
        self.tracker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Says which chains wait, for whom, and since when.
async fn say_who_waits(network: &Network) {
    for (bank, chain) in Bank::all().zip(&network.chains) {
        if let Ok(ChainStatus { height, activity: Activity::Waiting { on, since }, .. }) =
            chain.status().await
        {
            let seconds = catenary_runtime::now().nanos_since(since) / 1_000_000_000;
            eprintln!("{} waits above height {height} for {on}, for {seconds} s", bank.name());
        }
    }
}

fn progress_bar(length: usize, shown: bool) -> ProgressBar {
    if !shown {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(length as u64);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} settled, {per_sec}, {elapsed}");
    bar.set_style(style.expect("a well-formed template"));
    bar
}
