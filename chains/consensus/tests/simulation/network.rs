//! The world: time, links, faults, and the checks that hold over every schedule.

use crate::node::{Block, Disk, GENESIS_TIME, Group, Loss, Node, Output, Packet, key};
use catenary_consensus::{Decision, Input, Message, Peer, SignedStep, ValueId, Vote, Voting};
use catenary_crypto::{Hash, sha256, verify};
use catenary_types::{Address, Certificate, CommitSignature, Height, Timestamp, VoteKind, sign_bytes};
use std::collections::BTreeMap;

/// Steele and Vigna's SplitMix64: small, seedable, good enough to shuffle a schedule.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    pub(crate) fn percent(&mut self, chance: u64) -> bool {
        self.below(100) < chance
    }
}

/// How rough the world is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Faults {
    pub(crate) delay_ms_max: u64,
    pub(crate) loss_percent: u64,
    /// Chance in 10,000 that a node crashes after one of its events.
    pub(crate) crash_per_10_000: u64,
    pub(crate) flush_ms_max: u64,
}

impl Faults {
    pub(crate) const NONE: Self =
        Self { delay_ms_max: 5, loss_percent: 0, crash_per_10_000: 0, flush_ms_max: 1 };
}

enum Event {
    Deliver { from: usize, to: usize, packet: Packet },
    Flushed { node: usize, boot: u32 },
    Restart { node: usize },
    Gossip,
}

/// Rewrites what a lying node sends, per receiver.
pub(crate) type Lie = Box<dyn Fn(usize, &Packet, &Group) -> Vec<Packet>>;

pub(crate) struct World {
    pub(crate) now: Timestamp,
    pub(crate) group: Group,
    pub(crate) nodes: Vec<Option<Node>>,
    disks: Vec<Disk>,
    boots: Vec<u32>,
    pub(crate) silent: Vec<usize>,
    pub(crate) lies: BTreeMap<usize, Lie>,
    pub(crate) faults: Faults,
    pub(crate) rng: Rng,
    events: BTreeMap<(Timestamp, u64), Event>,
    number: u64,
    decided: BTreeMap<Height, ValueId>,
    signed: BTreeMap<(Address, Height, u32, SignedStep), Hash>,
    pub(crate) evidence: Vec<catenary_consensus::Evidence>,
    pub(crate) crashes: u32,
    pub(crate) abstained: u32,
    /// What a crash takes, by node: one of these.
    pub(crate) losses: Vec<Vec<Loss>>,
    pub(crate) trace: Hash,
    pub(crate) rounds: BTreeMap<Height, u32>,
    pub(crate) voting: Vec<Voting>,
    /// The most that a header's time was behind when its block was decided first.
    pub(crate) lag_max_ns: u64,
    /// The longest that a deadline had been over when the first header beyond it was decided.
    pub(crate) deadline_delay_max_ns: u64,
    /// Consensus messages sent so far, each counted once per receiver.
    pub(crate) said: usize,
    votes: Vec<Vote>,
}

impl World {
    pub(crate) fn new(members: usize, seed: u64, faults: Faults) -> Self {
        let mut world = Self {
            now: GENESIS_TIME.plus_ms(1),
            group: Group::new(members),
            nodes: Vec::new(),
            disks: vec![Disk::default(); members],
            boots: vec![0; members],
            silent: Vec::new(),
            lies: BTreeMap::new(),
            faults,
            rng: Rng(seed),
            events: BTreeMap::new(),
            number: 0,
            decided: BTreeMap::new(),
            signed: BTreeMap::new(),
            evidence: Vec::new(),
            crashes: 0,
            abstained: 0,
            losses: vec![vec![Loss::Nothing]; members],
            trace: Hash::default(),
            rounds: BTreeMap::new(),
            voting: vec![Voting::Vote; members],
            said: 0,
            lag_max_ns: 0,
            deadline_delay_max_ns: 0,
            votes: Vec::new(),
        };
        world.nodes.resize_with(members, || None);
        world.schedule(100, Event::Gossip);
        world
    }

