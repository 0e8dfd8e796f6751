//! One node of a group, with the test in the place of consensus, clients and the clock.

use catenary_apps::{
    admin::{Admin, AdminCall, Tick},
    asset::{Asset, AssetCall, Transfer},
};
use catenary_consensus::{Decision, Input as ConsensusInput, Peer, StartHeight, Timeouts, ValueId, Verdict};
use catenary_crypto::SigningKey;
use catenary_ledger::{Apps, Ledger, records::committee_account};
use catenary_replica::{
    Committed, Divergence, Effect, Input, PeerMessage, Recipients, Recovered, Refusal, RefusalReason,
    Replica, SubmitOutcome, Tip, Worker,
};
use catenary_types::{
    AccountId, Amount, Block, Body, Call, Certificate, Committee, Genesis, Header, Message, Parameters,
    RequestId, Timestamp, UnixSeconds, Validator, testing,
};
use std::{collections::BTreeMap, sync::Arc};

/// When chains start.
pub const START: UnixSeconds = UnixSeconds(1_800_000_000);
/// The keys of the committee; both must sign.
const COMMITTEE: [u8; 2] = [200, 201];
/// Static weight of a transaction of one [`pay`].
pub const WEIGHT_PAY: u64 = 70;

pub fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

/// The account of a bank, which is named by a letter. The letter is its key's seed.
pub fn account(bank: char) -> AccountId {
    AccountId::new(&bank.to_string().parse().unwrap(), &"operator".parse().unwrap())
}

/// Banks A, B and C, and so many validators of equal power with keys 1, 2, ….
pub fn genesis(validators: u8, change: impl FnOnce(&mut Parameters)) -> Genesis {
    let mut parameters = Parameters::for_group_of(validators.into());
    change(&mut parameters);
    let account = |bank: char| testing::account(&bank.to_string(), "operator", &key(bank as u8), &[]);
    let validator = |seed| Validator { public_key: key(seed).public_key(), power: 10 };
    Genesis {
        parameters,
        committee: Committee { threshold: 2, keys: COMMITTEE.map(|seed| key(seed).public_key()).to_vec() },
        organisations: ["A", "B", "C"].map(|name| name.parse().unwrap()).to_vec(),
        accounts: ['A', 'B', 'C'].map(account).to_vec(),
        instances: ["admin", "asset"].map(testing::instance).to_vec(),
        ..testing::genesis("test", START.start(), (1..=validators).map(validator).collect())
    }
}

/// A worker on the genesis.
pub fn worker(genesis: &Genesis) -> Worker {
    let ledger = Ledger::new(Apps::default().with("admin", Admin).with("asset", Asset));
    let state = ledger.genesis(genesis).unwrap();
    let tip = Tip::genesis(genesis, genesis.chain_id().unwrap(), &state).unwrap();
    Worker::new(ledger, state, tip, BTreeMap::new())
}

pub fn tick() -> Call {
    Call { instance: "admin".parse().unwrap(), message: AdminCall::Tick(Tick {}).encode() }
}

/// A payment. It fails, as nobody holds anything, which is all the same to a replica.
pub fn pay() -> Call {
    let to = catenary_apps::accounts::AccountName {
        organisation: "B".parse().unwrap(),
        number: "7".parse().unwrap(),
    };
    let asset = "CZK".parse().unwrap();
    let call = AssetCall::Transfer(Transfer { asset, to, amount: Amount(1), memo: String::new() });
    Call { instance: "asset".parse().unwrap(), message: call.encode() }
}

/// What the transaction of an envelope is called here: its bank and the first byte of its request id.
pub fn names(block: &Block) -> String {
    let name = |bytes: &Vec<u8>| {
        let body = catenary_types::envelope::Transaction::decode(bytes).unwrap().body;
        let bank = ['A', 'B', 'C'].into_iter().find(|bank| account(*bank) == body.sender).unwrap();
        format!("{bank}{} ", body.request_id.0[0])
    };
    block.envelopes.iter().map(name).collect::<String>().trim_end().to_owned()
}

/// A certificate of the members of the tip's next set but the `absent` ones.
pub fn certify(tip: &Tip, header: &Header, round: u32, absent: &[usize]) -> Certificate {
    testing::certify(header, &tip.next_validators, round, absent, (1..50).map(key))
}

