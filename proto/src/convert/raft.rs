//! `catenary/peer/v1/peer_service.proto`, `Raft`: what the members of a Raft group say to each other.

use super::{
    list, nested,
    peer_service::{address, at_most, block},
    required,
};
use crate::{Malformed, peer};
use catenary_consensus::raft::{
    Appended, Ballot, Base, ENTRIES_PER_MESSAGE_MAX, LogEntry, LogId, Membership, Message, Payload, Rpc, Term,
};
use catenary_types::{Address, Message as _, Timestamp, limits::VALIDATORS_MAX};
use peer::{raft::Rpc as WireRpc, raft_entry::Payload as WirePayload};
use std::collections::BTreeSet;

/// Sets of voters in one membership.
const VOTER_SETS_MAX: usize = 2;

impl From<&Message> for peer::Raft {
    fn from(Message { from, number, clock, rpc }: &Message) -> Self {
        Self { from: from.0.to_vec(), number: *number, clock: clock.0, rpc: Some(rpc.into()) }
    }
}

impl TryFrom<peer::Raft> for Message {
    type Error = Malformed;

    fn try_from(message: peer::Raft) -> Result<Self, Malformed> {
        Ok(Self {
            from: address("from", &message.from)?,
            number: message.number,
            clock: Timestamp(message.clock),
            rpc: required("rpc", message.rpc)?.try_into()?,
        })
    }
}

impl From<&Rpc> for WireRpc {
    fn from(rpc: &Rpc) -> Self {
        match rpc {
            Rpc::Hello => Self::Hello(peer::RaftHello {}),
            Rpc::Welcome => Self::Welcome(peer::RaftHello {}),
            Rpc::Append { ballot, previous, entries, committed } => Self::Append(peer::RaftAppend {
                ballot: Some(ballot.into()),
                previous: previous.as_ref().map(Into::into),
                entries: entries.iter().map(Into::into).collect(),
                committed: committed.as_ref().map(Into::into),
            }),
            Rpc::Appended(appended) => Self::Appended(appended.into()),
            Rpc::RequestVote { ballot, last } => Self::RequestVote(peer::RaftRequestVote {
                ballot: Some(ballot.into()),
                last: last.as_ref().map(Into::into),
            }),
            Rpc::Voted { ballot, granted, last } => Self::Voted(peer::RaftVoted {
                ballot: Some(ballot.into()),
                granted: *granted,
                last: last.as_ref().map(Into::into),
            }),
            Rpc::Install { ballot, base } => Self::Install(peer::RaftInstall {
                ballot: Some(ballot.into()),
                last: base.last.as_ref().map(Into::into),
                membership_at: base.membership_at.as_ref().map(Into::into),
                membership: Some((&base.membership).into()),
            }),
            Rpc::Installed { ballot } => Self::Installed(ballot.into()),
        }
    }
}

impl TryFrom<WireRpc> for Rpc {
    type Error = Malformed;

    fn try_from(rpc: WireRpc) -> Result<Self, Malformed> {
        Ok(match rpc {
            WireRpc::Hello(peer::RaftHello {}) => Self::Hello,
            WireRpc::Welcome(peer::RaftHello {}) => Self::Welcome,
            WireRpc::Append(append) => {
                at_most("entries", ENTRIES_PER_MESSAGE_MAX, &append.entries)?;
                Self::Append {
                    ballot: nested("ballot", &append.ballot)?,
                    previous: optional("previous", &append.previous)?,
                    entries: list("entries", &append.entries)?,
                    committed: optional("committed", &append.committed)?,
                }
            }
            WireRpc::Appended(appended) => Self::Appended((&appended).try_into()?),
            WireRpc::RequestVote(request) => Self::RequestVote {
                ballot: nested("ballot", &request.ballot)?,
                last: optional("last", &request.last)?,
            },
            WireRpc::Voted(voted) => Self::Voted {
                ballot: nested("ballot", &voted.ballot)?,
                granted: voted.granted,
                last: optional("last", &voted.last)?,
            },
            WireRpc::Install(install) => Self::Install {
                ballot: nested("ballot", &install.ballot)?,
                base: Base {
                    last: optional("last", &install.last)?,
                    membership_at: optional("membership_at", &install.membership_at)?,
                    membership: nested("membership", &install.membership)?,
                },
            },
            WireRpc::Installed(ballot) => Self::Installed { ballot: (&ballot).try_into()? },
        })
    }
}

/// A log id that may be missing.
fn optional(field: &str, id: &Option<peer::RaftLogId>) -> Result<Option<LogId>, Malformed> {
    id.as_ref().map(LogId::try_from).transpose().map_err(|error| error.within(field))
}

impl From<&Ballot> for peer::RaftBallot {
    fn from(Ballot { term, committed }: &Ballot) -> Self {
        Self { term: term.number, leader: term.leader.0.to_vec(), committed: *committed }
    }
}

impl TryFrom<&peer::RaftBallot> for Ballot {
    type Error = Malformed;

