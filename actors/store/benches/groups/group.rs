//! One validator of one group: the machine, and the small host that builds, judges and commits blocks.

use crate::node::Around;
use crate::storage::Append;
use catenary_consensus::{
    Consensus, Decision, Effect, Input, Message, Origin, Peer, Signer, Start, StartHeight, Step,
    TimelinessParameters, Timeouts, ValueId, Verdict, Voters, Voting, leader,
};
use catenary_crypto::{Hash, SigningKey, sha256, sha256_parts};
use catenary_journal::journal::ChainTag;
use catenary_types::{Address, Certificate, ChainId, Height, Timestamp, Validator, ValidatorSet};
use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

const BODY_BYTES: usize = 256;
/// Blocks kept for nodes that fell behind.
const KEPT: usize = 16;

/// A block: what is needed to judge it, and something to carry.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    height: Height,
    time: Timestamp,
    builder: Address,
    parent: Hash,
    payload: Arc<[u8; BODY_BYTES]>,
}

impl Body {
    fn id(&self) -> ValueId {
        let (height, time) = (self.height.0.to_be_bytes(), self.time.0.to_be_bytes());
        let block = sha256_parts(&[&height, &time, &self.builder.0, &self.parent.0, self.payload.as_slice()]);
        ValueId { block, time: self.time }
    }
}

/// What nodes send to each other.
#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Consensus(Message),
    Body(Body),
    /// "This is my tip": answered with the block after it.
    Tip(Height),
    Synced(Certificate, Body),
}

/// What happens to a group of a node.
#[derive(Debug)]
pub(crate) enum Event {
    Packet {
        group: usize,
        from: usize,
        packet: Packet,
    },
    /// Everything up to this append is on disk.
    Durable {
        group: usize,
        number: u64,
    },
}

/// Effects that wait for the append of the last own signature before them.
#[derive(Default)]
struct Outbox {
    appended: u64,
    on_disk: u64,
    signed: u64,
    waiting: VecDeque<(u64, Effect)>,
}

impl Outbox {
    fn pop(&mut self) -> Option<Effect> {
        let ready = self.waiting.front().is_some_and(|(needed, _)| *needed <= self.on_disk);
        if ready { self.waiting.pop_front().map(|(_, effect)| effect) } else { None }
    }
}

/// The committed block at the tip.
struct Tip {
    id: ValueId,
    builder: Address,
    time_before: Timestamp,
}

pub(crate) struct Group {
    number: usize,
    tag: ChainTag,
    address: Address,
    key: Option<SigningKey>,
    machine: Option<Box<Consensus>>,
    /// Whose signatures the next messages carry.
    pub(crate) voters: Voters,
    tip: Option<Tip>,
    outbox: Outbox,
    bodies: BTreeMap<ValueId, Body>,
    early: Vec<Body>,
    kept: VecDeque<(Certificate, Body)>,
}

/// As in the product, a validator's key is of its chain.
fn key(group: usize, node: usize) -> SigningKey {
    SigningKey::from_seed(&sha256(format!("group {group}, validator {node}").as_bytes()).0)
}

impl Group {
    pub(crate) fn new(number: usize, node: usize, nodes: usize, genesis_time: Timestamp) -> Self {
        let chain_id: ChainId = format!("group{number}-0123456789abcdef-1").parse().expect("a chain id");
        let public = |node| Validator { public_key: key(number, node).public_key(), power: 1 };
        let set = ValidatorSet::new((0..nodes).map(public).collect()).expect("a validator set");
        let key = key(number, node);
        Self {
            number,
            tag: ChainTag::of(chain_id.as_str()),
            address: Address::of(&key.public_key()),
            key: Some(key),
            machine: None,
            voters: Voters {
                chain_id,
                height: Height(1),
                validators: Arc::new(set),
                last_time: genesis_time,
            },
            tip: None,
            outbox: Outbox::default(),
            bodies: BTreeMap::new(),
            early: Vec::new(),
            kept: VecDeque::new(),
        }
    }

