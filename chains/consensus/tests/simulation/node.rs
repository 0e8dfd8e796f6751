//! One simulated node: the machine, its disk, and the small host that builds and judges blocks.

use catenary_consensus::{
    Consensus, Decision, Effect, Input, LocalCache, Mark, Message, Origin, Peer, Record, Signer, Start,
    StartHeight, Step, TimelinessParameters, Timeouts, ValueId, Verdict, Voting, leader,
};
use catenary_crypto::{Hash, SigningKey, sha256_parts};
use catenary_types::{Address, Certificate, ChainId, Height, Timestamp, Validator, ValidatorSet};
use std::{collections::BTreeMap, sync::Arc};

pub(crate) const GENESIS_TIME: Timestamp = Timestamp(1_700_000_000_000_000_000);

/// A block of the simulation: just enough to be judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Block {
    pub(crate) height: Height,
    pub(crate) time: Timestamp,
    pub(crate) builder: Address,
    pub(crate) parent: Hash,
    /// Whether its facts are right.
    pub(crate) sound: bool,
}

impl Block {
    pub(crate) fn id(&self) -> ValueId {
        let block = sha256_parts(&[
            &self.height.0.to_be_bytes(),
            &self.time.0.to_be_bytes(),
            &self.builder.0,
            &self.parent.0,
            &[u8::from(self.sound)],
        ]);
        ValueId { block, time: self.time }
    }
}

/// What nodes send to each other.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Consensus(Message),
    Body(Block),
    /// "My tip": answered with the block after it, if there is one.
    Tip(Height),
    Sync(Certificate, Block),
}

/// What survives a crash: all of it up to the flush, and then as much of the tail as the crash leaves.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    pub(crate) journal: Vec<Record>,
    /// Records trimmed from the front; positions count from the first one ever written.
    pub(crate) trimmed: usize,
    pub(crate) flushed: usize,
    pub(crate) bodies: BTreeMap<ValueId, Block>,
    pub(crate) mark: Option<Mark>,
    pub(crate) mark_flushed: Option<Mark>,
    pub(crate) chain: Vec<(Certificate, Block)>,
    /// Bodies that wait for a flush, with the length of the journal ahead of which they were written.
    bodies_unflushed: Vec<(usize, ValueId)>,
    /// Whether it is known that own votes were forgotten.
    forgot: bool,
}

/// The group's constants.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) chain_id: ChainId,
    pub(crate) set: Arc<ValidatorSet>,
    /// Another set from some height on.
    pub(crate) set_later: Option<(Height, Arc<ValidatorSet>)>,
    pub(crate) timeouts: Timeouts,
    /// Heights sleep until there is work, and nothing is proposed before.
    pub(crate) quiet: bool,
    /// Heights between what others know to be final and the first vote of a validator that forgot its votes. With none
    /// it goes on as if nothing had happened.
    pub(crate) rejoin_heights: Option<u64>,
}

/// Key of the member at an index of the set; index n is an observer's.
pub(crate) fn key(seed: usize) -> SigningKey {
    SigningKey::from_seed(&[seed as u8 + 1; 32])
}

impl Group {
    pub(crate) fn new(members: usize) -> Self {
        let validators = (0..members).map(|seed| Validator { public_key: key(seed).public_key(), power: 1 });
        Self {
            chain_id: "sim-0123456789abcdef-1".parse().unwrap(),
            set: Arc::new(ValidatorSet::new(validators.collect()).unwrap()),
            set_later: None,
            quiet: false,
            rejoin_heights: Some(3),
            timeouts: Timeouts {
                propose_ms: 400,
                prevote_ms: 200,
                precommit_ms: 200,
                round_delta_ms: 100,
                rebroadcast_ms: 500,
                limit_ms: 5_000,
            },
        }
    }

    /// Who decides a height.
    pub(crate) fn set_of(&self, height: Height) -> &Arc<ValidatorSet> {
        match &self.set_later {
            Some((first, set)) if height >= *first => set,
            _ => &self.set,
        }
    }
}

/// Effects that wait for a flush, each with the number of the mark that is to be on disk before.
#[derive(Debug, Default)]
struct Outbox {
    waiting: Vec<(u64, Effect)>,
    marks: u64,
    marks_flushed: u64,
}

pub(crate) struct Node {
    pub(crate) group: Group,
    pub(crate) machine: Consensus,
    pub(crate) disk: Disk,
    outbox: Outbox,
    pub(crate) address: Address,
    /// Lets this node's clock run ahead or behind, in nanoseconds.
    pub(crate) skew: i64,
    /// Blocks built by this node carry a time this far in the future.
    pub(crate) built_ahead_ms: u64,
    /// Where this node's clock has stopped, if it has.
    pub(crate) frozen: Option<Timestamp>,
    /// Whether it builds blocks that nobody accepts.
    pub(crate) builds_unsound: bool,
    /// Whether there is something to propose, in a quiet group.
    work: bool,
    build: Option<(Height, u32)>,
    pub(crate) voting: Voting,
    pub(crate) abstained: u32,
    early: Vec<Block>,
    /// Tips that peers told to a node that forgot its votes.
    told: BTreeMap<Peer, Height>,
}

