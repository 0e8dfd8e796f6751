//! The replica machine: pool, building, commit order.

use crate::{
    block::BlockError,
    interface::{Committed, Divergence, Effect, Input, Recovered, Step},
    limits::{BODIES_WAITING_MAX, GOSSIP_ENVELOPES_MAX},
    memory::{Memory, Recollection},
    peer::{PeerMessage, Recipients},
    peers::Peers,
    pool::Pool,
    report::Reports,
    roots::Roots,
    snapshot::{SnapshotFetch, SnapshotPart},
    sync::Sync,
    tip::Tip,
    worker::{Done, Executed, Job, Worker},
};
use catenary_consensus::{
    Decision, Input as ConsensusInput, Peer, Start, StartHeight, TimelinessParameters, Timeouts, ValueId,
    Verdict, Voting, journal::Origin, journal::Record,
};
use catenary_crypto::Hash;
use catenary_mutant::{Mutant, is_active};
use catenary_types::{Address, Block, Height, Timestamp};
use std::{
    collections::{BTreeMap, btree_map::Entry},
    sync::Arc,
};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before [`Input::Start`].
    New,
    /// The next height runs; `awake` says whether consensus was told of work.
    Deciding { awake: bool },
    /// A decided block is with the worker.
    Executing,
    /// This node parted from the others, or begins again from a snapshot, and does nothing more.
    Halted,
}

/// One chain on one node, but for its state.
pub struct Replica {
    /// The validator that this node is in the group; none observes.
    validator: Option<Address>,
    timeouts: Timeouts,
    pub(crate) now: Timestamp,
    pub(crate) tip: Tip,
    phase: Phase,
    pub(crate) pool: Pool,
    bodies: BTreeMap<Hash, Arc<Block>>,
    replay: BTreeMap<Height, Vec<Record>>,
    /// A build that consensus waits for, and whether the worker has it.
    build: Option<(Height, u32)>,
    assembling: bool,
    judge: Option<ValueId>,
    /// Bodies of the next height that are with the worker, each with others that came under the same header meanwhile.
    checking: BTreeMap<Hash, Vec<Arc<Block>>>,
    /// Decided before its body came in.
    decided: Option<Decision>,
    pub(crate) submissions: usize,
    pub(crate) last_tick: Timestamp,
    memory: Memory,
    pub(crate) recollection: Recollection,
    pub(crate) peers: Peers,
    pub(crate) sync: Sync,
    pub(crate) snapshot: SnapshotFetch,
    pub(crate) reports: Reports,
    pub(crate) roots: Roots,
    pub(crate) step: Step,
}

impl Replica {
    /// A replica on a tip. Nothing happens before [`Input::Start`].
    pub fn new(tip: Tip, validator: Option<Address>, timeouts: Timeouts) -> Self {
        Self {
            validator,
            timeouts,
            now: Timestamp(0),
            tip,
            phase: Phase::New,
            pool: Pool::default(),
            bodies: BTreeMap::new(),
            replay: BTreeMap::new(),
            build: None,
            assembling: false,
            judge: None,
            checking: BTreeMap::new(),
            decided: None,
            submissions: 0,
            last_tick: Timestamp(0),
            memory: Memory::Whole,
            recollection: Recollection::default(),
            peers: Peers::default(),
            sync: Sync::default(),
            snapshot: SnapshotFetch::new(true),
            reports: Reports::default(),
            roots: Roots::default(),
            step: Step::default(),
        }
    }

    /// The same, remembering its own signatures so far.
    pub fn remembering(self, memory: Memory) -> Self {
        Self { memory, ..self }
    }

    /// The same; says whether a chain without a block may begin with another node's snapshot.
    pub fn fetching_snapshots(mut self, fetches: bool) -> Self {
        self.snapshot = SnapshotFetch::new(fetches);
        self
    }

