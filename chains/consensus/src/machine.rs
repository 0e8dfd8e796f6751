//! The machine: one validator, or one observer, of one group.

use crate::engine::{
    self, LocalValue, PeerId, ProposedValue, State, context, convert,
    types::{Round, Validity, ValueOrigin, ValueResponse, VoteExtensionPolicy, VoteType},
};
use crate::host::{Host, Running};
use crate::interface::{AbstainReason, Effect, Error, Input, StartHeight, Step, Verdict, Voting};
use crate::journal::{Entry, Origin, Record};
use crate::message::{Message, ROUND_LIMIT, SignedVote, ValueId, Vote};
use crate::pending::{HEIGHTS_AHEAD_MAX, Peer, Pending, Waiting};
use crate::signer::{Mark, Signer};
use crate::timeliness::Judgement;
use crate::verify::{SignatureCache, Verifier};
use catenary_types::{Address, Certificate, ChainId, CommitSignature, Height, Timestamp, VoteKind};
use std::collections::{BTreeSet, VecDeque};

/// An observer's address: no key hashes to it.
const NOBODY: Address = Address([0; 20]);

/// The consensus machine. See the crate's root for the protocol.
pub struct Consensus {
    host: Host,
    /// The engine; none while the height sleeps or none was started.
    state: Option<State>,
    queue: VecDeque<engine::Input>,
    pending: Pending,
    /// Peers that spoke of a later height since this one started.
    ahead: BTreeSet<Peer>,
    halted: bool,
}

impl Consensus {
    /// A machine at its first height. Without a signer it observes.
    pub fn start(
        now: Timestamp,
        chain_id: ChainId,
        signer: Option<Signer>,
        cache: Box<dyn SignatureCache>,
        start: StartHeight,
    ) -> (Self, Step) {
        let host = Host::new(Verifier::new(chain_id, cache), signer, now, Running::new(start.clone()));
        let mut machine = Self {
            host,
            state: None,
            queue: VecDeque::new(),
            pending: Pending::default(),
            ahead: BTreeSet::new(),
            halted: false,
        };
        let step = machine.step(now, Input::StartHeight(start));
        (machine, step)
    }