/// What a node wants done in the world.
#[derive(Debug)]
pub(crate) enum Output {
    Broadcast(Packet),
    Reply(Peer, Packet),
    Flush,
    Decided(Decision),
}

impl Node {
    /// Starts from a disk, empty or not.
    pub(crate) fn start(
        now: Timestamp,
        group: &Group,
        seed: usize,
        disk: Disk,
        skew: i64,
        voting: Voting,
    ) -> (Self, Vec<Output>) {
        let key = key(seed);
        let address = Address::of(&key.public_key());
        let voting = if disk.forgot { Voting::Follow } else { voting };
        let start = start_height(group, &disk, voting);
        let signer = Some(Signer::new(key, disk.mark));
        let local = Timestamp(now.0.saturating_add_signed(skew));
        let (chain_id, cache) = (group.chain_id.clone(), Box::new(LocalCache::default()));
        let (machine, step) = Consensus::start(local, chain_id, signer, cache, start);
        let mut node = Self {
            group: group.clone(),
            machine,
            disk,
            outbox: Outbox::default(),
            address,
            skew,
            built_ahead_ms: 0,
            frozen: None,
            builds_unsound: false,
            work: false,
            build: None,
            voting,
            abstained: 0,
            early: Vec::new(),
            told: BTreeMap::new(),
        };
        let mut outputs = Vec::new();
        let mut queue = node.apply(step, &mut outputs);
        while let Some(input) = queue.pop() {
            let step = node.machine.step(local, input);
            queue.extend(node.apply(step, &mut outputs));
        }
        (node, outputs)
    }

    pub(crate) fn tip(&self) -> Height {
        Height(self.disk.chain.len() as u64)
    }

    fn local(&self, now: Timestamp) -> Timestamp {
        self.frozen.unwrap_or(Timestamp(now.0.saturating_add_signed(self.skew)))
    }