    pub(crate) fn start(&mut self, around: &mut Around<'_>) {
        let signer = self.key.take().map(|key| Signer::new(key, None));
        let (chain_id, cache) = (self.voters.chain_id.clone(), Box::new(around.cache.clone()));
        let (machine, step) = Consensus::start(around.now, chain_id, signer, cache, self.start_height());
        self.machine = Some(Box::new(machine));
        let inputs = self.apply(step, around);
        self.feed(inputs, around);
    }

    /// Hash of a block that is still kept.
    pub(crate) fn block(&self, height: Height) -> Option<Hash> {
        let kept = self.kept.iter().find(|(certificate, _)| certificate.height == height);
        kept.map(|(certificate, _)| certificate.block)
    }

    pub(crate) fn height(&self) -> Height {
        self.voters.height
    }

    pub(crate) fn fire(&mut self, around: &mut Around<'_>) {
        let due = self.machine.as_ref().and_then(|machine| machine.deadline());
        if due.is_some_and(|due| due <= around.now) {
            around.counts.fired();
            self.feed(VecDeque::from([Input::Fired]), around);
        }
    }

    pub(crate) fn durable(&mut self, number: u64, around: &mut Around<'_>) {
        self.outbox.on_disk = self.outbox.on_disk.max(number);
        let mut inputs = VecDeque::new();
        self.release(&mut inputs, around);
        self.feed(inputs, around);
    }

    pub(crate) fn receive(&mut self, from: usize, packet: Packet, around: &mut Around<'_>) {
        let peer = Peer(from as u64);
        let input = match packet {
            Packet::Consensus(message) => Input::Message { peer, message },
            // A body may come before its height; it is judged when the height starts.
            Packet::Body(body) if body.height > self.height() => return self.early.push(body),
            Packet::Body(body) => {
                let Some(input) = self.judge(body, Origin::Consensus, around) else { return };
                input
            }
            Packet::Tip(height) => {
                let next = self.kept.iter().find(|(certificate, _)| certificate.height == height.next());
                if let Some((certificate, body)) = next.cloned() {
                    around.send(from, self.number, Packet::Synced(certificate, body));
                }
                return;
            }
            Packet::Synced(certificate, body) if certificate.height == self.height() => {
                let time = body.time;
                self.bodies.insert(body.id(), body);
                around.send(from, self.number, Packet::Tip(self.height()));
                Input::Synced { peer, certificate, time }
            }
            Packet::Synced(..) => return,
        };
        self.feed(VecDeque::from([input]), around);
    }

    /// Stores a body ahead of its verdict, and judges it.
    fn judge(&mut self, body: Body, origin: Origin, around: &mut Around<'_>) -> Option<Input> {
        if body.height != self.height() {
            return None;
        }
        let (value, builder) = (body.id(), body.builder);
        let valid = body.parent == self.parent() && body.time > self.voters.last_time;
        around.storage.append_body(self.number, self.tag, body.height.0, body.payload.as_slice());
        self.bodies.insert(value, body);
        let verdict = if valid { Verdict::Valid } else { Verdict::Invalid };
        Some(Input::Verdict { height: self.height(), value, builder, verdict, origin })
    }

    fn parent(&self) -> Hash {
        self.tip.as_ref().map_or(Hash::default(), |tip| tip.id.block)
    }

    fn feed(&mut self, mut inputs: VecDeque<Input>, around: &mut Around<'_>) {
        while let Some(input) = inputs.pop_front() {
            let Some(machine) = &mut self.machine else { return };
            let step = machine.step(around.now, input);
            inputs.extend(self.apply(step, around));
        }
    }

    fn apply(&mut self, step: Step, around: &mut Around<'_>) -> VecDeque<Input> {
        let Step { journal: records, mark, now, durable } = step;
        if mark.is_some() || !records.is_empty() {
            self.outbox.appended += 1;
            let number = self.outbox.appended;
            if mark.is_some() {
                self.outbox.signed = number;
            }
            let append = Append { group: self.number, tag: self.tag, number, records, mark };
            if around.storage.append(append, around.node, around.own) {
                self.outbox.on_disk = number;
            }
        }
        let needed = self.outbox.signed;
        self.outbox.waiting.extend(durable.into_iter().map(|effect| (needed, effect)));
        let mut inputs = VecDeque::new();
        for effect in now {
            self.at_once(effect, &mut inputs, around);
        }
        self.release(&mut inputs, around);
        inputs
    }

