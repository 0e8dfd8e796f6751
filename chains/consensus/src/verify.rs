//! Checks signatures, each at most once.
//!
//! Single Ed25519 checks are most of a group's processor time, and the same signature comes back alone, in a polka
//! certificate and in the commit certificate. So each check asks a cache first. It holds only what verified; a miss is
//! checked on the spot and never taken as "invalid". A node shares one cache between its groups and fills it from
//! batches, by [`signature_id`], before votes are fed.

use crate::engine::{
    Group,
    context::{Member, Set, SetMember},
    types::{
        CertificateError, CommitSignature, PolkaSignature, RoundCertificateType, RoundSignature,
        ThresholdParam, Validator as _, ValidatorSet as _,
    },
};
use crate::message::{PolkaCertificate, Proposal, RoundCertificate, RoundCertificateKind, SignedVote, Vote};
use catenary_crypto::{Hash, PublicKey, Signature, sha256_parts, verify};
use catenary_mutant::{Mutant, is_active};
use catenary_types::{ChainId, Timestamp, VoteKind};
use std::collections::BTreeSet;

/// Signatures known to verify. Forgetting one costs a check, nothing else.
pub trait SignatureCache: Send {
    /// Whether the signature of this [`signature_id`] verified before.
    fn contains(&self, id: &Hash) -> bool;

    /// Remembers one that verified.
    fn insert(&mut self, id: Hash);
}

/// Names a check by all it depends on.
pub fn signature_id(key: &PublicKey, message: &[u8], signature: &Signature) -> Hash {
    sha256_parts(&[&key.0, &signature.0, message])
}

/// A cache of one machine's own; the node's shared one is better where there are several groups.
#[derive(Debug, Default)]
pub struct LocalCache {
    ids: BTreeSet<Hash>,
}

impl LocalCache {
    /// Entries kept; a group of 128 needs 512 per round.
    pub const CAPACITY: usize = 4_096;
}

impl SignatureCache for LocalCache {
    fn contains(&self, id: &Hash) -> bool {
        self.ids.contains(id)
    }

    fn insert(&mut self, id: Hash) {
        if self.ids.len() >= Self::CAPACITY {
            self.ids.clear();
        }
        self.ids.insert(id);
    }
}

pub(crate) struct Verifier {
    chain_id: ChainId,
    cache: Box<dyn SignatureCache>,
}

type CertificateResult = Result<(), CertificateError<Group>>;

#[expect(clippy::result_large_err, reason = "the engine's own type, handed straight back to it")]
impl Verifier {
    pub(crate) fn new(chain_id: ChainId, cache: Box<dyn SignatureCache>) -> Self {
        Self { chain_id, cache }
    }

    pub(crate) fn chain_id(&self) -> &ChainId {
        &self.chain_id
    }

    /// Notes an own signature, which need not be checked.
    pub(crate) fn trust(&mut self, key: &PublicKey, message: &[u8], signature: &Signature) {
        self.cache.insert(signature_id(key, message, signature));
    }

    pub(crate) fn check(&mut self, key: &PublicKey, message: &[u8], signature: &Signature) -> bool {
        let id = signature_id(key, message, signature);
        if self.cache.contains(&id) {
            return true;
        }
        let valid = verify(key, message, signature).is_ok() && !is_active(Mutant::CacheMissInvalid);
        if valid {
            self.cache.insert(id);
        }
        valid
    }

    pub(crate) fn vote(
        &mut self,
        key: &PublicKey,
        vote: &Vote,
        last_time: Timestamp,
        signature: &Signature,
    ) -> bool {
        let message = vote.sign_bytes(&self.chain_id, last_time);
        self.check(key, &message, signature)
    }

    pub(crate) fn proposal(&mut self, key: &PublicKey, proposal: &Proposal, signature: &Signature) -> bool {
        let message = proposal.sign_bytes(&self.chain_id);
        self.check(key, &message, signature)
    }

    /// A vote of a member of the set, under that member's key.
    pub(crate) fn member_vote(&mut self, set: &Set, signed: &SignedVote, last_time: Timestamp) -> bool {
        let member = set.get_by_address(&Member(signed.vote.validator));
        member
            .is_some_and(|member| self.vote(member.public_key(), &signed.vote, last_time, &signed.signature))
    }

    /// Precommits for one value, as in a commit certificate.
    pub(crate) fn commit(
        &mut self,
        set: &Set,
        votes: impl Iterator<Item = SignedVote>,
        last_time: Timestamp,
        quorum: ThresholdParam,
    ) -> CertificateResult {
        self.certificate(set, votes, last_time, quorum, |signed| {
            let address = Member(signed.vote.validator);
            CertificateError::InvalidCommitSignature(CommitSignature::new(address, signed.signature))
        })
    }

    pub(crate) fn polka(
        &mut self,
        set: &Set,
        certificate: &PolkaCertificate,
        last_time: Timestamp,
        quorum: ThresholdParam,
    ) -> CertificateResult {
        self.certificate(set, certificate.votes(), last_time, quorum, |signed| {
            let address = Member(signed.vote.validator);
            CertificateError::InvalidPolkaSignature(PolkaSignature::new(address, signed.signature))
        })
    }

    pub(crate) fn round(
        &mut self,
        set: &Set,
        certificate: &RoundCertificate,
        last_time: Timestamp,
        threshold: ThresholdParam,
    ) -> CertificateResult {
        let stray = certificate.votes().find(|signed| signed.vote.kind == VoteKind::Prevote);
        if let (RoundCertificateKind::Precommit, Some(signed)) = (certificate.kind, stray) {
            return Err(CertificateError::InvalidVoteType(Member(signed.vote.validator)));
        }
        self.certificate(set, certificate.votes(), last_time, threshold, |signed| {
            let signed = crate::engine::convert::vote(signed);
            let vote = signed.message;
            let entry = RoundSignature::new(vote.kind, vote.value, vote.validator, signed.signature);
            CertificateError::InvalidRoundSignature(entry)
        })
    }

    /// Every vote is a member's, none counts twice, each verifies, and together they reach the threshold.
    fn certificate(
        &mut self,
        set: &Set,
        votes: impl Iterator<Item = SignedVote>,
        last_time: Timestamp,
        threshold: ThresholdParam,
        invalid: impl Fn(&SignedVote) -> CertificateError<Group>,
    ) -> CertificateResult {
        let mut seen = BTreeSet::new();
        let mut signed_power = 0;
        for signed in votes {
            let address = Member(signed.vote.validator);
            let member: &SetMember =
                set.get_by_address(&address).ok_or(CertificateError::UnknownValidator(address))?;
            if !seen.insert(address) && !is_active(Mutant::SignersCountedTwice) {
                return Err(CertificateError::DuplicateVote(address));
            }
            if !self.vote(member.public_key(), &signed.vote, last_time, &signed.signature) {
                return Err(invalid(&signed));
            }
            signed_power += member.voting_power();
        }
        let total = set.total_voting_power();
        if threshold.is_met(signed_power, total) {
            return Ok(());
        }
        Err(CertificateError::NotEnoughVotingPower {
            signed: signed_power,
            total,
            expected: threshold.min_expected(total),
        })
    }
}

/// The power that a round certificate needs.
pub(crate) fn round_threshold(
    kind: &RoundCertificateType,
    thresholds: &crate::engine::types::ThresholdParams,
) -> ThresholdParam {
    match kind {
        RoundCertificateType::Skip => thresholds.honest,
        RoundCertificateType::Precommit => thresholds.quorum,
    }
}
