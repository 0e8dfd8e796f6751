//! What the shell of a node does for its chains: writing, flushing, handing over.

use super::{Event, Node, World};
use crate::{
    chain::{Local, Out},
    faults::happens,
    kinds,
    spoiled::Spoil,
};
use catenary_failpoint::Failpoint;
use catenary_journal::journal::{ChainTag, Record};
use catenary_mutant::{Mutant, is_active};
use catenary_packet::events;
use catenary_replica::Executed;
use catenary_types::{Height, Message};
use rand::Rng;

impl World {
    /// A node gets to a failpoint. True if it died there.
    pub(super) fn reach(&mut self, node: usize, point: Failpoint) -> bool {
        let dies = self.faults.failpoint.is_some_and(|(armed, chance)| {
            armed == point && self.nodes[node].running.is_some() && happens(&mut self.rng, chance)
        });
        if dies {
            self.report.count(point.name());
            let ms = self.rng.random_range(0..4_000);
            self.crash(node, ms);
        }
        dies
    }

    pub(super) fn local(&mut self, node: usize, chain: usize, local: Local) {
        if matches!(local, Local::Job) && self.is_liar(node) && happens(&mut self.rng, self.lies.invalid) {
            let spoil = Spoil::ALL[self.rng.random_range(0..Spoil::ALL.len())];
            if let Some(running) = &mut self.nodes[node].running {
                running.chains[chain].spoil_next(spoil);
            }
        }
        self.step(node, chain, |running, now, out| running.local(now, local, out));
    }

    pub(super) fn carry_out(&mut self, node: usize, life: u64, chain: usize, out: Out) {
        match out {
            Out::Send(to, message) => self.send(node, chain, to, &message),
            Out::Append(records) => self.append(node, chain, records),
            Out::Sign(mark, number) => {
                self.nodes[node].signing.push((chain, mark, number));
                self.flush(node);
            }
            Out::Later(local) => {
                let ms = self.rng.random_range(0..=1);
                self.after(ms, Event::Local { node, life, chain, local });
            }
            Out::Final(executed) => self.is_final(node, life, chain, &executed),
            Out::Reply(ticket, outcomes) => {
                self.report.count_all(outcomes.iter().filter_map(kinds::of_submission));
                self.reply(node, ticket, outcomes);
            }
            Out::Notice(what) => {
                self.report.count(what);
                if kinds::is_notable(what) {
                    self.report.line(self.now, || format!("node {node} chain {chain} {what}"));
                }
            }
            Out::Reached(point) => drop(self.reach(node, point)),
            Out::Broken(_) if self.is_liar(node) => {
                self.report.count("a liar stopped itself");
                self.crash(node, 1_000);
            }
            Out::Broken(reason) => {
                self.witness.fail("no honest replica stops", format!("node {node}, chain {chain}: {reason}"));
            }
        }
    }

    fn append(&mut self, node: usize, chain: usize, records: Vec<Record>) {
        for record in &records {
            // Reading them costs time, so only if it matters.
            let point = match (&self.faults.failpoint, &self.nodes[node].running) {
                (Some(_), Some(running)) => running.chains[chain].failpoint(record),
                _ => break,
            };
            if self.reach(node, point) {
                return;
            }
        }
        self.nodes[node].disk.append(records);
        if self.nodes[node].disk.has_much_queued() {
            self.flush(node);
        }
    }

    fn is_final(&mut self, node: usize, life: u64, chain: usize, executed: &Executed) {
        self.witness.block(self.now, node, chain, executed);
        self.rogue.hear(chain, executed);
        self.report.blocks += 1;
        for event in executed.receipts.iter().flat_map(|receipt| &receipt.events) {
            match event.kind.as_str() {
                "equivocation_reported" => self.report.count("double vote reported on chain"),
                events::RECEIVE_PACKET => self.report.count("packet: done"),
                events::PACKET_OUTCOME => {
                    let outcome = event.text("outcome").and_then(kinds::of_outcome);
                    outcome.into_iter().for_each(|outcome| self.report.count(outcome));
                }
                _ => {}
            }
        }
        let height = executed.tip.height;
        self.report.line(self.now, || {
            let hash = executed.block.header.hash();
            format!("node {node} chain {chain} height {height} {hash}, {} receipts", executed.receipts.len())
        });
        if self.reach(node, Failpoint::BlockExecuted) || self.reach(node, Failpoint::BlockLogBlockTaken) {
            return;
        }
        let (block, certificate) = (executed.block.encode(), executed.certificate().encode());
        let disk = &mut self.nodes[node].disk;
        disk.log(chain, &block, &certificate);
        if is_active(Mutant::TrimBeforeFlush) {
            disk.trim(ChainTag::of(self.setup.chains[chain].as_str()), height.0);
        }
        if self.reach(node, Failpoint::BlockLogBlockWritten) || self.reach(node, Failpoint::BlockQueued) {
            return;
        }
        self.after(self.faults.log_flush_ms, Event::LogFlush { node, life, chain });
        self.pump(node, chain);
    }

