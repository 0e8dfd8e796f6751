//! Nodes start, lose power, and find less on their disks than they wrote.

use super::{Event, Node, Running, World};
use crate::{
    chain::{Chain, Opening},
    disk::{Damage, Found},
    faults::happens,
    router::Router,
    setup::{reporter, validator_seed},
};
use catenary_consensus::Mark;
use catenary_failpoint::Failpoint;
use catenary_journal::journal::ChainTag;
use catenary_relay::Input as RelayInput;
use catenary_replica::{Copies, Input, Memory};
use rand::Rng;

impl World {
    /// Notes on every chain that the keys of a node are new.
    pub(super) fn create_marks(&mut self, node: usize) {
        let tags = self.setup.chains.iter().map(|id| ChainTag::of(id.as_str()));
        let disk = &mut self.nodes[node].disk;
        tags.for_each(|tag| disk.raise(tag, Mark::nothing().encode()));
        disk.write_guard(0);
        disk.flush_guard();
    }

    pub(super) fn start(&mut self, node: usize) {
        if self.nodes[node].running.is_some() || self.nodes[node].retired {
            return;
        }
        let draw = self.rng.random();
        let first = self.nodes[node].life == 0;
        let chains: Vec<_> = self.setup.chains.iter().map(|id| ChainTag::of(id.as_str())).collect();
        let disk = &mut self.nodes[node].disk;
        let found = disk.open(draw, &chains, first);
        let journal_existed = disk.journal_existed || first;
        self.report.count_many("damaged log begun anew", found.damaged_logs as u64);
        self.report.count_many("damaged journal", u64::from(!found.report.is_clean()));
        self.report.count_many("damaged guard", u64::from(!found.guard_whole));
        self.report.count_many("mark that was never sent", found.unsent as u64);
        let chains = match self.open_chains(node, found, journal_existed) {
            Ok(chains) => chains,
            Err(reason) => return self.witness.fail("a node starts", format!("node {node}: {reason}")),
        };
        let life = self.nodes[node].life + 1;
        self.nodes[node].life = life;
        let router = (node < 2).then(|| Router::new(&self.setup, self.relayer_of(node), life));
        self.nodes[node].running = Some(Running { chains, router, tickets: 0 });
        self.report.line(self.now, || format!("node {node} starts, life {life}"));
        let repaired =
            [Failpoint::JournalRepaired, Failpoint::GuardFileReplaced, Failpoint::BlockLogRepaired];
        if repaired.into_iter().any(|point| self.reach(node, point)) {
            return;
        }
        let (me, others) = (self.peer(node), self.others(node));
        for chain in 0..self.layout.chains {
            let peers: Vec<_> = others.iter().map(|other| self.peer(*other)).collect();
            self.step(node, chain, |running, now, out| running.start(now, peers.into_iter(), out));
            for other in &others {
                self.input(*other, chain, Input::Connected(me));
            }
        }
        self.wake_router(node, |router, now| router.input(now, RelayInput::Fired));
    }

    fn open_chains(
        &mut self,
        node: usize,
        found: Found,
        journal_existed: bool,
    ) -> Result<Vec<Chain>, String> {
        let mut chains = Vec::new();
        let validator = self.nodes[node].validator;
        for (index, blocks) in found.blocks.into_iter().enumerate() {
            let tag = ChainTag::of(self.setup.chains[index].as_str());
            let suspect = |tag, height| found.report.is_suspect(tag, height);
            let (chain, memory) = Chain::open(Opening {
                genesis: &self.setup.genesis[index],
                ledger: &self.setup.ledger,
                seed: validator_seed(index, validator),
                reporter: reporter(),
                blocks,
                records: &found.records,
                copies: Copies {
                    mark: found.marks.get(&tag).and_then(Mark::decode),
                    guard_whole: found.guard_whole,
                    journal_whole: journal_existed,
                },
                suspect: &suspect,
            })?;
            match memory {
                Memory::Whole => {}
                Memory::From(_) => self.report.count("votes above the guard's mark"),
                Memory::Lost => self.report.count("votes forgotten"),
            }
            if memory != Memory::Whole {
                self.report.line(self.now, || format!("node {node} chain {index} remembers {memory:?}"));
            }
            let blocks = chain.finals().map(|block| (block.height(), block.signed.header.hash()));
            self.witness.started(node, index, blocks);
            chains.push(chain);
        }
        Ok(chains)
    }

    /// A node loses power, and with it its twin: they have one plug.
    pub(super) fn crash(&mut self, node: usize, off_ms: u64) {
        for instance in self.instances(node) {
            self.stop(instance);
            self.after(off_ms, Event::Start(instance));
        }
    }

    pub(super) fn stop(&mut self, node: usize) {
        if self.nodes[node].running.take().is_none() {
            return;
        }
        self.report.count("crash");
        self.report.line(self.now, || format!("node {node} loses power"));
        let Node { disk, signing, flushing, .. } = &mut self.nodes[node];
        disk.crash(&mut self.rng);
        signing.clear();
        *flushing = None;
        if node == self.victim && happens(&mut self.rng, self.faults.damage) {
            self.damage(node);
        }
        if self.instances(node).into_iter().any(|instance| self.nodes[instance].running.is_some()) {
            // To the others the twin is the same node.
            return;
        }
        let me = self.peer(node);
        for other in self.others(node) {
            for chain in 0..self.layout.chains {
                self.input(other, chain, Input::Disconnected(me));
            }
        }
    }

    fn damage(&mut self, node: usize) {
        let disk = &mut self.nodes[node].disk;
        let (what, damage) = match self.rng.random_range(0..6) {
            0 => ("disk wiped", None),
            1 => ("journal and guard lost", None),
            2 | 3 => ("bit flipped", Some(Damage::Flip)),
            4 => ("sector of zeroes", Some(Damage::Zeroes)),
            _ => ("sector misplaced", Some(Damage::Misplaced)),
        };
        match (what, damage) {
            (_, Some(damage)) => disk.damage(damage, &mut self.rng),
            ("disk wiped", None) => disk.wipe(),
            (_, None) => disk.lose_votes(),
        }
        self.report.count(what);
        self.report.line(self.now, || format!("node {node}: {what}"));
    }
}
