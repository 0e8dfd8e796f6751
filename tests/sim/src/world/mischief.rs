//! Once a simulated second: what goes wrong.

use super::{Event, World};
use crate::{
    chain::{Chain, Local},
    faults::{CLOCK_SKEW_MS, happens},
    router::Router,
};
use catenary_relay::Input as RelayInput;
use rand::Rng;
use std::collections::BTreeSet;

/// How often links flap, in milliseconds, and how many times.
const FLAP: (u64, u64) = (500, 10);

impl World {
    pub(super) fn second(&mut self) {
        self.after(1_000, Event::Second);
        let faults = self.faults;
        if happens(&mut self.rng, faults.blackout) {
            self.report.count("blackout");
            let ms = self.rng.random_range(0..2_000);
            (0..self.nodes.len()).for_each(|node| self.crash(node, ms));
        }
        for node in 0..self.nodes.len() {
            if happens(&mut self.rng, faults.crash) {
                let ms = self.rng.random_range(0..8_000);
                self.crash(node, ms);
            }
            if node == self.victim && happens(&mut self.rng, faults.weak) {
                let ms = self.rng.random_range(0..1_000);
                self.after(ms, Event::Crash(node));
            }
            if happens(&mut self.rng, faults.clock) {
                self.report.count("clock jump");
                let limit = CLOCK_SKEW_MS as i64;
                let ms = self.rng.random_range(-limit..limit);
                self.set_clock(node, ms);
            }
            if node < 2 && happens(&mut self.rng, faults.router_killed) {
                self.kill_router(node);
            }
        }
        if happens(&mut self.rng, faults.one_way) {
            self.report.count("one-way cut");
            let link =
                (self.rng.random_range(0..self.nodes.len()), self.rng.random_range(0..self.nodes.len()));
            let ms = self.rng.random_range(100..10_000);
            self.cut(BTreeSet::from([link]), ms);
        }
        if happens(&mut self.rng, faults.partition) {
            self.report.count("partition");
            let ms = self.rng.random_range(100..10_000);
            let links = self.two_parts();
            self.cut(links, ms);
        }
        if happens(&mut self.rng, faults.flapping) {
            self.report.count("flapping links");
            let links = self.two_parts();
            (0..FLAP.1).for_each(|time| self.after(2 * FLAP.0 * time, Event::Cut(links.clone(), FLAP.0)));
        }
        if happens(&mut self.rng, faults.rogue) {
            self.rogue_acts();
        }
    }

    /// All links between two parts of the network. Twins are parted more often than not.
    fn two_parts(&mut self) -> BTreeSet<(usize, usize)> {
        let mut sides: Vec<bool> = self.nodes.iter().map(|_| self.rng.random_bool(0.5)).collect();
        for node in self.layout.nodes..self.nodes.len() {
            sides[node] = !sides[self.nodes[node].validator];
        }
        let all = (0..sides.len()).flat_map(|one| (0..sides.len()).map(move |other| (one, other)));
        all.filter(|(one, other)| sides[*one] != sides[*other]).collect()
    }

    pub(super) fn cut(&mut self, links: BTreeSet<(usize, usize)>, ms: u64) {
        self.report.line(self.now, || format!("cut for {ms} ms: {links:?}"));
        self.blocked.extend(links.iter().copied());
        self.after(ms, Event::Heal(links));
    }

    /// Sets a clock, so far from the world's; a liar's runs as the seed says.
    pub(super) fn set_clock(&mut self, node: usize, ms: i64) {
        let ms = if self.is_liar(node) && self.lies.clock_ms != 0 { self.lies.clock_ms } else { ms };
        self.nodes[node].skew = ms * 1_000_000;
        if let Some(running) = &mut self.nodes[node].running {
            running.chains.iter_mut().for_each(Chain::disarm);
        }
        for chain in 0..self.layout.chains {
            self.step(node, chain, |running, now, out| running.local(now, Local::Wake, out));
        }
    }

    pub(super) fn kill_router(&mut self, node: usize) {
        self.report.count("router killed");
        let life = self.sequence;
        let fresh = Router::new(&self.setup, self.relayer_of(node), life);
        if let Some(running) = &mut self.nodes[node].running {
            running.router = Some(fresh);
            self.wake_router(node, |router, now| router.input(now, RelayInput::Reset));
        }
    }

    /// The number of the account that a node's router signs with.
    pub(super) fn relayer_of(&self, node: usize) -> usize {
        if self.faults.router_twice { 0 } else { node }
    }
}