    fn at_once(&mut self, effect: Effect, inputs: &mut VecDeque<Input>, around: &mut Around<'_>) {
        match effect {
            Effect::Build { height, round, .. } => {
                let time = Timestamp(around.now.0.max(self.voters.last_time.0 + 1));
                let payload = Arc::new([height.0 as u8; BODY_BYTES]);
                let body = Body { height, time, builder: self.address, parent: self.parent(), payload };
                around.broadcast(self.number, &Packet::Body(body.clone()));
                let value = body.id();
                around.storage.append_body(self.number, self.tag, height.0, body.payload.as_slice());
                self.bodies.insert(value, body);
                inputs.push_back(Input::Propose { height, round, value });
            }
            Effect::JudgeSynced { value, .. } => {
                let body = self.bodies.get(&value).cloned();
                inputs.extend(body.and_then(|body| self.judge(body, Origin::Sync, around)));
            }
            Effect::Ahead { peer, .. } => {
                let tip = Height(self.height().0 - 1);
                around.send(peer.0 as usize, self.number, Packet::Tip(tip));
            }
            Effect::RoundStarted { .. } => {}
            Effect::SyncRefused { .. } | Effect::Abstain { .. } | Effect::Halt(_) => {
                panic!("honest nodes that lost nothing never get here: {effect:?}")
            }
            Effect::Publish(_) | Effect::Tell { .. } | Effect::Restream { .. } | Effect::Decide(_) => {
                unreachable!("{effect:?} waits for the flush")
            }
        }
    }

    fn release(&mut self, inputs: &mut VecDeque<Input>, around: &mut Around<'_>) {
        while let Some(effect) = self.outbox.pop() {
            match effect {
                Effect::Publish(message) => around.broadcast(self.number, &Packet::Consensus(message)),
                Effect::Tell { peer, message } => {
                    around.send(peer.0 as usize, self.number, Packet::Consensus(message));
                }
                Effect::Restream { value, .. } => {
                    if let Some(body) = self.bodies.get(&value) {
                        around.broadcast(self.number, &Packet::Body(body.clone()));
                    }
                }
                Effect::Decide(decision) => self.commit(decision, inputs, around),
                other => unreachable!("{other:?} need not wait for the flush"),
            }
        }
    }

    fn commit(&mut self, decision: Decision, inputs: &mut VecDeque<Input>, around: &mut Around<'_>) {
        let Decision { certificate, value, evidence } = decision;
        assert_eq!(certificate.height, self.height(), "decided out of order");
        assert!(evidence.is_empty(), "an honest validator is accused: {evidence:?}");
        let body = self.bodies.remove(&value).expect("a body is there before its decision");
        self.bodies.clear();
        around.counts.decided();
        around.storage.trim(self.number, self.tag, certificate.height.0);
        self.tip = Some(Tip { id: value, builder: body.builder, time_before: self.voters.last_time });
        self.voters.height = certificate.height.next();
        self.voters.last_time = value.time;
        self.kept.push_back((certificate, body));
        let outdated = self.kept.len().saturating_sub(KEPT);
        self.kept.drain(..outdated);
        inputs.push_back(Input::StartHeight(self.start_height()));
        let (due, early) = std::mem::take(&mut self.early)
            .into_iter()
            .filter(|body| body.height >= self.height())
            .partition(|body| body.height == self.height());
        self.early = early;
        let due: Vec<Body> = due;
        inputs.extend(due.into_iter().filter_map(|body| self.judge(body, Origin::Consensus, around)));
    }

    /// The next height, from what is committed.
    fn start_height(&self) -> StartHeight {
        let Voters { height, validators, last_time, .. } = &self.voters;
        let previous = self.tip.as_ref().map(|tip| leader::Previous {
            validators,
            proposer: tip.builder,
            time: tip.id.time,
            time_before: tip.time_before,
        });
        StartHeight {
            height: *height,
            validators: validators.clone(),
            first_leader: leader::of_height(*height, validators, previous),
            last_time: *last_time,
            timeliness: TimelinessParameters::default(),
            timeouts: Timeouts::default(),
            voting: Voting::Vote,
            start: Start::Now,
            replay: Vec::new(),
        }
    }
}