    /// When the machine wants to be called, in the world's time.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        let deadline = self.machine.deadline().filter(|_| self.frozen.is_none());
        deadline.map(|at| Timestamp(at.0.saturating_add_signed(-self.skew)))
    }

    pub(crate) fn fire(&mut self, now: Timestamp) -> Vec<Output> {
        let mut outputs = Vec::new();
        self.feed(now, vec![Input::Fired], &mut outputs);
        outputs
    }

    pub(crate) fn feed(&mut self, now: Timestamp, mut inputs: Vec<Input>, outputs: &mut Vec<Output>) {
        while !inputs.is_empty() {
            let input = inputs.remove(0);
            let step = self.machine.step(self.local(now), input);
            self.machine.check_invariants();
            let mut more = self.apply_at(now, step, outputs);
            inputs.append(&mut more);
        }
    }

    pub(crate) fn receive(&mut self, now: Timestamp, peer: Peer, packet: Packet) -> Vec<Output> {
        let mut outputs = Vec::new();
        match packet {
            Packet::Consensus(message) => {
                self.feed(now, vec![Input::Message { peer, message }], &mut outputs)
            }
            // A body may come before its height; it is judged when the height starts.
            Packet::Body(block) if block.height > self.machine.height() => self.early.push(block),
            Packet::Body(block) => {
                let input = self.judge(self.machine.height(), block, Origin::Consensus);
                self.feed(now, vec![input], &mut outputs);
            }
            Packet::Tip(height) => {
                if self.disk.forgot {
                    self.told.entry(peer).or_insert(height);
                }
                if let Some((certificate, block)) = self.disk.chain.get(height.0 as usize) {
                    outputs.push(Output::Reply(peer, Packet::Sync(certificate.clone(), *block)));
                }
            }
            Packet::Sync(certificate, block) => {
                if certificate.height == self.machine.height() && !self.machine.is_decided() {
                    self.store(block);
                    let time = block.time;
                    self.feed(now, vec![Input::Synced { peer, certificate, time }], &mut outputs);
                }
            }
        }
        self.recollect(now, &mut outputs);
        outputs
    }

    /// A link to a peer is up: both sides say how far they are, and what they know of the next height.
    pub(crate) fn greet(&mut self, now: Timestamp, peer: Peer) -> Vec<Output> {
        let height = self.tip().next();
        let mut outputs = vec![Output::Reply(peer, Packet::Tip(self.tip()))];
        let bodies = self.disk.bodies.values().filter(|block| block.height == height);
        outputs.extend(bodies.map(|block| Output::Reply(peer, Packet::Body(*block))));
        self.feed(now, vec![Input::Greet(peer)], &mut outputs);
        outputs
    }

    /// Goes on voting, later, once enough others said how far they are, and all up to there is verified.
    fn recollect(&mut self, now: Timestamp, outputs: &mut Vec<Output>) {
        let Some(rejoin) = self.group.rejoin_heights.filter(|_| self.disk.forgot) else { return };
        let faulty = (self.group.set.validators().len() - 1) / 3;
        let verified = self.told.values().filter(|height| **height <= self.tip()).count();
        if verified > 2 * faulty && self.voting == Voting::Follow {
            self.voting = Voting::Vote;
            let mark = Mark::end_of(Height(self.tip().0 + rejoin - 1));
            self.feed(now, vec![Input::Raise(mark)], outputs);
        }
    }

    /// A transaction comes in, in a quiet group.
    pub(crate) fn submit(&mut self, now: Timestamp, valid: bool) -> Vec<Output> {
        self.work = valid;
        let mut inputs = vec![Input::Wake];
        inputs.extend(self.build.take().and_then(|(height, round)| self.propose(now, height, round)));
        let mut outputs = Vec::new();
        self.feed(now, inputs, &mut outputs);
        outputs
    }

    /// Builds a block, if there is anything to put into it.
    fn propose(&mut self, now: Timestamp, height: Height, round: u32) -> Option<Input> {
        if self.group.quiet && !self.work {
            self.build = Some((height, round));
            return None;
        }
        let (parent, last) = self.last();
        let clock = self.local(now).plus_ms(self.built_ahead_ms);
        let time = Timestamp(clock.0.max(last.0 + 1));
        let block = Block { height, time, builder: self.address, parent, sound: !self.builds_unsound };
        self.store(block);
        let restream = Effect::Restream { height, round, value: block.id() };
        self.outbox.waiting.push((self.outbox.marks, restream));
        Some(Input::Propose { height, round, value: block.id() })
    }

    fn store(&mut self, block: Block) {
        if self.disk.bodies.insert(block.id(), block).is_none() {
            self.disk.bodies_unflushed.push((self.disk.end(), block.id()));
        }
    }

    /// Stores a body ahead of its verdict, and judges it.
    fn judge(&mut self, height: Height, block: Block, origin: Origin) -> Input {
        let id = block.id();
        self.store(block);
        let last = self.last();
        let valid = block.sound && block.height == height && block.parent == last.0 && block.time > last.1;
        Input::Verdict {
            height: block.height,
            value: id,
            builder: block.builder,
            verdict: if valid { Verdict::Valid } else { Verdict::Invalid },
            origin,
        }
    }

    fn last(&self) -> (Hash, Timestamp) {
        self.disk
            .chain
            .last()
            .map_or((Hash::default(), GENESIS_TIME), |(_, block)| (block.id().block, block.time))
    }

    fn apply(&mut self, step: Step, outputs: &mut Vec<Output>) -> Vec<Input> {
        let now = Timestamp(self.last().1.0);
        self.apply_at(now, step, outputs)
    }

    fn apply_at(&mut self, now: Timestamp, step: Step, outputs: &mut Vec<Output>) -> Vec<Input> {
        self.disk.journal.extend(step.journal);
        if step.mark.is_some() {
            self.disk.mark = step.mark;
            self.outbox.marks += 1;
            outputs.push(Output::Flush);
        }
        let mark = self.outbox.marks;
        self.outbox.waiting.extend(step.durable.into_iter().map(|effect| (mark, effect)));
        let mut inputs = Vec::new();
        for effect in step.now {
            match effect {
                Effect::Build { height, round, .. } => inputs.extend(self.propose(now, height, round)),
                Effect::JudgeSynced { value, .. } => {
                    let block = self.disk.bodies[&value];
                    inputs.push(self.judge(self.machine.height(), block, Origin::Sync));
                }
                Effect::Abstain { .. } => self.abstained += 1,
                Effect::SyncRefused { reason, .. } => {
                    panic!("an honest peer's certificate was refused: {reason}")
                }
                Effect::Halt(error) => panic!("halted: {error}"),
                Effect::Ahead { peer, .. } => outputs.push(Output::Reply(peer, Packet::Tip(self.tip()))),
                Effect::RoundStarted { .. } => {}
                Effect::Publish(_) | Effect::Tell { .. } | Effect::Restream { .. } | Effect::Decide(_) => {
                    panic!("{effect:?} must wait for the flush")
                }
            }
        }
        inputs.extend(self.release(outputs));
        inputs
    }

    /// The disk has flushed everything.
    pub(crate) fn flushed(&mut self, now: Timestamp) -> Vec<Output> {
        self.disk.flushed = self.disk.end();
        self.disk.mark_flushed = self.disk.mark;
        self.disk.bodies_unflushed.clear();
        self.outbox.marks_flushed = self.outbox.marks;
        self.disk.forgot &= self.voting == Voting::Follow;
        let mut outputs = Vec::new();
        let inputs = self.release(&mut outputs);
        self.feed(now, inputs, &mut outputs);
        outputs
    }

    fn release(&mut self, outputs: &mut Vec<Output>) -> Vec<Input> {
        let flushed = self.outbox.marks_flushed;
        let ready = self.outbox.waiting.iter().take_while(|(mark, _)| *mark <= flushed).count();
        let mut inputs = Vec::new();
        for (_, effect) in self.outbox.waiting.drain(..ready).collect::<Vec<_>>() {
            match effect {
                Effect::Publish(message) => outputs.push(Output::Broadcast(Packet::Consensus(message))),
                Effect::Tell { peer, message } => {
                    outputs.push(Output::Reply(peer, Packet::Consensus(message)));
                }
                Effect::Restream { value, .. } => {
                    outputs.push(Output::Broadcast(Packet::Body(self.disk.bodies[&value])));
                }
                Effect::Decide(decision) => inputs.extend(self.commit(decision, outputs)),
                other => panic!("{other:?} need not wait for the flush"),
            }
        }
        inputs
    }

    fn commit(&mut self, decision: Decision, outputs: &mut Vec<Output>) -> Vec<Input> {
        let block = self.disk.bodies[&decision.value];
        assert_eq!(decision.certificate.height, self.tip().next(), "decided out of order");
        self.disk.chain.push((decision.certificate.clone(), block));
        self.disk.trim(decision.certificate.height);
        outputs.push(Output::Decided(decision));
        let mut inputs = vec![Input::StartHeight(start_height(&self.group, &self.disk, self.voting))];
        let height = self.tip().next();
        let early = std::mem::take(&mut self.early);
        let (due, early) = early.into_iter().partition(|block| block.height == height);
        self.early = early;
        inputs.extend(Vec::into_iter(due).map(|block| self.judge(height, block, Origin::Consensus)));
        inputs
    }

    /// Throws everything away but what is on disk; `tail` of the unflushed records survive, too.
    pub(crate) fn crash(self, tail: usize, loss: Loss) -> Disk {
        let mut disk = self.disk;
        disk.journal.truncate(disk.flushed.saturating_sub(disk.trimmed) + tail);
        let end = disk.end();
        for (_, lost) in disk.bodies_unflushed.drain(..).filter(|(position, _)| *position >= end) {
            if !disk.chain.iter().any(|(_, block)| block.id() == lost) {
                disk.bodies.remove(&lost);
            }
        }
        disk.mark = disk.mark_flushed;
        if matches!(loss, Loss::Guard | Loss::Both) {
            disk.mark = None;
        }
        if matches!(loss, Loss::Journal | Loss::Both) {
            disk.journal.clear();
        }
        disk.forgot |= matches!(loss, Loss::Both) && self.group.rejoin_heights.is_some();
        if matches!(loss, Loss::Everything) {
            disk = Disk { forgot: self.group.rejoin_heights.is_some(), ..Disk::default() };
        }
        disk.mark_flushed = disk.mark;
        disk.flushed = disk.end();
        disk
    }

    pub(crate) fn unflushed(&self) -> usize {
        self.disk.end() - self.disk.flushed
    }
}