    /// Takes one input to its end. `now` is the node's clock and never goes back.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Step {
        self.host.now = now;
        self.host.arrival = now;
        if self.halted {
            return Step::default();
        }
        self.fire();
        match input {
            Input::StartHeight(start) => self.start_height(start),
            Input::Message { peer, message } => self.receive(peer, message),
            Input::Wake => self.set_work(true),
            Input::Rest => self.set_work(false),
            Input::Propose { height, round, value } => self.propose(height, round, value),
            Input::Verdict { height, value, builder, verdict, origin } => {
                self.learn(height, value, builder, verdict, origin);
            }
            Input::Synced { peer, certificate, time } => self.sync(peer, &certificate, time),
            Input::Greet(peer) => self.host.greet(peer),
            Input::Raise(mark) => self.host.adopt(mark),
            Input::Fired => {}
        }
        self.settle();
        self.host.take_step()
    }

    /// When to call [`Consensus::step`] with [`Input::Fired`]; none while nothing is to be waited for.
    pub fn deadline(&self) -> Option<Timestamp> {
        let awake = self.is_undecided() && self.host.running.is_awake();
        if awake { self.host.running.timers.deadline() } else { None }
    }

    /// The height that is being decided or was decided last.
    pub fn height(&self) -> Height {
        self.host.height()
    }

    /// The round of the current height; none while it sleeps.
    pub fn round(&self) -> Option<u32> {
        self.state.as_ref().and_then(|state| state.round().as_u32())
    }

    /// Whether the current height is decided and the next one is waited for.
    pub fn is_decided(&self) -> bool {
        self.host.running.decided
    }

    /// Who has not been heard at the current height, if it is being decided; this node is not counted.
    pub fn absent(&self) -> Vec<Address> {
        let running = &self.host.running;
        if !self.is_undecided() || self.state.is_none() {
            return Vec::new();
        }
        let silent =
            |member: &&Address| running.is_silent(member, self.host.now) && !self.host.is_own(**member);
        running.start.validators.addresses().iter().filter(silent).copied().collect()
    }

    /// The highest message signed.
    pub fn mark(&self) -> Option<Mark> {
        self.host.signer.as_ref().and_then(Signer::mark)
    }

    fn is_undecided(&self) -> bool {
        !self.halted && !self.host.running.decided
    }

    // Heights.

    fn start_height(&mut self, mut start: StartHeight) {
        assert!(start.height >= self.host.height(), "heights only go up");
        assert!(start.first_leader < start.validators.validators().len(), "the leader is a member");
        let mut replay = std::mem::take(&mut start.replay);
        replay.retain(|record| record.height == start.height);
        self.host.running = Running::new(start);
        self.state = None;
        self.ahead.clear();
        if self.host.running.work || !replay.is_empty() {
            self.begin(&replay);
        } else {
            let waiting: Vec<_> = self.pending.of_height(self.host.height()).cloned().collect();
            self.listen(&waiting);
        }
    }

    /// Starts the engine at the current height, repeats the journal's records and takes up what waited.
    fn begin(&mut self, records: &[Record]) {
        let entries = records
            .iter()
            .enumerate()
            .map(|(index, record)| Entry::read(record).map_err(|error| Error::Record { index, error }));
        match entries.collect::<Result<Vec<_>, _>>() {
            Ok(entries) => self.replay(records, &entries),
            Err(error) => return self.halt(error),
        }
        for waiting in self.pending.take(self.host.height()) {
            self.host.arrival = waiting.arrival;
            self.accept(waiting.message);
            self.settle();
        }
        self.host.arrival = self.host.now;
    }

    fn replay(&mut self, records: &[Record], entries: &[Entry]) {
        let (height, running) = (self.host.height(), &mut self.host.running);
        let address = self.host.signer.as_ref().map_or(NOBODY, Signer::address);
        let set = running.set.clone();
        running.replayed = Some(records.iter().cloned().collect::<BTreeSet<_>>());
        running.held_build = None;
        running.journal.clear();
        self.remember(entries);
        let running = &self.host.running;
        let voting = running.start.voting == Voting::Vote;

        let mut state =
            engine::new_state(convert::height(height), set.clone(), context::Member(address), voting);
        let inputs: Vec<_> = entries.iter().map(|entry| convert::entry(height, entry)).collect();
        state.index_wal_entries(&inputs);
        self.state = Some(state);
        let (none, policy) = (None, VoteExtensionPolicy::Disabled);
        self.run(engine::Input::StartHeight(convert::height(height), set, false, none, policy));
        for (entry, input) in entries.iter().zip(inputs) {
            match entry {
                Entry::Proposal { arrival, .. } => self.host.arrival = *arrival,
                Entry::Judged { value, builder, judgement, .. } => {
                    self.host.running.values.record(*value, *builder, *judgement);
                }
                Entry::Vote(_) | Entry::Timeout { .. } | Entry::Polka(_) => {}
            }
            // A decision, a halt or a second beginning ends the replay.
            if self.host.running.replayed.is_none() || !self.is_undecided() {
                break;
            }
            self.run(input);
        }
        self.end_replay();
    }

    fn end_replay(&mut self) {
        self.host.arrival = self.host.now;
        self.host.running.replayed = None;
        let Some(state) = self.state.as_mut() else { return };
        state.reset_entries_index();
        let held = self.host.running.held_build.take();
        let wanted =
            held.filter(|round| state.round() == convert::round(*round) && state.driver.step_is_propose());
        if let Some(round) = wanted.filter(|_| !self.host.running.decided) {
            self.host.build(round);
        }
    }

    /// Raises the guard over every own message of the journal: the union of both copies counts. If the guard knows of one
    /// that the journal does not, this height is followed without voting.
    fn remember(&mut self, entries: &[Entry]) {
        let guarded = self.mark().filter(|mark| mark.height >= self.host.height());
        let mut unremembered = guarded;
        for entry in entries {
            let message = match entry {
                Entry::Vote(signed) => Message::Vote(*signed),
                Entry::Proposal { signed, .. } => Message::Proposal(*signed),
                Entry::Timeout { .. } | Entry::Judged { .. } | Entry::Polka(_) => continue,
            };
            for mark in self.host.own_marks(&message) {
                unremembered.take_if(|guarded| *guarded == mark);
                self.host.adopt(mark);
            }
        }
        if let Some(mark) = unremembered
            && self.host.running.start.voting == Voting::Vote
        {
            self.host.running.start.voting = Voting::Follow;
            // Below the mark's height everything is decided, and its votes are only repeated.
            if mark.height == self.host.height() {
                self.host.abstain(AbstainReason::Unremembered(mark));
            }
        }
    }

    /// Begins the height anew without voting, from all that was consumed at it so far.
    fn abstain(&mut self, reason: AbstainReason) {
        self.host.abstain(reason);
        self.host.running.start.voting = Voting::Follow;
        let records = std::mem::take(&mut self.host.running.journal);
        self.queue.clear();
        self.begin(&records);
    }

    fn halt(&mut self, error: Error) {
        self.halted = true;
        self.queue.clear();
        self.host.at_once(Effect::Halt(error));
    }

    // Sleeping and waking.

    fn set_work(&mut self, work: bool) {
        if !self.is_undecided() || self.host.running.work == work {
            return;
        }
        let was_awake = self.host.running.is_awake();
        self.host.running.work = work;
        if !was_awake && self.host.running.is_awake() {
            self.wake();
        }
    }

    /// Begins the height if it has not, else lets its timers run anew.
    fn wake(&mut self) {
        if self.state.is_none() {
            return self.begin(&[]);
        }
        self.host.running.restart_timers(self.host.now);
    }

    /// While asleep: counts who is heard at this height, and wakes at more than a third of the power.
    fn listen(&mut self, messages: &[Message]) {
        messages.iter().for_each(|message| self.host.hear_verified(message));
        if self.host.running.is_heard() {
            self.wake();
        }
    }

    // Inputs.

    fn fire(&mut self) {
        while self.is_undecided() && self.host.running.is_awake() {
            let Some(timeout) = self.host.running.timers.take_due(self.host.now) else { break };
            self.queue.push_back(engine::Input::TimeoutElapsed(timeout));
            self.settle();
        }
    }

    fn receive(&mut self, peer: Peer, message: Message) {
        let height = message.height();
        let current = self.host.height();
        if !rounds_fit(&message) || height < current {
            return;
        }
        if height == current {
            match self.state {
                _ if !self.is_undecided() => {}
                Some(_) => self.accept(message),
                None => {
                    self.pending.push(Waiting { arrival: self.host.now, peer, message: message.clone() });
                    self.listen(&[message]);
                }
            }
            return;
        }
        if height.0 - current.0 <= HEIGHTS_AHEAD_MAX {
            self.pending.push(Waiting { arrival: self.host.now, peer, message });
        }
        if self.ahead.insert(peer) {
            self.host.at_once(Effect::Ahead { peer, height });
        }
    }

    /// Takes a message of the running height. The engine verifies it and ignores what it cannot use.
    fn accept(&mut self, message: Message) {
        self.notice_forgotten(&message);
        self.host.notice_present(&message);
        let input = match &message {
            Message::Proposal(signed) if !self.host.running.values.admits(&signed.proposal) => return,
            Message::Proposal(signed) => engine::Input::Proposal(convert::proposal(signed)),
            Message::Vote(signed) => engine::Input::Vote(convert::vote(signed)),
            Message::Polka(certificate) => engine::Input::PolkaCertificate(convert::polka(certificate)),
            Message::Round(certificate) => {
                engine::Input::RoundCertificate(convert::round_certificate(certificate))
            }
        };
        self.queue.push_back(input);
    }

    /// An own signature that this node does not remember: from here on it follows.
    fn notice_forgotten(&mut self, message: &Message) {
        let Some(mark) = self.host.forgotten(message) else { return };
        // There may be more that it does not remember, so the guard's file remembers that.
        self.host.adopt(Mark::forgotten(mark.height));
        if self.host.running.start.voting == Voting::Vote {
            self.abstain(AbstainReason::Forgotten(mark));
        }
    }

    fn propose(&mut self, height: Height, round: u32, value: ValueId) {
        let current = self.is_undecided() && height == self.host.height() && self.round() == Some(round);
        if current && !self.host.running.values.was_proposed(&value) {
            let value = LocalValue::new(convert::height(height), convert::round(round), value);
            self.queue.push_back(engine::Input::Propose(value));
        }
    }

    fn learn(&mut self, height: Height, value: ValueId, builder: Address, verdict: Verdict, origin: Origin) {
        if !self.is_undecided() || height != self.host.height() {
            return;
        }
        let valid = verdict == Verdict::Valid;
        match origin {
            Origin::Consensus => self.host.running.values.learn(value, builder, valid),
            Origin::Sync => {
                let Some(round) = self.certified_round(&value) else { return };
                if !valid {
                    return self.halt(Error::CertifiedInvalid { height, value });
                }
                self.feed_value(value, builder, round, Validity::Valid, ValueOrigin::Sync);
            }
        }
    }

    fn sync(&mut self, peer: Peer, certificate: &Certificate, time: Timestamp) {
        if !self.is_undecided() || certificate.height != self.host.height() {
            return;
        }
        self.host.sync_peer = Some(peer);
        if let Some(reason) = self.malformed(certificate, time) {
            return self.host.refuse_sync(certificate.height, reason.into());
        }
        for message in certified_votes(certificate) {
            self.notice_forgotten(&message);
        }
        if self.state.is_none() {
            self.begin(&[]);
        }
        let peer_id = PeerId::from_bytes(&NO_PEER_ID).expect("an identity multihash of nothing is a peer id");
        let response = ValueResponse::new(peer_id, Default::default(), convert::commit(certificate, time));
        self.queue.push_back(engine::Input::SyncValueResponse(response));
    }

    /// What no verification of signatures would see: the canonical form of a certificate.
    fn malformed(&self, certificate: &Certificate, time: Timestamp) -> Option<&'static str> {
        let addresses = self.host.running.start.validators.addresses();
        if certificate.round >= ROUND_LIMIT {
            return Some("its round is out of range");
        }
        if certificate.signatures.len() != addresses.len() {
            return Some("it has not one entry per member");
        }
        let in_place = certificate.signatures.iter().zip(addresses).all(|(entry, member)| match entry {
            CommitSignature::Absent => true,
            CommitSignature::Commit { address, time: voted, .. } => address == member && *voted == time,
        });
        if in_place { None } else { Some("an entry is another member's, or has another time") }
    }

    // The engine.

    /// Runs what is queued, and what follows from it, until nothing does.
    fn settle(&mut self) {
        while self.is_undecided() {
            let was_awake = self.host.running.is_awake();
            match self.queue.pop_front() {
                Some(input) => self.run(input),
                None if !self.judge() => break,
                None => {}
            }
            if !was_awake && self.is_undecided() && self.host.running.is_awake() {
                self.wake();
            }
        }
        self.queue.clear();
    }

    fn run(&mut self, input: engine::Input) {
        let Some(state) = self.state.as_mut() else { return };
        let result = engine::run(state, input, |effect| self.host.answer(effect));
        let Err(error) = result else { return };
        match (self.host.refusal.take(), &*error) {
            (Some(refusal), _) => self.abstain(AbstainReason::Refused(refusal)),
            (None, engine::Error::ReplayDivergence(..)) => self.abstain(AbstainReason::Diverged),
            (None, _) => self.halt(Error::Engine { height: self.host.height(), detail: error.to_string() }),
        }
    }

    /// Judges what can be judged now, and feeds what is new. False if nothing was.
    fn judge(&mut self) -> bool {
        let Some(state) = &self.state else { return false };
        for value in self.host.running.values.open() {
            let quorum = engine::is_certified(state, &value, VoteType::Prevote);
            if let Some((judgement, builder, round)) = self.host.running.values.judge(&value, quorum) {
                let validity = Validity::from_bool(judgement == Judgement::Valid);
                self.feed_value(value, builder, round, validity, ValueOrigin::Consensus);
                return true;
            }
        }
        let invalid = self.host.running.values.judged(Judgement::Invalid);
        let certified =
            invalid.into_iter().find(|value| engine::is_certified(state, value, VoteType::Precommit));
        if let Some(value) = certified {
            self.halt(Error::CertifiedInvalid { height: self.host.height(), value });
        }
        false
    }

    fn feed_value(
        &mut self,
        value: ValueId,
        builder: Address,
        round: u32,
        validity: Validity,
        origin: ValueOrigin,
    ) {
        let value = ProposedValue {
            height: convert::height(self.host.height()),
            round: convert::round(round),
            valid_round: Round::Nil,
            proposer: context::Member(builder),
            value,
            validity,
        };
        self.queue.push_back(engine::Input::ProposedValue(value, origin));
    }

    /// The round of a commit certificate that the engine holds for a value.
    fn certified_round(&self, value: &ValueId) -> Option<u32> {
        let certificates = self.state.as_ref()?.driver.commit_certificates();
        let certificate = certificates.iter().find(|certificate| certificate.value_id == *value);
        certificate.and_then(|certificate| certificate.round.as_u32())
    }

    /// Asserts what must hold between steps.
    pub fn check_invariants(&self) {
        let running = &self.host.running;
        self.pending.check_invariants(self.host.height());
        assert!(self.queue.is_empty() && running.replayed.is_none(), "a step ends settled");
        assert!(self.host.refusal.is_none(), "a refusal is dealt with at once");
        assert!(running.values.waiting() <= crate::timeliness::WAITING_MAX, "too many values wait");
        let Some(state) = &self.state else { return };
        assert_eq!(state.height(), convert::height(self.host.height()), "engine and host are at one height");
        assert!(!state.is_replaying_wal(), "the engine replays outside of replay");
        assert!(running.timers.all_of_round(state.round()), "a timer outlived its round");
        assert!(!running.decided || running.timers.deadline().is_none(), "a timer outlived its height");
        assert_eq!(running.decided, state.driver.step_is_commit(), "engine and host agree on the decision");
        let signed = [&state.last_signed_prevote, &state.last_signed_precommit];
        for signed in signed.into_iter().flatten() {
            let message = Message::Vote(convert::vote_back(signed));
            let below = |mark: &Mark| !mark.is_above(self.mark().as_ref());
            assert!(self.host.own_marks(&message).iter().all(below), "a vote went past the guard");
        }
    }
}

/// The engine wants to know which peer a certificate came from; the machine remembers it itself. Code 0, length 0.
const NO_PEER_ID: [u8; 2] = [0, 0];

/// The precommits of a certificate.
fn certified_votes(certificate: &Certificate) -> impl Iterator<Item = Message> + '_ {
    certificate.signatures.iter().filter_map(|entry| {
        let CommitSignature::Commit { address, time, signature } = entry else { return None };
        let vote = Vote {
            kind: VoteKind::Precommit,
            height: certificate.height,
            round: certificate.round,
            value: Some(ValueId { block: certificate.block, time: *time }),
            validator: *address,
        };
        Some(Message::Vote(SignedVote { vote, signature: *signature }))
    })
}

/// Whether the encodings that signatures cover can hold the rounds of a message from outside.
fn rounds_fit(message: &Message) -> bool {
    let pol_round = match message {
        Message::Proposal(signed) => signed.proposal.pol_round.unwrap_or(0),
        Message::Vote(_) | Message::Polka(_) | Message::Round(_) => 0,
    };
    message.round() < ROUND_LIMIT && pol_round < ROUND_LIMIT
}
