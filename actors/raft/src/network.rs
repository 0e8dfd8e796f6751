//! Questions to other members and their answers, over links that may lose either.

use crate::{
    convert,
    engine::{Engine, Id, MemberId, Vote},
};
use catenary_consensus::raft::{Appended, Clock, Message, Rpc};
use catenary_types::{Address, Timestamp};
use openraft::{
    AnyError, EmptyNode, OptionalSend, RPCTypes, Snapshot,
    error::{
        Fatal, NetworkError, RPCError, RaftError, ReplicationClosed, StreamingError, Timeout, Unreachable,
    },
    network::{RPCOption, RaftNetwork, RaftNetworkFactory},
    raft::{AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};

/// Sends a message to a member; false if nobody knows where it is.
pub type Send = Arc<dyn Fn(Address, Message) -> bool + std::marker::Send + Sync>;

/// A question that is out.
struct Question {
    to: Address,
    sent: Timestamp,
    answer: Option<oneshot::Sender<Rpc>>,
}

#[derive(Default)]
struct Open {
    asked: u64,
    questions: BTreeMap<u64, Question>,
}

/// A member's way to the others.
#[derive(Clone)]
pub(crate) struct Network {
    own: Address,
    send: Send,
    clock: Arc<dyn Fn() -> Timestamp + std::marker::Send + Sync>,
    open: Arc<Mutex<Open>>,
}

/// Why there is no answer.
enum Silence {
    /// Nobody knows where the member is.
    Unreachable,
    /// It did not answer in time.
    Timeout,
}

impl Network {
    pub(crate) fn new(
        own: Address,
        send: Send,
        clock: Arc<dyn Fn() -> Timestamp + std::marker::Send + Sync>,
    ) -> Self {
        Self { own, send, clock, open: Arc::default() }
    }

    /// Asks another member what time it is there.
    pub(crate) fn greet(&self, to: Address) {
        let mut open = self.open();
        // One that never answered is forgotten for the next.
        open.questions.retain(|_, question| question.to != to || question.answer.is_some());
        let number = open.enter(Question { to, sent: (self.clock)(), answer: None });
        drop(open);
        (self.send)(to, self.message(number, Rpc::Hello));
    }

    /// Answers a question.
    pub(crate) fn answer(&self, to: Address, number: u64, rpc: Rpc) {
        (self.send)(to, self.message(number, rpc));
    }

    /// Takes an answer; what it tells of the other clock.
    pub(crate) fn take_answer(&self, message: Message) -> Option<(Address, Clock)> {
        let mut open = self.open();
        let question = open.questions.get(&message.number).filter(|question| question.to == message.from)?;
        let clock = Clock::measured(question.sent, message.clock, (self.clock)());
        let question = open.questions.remove(&message.number)?;
        // Whoever asked may have given up.
        if let Some(answer) = question.answer {
            drop(answer.send(message.rpc));
        }
        Some((message.from, clock))
    }

    fn message(&self, number: u64, rpc: Rpc) -> Message {
        Message { from: self.own, number, clock: (self.clock)(), rpc }
    }

    async fn ask(&self, to: Address, rpc: Rpc, ttl: Duration) -> Result<Rpc, Silence> {
        let (answer, answered) = oneshot::channel();
        let number = self.open().enter(Question { to, sent: (self.clock)(), answer: Some(answer) });
        let _open = Forget { open: self.open.clone(), number };
        if !(self.send)(to, self.message(number, rpc)) {
            return Err(Silence::Unreachable);
        }
        match timeout(ttl, answered).await {
            Ok(Ok(rpc)) => Ok(rpc),
            Ok(Err(_)) | Err(_) => Err(Silence::Timeout),
        }
    }

    fn open(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    fn enter(&mut self, question: Question) -> u64 {
        self.asked += 1;
        self.questions.insert(self.asked, question);
        self.asked
    }
}

/// Forgets a question whose asker has given up.
struct Forget {
    open: Arc<Mutex<Open>>,
    number: u64,
}

impl Drop for Forget {
    fn drop(&mut self) {
        self.open.lock().unwrap_or_else(PoisonError::into_inner).questions.remove(&self.number);
    }
}

impl RaftNetworkFactory<Engine> for Network {
    type Network = Way;

    async fn new_client(&mut self, to: MemberId, _: &EmptyNode) -> Way {
        Way { network: self.clone(), to }
    }
}

/// The way to one member.
pub(crate) struct Way {
    network: Network,
    to: MemberId,
}

type Failure<E> = RPCError<MemberId, EmptyNode, E>;

impl Way {
    async fn ask<E: std::error::Error>(
        &self,
        rpc: Rpc,
        action: RPCTypes,
        option: &RPCOption,
    ) -> Result<Rpc, Failure<E>> {
        self.network.ask(self.to.0, rpc, option.hard_ttl()).await.map_err(|silence| match silence {
            Silence::Unreachable => RPCError::Unreachable(unreachable()),
            Silence::Timeout => RPCError::Timeout(self.timeout(action, option)),
        })
    }

    fn timeout(&self, action: RPCTypes, option: &RPCOption) -> Timeout<MemberId> {
        Timeout { action, id: MemberId(self.network.own), target: self.to, timeout: option.hard_ttl() }
    }
}

fn unreachable() -> Unreachable {
    Unreachable::new(&AnyError::error("no link to the member"))
}

fn unexpected() -> NetworkError {
    NetworkError::new(&AnyError::error("the member answered another question"))
}

impl RaftNetwork<Engine> for Way {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Engine>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<MemberId>, Failure<RaftError<MemberId>>> {
        let id = |id: Option<Id>| id.as_ref().map(convert::log_id);
        let rpc = Rpc::Append {
            ballot: convert::ballot(&request.vote),
            previous: id(request.prev_log_id),
            entries: request.entries.iter().map(convert::entry).collect(),
            committed: id(request.leader_commit),
        };
        match self.ask(rpc, RPCTypes::AppendEntries, &option).await? {
            Rpc::Appended(appended) => Ok(match appended {
                Appended::All => AppendEntriesResponse::Success,
                Appended::Upto(upto) => {
                    AppendEntriesResponse::PartialSuccess(upto.as_ref().map(convert::log_id_back))
                }
                Appended::Conflict => AppendEntriesResponse::Conflict,
                Appended::Higher(ballot) => AppendEntriesResponse::HigherVote(convert::ballot_back(&ballot)),
            }),
            _ => Err(RPCError::Network(unexpected())),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<MemberId>,
        option: RPCOption,
    ) -> Result<VoteResponse<MemberId>, Failure<RaftError<MemberId>>> {
        let last = request.last_log_id.as_ref().map(convert::log_id);
        let rpc = Rpc::RequestVote { ballot: convert::ballot(&request.vote), last };
        match self.ask(rpc, RPCTypes::Vote, &option).await? {
            Rpc::Voted { ballot, granted, last } => {
                let last = last.as_ref().map(convert::log_id_back);
                Ok(VoteResponse::new(convert::ballot_back(&ballot), last, granted))
            }
            _ => Err(RPCError::Network(unexpected())),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot<Engine>,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<MemberId>, StreamingError<Engine, Fatal<MemberId>>> {
        let base = convert::base(snapshot.meta.last_log_id.as_ref(), &snapshot.meta.last_membership);
        let rpc = Rpc::Install { ballot: convert::ballot(&vote), base };
        let answer = self.network.ask(self.to.0, rpc, option.hard_ttl()).await;
        match answer {
            Ok(Rpc::Installed { ballot }) => Ok(SnapshotResponse::new(convert::ballot_back(&ballot))),
            Ok(_) => Err(unexpected().into()),
            Err(Silence::Unreachable) => Err(unreachable().into()),
            Err(Silence::Timeout) => Err(self.timeout(RPCTypes::InstallSnapshot, &option).into()),
        }
    }
}