pub fn value(block: &Block) -> ValueId {
    ValueId { block: block.header.hash(), time: block.header.time }
}

/// The only peer of a node that has one.
pub const PEER: Peer = Peer(9);

/// What the peer sends.
pub fn from_peer(message: PeerMessage) -> Input {
    Input::Peer { peer: PEER, message }
}

/// What a test changes of something that was right, under the name of the part.
pub type Change<T> = (&'static str, fn(&mut T));

/// A node, and all that came out of it.
pub struct Node {
    pub replica: Replica,
    pub worker: Worker,
    /// The node's clock.
    pub now: Timestamp,
    /// What consensus was told and the test has not yet looked at.
    pub consensus: Vec<ConsensusInput>,
    pub journal: Vec<Arc<Block>>,
    pub committed: Vec<Committed>,
    pub rejected: Vec<(ValueId, String)>,
    pub diverged: Vec<Divergence>,
    pub sent: Vec<Arc<Block>>,
    /// Envelopes that all peers were told.
    pub gossip: Vec<Vec<u8>>,
    replies: BTreeMap<u64, Vec<SubmitOutcome>>,
}

impl Node {
    /// A started node of a group of one.
    pub fn alone(change: impl FnOnce(&mut Parameters)) -> Self {
        Self::start(worker(&genesis(1, change)), Recovered::default())
    }

    /// A node that starts from where its worker is, a second after the tip.
    pub fn start(worker: Worker, recovered: Recovered) -> Self {
        Self::start_as(0, worker, recovered)
    }

    /// As [`Self::start`], as another member of the set than the first.
    pub fn start_as(member: usize, worker: Worker, recovered: Recovered) -> Self {
        let tip = worker.tip().clone();
        let validator = Some(tip.next_validators.addresses()[member]);
        let mut node = Self {
            replica: Replica::new(tip.clone(), validator, Timeouts::default()),
            worker,
            now: tip.time.plus_ms(1_000),
            consensus: Vec::new(),
            journal: Vec::new(),
            committed: Vec::new(),
            rejected: Vec::new(),
            diverged: Vec::new(),
            sent: Vec::new(),
            gossip: Vec::new(),
            replies: BTreeMap::new(),
        };
        node.input(Input::Start(recovered));
        node
    }

    /// The same with a peer.
    pub fn connected(mut self) -> Self {
        self.input(Input::Connected(PEER));
        self
    }

    /// Feeds a body that the peer sends.
    pub fn body(&mut self, block: Arc<Block>) {
        self.input(from_peer(PeerMessage::Body(block)));
    }

    /// Feeds an input and has the worker do at once what it leads to.
    pub fn input(&mut self, input: Input) {
        let mut inputs = vec![input];
        let mut steps = 0;
        while let Some(input) = inputs.pop() {
            steps += 1;
            assert!(steps < 1_000, "the node goes round in circles");
            let step = self.replica.step(self.now, input);
            self.replica.check_invariants();
            self.journal.extend(step.journal);
            for effect in step.effects {
                match effect {
                    Effect::Work(job) => inputs.push(Input::Done(self.worker.run(job))),
                    Effect::Consensus(input) => self.consensus.push(*input),
                    Effect::Reply { ticket, outcomes } => drop(self.replies.insert(ticket, outcomes)),
                    Effect::Send { to: Recipients::All, message: PeerMessage::Body(block) } => {
                        self.sent.push(block);
                    }
                    Effect::Send { to: Recipients::All, message: PeerMessage::Transactions(envelopes) } => {
                        self.gossip.extend(envelopes);
                    }
                    // Tips and what is asked for are tested where they are decided, snapshots in `snapshot_fetch`.
                    Effect::Send { .. }
                    | Effect::Serve { .. }
                    | Effect::ServeSnapshot { .. }
                    | Effect::SnapshotRefused { .. }
                    | Effect::Restore(_) => {}
                    Effect::Committed(committed) => self.committed.push(*committed),
                    Effect::Rejected { value, reason } => self.rejected.push((value, reason)),
                    Effect::Diverged(divergence) => self.diverged.push(divergence),
                }
            }
        }
    }

    /// The envelope of a bank's transaction that is valid for ten seconds after the chain's start.
    pub fn envelope(&self, bank: char, request: u8, calls: Vec<Call>) -> Vec<u8> {
        self.envelope_until(UnixSeconds(START.0 + 10), bank, request, calls)
    }

    pub fn envelope_until(
        &self,
        valid_until: UnixSeconds,
        bank: char,
        request: u8,
        calls: Vec<Call>,
    ) -> Vec<u8> {
        let body = Body {
            chain_id: self.worker.tip().chain_id.clone(),
            sender: account(bank),
            request_id: RequestId([request; 16]),
            valid_until,
            reference: None,
            calls,
        };
        body.sign(&[&key(bank as u8)]).encode()
    }

    /// The envelope of what the committee decides.
    pub fn decision(&self, request: u8, calls: Vec<AdminCall>) -> Vec<u8> {
        let call = |call: AdminCall| Call { instance: "admin".parse().unwrap(), message: call.encode() };
        let body = Body {
            chain_id: self.worker.tip().chain_id.clone(),
            sender: committee_account(),
            request_id: RequestId([request; 16]),
            valid_until: UnixSeconds(START.0 + 10),
            reference: None,
            calls: calls.into_iter().map(call).collect(),
        };
        body.sign(&COMMITTEE.map(key).each_ref()).encode()
    }

    pub fn submit(&mut self, envelopes: Vec<Vec<u8>>) -> Vec<SubmitOutcome> {
        self.input(Input::Submit { ticket: 7, envelopes });
        self.replies.remove(&7).expect("every submission is answered")
    }

    /// Submits a payment of each bank in the text, with request ids from `first` on.
    pub fn submit_payments(&mut self, banks: &str, first: u8) {
        let envelopes =
            banks.chars().zip(first..).map(|(bank, request)| self.envelope(bank, request, vec![pay()]));
        let outcomes = self.submit(envelopes.collect());
        assert!(outcomes.iter().all(|outcome| matches!(outcome, SubmitOutcome::Accepted(_))), "{outcomes:?}");
    }

    /// Consensus asks for a block; none if there is nothing to put into one.
    pub fn build(&mut self) -> Option<Arc<Block>> {
        self.consensus.clear();
        let height = self.replica.tip().height.next();
        self.input(Input::Build { height, round: 0 });
        let proposed = self.consensus.iter().find_map(|input| match input {
            ConsensusInput::Propose { value, .. } => Some(*value),
            _ => None,
        })?;
        let block = self.journal.last().expect("a body is in the journal before consensus hears of it");
        assert_eq!(value(block), proposed);
        Some(block.clone())
    }

    /// Everybody signs the block.
    pub fn decide(&mut self, block: &Block) -> Committed {
        let certificate = certify(self.worker.tip(), &block.header, 0, &[]);
        self.input(Input::Decided(Decision { certificate, value: value(block), evidence: Vec::new() }));
        let committed = self.committed.last().expect("a decided block is executed").clone();
        assert_eq!(committed.executed.tip, *self.worker.tip());
        committed
    }

    /// Builds and decides the next block.
    pub fn commit(&mut self) -> Committed {
        let block = self.build().expect("there is something to build");
        self.decide(&block)
    }

    /// How consensus was told to begin the height that runs.
    pub fn started(&self) -> &StartHeight {
        let start = self.consensus.iter().rev().find_map(|input| match input {
            ConsensusInput::StartHeight(start) => Some(start),
            _ => None,
        });
        start.expect("a height begins")
    }

    /// Whether consensus was woken since the test last looked.
    pub fn woken(&mut self) -> bool {
        std::mem::take(&mut self.consensus).iter().any(|input| matches!(input, ConsensusInput::Wake))
    }

    /// The verdicts that consensus was told and the test has not yet looked at.
    pub fn verdicts(&mut self) -> Vec<(ValueId, Verdict)> {
        let inputs = std::mem::take(&mut self.consensus).into_iter();
        let verdict = |input| match input {
            ConsensusInput::Verdict { value, verdict, .. } => Some((value, verdict)),
            _ => None,
        };
        inputs.filter_map(verdict).collect()
    }
}

/// Why an envelope was not taken.
pub fn refusal(outcome: &SubmitOutcome) -> Option<RefusalReason> {
    match outcome {
        SubmitOutcome::Refused(Refusal { reason, .. }) => Some(*reason),
        SubmitOutcome::Accepted(_) | SubmitOutcome::Known { .. } => None,
    }
}
