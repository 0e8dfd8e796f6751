//! Which signatures a message stands or falls with: what a node checks in batches before a machine sees the message.

use crate::message::{Message, SignedProposal, SignedVote};
use crate::verify::signature_id;
use catenary_crypto::{
    BatchVerifier, Hash, PublicKey, Signature, VerificationItem, VerifyError, sha256_parts,
};
use catenary_types::{ChainId, Height, Timestamp, ValidatorSet};
use std::sync::Arc;

/// A signature to be checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// Under this key.
    pub key: PublicKey,
    /// Over these bytes.
    pub bytes: Vec<u8>,
    /// The signature.
    pub signature: Signature,
}

impl Claim {
    /// Checks in one batch all that are not known: the id of each that verifies.
    pub fn verify_all(
        claims: impl IntoIterator<Item = Self>,
        is_known: impl Fn(&Hash) -> bool,
        verifier: &mut BatchVerifier,
    ) -> Vec<Result<Hash, VerifyError>> {
        let unknown = claims.into_iter().filter_map(|claim| {
            let id = signature_id(&claim.key, &claim.bytes, &claim.signature);
            (!is_known(&id)).then_some((id, claim))
        });
        let unknown: Vec<_> = unknown.collect();
        let items: Vec<_> = unknown
            .iter()
            .map(|(_, claim)| VerificationItem {
                key: claim.key,
                message: &claim.bytes,
                signature: claim.signature,
            })
            .collect();
        let ids: Vec<&[u8]> = unknown.iter().map(|(id, _)| id.0.as_slice()).collect();
        let results = verifier.verify(&items, sha256_parts(&ids).0);
        results.into_iter().zip(&unknown).map(|(result, (id, _))| result.map(|()| *id)).collect()
    }
}

/// Who votes at a height.
///
/// Claims help, they decide nothing: one that is left out is checked later by itself, one that is wrong is found in no
/// cache. So the set of this height serves for messages of the next ones too, most of which have the same.
#[derive(Clone, Debug)]
pub struct Voters {
    /// The chain.
    pub chain_id: ChainId,
    /// The height.
    pub height: Height,
    /// Who decides it.
    pub validators: Arc<ValidatorSet>,
    /// Time of the header before, which votes for nil are signed over.
    pub last_time: Timestamp,
}

impl Voters {
    /// The signatures of a message.
    pub fn claims(&self, message: &Message) -> Vec<Claim> {
        if message.height() < self.height {
            return Vec::new();
        }
        let votes = message.votes().into_iter().filter_map(|SignedVote { vote, signature }| {
            let known_time = vote.value.is_some() || vote.height == self.height;
            let member = self.validators.by_address(&vote.validator).filter(|_| known_time)?;
            let bytes = vote.sign_bytes(&self.chain_id, self.last_time);
            Some(Claim { key: member.public_key, bytes, signature })
        });
        let mut claims: Vec<_> = votes.collect();
        if let Message::Proposal(SignedProposal { proposal, signature }) = message
            && let Some(member) = self.validators.by_address(&proposal.proposer)
        {
            let bytes = proposal.sign_bytes(&self.chain_id);
            claims.push(Claim { key: member.public_key, bytes, signature: *signature });
        }
        claims
    }
}
