//! Between our messages and the engine's, both ways, without loss.

use super::{
    Group, Input, LivenessMsg, MisbehaviorEvidence, ProposedValue, SignedConsensusMsg, SignedProposal,
    SignedVote,
    context::{EngineHeight, EngineProposal, EngineVote, Member},
    types::{
        self, CommitCertificate, ExtendedCommitCertificate, ExtendedCommitSignature, NilOrVal, Round,
        VoteType,
    },
};
use crate::journal::{Entry, Origin, TimeoutStep};
use crate::message::{self, Evidence, Message, RoundCertificateKind, ValueId};
use crate::timeliness::Judgement;
use catenary_crypto::Signature;
use catenary_types::{Address, Certificate, CommitSignature, Height, Timestamp, VoteKind};

pub(crate) fn height(height: Height) -> EngineHeight {
    EngineHeight(height)
}

pub(crate) fn round(number: u32) -> Round {
    Round::new(number)
}

/// The number of a round of a message or timer; those are never the engine's "no round".
pub(crate) fn round_number(round: Round) -> u32 {
    round.as_u32().expect("the engine speaks only of rounds it has entered or heard of")
}

pub(crate) fn kind(kind: VoteKind) -> VoteType {
    match kind {
        VoteKind::Prevote => VoteType::Prevote,
        VoteKind::Precommit => VoteType::Precommit,
    }
}

fn kind_back(kind: VoteType) -> VoteKind {
    match kind {
        VoteType::Prevote => VoteKind::Prevote,
        VoteType::Precommit => VoteKind::Precommit,
    }
}

fn value(value: Option<ValueId>) -> NilOrVal<ValueId> {
    value.map_or(NilOrVal::Nil, NilOrVal::Val)
}

fn value_back(value: &NilOrVal<ValueId>) -> Option<ValueId> {
    match value {
        NilOrVal::Nil => None,
        NilOrVal::Val(value) => Some(*value),
    }
}

pub(crate) fn vote(signed: &message::SignedVote) -> SignedVote {
    let vote = &signed.vote;
    let vote = EngineVote {
        kind: kind(vote.kind),
        height: EngineHeight(vote.height),
        round: round(vote.round),
        value: value(vote.value),
        validator: Member(vote.validator),
    };
    SignedVote::new(vote, signed.signature)
}

pub(crate) fn unsigned_vote_back(vote: &EngineVote) -> message::Vote {
    message::Vote {
        kind: kind_back(vote.kind),
        height: vote.height.0,
        round: round_number(vote.round),
        value: value_back(&vote.value),
        validator: vote.validator.0,
    }
}

pub(crate) fn vote_back(signed: &SignedVote) -> message::SignedVote {
    message::SignedVote { vote: unsigned_vote_back(&signed.message), signature: signed.signature }
}

pub(crate) fn proposal(signed: &message::SignedProposal) -> SignedProposal {
    let proposal = &signed.proposal;
    let proposal = EngineProposal {
        height: EngineHeight(proposal.height),
        round: round(proposal.round),
        pol_round: Round::from(proposal.pol_round),
        value: proposal.value,
        proposer: Member(proposal.proposer),
    };
    SignedProposal::new(proposal, signed.signature)
}

pub(crate) fn unsigned_proposal_back(proposal: &EngineProposal) -> message::Proposal {
    message::Proposal {
        height: proposal.height.0,
        round: round_number(proposal.round),
        pol_round: proposal.pol_round.as_u32(),
        value: proposal.value,
        proposer: proposal.proposer.0,
    }
}

pub(crate) fn proposal_back(signed: &SignedProposal) -> message::SignedProposal {
    message::SignedProposal { proposal: unsigned_proposal_back(&signed.message), signature: signed.signature }
}

pub(crate) fn polka(certificate: &message::PolkaCertificate) -> types::PolkaCertificate<Group> {
    let signature = |entry: &message::PolkaSignature| {
        types::PolkaSignature::new(Member(entry.validator), entry.signature)
    };
    types::PolkaCertificate {
        height: EngineHeight(certificate.height),
        round: round(certificate.round),
        value_id: certificate.value,
        polka_signatures: certificate.signatures.iter().map(signature).collect(),
    }
}

pub(crate) fn polka_back(certificate: &types::PolkaCertificate<Group>) -> message::PolkaCertificate {
    let signature = |entry: &types::PolkaSignature<Group>| message::PolkaSignature {
        validator: entry.address.0,
        signature: entry.signature,
    };
    message::PolkaCertificate {
        height: certificate.height.0,
        round: round_number(certificate.round),
        value: certificate.value_id,
        signatures: certificate.polka_signatures.iter().map(signature).collect(),
    }
}

pub(crate) fn round_certificate(certificate: &message::RoundCertificate) -> types::RoundCertificate<Group> {
    let signature = |entry: &message::RoundSignature| {
        let (kind, value) = (kind(entry.kind), value(entry.value));
        types::RoundSignature::new(kind, value, Member(entry.validator), entry.signature)
    };
    types::RoundCertificate {
        height: EngineHeight(certificate.height),
        round: round(certificate.round),
        cert_type: match certificate.kind {
            RoundCertificateKind::Skip => types::RoundCertificateType::Skip,
            RoundCertificateKind::Precommit => types::RoundCertificateType::Precommit,
        },
        round_signatures: certificate.signatures.iter().map(signature).collect(),
    }
}