    pub(super) fn log_flush(&mut self, node: usize, chain: usize) {
        let flushed = self.nodes[node].disk.flush_log(chain);
        if self.reach(node, Failpoint::BlockLogFlushed) {
            return;
        }
        self.nodes[node].disk.trim(ChainTag::of(self.setup.chains[chain].as_str()), flushed);
        if let Some(running) = &mut self.nodes[node].running {
            running.chains[chain].trim(Height(flushed));
        }
    }

    fn flush_ms(&mut self) -> u64 {
        let ms = self.rng.random_range(1..=self.faults.flush_ms.max(1));
        if happens(&mut self.rng, self.faults.slow_disk) {
            self.report.count("slow flush");
            return ms * 50;
        }
        ms
    }

    /// Writes journal and guard and has both flushed at once, unless that is under way: then what is queued comes next.
    fn flush(&mut self, node: usize) {
        let Node { signing, flushing, disk, .. } = &mut self.nodes[node];
        if flushing.is_some() || signing.is_empty() && !disk.has_much_queued() {
            return;
        }
        let signing = std::mem::take(signing);
        if self.reach(node, Failpoint::JournalBatchGathered)
            || self.reach(node, Failpoint::GuardBatchGathered)
            || self.begin_segment(node)
        {
            return;
        }
        let disk = &mut self.nodes[node].disk;
        let mut signed = Vec::new();
        for (chain, mark, number) in signing {
            disk.raise(ChainTag::of(self.setup.chains[chain].as_str()), mark.encode());
            signed.push((chain, number));
        }
        let batch = disk.write_journal();
        if self.reach(node, Failpoint::JournalBatchWritten) {
            return;
        }
        self.nodes[node].disk.write_guard(batch);
        if self.reach(node, Failpoint::GuardBatchWritten) {
            return;
        }
        self.nodes[node].flushing = Some((signed, 2));
        let life = self.nodes[node].life;
        for guard in [false, true] {
            let ms = self.flush_ms();
            self.after(ms, Event::Flushed { node, life, guard });
        }
    }

    /// Begins the journal's next segment if the last is full. True if the node died over it.
    fn begin_segment(&mut self, node: usize) -> bool {
        let disk = &mut self.nodes[node].disk;
        if !disk.segment_is_full() {
            return false;
        }
        disk.begin_segment();
        if self.reach(node, Failpoint::JournalSegmentWritten) {
            return true;
        }
        self.nodes[node].disk.flush_journal();
        self.report.count("journal segment begun");
        self.reach(node, Failpoint::JournalSegmentFlushed)
    }

    pub(super) fn flushed(&mut self, node: usize, guard: bool) {
        let disk = &mut self.nodes[node].disk;
        if guard {
            disk.flush_guard();
            if self.reach(node, Failpoint::GuardBatchFlushed) {
                return;
            }
        } else {
            disk.flush_journal();
            if self.reach(node, Failpoint::JournalBatchFlushed)
                || self.reach(node, Failpoint::JournalSegmentTrimmed)
            {
                return;
            }
            let deleted = self.nodes[node].disk.delete_trimmed();
            self.report.count_many("journal segment deleted", deleted as u64);
        }
        let Some((signed, files)) = self.nodes[node].flushing.take() else { return };
        if files > 1 {
            self.nodes[node].flushing = Some((signed, files - 1));
            return;
        }
        if self.reach(node, Failpoint::JournalBatchDurable) {
            return;
        }
        let life = self.nodes[node].life;
        for (chain, number) in signed {
            if self.lives(node, life) {
                self.step(node, chain, |running, now, out| running.local(now, Local::Durable(number), out));
            }
        }
        self.flush(node);
    }
}
