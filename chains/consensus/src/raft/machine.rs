//! The machine: one member, or one observer, of one group.

use crate::interface::{
    self, AbstainReason, Decision, Effect as GroupEffect, Error, Start, StartHeight, Verdict, Voting,
};
use crate::journal::{Entry, Record};
use crate::message::{Message, SignedVote, ValueId, Vote};
use crate::pending::{HEIGHTS_AHEAD_MAX, Peer, Pending, Waiting};
use crate::signer::{Mark, SignedStep, Signer};
use crate::verify::{SignatureCache, Verifier};
use catenary_crypto::Hash;
use catenary_types::{
    Address, Certificate, ChainId, CommitSignature, Height, Parameters, Timestamp, ValidatorSet, VoteKind,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// A height that is awake and undecided for this long tells its own vote again, and says for whom it waits.
const TELL_AGAIN_MS: u64 = 1_000;
/// The round of every precommit: there are no others.
const ROUND: u32 = 0;

/// What happens to a member.
#[derive(Clone, Debug)]
pub enum Input {
    /// As in every group: from the chain, or a precommit of a peer.
    Group(interface::Input),
    /// Whether this node leads, has applied the blank entry of its own term, and may stand for leader.
    Leads(bool),
    /// A block of the log, in the log's order. The same may come again after a restart.
    Applied {
        /// Its height.
        height: Height,
        /// The hash of the block that it extends.
        last_block: Option<Hash>,
        /// The block.
        value: ValueId,
    },
}

/// What the shell is to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// As in every group.
    Group(GroupEffect),
    /// Have the chain judge this block of the log.
    Check(ValueId),
    /// Write this block, which the chain built, into the log.
    Write(ValueId),
}

/// What one input led to, to be run as the [step](interface::Step) of every group is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Records for the journal.
    pub journal: Vec<Record>,
    /// The new mark for the guard's file, if something was signed.
    pub mark: Option<Mark>,
    /// Effects for at once.
    pub now: Vec<Effect>,
    /// Effects for after the flush.
    pub durable: Vec<GroupEffect>,
}

/// A block of the log.
#[derive(Clone, Copy, Debug)]
struct Applied {
    height: Height,
    last_block: Option<Hash>,
    value: ValueId,
}

/// How far the leader is with the block of the height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Building {
    No,
    Asked,
    Written,
}

/// What is known of the height that runs.
struct Running {
    start: StartHeight,
    awake: bool,
    building: Building,
    /// The block of the log for this height.
    accepted: Option<ValueId>,
    verdicts: BTreeMap<ValueId, Verdict>,
    synced: Option<(ValueId, Certificate)>,
    /// Precommits that verify, one of each member.
    votes: BTreeMap<Address, SignedVote>,
    abstains: bool,
    /// Whether this node has signed the height since it was started, or was refused.
    signed: bool,
    decided: bool,
    /// When the own vote is told again.
    again: Timestamp,
}

/// The machine of a crash-tolerant group; see the module's root.
pub struct Member {
    chain_id: ChainId,
    signer: Option<Signer>,
    verifier: Verifier,
    /// For the quorum in them, which no transaction changes.
    parameters: Parameters,
    last_block: Option<Hash>,
    leads: bool,
    running: Option<Running>,
    /// Blocks of the log above the height that runs.
    waiting: VecDeque<Applied>,
    pending: Pending,
    ahead: BTreeSet<Peer>,
    halted: bool,
    now: Timestamp,
    step: Step,
}

impl Member {
    /// A member on a tip; nothing happens before its first height starts. Without a signer it observes.
    pub fn new(
        chain_id: ChainId,
        signer: Option<Signer>,
        cache: Box<dyn SignatureCache>,
        parameters: Parameters,
        last_block: Option<Hash>,
    ) -> Self {
        Self {
            verifier: Verifier::new(chain_id.clone(), cache),
            chain_id,
            signer,
            parameters,
            last_block,
            leads: false,
            running: None,
            waiting: VecDeque::new(),
            pending: Pending::default(),
            ahead: BTreeSet::new(),
            halted: false,
            now: Timestamp(0),
            step: Step::default(),
        }
    }

