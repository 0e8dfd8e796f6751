//! The replica machine: pool, building, commit order.

use crate::{
    limits::{SUBMISSIONS_WAITING_MAX, TICK_INTERVAL_MS},
    pool::{Inserted, Pool, Waiting},
    submission::{Refusal, RefusalReason, SubmitOutcome},
    tip::Tip,
    worker::{Admission, Admitted, Done, Executed, Job, Worker},
};
use catenary_apps::admin::{self, AdminCall};
use catenary_consensus::{
    Decision, Input as ConsensusInput, Start, StartHeight, TimelinessParameters, Timeouts, ValueId, Verdict,
    Voting, journal::Origin, journal::Record,
};
use catenary_crypto::Hash;
use catenary_types::{Address, Block, Height, Message, Timestamp, envelope::Transaction};
use std::{collections::BTreeMap, sync::Arc};

/// Names a submission until it is answered.
pub type Ticket = u64;

/// What happens to a replica.
#[derive(Clone, Debug)]
pub enum Input {
    /// The first input: what the journal holds of heights above the tip.
    Start(Recovered),
    /// A client submits envelopes.
    Submit {
        /// Names the submission in the answer.
        ticket: Ticket,
        /// Encoded envelopes.
        envelopes: Vec<Vec<u8>>,
    },
    /// Another validator sent the body of a block.
    Body(Arc<Block>),
    /// Consensus asks for a block to propose.
    Build {
        /// For this height.
        height: Height,
        /// And round.
        round: u32,
    },
    /// Consensus verified the certificate of a block that was fetched, and asks for the verdict.
    Judge(ValueId),
    /// Consensus proposes a block again: others may lack its body.
    Restream(ValueId),
    /// A block is final.
    Decided(Decision),
    /// The worker did a job.
    Done(Done),
    /// The deadline passed.
    Fired,
}

/// What a restart finds in the journal.
#[derive(Clone, Debug, Default)]
pub struct Recovered {
    /// Bodies, each judged valid before it was written.
    pub bodies: Vec<Block>,
    /// Records of consensus, in order.
    pub records: Vec<Record>,
}

/// What the shell is to do.
#[derive(Clone, Debug)]
pub enum Effect {
    /// Have the worker do this, in order.
    Work(Job),
    /// Feed this to consensus.
    Consensus(Box<ConsensusInput>),
    /// Answer a submission.
    Reply {
        /// Which.
        ticket: Ticket,
        /// One per envelope.
        outcomes: Vec<SubmitOutcome>,
    },
    /// Send a body to the other validators.
    SendBody(Arc<Block>),
    /// A block is final and executed: store it, tell subscribers.
    Committed(Box<Committed>),
    /// A block of another validator is invalid. Tell the operator.
    Rejected {
        /// Which.
        value: ValueId,
        /// Why.
        reason: String,
    },
}

/// A final block with its outcome.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Tip, block and receipts.
    pub executed: Executed,
    /// Transactions that still wait.
    pub pool: usize,
}

/// What one input led to. The shell appends the bodies to the journal, then runs the effects in order: the journal keeps
/// its order on disk, so whatever consensus writes about a body comes after it.
#[derive(Clone, Debug, Default)]
pub struct Step {
    /// Bodies for the journal.
    pub journal: Vec<Arc<Block>>,
    /// What to do then.
    pub effects: Vec<Effect>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Before [`Input::Start`].
    New,
    /// The next height runs; `awake` says whether consensus was told of work.
    Deciding { awake: bool },
    /// A decided block is with the worker.
    Executing,
}

