//! Reports of equivocation, and what they leave in the state.

use super::{Sample, public_bytes, public_key, same};
use catenary_apps::admin::{AdminCall, ReportEquivocation};
use catenary_crypto::{Hash, Signature};
use catenary_ledger::records::{Equivocation, PastSet, PastValidators};
use catenary_proto::{admin, ledger};
use catenary_types::{AccountId, Address, DoubleVote, Height, ReportedVote, Timestamp, Validator, VoteKind};

pub fn samples() -> Vec<Sample> {
    let (votes, wire_votes) = double_vote(VoteKind::Prevote, ledger::VoteKind::Prevote);
    let report = admin::ReportEquivocation { votes: Some(wire_votes) };
    let report = same(
        AdminCall::ReportEquivocation(ReportEquivocation { votes }),
        admin::AdminCall { call: Some(admin::admin_call::Call::ReportEquivocation(report)) },
    );
    let (votes, wire_votes) = double_vote(VoteKind::Precommit, ledger::VoteKind::Precommit);
    let record = same(
        Equivocation { votes, reporter: AccountId([4; 20]), reported: Height(9) },
        ledger::Equivocation { votes: Some(wire_votes), reporter: vec![4; 20], reported: 9 },
    );
    let member = Validator { public_key: public_key(1), power: 10 };
    let wire_member = ledger::Validator { public_key: public_bytes(1), power: 10 };
    let set = PastSet { validators: vec![member], replaced: Timestamp(1_800_000_000_000_000_003) };
    let wire_set = ledger::PastSet { validators: vec![wire_member], replaced: 1_800_000_000_000_000_003 };
    let past = same(PastValidators { sets: vec![set] }, ledger::PastValidators { sets: vec![wire_set] });
    vec![report, record, past]
}

/// A vote for nil and one for a block.
fn double_vote(kind: VoteKind, wire_kind: ledger::VoteKind) -> (DoubleVote, ledger::DoubleVote) {
    let vote = |block, time| ReportedVote { block, time: Timestamp(time), signature: Signature([6; 64]) };
    let wire_vote = |block, time| ledger::ReportedVote { block, time, signature: vec![6; 64] };
    let domain = DoubleVote {
        validator: Address([5; 20]),
        height: Height(7),
        round: 1,
        kind,
        first: vote(None, 1_800_000_000_000_000_001),
        second: vote(Some(Hash([8; 32])), 1_800_000_000_000_000_002),
    };
    let wire = ledger::DoubleVote {
        validator: vec![5; 20],
        height: 7,
        round: 1,
        kind: wire_kind.into(),
        first: Some(wire_vote(Vec::new(), 1_800_000_000_000_000_001)),
        second: Some(wire_vote(vec![8; 32], 1_800_000_000_000_000_002)),
    };
    (domain, wire)
}
