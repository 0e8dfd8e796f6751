//! The engine's surroundings: the running height, the key, and what the shell is to do.
//!
//! `effects.rs` maps the engine's effects to what is done here.

use crate::engine::{
    self, Group,
    context::{EngineProposal, EngineVote, Set},
    convert,
    types::{self, CommitCertificate, Timeout, TimeoutKind, Validator as _, ValueOrigin},
};
use crate::interface::{AbstainReason, Decision, Effect, Start, StartHeight, Step};
use crate::journal::{Entry, Origin, Record, TimeoutStep};
use crate::message::{Evidence, Message, SignedProposal, SignedVote, ValueId};
use crate::pending::Peer;
use crate::signer::{Mark, Refusal, SignedStep, Signer};
use crate::timeliness::{Judgement, Values};
use crate::timers::Timers;
use crate::verify::Verifier;
use catenary_crypto::Signature;
use catenary_mutant::{Mutant, is_active};
use catenary_types::{Address, Height, Timestamp, VoteKind};
use std::collections::{BTreeMap, BTreeSet};

/// How often it is noted that a member is there.
const PRESENCE_MS: u64 = 500;

/// What one height needs besides the engine's state.
pub(crate) struct Running {
    pub(crate) start: StartHeight,
    pub(crate) set: Set,
    pub(crate) timers: Timers,
    pub(crate) values: Values,
    /// Records of this height, in order; the height can be begun anew from them.
    pub(crate) journal: Vec<Record>,
    /// While the journal is replayed: what need not be recorded again.
    pub(crate) replayed: Option<BTreeSet<Record>>,
    /// A block that the engine asked for during replay.
    pub(crate) held_build: Option<u32>,
    /// Members heard at this height and the newest round that each spoke of; this node is not counted.
    pub(crate) heard: BTreeMap<Address, u32>,
    /// When each member was heard last, be it with what was known.
    last_heard: BTreeMap<Address, Timestamp>,
    round: u32,
    /// The round from which on waits grow.
    calm_round: u32,
    /// Whether this node holds work.
    pub(crate) work: bool,
    pub(crate) decided: bool,
}

impl Running {
    pub(crate) fn new(start: StartHeight) -> Self {
        Self {
            set: Set::new(&start.validators, start.first_leader),
            timers: Timers::default(),
            values: Values::new(start.timeliness),
            journal: Vec::new(),
            replayed: None,
            held_build: None,
            heard: BTreeMap::new(),
            last_heard: BTreeMap::new(),
            round: 0,
            calm_round: 0,
            work: start.start == Start::Now,
            decided: false,
            start,
        }
    }

    /// Whether more than a third of the power was heard in this round or a later one. What was said in earlier rounds does
    /// not count: members that only keep each other awake would go on for ever.
    pub(crate) fn is_heard(&self) -> bool {
        let present = self.heard.iter().filter(|(_, round)| **round >= self.round);
        self.is_met(types::ThresholdParam::F_PLUS_ONE, present.map(|(address, _)| address))
    }

    fn is_met<'a>(
        &self,
        threshold: types::ThresholdParam,
        members: impl Iterator<Item = &'a Address>,
    ) -> bool {
        let members = members.filter_map(|address| self.start.validators.by_address(address));
        let power: u64 = members.map(|member| member.power).sum();
        threshold.is_met(power, self.start.validators.total_power())
    }

    /// Whether a quorum, this node counted, was heard within the longest wait that there is.
    fn hears_quorum(&self, now: Timestamp, own: Option<&Address>) -> bool {
        let limit = self.start.timeouts.limit_ms;
        let present = self.last_heard.iter().filter(|(_, heard)| heard.plus_ms(limit) > now);
        let present = present.map(|(address, _)| address).chain(own);
        self.is_met(types::ThresholdParam::TWO_F_PLUS_ONE, present)
    }

    /// Whether a member has said nothing at this height for longer than it takes to send its votes again.
    pub(crate) fn is_silent(&self, address: &Address, now: Timestamp) -> bool {
        let timeouts = &self.start.timeouts;
        let patience = timeouts.rebroadcast_ms + timeouts.propose_ms;
        self.last_heard.get(address).is_none_or(|heard| heard.plus_ms(patience) < now)
    }

    /// Starts all timers anew.
    pub(crate) fn restart_timers(&mut self, now: Timestamp) {
        self.timers.restart(now, &self.start.timeouts, self.calm_round);
    }

    /// Whether timers run: there is work, or others are at it.
    pub(crate) fn is_awake(&self) -> bool {
        self.work || self.is_heard()
    }
}