/// One chain on one node, but for its state.
pub struct Replica {
    /// The validator that this node is in the group; none observes.
    validator: Option<Address>,
    timeouts: Timeouts,
    now: Timestamp,
    tip: Tip,
    phase: Phase,
    pool: Pool,
    bodies: BTreeMap<Hash, Arc<Block>>,
    replay: BTreeMap<Height, Vec<Record>>,
    /// A build that consensus waits for, and whether the worker has it.
    build: Option<(Height, u32)>,
    assembling: bool,
    judge: Option<ValueId>,
    /// Decided before its body came in.
    decided: Option<Decision>,
    submissions: usize,
    last_tick: Timestamp,
    step: Step,
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
            decided: None,
            submissions: 0,
            last_tick: Timestamp(0),
            step: Step::default(),
        }
    }

    /// Takes one input to its end. `now` is the node's clock.
    pub fn step(&mut self, now: Timestamp, input: Input) -> Step {
        self.now = now.max(self.now);
        match input {
            Input::Start(recovered) => self.start(recovered),
            Input::Submit { ticket, envelopes } => self.submit(ticket, envelopes),
            Input::Body(block) => self.receive_body(block),
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
                    self.step.effects.push(Effect::SendBody(block.clone()));
                }
            }
            Input::Decided(decision) => self.decide(decision),
            Input::Done(done) => self.done(done),
            Input::Fired => self.pool.expire(now.seconds()),
        }
        self.wake();
        std::mem::take(&mut self.step)
    }

    /// When to call [`Self::step`] with [`Input::Fired`].
    pub fn deadline(&self) -> Option<Timestamp> {
        match self.phase {
            Phase::Deciding { awake: false } => {
                let paced = self.tip.time.plus_ms(self.tip.parameters.block_interval_ms_min);
                let heartbeat = self.tip.block.is_some().then(|| self.tip.heartbeat());
                if self.pool.is_empty() { heartbeat } else { Some(paced) }
            }
            Phase::New | Phase::Deciding { awake: true } | Phase::Executing => None,
        }
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
        !matches!(self.phase, Phase::New | Phase::Deciding { awake: false })
    }

    /// Asserts what must hold between steps.
    pub fn check_invariants(&self) {
        self.pool.check_invariants();
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
    }

    fn start_height(&mut self) {
        let height = self.tip.height.next();
        let replay = self.replay.remove(&height).unwrap_or_default();
        let awake = self.has_work() || !replay.is_empty();
        self.phase = Phase::Deciding { awake };
        (self.build, self.judge) = (None, None);
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
            voting: if self.validator.is_some() { Voting::Vote } else { Voting::Follow },
            start: if awake { Start::Now } else { Start::WhenNeeded },
            replay,
        };
        self.consensus(ConsensusInput::StartHeight(start));
        let known: Vec<_> =
            self.bodies.values().filter(|block| block.header.height == height).cloned().collect();
        known.iter().for_each(|block| self.verdict(block, Verdict::Valid, Origin::Consensus));
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

    // Submissions.

    fn submit(&mut self, ticket: Ticket, envelopes: Vec<Vec<u8>>) {
        if self.submissions >= SUBMISSIONS_WAITING_MAX {
            let refusal = || busy("too many submissions wait for admission");
            let outcomes = envelopes.iter().map(|_| refusal()).collect();
            self.step.effects.push(Effect::Reply { ticket, outcomes });
            return;
        }
        self.submissions += 1;
        self.step.effects.push(Effect::Work(Job::Admit { ticket, envelopes, now: self.now }));
    }

    fn admitted(&mut self, admitted: Admitted) {
        self.submissions -= 1;
        let outcomes = admitted.admissions.into_iter().map(|admission| match admission {
            Admission::Fresh(waiting) => self.insert(waiting),
            Admission::Known { tx_id, height } => SubmitOutcome::Known { tx_id, height: Some(height) },
            Admission::Refused(refusal) => SubmitOutcome::Refused(refusal),
        });
        let outcomes = outcomes.collect();
        self.step.effects.push(Effect::Reply { ticket: admitted.ticket, outcomes });
    }

    fn insert(&mut self, waiting: Waiting) -> SubmitOutcome {
        let tx_id = waiting.transaction.id;
        let request_id = waiting.transaction.body.request_id;
        let tick = is_tick(&waiting.transaction);
        // A tick that waits already is known, and costs nobody his turn.
        if tick && !self.pool.holds(&waiting) && self.now < self.last_tick.plus_ms(TICK_INTERVAL_MS) {
            return busy("a chain admits one tick a second");
        }
        match self.pool.insert(waiting) {
            Inserted::New => {
                if tick {
                    self.last_tick = self.now;
                }
                SubmitOutcome::Accepted(tx_id)
            }
            Inserted::Known => SubmitOutcome::Known { tx_id, height: None },
            Inserted::IdReused => {
                let detail = format!("request id {request_id} waits with another body");
                SubmitOutcome::Refused(Refusal::new(RefusalReason::RequestIdReused, detail))
            }
            Inserted::Full => busy("the pool is full"),
        }
    }

    // Blocks.

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
        self.step.effects.push(Effect::Work(Job::Assemble { height, round, time, proposer, candidates }));
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
                self.step.effects.push(Effect::SendBody(block));
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
        self.step.journal.push(block.clone());
        value
    }

    fn receive_body(&mut self, block: Arc<Block>) {
        let next = block.header.height == self.tip.height.next();
        let known = self.bodies.contains_key(&block.header.hash());
        if next && !known && matches!(self.phase, Phase::Deciding { .. }) {
            self.step.effects.push(Effect::Work(Job::Check(block)));
        }
    }

    fn checked(&mut self, block: Arc<Block>, value: ValueId, invalid: Option<String>) {
        if block.header.height != self.tip.height.next() {
            return;
        }
        let synced = self.judge == Some(value);
        let origin = if synced { Origin::Sync } else { Origin::Consensus };
        match invalid {
            None => {
                self.keep(&block);
                self.verdict(&block, Verdict::Valid, origin);
            }
            Some(reason) => {
                self.step.effects.push(Effect::Rejected { value, reason });
                self.verdict(&block, Verdict::Invalid, origin);
            }
        }
        if let Some(decision) = self.decided.take_if(|decision| decision.value == value) {
            self.decide(decision);
        }
    }

    fn judge_synced(&mut self) {
        let body = self.judge.and_then(|value| self.bodies.get(&value.block)).cloned();
        if let Some(block) = body {
            self.verdict(&block, Verdict::Valid, Origin::Sync);
        }
    }

    fn verdict(&mut self, block: &Block, verdict: Verdict, origin: Origin) {
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
                self.step.effects.push(Effect::Work(Job::Execute { block, decision }));
            }
            None => self.decided = Some(decision),
        }
    }

    fn done(&mut self, done: Done) {
        match done {
            Done::Admitted(admitted) => self.admitted(admitted),
            Done::Assembled { height, round, block, dropped } => {
                dropped.iter().for_each(|id| self.pool.remove(id));
                self.assembled((height, round), block);
            }
            Done::Checked { block, value, result } => {
                self.checked(block, value, result.err().map(|error| error.to_string()));
            }
            Done::Executed(executed) => self.executed(*executed),
        }
    }

    fn executed(&mut self, executed: Executed) {
        let old = std::mem::replace(&mut self.tip, executed.tip.clone());
        if old.parameters != self.tip.parameters {
            self.pool.shrink(&Worker::room(&self.tip));
        }
        executed.entered.iter().for_each(|id| self.pool.remove(id));
        self.bodies.retain(|_, block| block.header.height > self.tip.height);
        let pool = self.pool.len();
        self.step.effects.push(Effect::Committed(Box::new(Committed { executed, pool })));
        self.start_height();
    }

    fn consensus(&mut self, input: ConsensusInput) {
        self.step.effects.push(Effect::Consensus(Box::new(input)));
    }
}

fn busy(detail: &str) -> SubmitOutcome {
    SubmitOutcome::Refused(Refusal::new(RefusalReason::Busy, detail))
}

/// A transaction that asks for a block and nothing else.
fn is_tick(transaction: &Transaction) -> bool {
    transaction.body.calls.iter().all(|call| {
        call.instance.as_str() == admin::KIND
            && matches!(AdminCall::decode(&call.message), Ok(AdminCall::Tick(_)))
    })
}
