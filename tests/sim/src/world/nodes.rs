//! Nodes start, lose power, and find less on their disks than they wrote.

use super::{Event, Node, Running, World};
use crate::{
    chain::{Chain, Opening},
    faults::happens,
    router::Router,
    setup::{reporter, validator_seed},
};
use catenary_consensus::{Mark, Peer};
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
        disk.write_batch();
        disk.flush_guard();
    }

    pub(super) fn start(&mut self, node: usize) {
        if self.nodes[node].running.is_some() {
            return;
        }
        let draw: [u8; 16] = self.rng.random();
        let first = self.nodes[node].life == 0;
        let disk = &mut self.nodes[node].disk;
        let found = disk.open(draw);
        let journal_whole = disk.journal_existed || first;
        self.report.count_many("damaged log begun anew", found.damaged_logs as u64);
        self.report.count_many("damaged journal", u64::from(!found.report.is_clean()));
        self.report.count_many("damaged guard", u64::from(!found.guard_whole));
        self.report.count_many("mark that was never sent", found.unsent as u64);
        let mut chains = Vec::new();
        for (index, blocks) in found.blocks.into_iter().enumerate() {
            let tag = ChainTag::of(self.setup.chains[index].as_str());
            let mark = found.marks.get(&tag).and_then(Mark::decode);
            let whole = self.layout.forgetful;
            let suspect = |tag, height| found.report.is_suspect(tag, height);
            let opened = Chain::open(Opening {
                genesis: &self.setup.genesis[index],
                ledger: &self.setup.ledger,
                seed: validator_seed(index, node),
                reporter: reporter(),
                blocks,
                records: &found.records,
                copies: Copies {
                    mark,
                    guard_whole: found.guard_whole || whole,
                    journal_whole: journal_whole || whole,
                },
                suspect: &suspect,
            });
            match opened {
                Ok((chain, memory)) => {
                    match memory {
                        Memory::Whole => {}
                        Memory::From(_) => self.report.count("votes above the guard's mark"),
                        Memory::Lost => self.report.count("votes forgotten"),
                    }
                    let blocks = chain.finals().map(|block| (block.height(), block.signed.header.hash()));
                    self.witness.started(node, index, blocks);
                    chains.push(chain);
                }
                Err(reason) => return self.witness.fail("a node starts", format!("node {node}: {reason}")),
            }
        }
        let life = self.nodes[node].life + 1;
        self.nodes[node].life = life;
        let router = (node < 2).then(|| Router::new(&self.setup, node, life));
        self.nodes[node].running = Some(Running { chains, router, tickets: 0 });
        self.report.line(self.now, || format!("node {node} starts, life {life}"));
        let others: Vec<_> = self.others(node).collect();
        for chain in 0..self.layout.chains {
            let peers: Vec<_> = others.iter().map(|other| Peer(*other as u64)).collect();
            self.step(node, chain, |running, now, out| running.start(now, peers.into_iter(), out));
            for other in &others {
                self.step(*other, chain, |running, now, out| {
                    running.input(now, Input::Connected(Peer(node as u64)), out);
                });
            }
        }
        self.wake_router(node, |router, now| router.input(now, RelayInput::Fired));
    }

    pub(super) fn others(&self, node: usize) -> impl Iterator<Item = usize> + use<'_> {
        (0..self.nodes.len()).filter(move |other| *other != node && self.nodes[*other].running.is_some())
    }

    pub(super) fn crash(&mut self, node: usize, off_ms: u64) {
        if self.nodes[node].running.take().is_none() {
            return;
        }
        self.report.count("crash");
        self.report.line(self.now, || format!("node {node} loses power for {off_ms} ms"));
        let Node { disk, signing, flushing, .. } = &mut self.nodes[node];
        disk.crash(&mut self.rng);
        signing.clear();
        *flushing = None;
        if node == self.victim && happens(&mut self.rng, self.faults.damage) {
            self.damage(node);
        }
        let others: Vec<_> = self.others(node).collect();
        for other in others {
            for chain in 0..self.layout.chains {
                self.step(other, chain, |running, now, out| {
                    running.input(now, Input::Disconnected(Peer(node as u64)), out);
                });
            }
        }
        self.after(off_ms, Event::Start(node));
    }

    pub(super) fn damage(&mut self, node: usize) {
        let disk = &mut self.nodes[node].disk;
        let what = match self.rng.random_range(0..4) {
            0 => {
                disk.wipe();
                "disk wiped"
            }
            1 => {
                disk.lose_votes();
                "journal and guard lost"
            }
            _ => {
                disk.flip(&mut self.rng);
                "bit flipped"
            }
        };
        self.report.count(what);
        self.report.line(self.now, || format!("node {node}: {what}"));
    }
}