/// What a crash takes besides what was not flushed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Loss {
    Nothing,
    Guard,
    Journal,
    Both,
    /// Both, and every block.
    Everything,
}

impl Disk {
    fn end(&self) -> usize {
        self.trimmed + self.journal.len()
    }

    /// The chain's block is on disk: the records of its height are of no use any more.
    fn trim(&mut self, height: Height) {
        let before = self.journal.len();
        self.journal.retain(|record| record.height > height);
        self.trimmed += before - self.journal.len();
        self.flushed = self.flushed.max(self.trimmed);
    }
}

/// The next height, from what is committed.
fn start_height(group: &Group, disk: &Disk, voting: Voting) -> StartHeight {
    let height = Height(disk.chain.len() as u64).next();
    let time = |height: u64| match height {
        0 => GENESIS_TIME,
        _ => disk.chain[height as usize - 1].1.time,
    };
    let previous = disk.chain.last().map(|(_, block)| leader::Previous {
        validators: group.set_of(Height(disk.chain.len() as u64)),
        proposer: block.builder,
        time: block.time,
        time_before: time(height.0 - 2),
    });
    StartHeight {
        height,
        validators: group.set_of(height).clone(),
        first_leader: leader::of_height(height, group.set_of(height), previous),
        last_time: time(height.0 - 1),
        timeliness: TimelinessParameters::default(),
        timeouts: group.timeouts,
        voting,
        start: if group.quiet { Start::WhenNeeded } else { Start::Now },
        replay: disk.journal.clone(),
    }
}
