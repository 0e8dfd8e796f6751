//! Proofs about the `ibc` store of another chain.

use crate::{limits::MERKLE_PROOF_BYTES_MAX, messages::Proof};
use catenary_crypto::Hash;
use catenary_ledger::{Failure, Reason, stores::IBC};
use catenary_mutant::{Mutant, is_active};
use catenary_state::{
    CommitmentProof, Multiproof, ProofError, ProofSpec, Query, TreeKind, decode_merkle_proof, iavl_spec,
    verify_ics23,
};
use ics23::commitment_proof;
use std::collections::BTreeMap;

/// What a proof must show of one key: this value, or, with `None`, none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claim {
    /// A packet key of the other chain.
    pub key: Vec<u8>,
    /// What stands under it.
    pub value: Option<Vec<u8>>,
}

/// Fails unless `proof` shows every claim about the `ibc` store under `app_hash`.
pub fn verify(proof: &Proof, app_hash: &Hash, claims: &[Claim]) -> Result<(), Failure> {
    let verdict = match proof {
        Proof::Multi(multi) => verify_multi(&multi.bytes, app_hash, claims),
        Proof::Single(single) => verify_single(&single.proofs, app_hash, claims),
    };
    if is_active(Mutant::ProofUnchecked) {
        return Ok(());
    }
    verdict.map_err(|error| Failure::new(Reason::InvalidProof, error.to_string()))
}

fn verify_multi(bytes: &[u8], app_hash: &Hash, claims: &[Claim]) -> Result<(), ProofError> {
    // One packet may stand in a call twice; two claims about one key cannot both hold.
    let mut queries: BTreeMap<&[u8], Option<&[u8]>> = BTreeMap::new();
    for claim in claims {
        let value = claim.value.as_deref();
        if queries.insert(&claim.key, value).is_some_and(|other| other != value) {
            return Err(ProofError::Query);
        }
    }
    let queries: Vec<Query<'_>> = queries.into_iter().collect();
    Multiproof::decode(bytes)?.verify(app_hash, IBC.as_str(), TreeKind::CritBit, &queries)
}

fn verify_single(proofs: &[Vec<u8>], app_hash: &Hash, claims: &[Claim]) -> Result<(), ProofError> {
    if proofs.len() != claims.len() {
        return Err(ProofError::Shape);
    }
    let specs = [iavl_spec(), ics23::tendermint_spec()];
    proofs.iter().zip(claims).try_for_each(|(bytes, claim)| {
        let (limit, actual) = (MERKLE_PROOF_BYTES_MAX, bytes.len());
        if actual > limit {
            return Err(ProofError::TooLarge { limit, actual });
        }
        let path = [IBC.as_str().as_bytes(), &claim.key];
        verify_path(&specs, &app_hash.0, &path, claim.value.as_deref(), &decode_merkle_proof(bytes)?)
    })
}

/// Verifies a chain of ICS-23 proofs as ibc-go does: `path` is root first, specs and proofs lowest tree first, one of
/// each per element; each is a plain proof, and only the lowest may show absence.
///
/// # Errors
/// See [`ProofError`]; whatever the proofs hold, nothing panics.
pub fn verify_path(
    specs: &[ProofSpec],
    root: &[u8],
    path: &[&[u8]],
    value: Option<&[u8]>,
    proofs: &[CommitmentProof],
) -> Result<(), ProofError> {
    if proofs.is_empty() || proofs.len() != specs.len() || proofs.len() != path.len() {
        return Err(ProofError::Shape);
    }
    let mut root = root.to_vec();
    for ((proof, spec), key) in proofs.iter().zip(specs).skip(1).rev().zip(path) {
        let Some(commitment_proof::Proof::Exist(exist)) = &proof.proof else {
            return Err(ProofError::Claim);
        };
        verify_ics23(spec, &root, proof, key, Some(&exist.value))?;
        root = exist.value.clone();
    }
    let (Some(lowest), Some(spec), Some(key)) = (proofs.first(), specs.first(), path.last()) else {
        return Err(ProofError::Shape);
    };
    match &lowest.proof {
        Some(commitment_proof::Proof::Exist(_) | commitment_proof::Proof::Nonexist(_)) => {
            verify_ics23(spec, &root, lowest, key, value)
        }
        _ => Err(ProofError::Claim),
    }
}