    pub(crate) fn start_all(&mut self) {
        (0..self.nodes.len()).for_each(|node| self.start(node));
    }

    pub(crate) fn start(&mut self, node: usize) {
        let disk = std::mem::take(&mut self.disks[node]);
        let (started, outputs) = Node::start(self.now, &self.group, node, disk, 0, self.voting[node]);
        self.nodes[node] = Some(started);
        self.run_outputs(node, outputs);
        for peer in (0..self.nodes.len()).filter(|peer| *peer != node) {
            self.greet(node, peer);
            self.greet(peer, node);
        }
    }

    fn greet(&mut self, node: usize, peer: usize) {
        let is_up = self.nodes[peer].is_some();
        if let Some(live) = self.nodes[node].as_mut().filter(|_| is_up) {
            let outputs = live.greet(self.now, Peer(peer as u64));
            self.run_outputs(node, outputs);
        }
    }

    pub(crate) fn node(&mut self, node: usize) -> &mut Node {
        self.nodes[node].as_mut().expect("the node is up")
    }

    pub(crate) fn chain(&self, node: usize) -> &[(Certificate, Block)] {
        self.nodes[node].as_ref().map_or(&[], |node| &node.disk.chain)
    }

    /// The node whose key stands at an index of the set.
    pub(crate) fn leader_seed(&self, index: usize) -> usize {
        let address = self.group.set.addresses()[index];
        let is = |seed: &usize| Address::of(&key(*seed).public_key()) == address;
        (0..self.nodes.len()).find(is).expect("every member has a node")
    }

    /// All that a validator published.
    pub(crate) fn votes_of(&self, validator: Address, kind: VoteKind) -> Vec<Vote> {
        let of = |vote: &&Vote| vote.validator == validator && vote.kind == kind;
        self.votes.iter().filter(of).copied().collect()
    }

    fn schedule(&mut self, delay_ms: u64, event: Event) {
        self.number += 1;
        self.events.insert((self.now.plus_ms(delay_ms), self.number), event);
    }

    /// Lets time pass until all live nodes have reached a height, or panics when it takes too long.
    pub(crate) fn run_to(&mut self, height: Height, limit_s: u64) {
        let end = self.now.plus_ms(limit_s * 1_000);
        while !self.all_at(height) {
            assert!(self.now < end, "no progress: {:?} at {:?}", self.tips(), self.now);
            self.step();
        }
    }

    /// Lets time pass.
    pub(crate) fn run_for(&mut self, seconds: u64) {
        self.run_for_ms(seconds * 1_000);
    }

    pub(crate) fn run_for_ms(&mut self, milliseconds: u64) {
        let end = self.now.plus_ms(milliseconds);
        while self.now < end {
            self.step();
        }
    }

    /// Lets time pass until a condition holds, or panics when it takes too long.
    pub(crate) fn run_until(&mut self, limit_s: u64, what: &str, holds: impl Fn(&Self) -> bool) {
        let end = self.now.plus_ms(limit_s * 1_000);
        while !holds(self) {
            assert!(self.now < end, "{what} did not happen: {:?}", self.tips());
            self.step();
        }
    }

    /// Handles one event.
    pub(crate) fn run_event(&mut self) {
        self.step();
    }

    /// Handles what happens now, while no time passes, until all have reached a height or nothing happens any more.
    pub(crate) fn run_now_to(&mut self, height: Height) {
        while !self.all_at(height) {
            let Some(event) = self.events.keys().next().copied().filter(|(at, _)| *at <= self.now) else {
                return;
            };
            let event = self.events.remove(&event).expect("it was found");
            self.handle(event);
        }
    }

    /// A transaction comes in at a node of a quiet group; it can be proposed or has expired.
    pub(crate) fn submit(&mut self, node: usize, valid: bool) {
        let now = self.now;
        let outputs = self.node(node).submit(now, valid);
        self.run_outputs(node, outputs);
    }