pub(crate) fn round_certificate_back(
    certificate: &types::RoundCertificate<Group>,
) -> message::RoundCertificate {
    let signature = |entry: &types::RoundSignature<Group>| message::RoundSignature {
        kind: kind_back(entry.vote_type),
        value: value_back(&entry.value_id),
        validator: entry.address.0,
        signature: entry.signature,
    };
    message::RoundCertificate {
        height: certificate.height.0,
        round: round_number(certificate.round),
        kind: match certificate.cert_type {
            types::RoundCertificateType::Skip => RoundCertificateKind::Skip,
            types::RoundCertificateType::Precommit => RoundCertificateKind::Precommit,
        },
        signatures: certificate.round_signatures.iter().map(signature).collect(),
    }
}

pub(crate) fn consensus_message_back(message: &SignedConsensusMsg<Group>) -> Message {
    match message {
        SignedConsensusMsg::Vote(signed) => Message::Vote(vote_back(signed)),
        SignedConsensusMsg::Proposal(signed) => Message::Proposal(proposal_back(signed)),
    }
}

pub(crate) fn liveness_message_back(message: &LivenessMsg<Group>) -> Message {
    match message {
        LivenessMsg::Vote(signed) => Message::Vote(vote_back(signed)),
        LivenessMsg::PolkaCertificate(certificate) => Message::Polka(polka_back(certificate)),
        LivenessMsg::SkipRoundCertificate(certificate) => Message::Round(round_certificate_back(certificate)),
    }
}

/// A certificate from a peer, without its absent entries.
pub(crate) fn commit(certificate: &Certificate, time: Timestamp) -> ExtendedCommitCertificate<Group> {
    let present = certificate.signatures.iter().filter_map(|entry| match entry {
        CommitSignature::Absent => None,
        CommitSignature::Commit { address, signature, .. } => {
            Some(ExtendedCommitSignature::new(Member(*address), *signature, None))
        }
    });
    ExtendedCommitCertificate {
        height: EngineHeight(certificate.height),
        round: round(certificate.round),
        value_id: ValueId { block: certificate.block, time },
        commit_signatures: present.collect(),
    }
}

/// The engine's certificate in canonical form: one entry per member, in the set's order.
pub(crate) fn commit_back(certificate: &CommitCertificate<Group>, addresses: &[Address]) -> Certificate {
    let ValueId { block, time } = certificate.value_id;
    let signature_of = |address: &Address| -> Option<Signature> {
        let entry = certificate.commit_signatures.iter().find(|entry| entry.address.0 == *address);
        entry.map(|entry| entry.signature)
    };
    let entry = |address: &Address| match signature_of(address) {
        Some(signature) => CommitSignature::Commit { address: *address, time, signature },
        None => CommitSignature::Absent,
    };
    Certificate {
        height: certificate.height.0,
        round: round_number(certificate.round),
        block,
        signatures: addresses.iter().map(entry).collect(),
    }
}

/// The precommits inside the engine's certificate.
pub(crate) fn commit_votes(
    certificate: &CommitCertificate<Group>,
) -> impl Iterator<Item = message::SignedVote> + '_ {
    certificate.commit_signatures.iter().map(|entry| message::SignedVote {
        vote: message::Vote {
            kind: VoteKind::Precommit,
            height: certificate.height.0,
            round: round_number(certificate.round),
            value: Some(certificate.value_id),
            validator: entry.address.0,
        },
        signature: entry.signature,
    })
}

/// Every pair of contradicting messages that the engine kept.
pub(crate) fn evidence_back(evidence: &MisbehaviorEvidence<Group>, last_time: Timestamp) -> Vec<Evidence> {
    let votes = evidence.votes.iter().flat_map(|(_, pairs)| pairs).map(|(first, second)| {
        Evidence::DoubleVote { first: vote_back(first), second: vote_back(second), last_time }
    });
    let proposals = evidence.proposals.iter().flat_map(|(_, pairs)| pairs);
    let proposals = proposals.map(|(first, second)| Evidence::DoubleProposal {
        first: proposal_back(first),
        second: proposal_back(second),
    });
    votes.chain(proposals).collect()
}

/// The input that led to a record.
pub(crate) fn entry(height: Height, entry: &Entry) -> Input {
    match entry {
        Entry::Vote(signed) => Input::Vote(vote(signed)),
        Entry::Proposal { signed, .. } => Input::Proposal(proposal(signed)),
        Entry::Polka(certificate) => Input::PolkaCertificate(polka(certificate)),
        Entry::Timeout { step, round: number } => {
            let kind = match step {
                TimeoutStep::Propose => types::TimeoutKind::Propose,
                TimeoutStep::Prevote => types::TimeoutKind::Prevote,
                TimeoutStep::Precommit => types::TimeoutKind::Precommit,
            };
            Input::TimeoutElapsed(types::Timeout::new(round(*number), kind))
        }
        Entry::Judged { round: number, value, builder, judgement, origin } => {
            let value = ProposedValue {
                height: EngineHeight(height),
                round: round(*number),
                valid_round: Round::Nil,
                proposer: Member(*builder),
                value: *value,
                validity: types::Validity::from_bool(*judgement == Judgement::Valid),
            };
            let origin = match origin {
                Origin::Consensus => types::ValueOrigin::Consensus,
                Origin::Sync => types::ValueOrigin::Sync,
            };
            Input::ProposedValue(value, origin)
        }
    }
}