    fn try_from(ballot: &peer::RaftBallot) -> Result<Self, Malformed> {
        let term = Term { number: ballot.term, leader: address("leader", &ballot.leader)? };
        Ok(Self { term, committed: ballot.committed })
    }
}

impl From<&LogId> for peer::RaftLogId {
    fn from(LogId { term, index }: &LogId) -> Self {
        Self { term: term.number, leader: term.leader.0.to_vec(), index: *index }
    }
}

impl TryFrom<&peer::RaftLogId> for LogId {
    type Error = Malformed;

    fn try_from(id: &peer::RaftLogId) -> Result<Self, Malformed> {
        Ok(Self { term: Term { number: id.term, leader: address("leader", &id.leader)? }, index: id.index })
    }
}

impl From<&BTreeSet<Address>> for peer::RaftMembers {
    fn from(members: &BTreeSet<Address>) -> Self {
        Self { members: members.iter().map(|member| member.0.to_vec()).collect() }
    }
}

impl TryFrom<&peer::RaftMembers> for BTreeSet<Address> {
    type Error = Malformed;

    fn try_from(members: &peer::RaftMembers) -> Result<Self, Malformed> {
        at_most("members", VOTER_SETS_MAX * VALIDATORS_MAX, &members.members)?;
        members.members.iter().map(|member| address("members", member)).collect()
    }
}

impl From<&Membership> for peer::RaftMembership {
    fn from(Membership { voters, nodes }: &Membership) -> Self {
        Self { voters: voters.iter().map(Into::into).collect(), nodes: Some(nodes.into()) }
    }
}

impl TryFrom<&peer::RaftMembership> for Membership {
    type Error = Malformed;

    fn try_from(membership: &peer::RaftMembership) -> Result<Self, Malformed> {
        at_most("voters", VOTER_SETS_MAX, &membership.voters)?;
        let voters: Vec<BTreeSet<Address>> = list("voters", &membership.voters)?;
        let nodes: BTreeSet<Address> = nested("nodes", &membership.nodes)?;
        // The engine takes for granted that whoever votes gets the log.
        if voters.iter().flatten().any(|voter| !nodes.contains(voter)) {
            return Err(Malformed::new("nodes", "expected every voter among them"));
        }
        Ok(Self { voters, nodes })
    }
}

impl From<&LogEntry> for peer::RaftEntry {
    fn from(LogEntry { id, payload }: &LogEntry) -> Self {
        let payload = match payload {
            Payload::Blank => None,
            Payload::Membership(membership) => Some(WirePayload::Membership(membership.into())),
            Payload::Block(block) => Some(WirePayload::Block(block.encode())),
        };
        Self { id: Some(id.into()), payload }
    }
}

impl TryFrom<&peer::RaftEntry> for LogEntry {
    type Error = Malformed;

    fn try_from(entry: &peer::RaftEntry) -> Result<Self, Malformed> {
        let payload = match &entry.payload {
            None => Payload::Blank,
            Some(WirePayload::Membership(membership)) => {
                let read = Membership::try_from(membership);
                Payload::Membership(read.map_err(|error| error.within("membership"))?)
            }
            Some(WirePayload::Block(bytes)) => Payload::Block(block("block", bytes)?),
        };
        Ok(Self { id: nested("id", &entry.id)?, payload })
    }
}

impl From<&Appended> for peer::RaftAppended {
    fn from(appended: &Appended) -> Self {
        let outcome = |outcome: peer::RaftOutcome| outcome.into();
        match appended {
            Appended::All => Self { outcome: outcome(peer::RaftOutcome::All), upto: None, higher: None },
            Appended::Upto(id) => {
                let upto = id.as_ref().map(Into::into);
                Self { outcome: outcome(peer::RaftOutcome::Upto), upto, higher: None }
            }
            Appended::Conflict => {
                Self { outcome: outcome(peer::RaftOutcome::Conflict), upto: None, higher: None }
            }
            Appended::Higher(ballot) => {
                let higher = Some(ballot.into());
                Self { outcome: outcome(peer::RaftOutcome::Higher), upto: None, higher }
            }
        }
    }
}

impl TryFrom<&peer::RaftAppended> for Appended {
    type Error = Malformed;

    fn try_from(appended: &peer::RaftAppended) -> Result<Self, Malformed> {
        match peer::RaftOutcome::try_from(appended.outcome) {
            Ok(peer::RaftOutcome::All) => Ok(Self::All),
            Ok(peer::RaftOutcome::Upto) => Ok(Self::Upto(optional("upto", &appended.upto)?)),
            Ok(peer::RaftOutcome::Conflict) => Ok(Self::Conflict),
            Ok(peer::RaftOutcome::Higher) => Ok(Self::Higher(nested("higher", &appended.higher)?)),
            Ok(peer::RaftOutcome::Unspecified) | Err(_) => {
                let reason = format!("expected an outcome of 1 to 4, got {}", appended.outcome);
                Err(Malformed::new("outcome", reason))
            }
        }
    }
}