    /// A node is told something.
    pub(crate) fn input(&mut self, node: usize, input: Input) {
        let (now, mut outputs) = (self.now, Vec::new());
        self.node(node).feed(now, vec![input], &mut outputs);
        self.run_outputs(node, outputs);
    }

    /// When each node's next timer ends.
    pub(crate) fn deadlines(&self) -> Vec<Option<Timestamp>> {
        self.nodes.iter().map(|node| node.as_ref().and_then(Node::deadline)).collect()
    }

    fn all_at(&self, height: Height) -> bool {
        let voting = self.nodes.iter().enumerate().filter(|(index, _)| !self.silent.contains(index));
        let mut tips = voting.map(|(_, node)| node.as_ref().map_or(Height::default(), Node::tip));
        tips.all(|tip| tip >= height)
    }

    pub(crate) fn tips(&self) -> Vec<Option<Height>> {
        self.nodes.iter().map(|node| node.as_ref().map(Node::tip)).collect()
    }

    fn step(&mut self) {
        let timers = self.nodes.iter().enumerate().filter_map(|(index, node)| {
            let deadline = node.as_ref().and_then(Node::deadline)?;
            (!self.silent.contains(&index)).then_some((deadline.max(self.now), index))
        });
        let timer = timers.min();
        let event = self.events.keys().next().copied().expect("gossip never ends");
        match timer {
            Some((deadline, index)) if deadline <= event.0 => {
                self.now = deadline;
                let node = self.nodes[index].as_mut().expect("it has a deadline");
                let outputs = node.fire(self.now);
                self.run_outputs(index, outputs);
            }
            _ => {
                self.now = event.0;
                let event = self.events.remove(&event).expect("it was found");
                self.handle(event);
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Deliver { from, to, packet } => {
                self.trace = sha256(format!("{}{:?}{from}{to}{packet:?}", self.trace, self.now).as_bytes());
                let Some(node) = self.nodes[to].as_mut() else { return };
                let outputs = node.receive(self.now, Peer(from as u64), packet);
                self.run_outputs(to, outputs);
            }
            Event::Flushed { node, boot } => {
                if self.boots[node] == boot {
                    let Some(live) = self.nodes[node].as_mut() else { return };
                    let outputs = live.flushed(self.now);
                    self.run_outputs(node, outputs);
                }
            }
            Event::Restart { node } => self.start(node),
            Event::Gossip => {
                for node in 0..self.nodes.len() {
                    if let Some(live) = &self.nodes[node] {
                        let packet = Packet::Tip(live.tip());
                        self.broadcast(node, packet);
                    }
                }
                self.schedule(100, Event::Gossip);
            }
        }
    }

    fn run_outputs(&mut self, from: usize, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Broadcast(packet) => {
                    self.check_signed(from, &packet);
                    self.broadcast(from, packet);
                }
                Output::Reply(to, packet) => {
                    self.check_signed(from, &packet);
                    self.tell(from, to.0 as usize, packet);
                }
                Output::Flush => {
                    let delay = self.rng.below(self.faults.flush_ms_max + 1);
                    let boot = self.boots[from];
                    self.schedule(delay, Event::Flushed { node: from, boot });
                }
                Output::Decided(decision) => self.check_decision(decision),
            }
        }
        if self.rng.below(10_000) < self.faults.crash_per_10_000 {
            self.crash(from);
        }
    }

    pub(crate) fn crash(&mut self, index: usize) {
        if self.cut(index) {
            let delay = 1 + self.rng.below(800);
            self.schedule(delay, Event::Restart { node: index });
        }
    }

    /// Power fails everywhere at once, and what is under way on links and disks is lost. All start again when it is back.
    pub(crate) fn power_cut(&mut self, outage_ms: u64) {
        (0..self.nodes.len()).for_each(|node| _ = self.cut(node));
        self.events.clear();
        self.now = self.now.plus_ms(outage_ms);
        self.schedule(100, Event::Gossip);
        self.start_all();
    }

    /// Takes a node off, and tells whether it was on.
    pub(crate) fn cut(&mut self, index: usize) -> bool {
        let Some(node) = self.nodes[index].take() else { return false };
        let tail = self.rng.below(node.unflushed() as u64 + 1) as usize;
        self.abstained += node.abstained;
        let losses = &self.losses[index];
        let loss = losses[self.rng.below(losses.len() as u64) as usize];
        self.disks[index] = node.crash(tail, loss);
        self.boots[index] += 1;
        self.crashes += 1;
        true
    }

    fn broadcast(&mut self, from: usize, packet: Packet) {
        (0..self.nodes.len()).filter(|to| *to != from).for_each(|to| self.tell(from, to, packet.clone()));
    }

    /// Sends what a node wants sent, or what it makes of that if it lies.
    fn tell(&mut self, from: usize, to: usize, packet: Packet) {
        let packets = match self.lies.get(&from) {
            Some(lie) => lie(to, &packet, &self.group),
            None => vec![packet],
        };
        packets.into_iter().for_each(|packet| self.send(from, to, packet));
    }

    fn send(&mut self, from: usize, to: usize, packet: Packet) {
        self.said += usize::from(matches!(packet, Packet::Consensus(_)));
        if self.silent.contains(&from) || self.rng.percent(self.faults.loss_percent) {
            return;
        }
        let delay = self.rng.below(self.faults.delay_ms_max + 1);
        self.schedule(delay, Event::Deliver { from, to, packet });
    }

    // What must hold over every schedule.

    /// One signed content per validator, height, round and step, over all of its lives.
    fn check_signed(&mut self, from: usize, packet: &Packet) {
        let Packet::Consensus(message) = packet else { return };
        let (key, content) = match message {
            Message::Vote(signed) => {
                let vote = signed.vote;
                self.votes.push(vote);
                self.rounds
                    .entry(vote.height)
                    .and_modify(|round| *round = vote.round.max(*round))
                    .or_insert(vote.round);
                let key = (vote.validator, vote.height, vote.round, vote.kind.into());
                (key, sha256(format!("{signed:?}").as_bytes()))
            }
            Message::Proposal(signed) => {
                let proposal = signed.proposal;
                let key = (proposal.proposer, proposal.height, proposal.round, SignedStep::Proposal);
                (key, sha256(format!("{signed:?}").as_bytes()))
            }
            Message::Polka(_) | Message::Round(_) => return,
        };
        let before = *self.signed.entry(key).or_insert(content);
        assert_eq!(before, content, "node {from} contradicted itself: {message:?}");
    }

    fn check_decision(&mut self, decision: Decision) {
        let Decision { certificate, value, evidence } = decision;
        if !self.decided.contains_key(&certificate.height) {
            let last = certificate.height.previous().and_then(|height| self.decided.get(&height));
            let last = last.map_or(GENESIS_TIME, |value| value.time);
            let late = |time: Timestamp| self.now.0.saturating_sub(time.0);
            self.lag_max_ns = self.lag_max_ns.max(late(value.time));
            self.deadline_delay_max_ns = self.deadline_delay_max_ns.max(late(last));
        }
        let before = *self.decided.entry(certificate.height).or_insert(value);
        assert_eq!(before, value, "two decisions at height {}", certificate.height);
        assert_eq!(certificate.block, value.block);
        let set = self.group.set_of(certificate.height);
        assert_eq!(certificate.signatures.len(), set.validators().len());
        let mut power = 0;
        for (entry, (address, member)) in
            certificate.signatures.iter().zip(set.addresses().iter().zip(set.validators()))
        {
            let CommitSignature::Commit { address: signer, time, signature } = entry else { continue };
            assert_eq!((signer, *time), (address, value.time));
            let (height, round) = (certificate.height, certificate.round);
            let (chain_id, block) = (&self.group.chain_id, Some(value.block));
            let message = sign_bytes::vote(chain_id, VoteKind::Precommit, height, round, block, *time);
            assert!(verify(&member.public_key, &message, signature).is_ok(), "a signature does not verify");
            power += member.power;
        }
        assert!(power * 3 > set.total_power() * 2, "too little power signed");
        self.evidence.extend(evidence);
    }
}