/// The engine's surroundings.
pub(crate) struct Host {
    pub(crate) verifier: Verifier,
    pub(crate) signer: Option<Signer>,
    pub(crate) now: Timestamp,
    pub(crate) running: Running,
    pub(crate) step: Step,
    decision: Option<Decision>,
    /// When the message at hand came in.
    pub(crate) arrival: Timestamp,
    /// Who sent the certificate at hand.
    pub(crate) sync_peer: Option<Peer>,
    /// Set when the guard refused: the run is given up and the state thrown away.
    pub(crate) refusal: Option<Refusal>,
}

impl Host {
    pub(crate) fn new(verifier: Verifier, signer: Option<Signer>, now: Timestamp, running: Running) -> Self {
        Self {
            verifier,
            signer,
            now,
            running,
            step: Step::default(),
            decision: None,
            arrival: now,
            sync_peer: None,
            refusal: None,
        }
    }

    pub(crate) fn height(&self) -> Height {
        self.running.start.height
    }

    pub(crate) fn is_own(&self, address: Address) -> bool {
        self.signer.as_ref().is_some_and(|signer| signer.address() == address)
    }

    pub(crate) fn at_once(&mut self, effect: Effect) {
        self.step.now.push(effect);
    }

    pub(crate) fn abstain(&mut self, reason: AbstainReason) {
        let height = self.height();
        self.at_once(Effect::Abstain { height, reason });
    }

    pub(crate) fn refuse_sync(&mut self, height: Height, reason: String) {
        if let Some(peer) = self.sync_peer {
            self.at_once(Effect::SyncRefused { peer, height, reason });
        }
    }

    pub(crate) fn publish(&mut self, message: Message) {
        self.step.durable.push(Effect::Publish(message));
    }

    /// The engine decides in the middle of a run and goes on scheduling; a decided height waits for nothing.
    pub(crate) fn start_timer(&mut self, timeout: Timeout) {
        if !self.running.decided {
            let deadline = self.deadline_of(timeout);
            self.running.timers.start(timeout, deadline);
        }
    }

    fn deadline_of(&self, timeout: Timeout) -> Timestamp {
        let Running { start, calm_round, .. } = &self.running;
        self.now.plus_ms(start.timeouts.duration_ms(timeout, *calm_round))
    }

    /// The engine begins a round.
    pub(crate) fn begin_round(&mut self, round: u32, leader: Address) {
        self.running.round = round;
        let height = self.height();
        self.at_once(Effect::RoundStarted { height, round, leader });
    }

    /// Tells a peer the newest message that each member is known to have sent in each step of this height.
    pub(crate) fn greet(&mut self, peer: Peer) {
        let entries = self.running.journal.iter().filter_map(|record| Entry::read(record).ok());
        let mut newest = BTreeMap::<(Address, SignedStep), Message>::new();
        for entry in entries.filter(|_| !self.running.decided) {
            let (slot, message) = match entry {
                Entry::Vote(signed) => {
                    ((signed.vote.validator, signed.vote.kind.into()), Message::Vote(signed))
                }
                Entry::Proposal { signed, .. } => {
                    ((signed.proposal.proposer, SignedStep::Proposal), Message::Proposal(signed))
                }
                Entry::Timeout { .. } | Entry::Judged { .. } | Entry::Polka(_) => continue,
            };
            if newest.get(&slot).is_none_or(|known| known.round() <= message.round()) {
                newest.insert(slot, message);
            }
        }
        let told = newest.into_values().map(|message| Effect::Tell { peer, message });
        self.step.durable.extend(told);
    }

    /// Asks the shell for a block; while the journal is replayed the answer may still be in it.
    pub(crate) fn build(&mut self, round: u32) {
        if self.running.replayed.is_some() {
            self.running.held_build = Some(round);
            return;
        }
        let deadline = self.deadline_of(Timeout::propose(convert::round(round)));
        self.at_once(Effect::Build { height: self.height(), round, deadline });
    }

    pub(crate) fn decide(&mut self, certificate: &CommitCertificate<Group>, evidence: Vec<Evidence>) {
        let value = certificate.value_id;
        let certificate = convert::commit_back(certificate, self.running.start.validators.addresses());
        self.running.decided = true;
        self.running.timers.clear();
        self.decision = Some(Decision { certificate, value, evidence });
    }

    /// Closes the step. The decision goes last: the vote that completed it is published before the block is committed.
    pub(crate) fn take_step(&mut self) -> Step {
        let decide = self.decision.take().map(Effect::Decide);
        self.step.durable.extend(decide);
        std::mem::take(&mut self.step)
    }

