//! The consensus group of a chain, whichever kind it is.

use super::actor::{ConsensusActor, ConsensusMessage, ConsensusParts};
use crate::{
    chain::ChainActor,
    home::Home,
    journal::ChainJournal,
    raft::{RaftActor, RaftLog, RaftMessage},
};
use actix::Addr;
use catenary_consensus::{Input, Message, Peer, raft};
use catenary_replica::Tip;
use catenary_store::failpoint::{Failpoint, reached};
use catenary_types::Block;
use std::sync::Arc;

/// Where a chain's group runs on this node.
#[derive(Clone)]
pub(crate) enum Group {
    /// It votes.
    Bft(Addr<ConsensusActor>),
    /// It keeps a log.
    Raft(Addr<RaftActor>),
}

impl Group {
    /// Starts a group on a tip: one that keeps a log, if there is one to start from.
    pub(crate) fn start(home: &Home, parts: ConsensusParts, log: Option<RaftLog>, tip: &Tip) -> Self {
        let capacity = home.capacities().consensus;
        match log {
            None => Self::Bft(home.start(capacity, move || ConsensusActor::new(parts))),
            Some(log) => {
                let raft = RaftActor::new(parts, log, tip);
                Self::Raft(home.start(capacity, move || raft))
            }
        }
    }

    /// Tells the group which chain it decides for.
    pub(crate) fn chain(&self, chain: Addr<ChainActor>) {
        match self {
            Self::Bft(group) => group.do_send(ConsensusMessage::Chain(chain)),
            Self::Raft(group) => group.do_send(RaftMessage::Chain(chain)),
        }
    }

    /// Feeds what the chain says.
    pub(crate) fn input(&self, input: Box<Input>) {
        match self {
            Self::Bft(group) => group.do_send(ConsensusMessage::Input(input)),
            Self::Raft(group) => group.do_send(RaftMessage::Input(input)),
        }
    }

    /// Feeds what a peer says; false if there is no room for it.
    pub(crate) fn message(&self, peer: Peer, message: Message) -> bool {
        let input = Box::new(Input::Message { peer, message });
        match self {
            Self::Bft(group) => group.try_send(ConsensusMessage::Input(input)).is_ok(),
            Self::Raft(group) => group.try_send(RaftMessage::Input(input)).is_ok(),
        }
    }

    /// Feeds what a peer says about the log; false if there is no room for it, or no log.
    pub(crate) fn raft(&self, peer: Peer, message: raft::Message) -> bool {
        match self {
            Self::Bft(_) => false,
            Self::Raft(group) => group.try_send(RaftMessage::Peer(peer, Box::new(message))).is_ok(),
        }
    }

    /// Keeps a body that the chain found valid where the group will look for it: in the journal, or for the log.
    pub(crate) fn body(&self, journal: &ChainJournal, block: Arc<Block>) -> Result<(), String> {
        match self {
            Self::Bft(_) => {
                reached(Failpoint::AppendBody);
                journal.append_body(&block).map_err(|refused| format!("journal: {}", refused.reason))
            }
            Self::Raft(group) => {
                group.do_send(RaftMessage::Body(block));
                Ok(())
            }
        }
    }

    /// Whether bodies travel by the chain's own messages. Entries of a log carry them.
    pub(crate) fn sends_bodies(&self) -> bool {
        matches!(self, Self::Bft(_))
    }

    /// The chain stops: nothing more is signed or said.
    pub(crate) fn stop(&self) {
        match self {
            Self::Bft(group) => group.do_send(ConsensusMessage::Stop),
            Self::Raft(group) => group.do_send(RaftMessage::Stop),
        }
    }
}