    /// Takes one input to its end. `now` is the node's clock.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Step {
        self.now = now.max(self.now);
        if self.halted {
            return Step::default();
        }
        match input {
            Input::Group(input) => self.take(input),
            Input::Leads(leads) => {
                self.leads = leads;
                if let Some(running) = self.running.as_mut().filter(|_| !leads) {
                    running.building = Building::No;
                }
            }
            Input::Applied { height, last_block, value } => {
                self.waiting.push_back(Applied { height, last_block, value });
            }
        }
        self.apply();
        self.sign();
        self.decide();
        self.lead();
        std::mem::take(&mut self.step)
    }

    /// When to call [`Self::step`] with [`interface::Input::Fired`].
    pub fn deadline(&self) -> Option<Timestamp> {
        let running = self.running.as_ref().filter(|running| !running.decided && !self.halted)?;
        (running.awake || running.accepted.is_some()).then_some(running.again)
    }

    /// Members who have not signed the height that is being decided; this node is not counted.
    pub fn absent(&self) -> Vec<Address> {
        let Some(running) = self.running.as_ref().filter(|running| !running.decided) else {
            return Vec::new();
        };
        let silent = |member: &&Address| !running.votes.contains_key(member) && Some(**member) != self.own();
        running.start.validators.addresses().iter().filter(silent).copied().collect()
    }

    fn own(&self) -> Option<Address> {
        self.signer.as_ref().map(Signer::address)
    }

    fn at_once(&mut self, effect: GroupEffect) {
        self.step.now.push(Effect::Group(effect));
    }

    fn take(&mut self, input: interface::Input) {
        match input {
            interface::Input::StartHeight(start) => self.start_height(start),
            interface::Input::Message { peer, message } => self.receive(peer, message),
            interface::Input::Wake => self.set_awake(true),
            interface::Input::Rest => self.set_awake(false),
            interface::Input::Propose { height, round: _, value } => self.propose(height, value),
            interface::Input::Verdict { height, value, builder: _, verdict, origin: _ } => {
                if let Some(running) = self.current(height) {
                    running.verdicts.insert(value, verdict);
                }
            }
            interface::Input::Synced { peer, certificate, time } => self.sync(peer, certificate, time),
            interface::Input::Greet(peer) => self.greet(peer),
            // Only a member whose log is gone is ever told, and that one has no signer here.
            interface::Input::Raise(_) => {}
            interface::Input::Fired => self.tell_again(),
        }
    }

    /// The height that runs, if it is this one and undecided.
    fn current(&mut self, height: Height) -> Option<&mut Running> {
        self.running.as_mut().filter(|running| running.start.height == height && !running.decided)
    }

    fn start_height(&mut self, start: StartHeight) {
        self.adopt(&start);
        let again = self.now.plus_ms(TELL_AGAIN_MS);
        let height = start.height;
        self.running = Some(Running {
            awake: start.start == Start::Now,
            building: Building::No,
            accepted: None,
            verdicts: BTreeMap::new(),
            synced: None,
            votes: BTreeMap::new(),
            abstains: start.voting == Voting::Follow,
            signed: false,
            decided: false,
            again,
            start,
        });
        self.ahead.clear();
        for Waiting { peer, message, .. } in self.pending.take(height) {
            self.receive(peer, message);
        }
    }

    /// Raises the guard to the own votes that the journal holds.
    fn adopt(&mut self, start: &StartHeight) {
        let Some(signer) = self.signer.as_mut() else { return };
        let entries = start.replay.iter().filter_map(|record| Entry::read(record).ok());
        for entry in entries {
            let Entry::Vote(SignedVote { vote, .. }) = entry else { continue };
            let bytes = vote.sign_bytes(&self.chain_id, start.last_time);
            let mark = Mark::new(vote.height, vote.round, vote.kind.into(), &bytes);
            if vote.validator == signer.address() && mark.is_above(signer.mark().as_ref()) {
                signer.adopt(mark);
                self.step.mark = signer.mark();
            }
        }
    }

    fn set_awake(&mut self, awake: bool) {
        let again = self.now.plus_ms(TELL_AGAIN_MS);
        if let Some(running) = &mut self.running {
            (running.awake, running.again) = (awake, again);
        }
    }

    fn receive(&mut self, peer: Peer, message: Message) {
        self.notice_forgotten(&message);
        let height = message.height();
        let current = self.running.as_ref().map_or(Height(0), |running| running.start.height);
        if height > current {
            if self.ahead.insert(peer) {
                self.at_once(GroupEffect::Ahead { peer, height });
            }
            if height.0 - current.0 <= HEIGHTS_AHEAD_MAX {
                self.pending.push(Waiting { arrival: self.now, peer, message });
            }
            return;
        }
        let Message::Vote(signed) = message else { return };
        let Vote { kind, round, value, validator, .. } = signed.vote;
        let counts = kind == VoteKind::Precommit && round == ROUND && value.is_some();
        let Some(running) = self.running.as_mut().filter(|running| counts && running.start.height == height)
        else {
            return;
        };
        let Some(member) = running.start.validators.by_address(&validator) else { return };
        if running.votes.contains_key(&validator) || running.decided {
            return;
        }
        if self.verifier.vote(&member.public_key, &signed.vote, running.start.last_time, &signed.signature) {
            running.votes.insert(validator, signed);
        }
    }

    /// An own signature that this node does not remember: its log was rolled back with its votes, or someone else uses its
    /// key. From here on it follows.
    fn notice_forgotten(&mut self, message: &Message) {
        let Some(signer) = &mut self.signer else { return };
        let Message::Vote(SignedVote { vote, signature }) = message else { return };
        if vote.validator != signer.address() || vote.value.is_none() {
            return;
        }
        // A vote for a value is signed over the value's own time.
        let bytes = vote.sign_bytes(&self.chain_id, Timestamp(0));
        let mark = Mark::new(vote.height, vote.round, vote.kind.into(), &bytes);
        let known = signer.mark();
        if !mark.is_above(known.as_ref()) || !self.verifier.check(&signer.public_key(), &bytes, signature) {
            return;
        }
        signer.adopt(Mark::forgotten(mark.height));
        self.step.mark = signer.mark();
        self.signer = None;
        self.leads = false;
        let height = self.running.as_ref().map_or(mark.height, |running| running.start.height);
        self.at_once(GroupEffect::Abstain { height, reason: AbstainReason::Forgotten(mark) });
    }

    fn propose(&mut self, height: Height, value: ValueId) {
        let leads = self.leads;
        let Some(running) = self.current(height) else { return };
        if leads && running.building == Building::Asked {
            running.building = Building::Written;
            // Whoever built it need not judge it.
            running.verdicts.insert(value, Verdict::Valid);
            self.step.now.push(Effect::Write(value));
        }
    }

    fn sync(&mut self, peer: Peer, certificate: Certificate, time: Timestamp) {
        let (chain_id, parameters) = (self.chain_id.clone(), self.parameters.clone());
        let height = certificate.height;
        let Some(running) = self.current(height) else { return };
        let verified = certificate.verify(&chain_id, &running.start.validators, &parameters, time);
        match verified {
            Ok(()) => {
                let value = ValueId { block: certificate.block, time };
                running.synced = Some((value, certificate));
                self.at_once(GroupEffect::JudgeSynced { height, value });
            }
            Err(error) => self.at_once(GroupEffect::SyncRefused { peer, height, reason: error.to_string() }),
        }
    }

    /// Tells a peer the votes of the height: it may have missed them, or forgotten its own.
    fn greet(&mut self, peer: Peer) {
        let votes = self.running.iter().flat_map(|running| running.votes.values());
        let told = votes.map(|vote| GroupEffect::Tell { peer, message: Message::Vote(*vote) });
        self.step.durable.extend(told);
    }

    fn tell_again(&mut self) {
        let (own, now) = (self.own(), self.now);
        let Some(running) = self.running.as_mut().filter(|running| running.again <= now) else { return };
        running.again = now.plus_ms(TELL_AGAIN_MS);
        let vote = own.and_then(|own| running.votes.get(&own)).filter(|_| !running.decided);
        self.step.durable.extend(vote.map(|vote| GroupEffect::Publish(Message::Vote(*vote))));
    }

    /// Takes the blocks of the log up to the height that runs. The first that extends the block before is the height's; all
    /// others are skipped.
    fn apply(&mut self) {
        let Some(running) = self.running.as_mut().filter(|running| !running.decided) else { return };
        while let Some(Applied { height, last_block, value }) = self.waiting.front().copied() {
            if height > running.start.height {
                break;
            }
            self.waiting.pop_front();
            let extends = height == running.start.height && last_block == self.last_block;
            if extends && running.accepted.is_none() {
                running.accepted = Some(value);
                running.again = self.now.plus_ms(TELL_AGAIN_MS);
                if !running.verdicts.contains_key(&value) {
                    self.step.now.push(Effect::Check(value));
                }
            }
        }
    }

    /// Signs the block of the height, once it is applied and judged.
    fn sign(&mut self) {
        let Some(running) = self.running.as_mut().filter(|running| !running.decided) else { return };
        let Some(value) = running.accepted else { return };
        match running.verdicts.get(&value) {
            Some(Verdict::Valid) => {}
            Some(Verdict::Invalid) => {
                let height = running.start.height;
                return self.halt(Error::CertifiedInvalid { height, value });
            }
            None => return,
        }
        let Some(signer) = self.signer.as_mut().filter(|_| !running.abstains) else { return };
        let validator = signer.address();
        let height = running.start.height;
        let vote = Vote { height, kind: VoteKind::Precommit, round: ROUND, value: Some(value), validator };
        let is_member = running.start.validators.by_address(&validator).is_some();
        if !is_member || running.signed {
            return;
        }
        running.signed = true;
        let bytes = vote.sign_bytes(&self.chain_id, running.start.last_time);
        match signer.sign(height, ROUND, SignedStep::Precommit, &bytes) {
            Ok(signature) => {
                self.verifier.trust(&signer.public_key(), &bytes, &signature);
                let signed = SignedVote { vote, signature };
                let record = Entry::Vote(signed).record(height);
                if !running.start.replay.contains(&record) {
                    self.step.journal.push(record);
                }
                self.step.mark = signer.mark();
                running.votes.insert(validator, signed);
                self.step.durable.push(GroupEffect::Publish(Message::Vote(signed)));
            }
            Err(refusal) => {
                let reason = AbstainReason::Refused(refusal);
                self.at_once(GroupEffect::Abstain { height, reason });
            }
        }
    }

    fn decide(&mut self) {
        let Some(running) = self.running.as_mut().filter(|running| !running.decided) else { return };
        let synced = running.synced.clone();
        let counted = || {
            let value = running.accepted?;
            let certificate = certify(&running.start, &running.votes, value, &self.parameters)?;
            Some((value, certificate))
        };
        let Some((value, certificate)) = synced.or_else(counted) else { return };
        match running.verdicts.get(&value) {
            None => {}
            Some(Verdict::Invalid) => {
                let height = running.start.height;
                self.halt(Error::CertifiedInvalid { height, value });
            }
            Some(Verdict::Valid) => {
                running.decided = true;
                self.last_block = Some(value.block);
                let decision = Decision { certificate, value, evidence: Vec::new() };
                self.step.durable.push(GroupEffect::Decide(decision));
            }
        }
    }

    /// Has the chain build, if it is this node's turn and there is something to build.
    fn lead(&mut self) {
        let leads = self.leads && self.waiting.is_empty();
        let Some(running) = self.running.as_mut().filter(|running| leads && !running.decided) else { return };
        let free = running.building == Building::No && running.accepted.is_none();
        if free && running.awake {
            running.building = Building::Asked;
            let height = running.start.height;
            let deadline = self.now.plus_ms(TELL_AGAIN_MS);
            self.at_once(GroupEffect::Build { height, round: ROUND, deadline });
        }
    }

    fn halt(&mut self, error: Error) {
        self.halted = true;
        self.at_once(GroupEffect::Halt(error));
    }
}

/// The certificate of a value, if a quorum of the power signed it.
fn certify(
    start: &StartHeight,
    votes: &BTreeMap<Address, SignedVote>,
    value: ValueId,
    parameters: &Parameters,
) -> Option<Certificate> {
    let set: &ValidatorSet = &start.validators;
    let signed = |address: &Address| votes.get(address).filter(|signed| signed.vote.value == Some(value));
    let members = set.validators().iter().zip(set.addresses());
    let power: u64 = members.filter(|(_, address)| signed(address).is_some()).map(|(one, _)| one.power).sum();
    let entry = |address: &Address| match signed(address) {
        Some(SignedVote { signature, .. }) => {
            CommitSignature::Commit { address: *address, time: value.time, signature: *signature }
        }
        None => CommitSignature::Absent,
    };
    let signatures = set.addresses().iter().map(entry).collect();
    let certificate = Certificate { height: start.height, round: ROUND, block: value.block, signatures };
    parameters.is_quorum(power, set.total_power()).then_some(certificate)
}