    /// The vote of a validator that forgets its lock, for [`Mutant::LockDropped`].
    pub(crate) fn without_lock(&self, vote: EngineVote) -> EngineVote {
        let mut plain = convert::unsigned_vote_back(&vote);
        let values = &self.running.values;
        let mut offered = values.judged(Judgement::Valid).into_iter();
        let offered = offered.rfind(|value| values.first_round(value) == Some(plain.round));
        match (plain.kind, plain.value, offered) {
            (VoteKind::Prevote, None, Some(value)) => {
                plain.value = Some(value);
                let signature = Signature([0; 64]);
                convert::vote(&SignedVote { vote: plain, signature }).message
            }
            _ => vote,
        }
    }

    pub(crate) fn sign_vote(&mut self, vote: &EngineVote) -> Option<Signature> {
        let vote = convert::unsigned_vote_back(vote);
        let message = vote.sign_bytes(self.verifier.chain_id(), self.running.start.last_time);
        self.sign(vote.round, vote.kind.into(), &message)
    }

    pub(crate) fn sign_proposal(&mut self, proposal: &EngineProposal) -> Option<Signature> {
        let proposal = convert::unsigned_proposal_back(proposal);
        let message = proposal.sign_bytes(self.verifier.chain_id());
        self.sign(proposal.round, SignedStep::Proposal, &message)
    }

    fn sign(&mut self, round: u32, step: SignedStep, message: &[u8]) -> Option<Signature> {
        let height = self.height();
        let signer = self.signer.as_mut().expect("the engine asks only members for signatures");
        match signer.sign(height, round, step, message) {
            Ok(signature) => {
                self.step.mark = signer.mark();
                self.verifier.trust(&signer.public_key(), message, &signature);
                Some(signature)
            }
            Err(refusal) => {
                self.refusal = Some(refusal);
                None
            }
        }
    }

    /// Records what the engine has just consumed, and learns from it: only what passed the engine's own checks gets here.
    pub(crate) fn record(&mut self, input: &engine::Input) {
        let entry = match input {
            engine::Input::Vote(signed) => {
                self.hear(signed.message.validator.0, convert::round_number(signed.message.round));
                Entry::Vote(convert::vote_back(signed))
            }
            engine::Input::Proposal(signed) => {
                let signed = convert::proposal_back(signed);
                let proposal = &signed.proposal;
                // An own proposal is derived again in replay, by another clock: its record must be the same.
                let own = self.is_own(proposal.proposer);
                let arrival = if own { proposal.value.time } else { self.arrival };
                self.running.values.observe(proposal, arrival);
                self.hear(proposal.proposer, proposal.round);
                Entry::Proposal { signed, arrival }
            }
            engine::Input::PolkaCertificate(certificate) => {
                let round = convert::round_number(certificate.round);
                certificate.polka_signatures.iter().for_each(|entry| self.hear(entry.address.0, round));
                Entry::Polka(convert::polka_back(certificate))
            }
            engine::Input::TimeoutElapsed(timeout) => {
                let step = match timeout.kind {
                    TimeoutKind::Propose => TimeoutStep::Propose,
                    TimeoutKind::Prevote => TimeoutStep::Prevote,
                    TimeoutKind::Precommit => TimeoutStep::Precommit,
                    // The engine records only the three above.
                    TimeoutKind::Rebroadcast | TimeoutKind::FinalizeHeight(_) => return,
                };
                Entry::Timeout { step, round: convert::round_number(timeout.round) }
            }
            engine::Input::ProposedValue(value, origin) => self.judged(value, *origin),
            // The engine records none of these.
            engine::Input::StartHeight(..)
            | engine::Input::RoundCertificate(_)
            | engine::Input::Propose(_)
            | engine::Input::SyncValueResponse(_) => return,
        };
        if let Entry::Vote(signed) = &entry {
            let own = self.is_own(signed.vote.validator);
            let forgets =
                if own { Mutant::OwnVotesNotJournalled } else { Mutant::ReceivedVotesNotJournalled };
            if is_active(forgets) {
                return;
            }
        }
        let record = entry.record(self.height());
        self.running.journal.push(record.clone());
        if !self.running.replayed.as_ref().is_some_and(|replayed| replayed.contains(&record)) {
            self.step.journal.push(record);
        }
    }

