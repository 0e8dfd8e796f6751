//! Once a simulated second: what goes wrong.

use super::{Event, World};
use crate::{
    chain::{Chain, Local},
    faults::happens,
    router::Router,
};
use catenary_relay::Input as RelayInput;
use rand::Rng;
use std::collections::BTreeSet;

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
            if happens(&mut self.rng, faults.clock) {
                self.jump_clock(node);
            }
            if node < 2 && happens(&mut self.rng, faults.router_killed) {
                self.kill_router(node);
            }
        }
        if happens(&mut self.rng, faults.one_way) {
            self.report.count("one-way cut");
            let link =
                (self.rng.random_range(0..self.nodes.len()), self.rng.random_range(0..self.nodes.len()));
            self.cut(BTreeSet::from([link]));
        }
        if happens(&mut self.rng, faults.partition) {
            self.report.count("partition");
            let sides: Vec<bool> = self.nodes.iter().map(|_| self.rng.random_bool(0.5)).collect();
            let all = (0..sides.len()).flat_map(|one| (0..sides.len()).map(move |other| (one, other)));
            self.cut(all.filter(|(one, other)| sides[*one] != sides[*other]).collect());
        }
    }

    pub(super) fn cut(&mut self, links: BTreeSet<(usize, usize)>) {
        let ms = self.rng.random_range(100..10_000);
        self.report.line(self.now, || format!("cut for {ms} ms: {links:?}"));
        self.blocked.extend(links.iter().copied());
        self.after(ms, Event::Heal(links));
    }

    /// A clock jumps by less than half the precision that headers are judged with, so that honest clocks agree.
    pub(super) fn jump_clock(&mut self, node: usize) {
        self.report.count("clock jump");
        self.nodes[node].skew = self.rng.random_range(-240_000_000..240_000_000);
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
        let fresh = Router::new(&self.setup, node, life);
        if let Some(running) = &mut self.nodes[node].running {
            running.router = Some(fresh);
            self.wake_router(node, |router, now| router.input(now, RelayInput::Reset));
        }
    }
}