    /// Takes one input to its end. `now` is the node's clock.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Step {
        if self.phase == Phase::Halted {
            return Step::default();
        }
        self.now = now.max(self.now);
        match input {
            Input::Start(recovered) => self.start(recovered),
            Input::Submit { ticket, envelopes } => self.submit(ticket, envelopes),
            Input::Connected(peer) => self.connected(peer),
            Input::Disconnected(peer) => self.disconnected(peer),
            Input::Peer { peer, message } => self.receive(peer, message),
            Input::Ahead { peer, height } => self.ahead(peer, height),
            Input::SyncRefused(peer) => self.sync.refuse(peer),
            Input::Contradicted { height, value } => self.diverge(Divergence::Decision { height, value }),
            Input::Forgotten => {
                self.memory = Memory::Lost;
                self.recollection = Recollection::default();
                self.sync.claims().for_each(|(peer, height)| self.recollection.hear(peer, height));
            }
            Input::Build { height, round } => {
                self.build = Some((height, round));
                self.assemble();
                if !self.assembling {
                    self.rest();
                }
            }
            Input::Judge(value) => {
                self.judge = Some(value);
                self.judge_synced();
            }
            Input::Restream(value) => {
                if let Some(block) = self.bodies.get(&value.block) {
                    let message = PeerMessage::Body(block.clone());
                    self.send(Recipients::All, message);
                }
            }
            Input::Logged(block) => {
                if block.header.height == self.tip.height.next()
                    && matches!(self.phase, Phase::Deciding { .. })
                {
                    self.check(block);
                }
            }
            Input::Decided(decision) => self.decide(decision),
            Input::Done(done) => self.done(done),
            Input::Fired => {
                self.pool.expire(now.seconds());
                self.rest();
            }
        }
        if self.phase == Phase::Halted {
            return std::mem::take(&mut self.step);
        }
        self.recollect();
        self.wake();
        self.catch_up();
        self.talk();
        std::mem::take(&mut self.step)
    }

    /// When to call [`Self::step`] with [`Input::Fired`].
    pub fn deadline(&self) -> Option<Timestamp> {
        let work = match self.phase {
            Phase::Deciding { awake: false } => {
                let paced = self.tip.time.plus_ms(self.tip.parameters.block_interval_ms_min);
                let heartbeat = self.tip.block.is_some().then(|| self.tip.heartbeat());
                if self.pool.is_empty() { heartbeat } else { Some(paced) }
            }
            Phase::Halted => return None,
            Phase::New | Phase::Deciding { awake: true } | Phase::Executing => None,
        };
        let sync = match self.snapshot.is_under_way() {
            true => self.snapshot.deadline(),
            false => self.sync.deadline(self.reached()),
        };
        [work, sync, self.peers.deadline(&self.pool)].into_iter().flatten().min()
    }

    /// The height up to which nothing need be fetched.
    pub(crate) fn reached(&self) -> Height {
        let executing = self.phase == Phase::Executing;
        if executing { self.tip.height.next() } else { self.tip.height }
    }

    /// The newest final and executed block.
    pub fn tip(&self) -> &Tip {
        &self.tip
    }

    /// Transactions that wait for a block.
    pub fn pool_len(&self) -> usize {
        self.pool.len()
    }

    /// Whether this node waits for a decision that it has reason to expect.
    pub fn is_working(&self) -> bool {
        !matches!(self.phase, Phase::New | Phase::Halted | Phase::Deciding { awake: false })
    }

    /// Asserts what must hold between steps.
    pub fn check_invariants(&self) {
        self.pool.check_invariants();
        self.sync.check_invariants(self.tip.height);
        assert!(
            self.bodies.values().all(|block| block.header.height > self.tip.height),
            "old bodies are dropped"
        );
        assert!(self.step.journal.is_empty() && self.step.effects.is_empty(), "a step hands out all it made");
    }

    fn start(&mut self, recovered: Recovered) {
        assert_eq!(self.phase, Phase::New, "a replica starts once");
        let above = |height: Height| height > self.tip.height;
        for block in recovered.bodies.into_iter().filter(|block| above(block.header.height)) {
            self.bodies.insert(block.header.hash(), Arc::new(block));
        }
        for record in recovered.records.into_iter().filter(|record| above(record.height)) {
            self.replay.entry(record.height).or_default().push(record);
        }
        self.start_height();
        self.peers.connected().into_iter().for_each(|peer| self.greet(peer));
    }

    fn start_height(&mut self) {
        let height = self.tip.height.next();
        let replay = self.replay.remove(&height).unwrap_or_default();
        let awake = self.has_work() || !replay.is_empty();
        self.phase = Phase::Deciding { awake };
        (self.build, self.judge) = (None, None);
        self.checking.clear();
        let parameters = &self.tip.parameters;
        let start = StartHeight {
            height,
            validators: self.tip.next_validators.clone(),
            first_leader: self.tip.next_leader(),
            last_time: self.tip.time,
            timeliness: TimelinessParameters {
                precision_ms: parameters.clock_precision_ms,
                delay_ms: parameters.proposal_delay_ms,
            },
            timeouts: self.timeouts,
            voting: if self.validator.is_some() && self.memory.allows(height) {
                Voting::Vote
            } else {
                Voting::Follow
            },
            start: if awake { Start::Now } else { Start::WhenNeeded },
            replay,
        };
        self.consensus(ConsensusInput::StartHeight(start));
        let known: Vec<_> =
            self.bodies.values().filter(|block| block.header.height == height).cloned().collect();
        known.iter().for_each(|block| self.verdict(block, Verdict::Valid, Origin::Consensus));
        let early = self.peers.take_early(height);
        early.into_iter().for_each(|block| self.check(block));
    }

    /// Goes on voting, later, once enough is known of what others know.
    fn recollect(&mut self) {
        if self.memory != Memory::Lost || self.validator.is_none() || self.phase == Phase::New {
            return;
        }
        let members = self.tip.next_validators.validators().len();
        if let Some((memory, mark)) = self.recollection.conclude(members, self.tip.height) {
            self.memory = memory;
            self.consensus(ConsensusInput::Raise(mark));
        }
    }

    /// Whether this node would propose a block now.
    fn has_work(&self) -> bool {
        if self.pool.is_empty() {
            return self.tip.allows_empty(self.now);
        }
        let paced = self.tip.time.plus_ms(self.tip.parameters.block_interval_ms_min);
        self.tip.block.is_none() || self.now >= paced || self.pool.fills(&Worker::room(&self.tip))
    }

    fn wake(&mut self) {
        if self.phase == (Phase::Deciding { awake: false }) && self.has_work() {
            self.phase = Phase::Deciding { awake: true };
            self.consensus(ConsensusInput::Wake);
        }
        self.assemble();
    }

    /// Gives the worker the build that consensus waits for, unless it has one or there is nothing to build.
    fn assemble(&mut self) {
        let (Some((height, round)), Some(proposer)) = (self.build, self.validator) else { return };
        let current = height == self.tip.height.next() && matches!(self.phase, Phase::Deciding { .. });
        let time = self.tip.next_time(self.now);
        if self.assembling || !current || (self.pool.is_empty() && !self.tip.allows_empty(time)) {
            return;
        }
        self.assembling = true;
        let candidates = self.pool.candidates(Worker::room(&self.tip));
        self.work(Job::Assemble { height, round, time, proposer, candidates });
    }

    fn assembled(&mut self, (height, round): (Height, u32), block: Option<Arc<Block>>) {
        self.assembling = false;
        if self.build != Some((height, round)) || height != self.tip.height.next() {
            return;
        }
        match block {
            Some(block) => {
                self.build = None;
                let value = self.keep(&block);
                self.send(Recipients::All, PeerMessage::Body(block));
                self.consensus(ConsensusInput::Propose { height, round, value });
            }
            // Everything that waited had expired.
            None => self.rest(),
        }
    }

    /// Lets the height sleep if there is nothing to build, perhaps because only a journal had woken it. Else rounds would
    /// pass with nobody proposing, each longer than the last. The build stays open until there is something.
    fn rest(&mut self) {
        if self.phase == (Phase::Deciding { awake: true }) && !self.has_work() {
            self.phase = Phase::Deciding { awake: false };
            self.consensus(ConsensusInput::Rest);
        }
    }

    /// Keeps a valid body, in the journal first.
    fn keep(&mut self, block: &Arc<Block>) -> ValueId {
        let value = ValueId { block: block.header.hash(), time: block.header.time };
        self.bodies.insert(value.block, block.clone());
        if !is_active(Mutant::BodyNotJournalled) {
            self.step.journal.push(block.clone());
        }
        value
    }

    /// Takes a body: of the next block to be judged, of a later one to be kept for a while.
    pub(crate) fn receive_body(&mut self, peer: Peer, block: Arc<Block>) {
        let (height, next) = (block.header.height, self.tip.height.next());
        if height == next && matches!(self.phase, Phase::Deciding { .. }) {
            self.check(block);
        } else if height > self.reached() {
            self.peers.keep_early(peer, next, block);
        }
    }

    fn check(&mut self, block: Arc<Block>) {
        let hash = block.header.hash();
        if self.bodies.contains_key(&hash) {
            return;
        }
        match self.checking.entry(hash) {
            Entry::Vacant(free) => {
                free.insert(Vec::new());
                self.work(Job::Check(block));
            }
            Entry::Occupied(mut others) if others.get().len() < BODIES_WAITING_MAX => {
                others.get_mut().push(block)
            }
            Entry::Occupied(_) => {}
        }
    }

    fn checked(&mut self, block: Arc<Block>, value: ValueId, result: Result<(), BlockError>) {
        if block.header.height != self.tip.height.next() {
            return;
        }
        let Some(others) = self.checking.remove(&value.block) else { return };
        if result.as_ref().is_err_and(BlockError::spoiled) {
            self.sync.spoiled(&block);
            return others.into_iter().for_each(|other| self.check(other));
        }
        let synced = self.judge == Some(value);
        let origin = if synced { Origin::Sync } else { Origin::Consensus };
        match result {
            Ok(()) => {
                self.keep(&block);
                self.verdict(&block, Verdict::Valid, origin);
            }
            Err(error @ BlockError::State { .. }) if !synced => self.dispute(block, error.to_string()),
            Err(error) => {
                self.reject(value, error.to_string());
                self.verdict(&block, Verdict::Invalid, origin);
            }
        }
        if let Some(decision) = self.decided.take_if(|decision| decision.value == value) {
            self.decide(decision);
        }
    }

    fn judge_synced(&mut self) {
        let body = self.judge.and_then(|value| self.bodies.get(&value.block)).cloned();
        match (body, self.judge) {
            (Some(block), _) => self.verdict(&block, Verdict::Valid, Origin::Sync),
            (None, Some(value)) => {
                let fetched = self.sync.block(self.tip.height.next());
                let named = fetched.filter(|block| block.header.hash() == value.block);
                named.into_iter().for_each(|block| self.check(block));
            }
            (None, None) => {}
        }
    }

    /// Feeds consensus what was fetched, and asks for what is missing.
    fn catch_up(&mut self) {
        let next = self.tip.height.next();
        if let Some(decision) = &self.decided {
            // Decided without its body: the certificate is known, the block is not.
            let fetched = self.sync.block(next);
            let named = fetched.filter(|block| block.header.hash() == decision.value.block);
            named.into_iter().for_each(|block| self.check(block));
        } else if matches!(self.phase, Phase::Deciding { .. })
            && let Some((peer, fetched)) = self.sync.feed(self.now, next)
        {
            let (certificate, time) = (fetched.certificate, fetched.block.header.time);
            self.consensus(ConsensusInput::Synced { peer, certificate, time });
        }
        if self.phase == Phase::New {
            return;
        }
        self.fetch_snapshot();
        if !self.snapshot.is_under_way()
            && let Some((peer, from)) = self.sync.ask(self.now, self.reached())
        {
            self.send(Recipients::One(peer), PeerMessage::Fetch(from));
        }
    }

    /// Tells the others what they should know by now.
    fn talk(&mut self) {
        if self.peers.tells_again(self.now, &self.pool) {
            // They will refuse what is void by now, and then it would wait here alone until its time is over.
            let waiting = self.pool.overdue(self.now).take(GOSSIP_ENVELOPES_MAX).cloned().collect();
            self.work(Job::Review { waiting, now: self.now });
        }
        for message in self.peers.due(self.now, &self.tip, &self.pool) {
            self.send(Recipients::All, message);
        }
    }

    pub(crate) fn send(&mut self, to: Recipients, message: PeerMessage) {
        if self.peers.any() {
            self.step.effects.push(Effect::Send { to, message });
        }
    }

    /// Whether the first height has begun.
    pub(crate) fn is_started(&self) -> bool {
        self.phase != Phase::New
    }

    /// Gives a peer what belongs to the height at hand: it cannot have been there when that was sent.
    pub(crate) fn greet(&mut self, peer: Peer) {
        for block in self.bodies.values().cloned().collect::<Vec<_>>() {
            self.send(Recipients::One(peer), PeerMessage::Body(block));
        }
        self.consensus(ConsensusInput::Greet(peer));
    }

    pub(crate) fn serve(&mut self, peer: Peer, from: Height) {
        self.step.effects.push(Effect::Serve { peer, from });
    }

    pub(crate) fn serve_snapshot(&mut self, peer: Peer, part: SnapshotPart) {
        self.step.effects.push(Effect::ServeSnapshot { peer, part });
    }

    pub(crate) fn reject(&mut self, value: ValueId, reason: String) {
        self.step.effects.push(Effect::Rejected { value, reason });
    }

    pub(crate) fn halt(&mut self) {
        self.phase = Phase::Halted;
    }

    pub(crate) fn verdict(&mut self, block: &Block, verdict: Verdict, origin: Origin) {
        let header = &block.header;
        let value = ValueId { block: header.hash(), time: header.time };
        let builder = header.proposer;
        self.consensus(ConsensusInput::Verdict { height: header.height, value, builder, verdict, origin });
    }

    fn decide(&mut self, decision: Decision) {
        match self.bodies.get(&decision.value.block).cloned() {
            Some(block) => {
                assert_eq!(block.header.height, self.tip.height.next(), "blocks are decided in order");
                self.phase = Phase::Executing;
                self.report(&decision);
                self.work(Job::Execute { block, decision });
            }
            None => self.decided = Some(decision),
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Admitted(admitted) => self.admitted(admitted),
            Done::Reviewed(void) => {
                void.iter().for_each(|id| self.pool.remove(id));
                self.rest();
            }
            Done::Assembled { height, round, block, dropped } => {
                dropped.iter().for_each(|id| self.pool.remove(id));
                self.assembled((height, round), block);
            }
            Done::Checked { block, value, result } => {
                self.checked(block, value, result);
            }
            Done::Executed(executed) => self.executed(*executed),
            Done::ManifestChecked { peer, result } => self.manifest_checked(peer, result),
            Done::SnapshotChecked { peer, result } => self.snapshot_checked(peer, result),
        }
    }

    fn executed(&mut self, executed: Executed) {
        let old = std::mem::replace(&mut self.tip, executed.tip.clone());
        if old.parameters != self.tip.parameters {
            self.pool.shrink(&Worker::room(&self.tip));
        }
        self.sync.advance(self.now, self.tip.height);
        self.peers.advanced();
        self.roots.advance(self.tip.height);
        executed.entered.iter().for_each(|id| self.pool.remove(id));
        self.bodies.retain(|_, block| block.header.height > self.tip.height);
        let pool = self.pool.len();
        self.step.effects.push(Effect::Committed(Box::new(Committed { executed, pool })));
        self.compare_roots();
        if self.phase != Phase::Halted {
            self.start_height();
        }
    }

    pub(crate) fn work(&mut self, job: Job) {
        self.step.effects.push(Effect::Work(job));
    }

    fn consensus(&mut self, input: ConsensusInput) {
        self.step.effects.push(Effect::Consensus(Box::new(input)));
    }
}