    fn judged(&mut self, proposed: &engine::ProposedValue, origin: ValueOrigin) -> Entry {
        let (value, builder): (ValueId, _) = (proposed.value, proposed.proposer.0);
        let judgement = match proposed.validity.is_valid() {
            true => Judgement::Valid,
            false => self.running.values.judgement(&value).unwrap_or(Judgement::Invalid),
        };
        self.running.values.record(value, builder, judgement);
        let origin = if origin.is_sync() { Origin::Sync } else { Origin::Consensus };
        Entry::Judged { round: convert::round_number(proposed.round), value, builder, judgement, origin }
    }

    fn hear(&mut self, address: Address, round: u32) {
        if !self.is_own(address) {
            let newest = self.running.heard.entry(address).or_insert(round);
            *newest = round.max(*newest);
        }
    }

    /// Notes who is there, also by what is known already and the engine does not look at.
    pub(crate) fn notice_present(&mut self, message: &Message) {
        let Message::Vote(signed) = message else { return };
        let address = signed.vote.validator;
        let last_heard = self.running.last_heard.get(&address);
        let is_news = last_heard.is_none_or(|heard| heard.plus_ms(PRESENCE_MS) <= self.now);
        let (set, last_time) = (&self.running.set, self.running.start.last_time);
        if is_news && !self.is_own(address) && self.verifier.member_vote(set, signed, last_time) {
            self.hear_from(address);
        }
    }

    /// A member signed something.
    fn hear_from(&mut self, address: Address) {
        let own = self.signer.as_ref().map(Signer::address);
        let (now, running) = (self.now, &mut self.running);
        let grown = running.round > running.calm_round;
        let was_alone = grown && !running.hears_quorum(now, own.as_ref());
        running.last_heard.insert(address, now);
        // Waits grow so that a group on slow links finds its pace. Rounds that passed while too few were there say nothing
        // about links: once a quorum is heard again they no longer count.
        if was_alone && running.hears_quorum(now, own.as_ref()) {
            running.calm_round = running.round;
            running.restart_timers(now);
        }
    }

    /// Counts who signed a message that waits for the height to begin.
    pub(crate) fn hear_verified(&mut self, message: &Message) {
        for signed in message.votes() {
            if self.verifier.member_vote(&self.running.set, &signed, self.running.start.last_time) {
                self.hear(signed.vote.validator, signed.vote.round);
                self.hear_from(signed.vote.validator);
            }
        }
        if let Message::Proposal(SignedProposal { proposal, signature }) = message {
            let leader = self.running.set.leader(proposal.round);
            let signed = leader.address() == proposal.proposer
                && self.verifier.proposal(leader.public_key(), proposal, signature);
            if signed {
                self.hear(proposal.proposer, proposal.round);
                self.hear_from(proposal.proposer);
            }
        }
    }

    /// What this node is said to have signed, by a message of this height: the mark, the bytes and the signature.
    fn own_signatures(&self, message: &Message) -> Vec<(Mark, Vec<u8>, Signature)> {
        let (chain_id, last_time) = (self.verifier.chain_id(), self.running.start.last_time);
        let mut own = Vec::new();
        for SignedVote { vote, signature } in message.votes() {
            if self.is_own(vote.validator) {
                let bytes = vote.sign_bytes(chain_id, last_time);
                own.push((Mark::new(vote.height, vote.round, vote.kind.into(), &bytes), bytes, signature));
            }
        }
        if let Message::Proposal(SignedProposal { proposal, signature }) = message
            && self.is_own(proposal.proposer)
        {
            let bytes = proposal.sign_bytes(chain_id);
            let mark = Mark::new(proposal.height, proposal.round, SignedStep::Proposal, &bytes);
            own.push((mark, bytes, *signature));
        }
        own
    }

    /// The marks of what this node signed in a message.
    pub(crate) fn own_marks(&self, message: &Message) -> Vec<Mark> {
        self.own_signatures(message).into_iter().map(|(mark, ..)| mark).collect()
    }

    /// An own signature above the guard: made by this key, and not remembered here.
    pub(crate) fn forgotten(&mut self, message: &Message) -> Option<Mark> {
        let signer = self.signer.as_ref()?;
        let (known, key) = (signer.mark(), signer.public_key());
        let mut above = self.own_signatures(message).into_iter();
        let found = above.find(|(mark, bytes, signature)| {
            mark.is_above(known.as_ref()) && self.verifier.check(&key, bytes, signature)
        });
        found.map(|(mark, ..)| mark)
    }

    /// Raises the guard to what another copy remembers; its own file is to learn of it.
    pub(crate) fn adopt(&mut self, mark: Mark) {
        if let Some(signer) = self.signer.as_mut().filter(|signer| mark.is_above(signer.mark().as_ref())) {
            signer.adopt(mark);
            self.step.mark = signer.mark();
        }
    }
}
