//! Between the engine's types and the plain ones.

use crate::engine::{Entry, Id, MemberId, Members, SnapshotMeta, StoredMembers, Vote};
use catenary_consensus::raft::{Ballot, Base, LogEntry, LogId, Membership, Payload, Term};
use catenary_types::Address;
use openraft::{EntryPayload, LeaderId};
use std::collections::BTreeSet;

pub(crate) fn term(id: &LeaderId<MemberId>) -> Term {
    Term { number: id.term, leader: id.node_id.0 }
}

fn term_back(term: &Term) -> LeaderId<MemberId> {
    LeaderId::new(term.number, MemberId(term.leader))
}

pub(crate) fn log_id(id: &Id) -> LogId {
    LogId { term: term(&id.leader_id), index: id.index }
}

pub(crate) fn log_id_back(id: &LogId) -> Id {
    Id::new(term_back(&id.term), id.index)
}

pub(crate) fn ballot(vote: &Vote) -> Ballot {
    Ballot { term: term(&vote.leader_id), committed: vote.committed }
}

pub(crate) fn ballot_back(ballot: &Ballot) -> Vote {
    Vote { leader_id: term_back(&ballot.term), committed: ballot.committed }
}

pub(crate) fn addresses(members: impl IntoIterator<Item = MemberId>) -> BTreeSet<Address> {
    members.into_iter().map(|member| member.0).collect()
}

pub(crate) fn member_ids(addresses: &BTreeSet<Address>) -> BTreeSet<MemberId> {
    addresses.iter().copied().map(MemberId).collect()
}

pub(crate) fn membership(members: &Members) -> Membership {
    Membership {
        voters: members.get_joint_config().iter().map(|set| addresses(set.iter().copied())).collect(),
        nodes: addresses(members.nodes().map(|(member, _)| *member)),
    }
}

pub(crate) fn membership_back(membership: &Membership) -> Members {
    Members::new(membership.voters.iter().map(member_ids).collect(), member_ids(&membership.nodes))
}

pub(crate) fn base(last: Option<&Id>, members: &StoredMembers) -> Base {
    Base {
        last: last.map(log_id),
        membership_at: members.log_id().as_ref().map(log_id),
        membership: membership(members.membership()),
    }
}

pub(crate) fn base_members(base: &Base) -> StoredMembers {
    StoredMembers::new(base.membership_at.as_ref().map(log_id_back), membership_back(&base.membership))
}

/// The snapshot that a log beginning here has.
pub(crate) fn snapshot_meta(base: &Base) -> SnapshotMeta {
    let at =
        base.last.map_or_else(|| "the beginning".to_owned(), |id| format!("{}-{}", id.term.number, id.index));
    SnapshotMeta {
        last_log_id: base.last.as_ref().map(log_id_back),
        last_membership: base_members(base),
        snapshot_id: at,
    }
}

pub(crate) fn entry(entry: &Entry) -> LogEntry {
    let payload = match &entry.payload {
        EntryPayload::Blank => Payload::Blank,
        EntryPayload::Normal(block) => Payload::Block(block.clone()),
        EntryPayload::Membership(members) => Payload::Membership(membership(members)),
    };
    LogEntry { id: log_id(&entry.log_id), payload }
}

pub(crate) fn entry_back(entry: &LogEntry) -> Entry {
    let payload = match &entry.payload {
        Payload::Blank => EntryPayload::Blank,
        Payload::Block(block) => EntryPayload::Normal(block.clone()),
        Payload::Membership(members) => EntryPayload::Membership(membership_back(members)),
    };
    Entry { log_id: log_id_back(&entry.id), payload }
}
