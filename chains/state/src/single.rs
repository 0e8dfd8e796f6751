//! Plain ICS-23 proofs: verification with Go's strictness, and their protobuf form.
//!
//! The stock Rust verifier decides; in front of it stands what Go checks and it does not, or where it would panic:
//!
//! | Case | stock Go | stock Rust | here |
//! |---|---|---|---|
//! | path longer than `max_depth` (0 means 128) | refused | accepted | refused |
//! | leaf of an IAVL tree with another height or size | refused | accepted | refused |
//! | two neighbours with one path, or a path that ends in the other | panics | panics | refused |
//! | a step with siblings on both sides, or on none | in part | in part | refused |
//! | an absence proof that names another key | accepted | accepted | refused |
//!
//! No honest prover makes the last two. Batches are looked up by key and are otherwise plain proofs.

use crate::critbit::{iavl_spec, put_varint};
use crate::error::ProofError;
use crate::limits::{IAVL_DEPTH_MAX, MERKLE_PROOF_BYTES_MAX};
use crate::multistore::TreeKind;
use catenary_crypto::Hash;
use ics23::commitment_proof::Proof;
use ics23::{
    CommitmentProof, CompressedExistenceProof, ExistenceProof, HostFunctionsManager, InnerOp, InnerSpec,
    NonExistenceProof, ProofSpec, batch_entry, compressed_batch_entry,
};
use prost013::Message;

/// Verifies that `key` has `value` in the store `store` under `app_hash`.
///
/// # Errors
/// See [`ProofError`]; whatever the proof holds, nothing panics.
pub fn verify_membership(
    app_hash: &Hash,
    store: &str,
    tree: TreeKind,
    key: &[u8],
    value: &[u8],
    proofs: &[CommitmentProof; 2],
) -> Result<(), ProofError> {
    let root = verify_store(app_hash, store, &proofs[1])?;
    verify_ics23(&tree.spec(), root, &proofs[0], key, Some(value))
}

/// Verifies that `key` has no value in the store `store` under `app_hash`.
///
/// # Errors
/// See [`ProofError`]; whatever the proof holds, nothing panics.
pub fn verify_non_membership(
    app_hash: &Hash,
    store: &str,
    tree: TreeKind,
    key: &[u8],
    proofs: &[CommitmentProof; 2],
) -> Result<(), ProofError> {
    let root = verify_store(app_hash, store, &proofs[1])?;
    verify_ics23(&tree.spec(), root, &proofs[0], key, None)
}

/// Verifies one proof of one tree: `key` has this value under `root`, or, with `None`, no value.
///
/// # Errors
/// See [`ProofError`]; whatever the proof holds, nothing panics.
pub fn verify_ics23(
    spec: &ProofSpec,
    root: &[u8],
    proof: &CommitmentProof,
    key: &[u8],
    value: Option<&[u8]>,
) -> Result<(), ProofError> {
    let inner = spec.inner_spec.as_ref().ok_or(ProofError::Ics23)?;
    if inner.child_order != [0, 1] {
        return Err(ProofError::Ics23);
    }
    if key.is_empty() || value.is_some_and(<[u8]>::is_empty) {
        return Err(ProofError::Query);
    }
    let (root, proof) = (root.to_vec(), select(proof, key).ok_or(ProofError::Claim)?);
    let wrapped = CommitmentProof { proof: Some(proof) };
    let valid = match (&wrapped.proof, value) {
        (Some(Proof::Exist(exist)), Some(value)) => {
            guard_existence(spec, inner, exist)?;
            ics23::verify_membership::<HostFunctionsManager>(&wrapped, spec, &root, key, value)
        }
        (Some(Proof::Nonexist(absent)), None) => {
            guard_absence(spec, inner, absent)?;
            ics23::verify_non_membership::<HostFunctionsManager>(&wrapped, spec, &root, key)
        }
        _ => return Err(ProofError::Claim),
    };
    if valid { Ok(()) } else { Err(ProofError::Ics23) }
}

/// The store's root, once the outer proof shows it under the app hash.
fn verify_store<'p>(
    app_hash: &Hash,
    store: &str,
    proof: &'p CommitmentProof,
) -> Result<&'p [u8], ProofError> {
    let Some(Proof::Exist(exist)) = &proof.proof else { return Err(ProofError::Claim) };
    if exist.value.len() != Hash::LEN {
        return Err(ProofError::Root);
    }
    verify_ics23(&ics23::tendermint_spec(), &app_hash.0, proof, store.as_bytes(), Some(&exist.value))?;
    Ok(&exist.value)
}

/// The plain proof that names `key`: the proof itself, or an entry of a batch.
fn select(proof: &CommitmentProof, key: &[u8]) -> Option<Proof> {
    match proof.proof.as_ref()? {
        Proof::Exist(exist) => (exist.key == key).then(|| Proof::Exist(exist.clone())),
        Proof::Nonexist(absent) => (absent.key == key).then(|| Proof::Nonexist(absent.clone())),
        Proof::Batch(batch) => batch.entries.iter().find_map(|entry| match entry.proof.as_ref()? {
            batch_entry::Proof::Exist(exist) if exist.key == key => Some(Proof::Exist(exist.clone())),
            batch_entry::Proof::Nonexist(absent) if absent.key == key => {
                Some(Proof::Nonexist(absent.clone()))
            }
            _ => None,
        }),
        Proof::Compressed(batch) => {
            let lookup = &batch.lookup_inners;
            batch.entries.iter().find_map(|entry| match entry.proof.as_ref()? {
                compressed_batch_entry::Proof::Exist(exist) if exist.key == key => {
                    Some(Proof::Exist(expand(exist, lookup)?))
                }
                compressed_batch_entry::Proof::Nonexist(absent) if absent.key == key => {
                    let side = |side: &Option<CompressedExistenceProof>| match side {
                        Some(exist) => expand(exist, lookup).map(Some),
                        None => Some(None),
                    };
                    let (left, right) = (side(&absent.left)?, side(&absent.right)?);
                    Some(Proof::Nonexist(NonExistenceProof { key: absent.key.clone(), left, right }))
                }
                _ => None,
            })
        }
    }
}

/// Replaces the references of a compressed path by the steps they mean. Expanding only the entry that is asked for, and
/// no path longer than any tree allows, keeps a small proof from growing into a large one.
fn expand(exist: &CompressedExistenceProof, lookup: &[InnerOp]) -> Option<ExistenceProof> {
    const STEP_BYTES_MAX: usize = 128;
    if exist.path.len() > crate::limits::JELLYFISH_DEPTH_MAX {
        return None;
    }
    let step = |at: &i32| {
        let step = lookup.get(usize::try_from(*at).ok()?)?;
        (step.prefix.len() + step.suffix.len() <= STEP_BYTES_MAX).then(|| step.clone())
    };
    Some(ExistenceProof {
        key: exist.key.clone(),
        value: exist.value.clone(),
        leaf: exist.leaf.clone(),
        path: exist.path.iter().map(step).collect::<Option<_>>()?,
    })
}

fn guard_existence(spec: &ProofSpec, inner: &InnerSpec, exist: &ExistenceProof) -> Result<(), ProofError> {
    let limit = match usize::try_from(spec.max_depth) {
        Ok(0) => IAVL_DEPTH_MAX,
        Ok(limit) => limit,
        Err(_) => return Err(ProofError::Ics23),
    };
    if exist.path.len() > limit {
        return Err(ProofError::Depth { limit });
    }
    let leaf = exist.leaf.as_ref().ok_or(ProofError::Ics23)?;
    // Height 0 and size 1, then a version: what an IAVL leaf is.
    if *spec == iavl_spec() && !leaf.prefix.starts_with(&[0, 2]) {
        return Err(ProofError::Ics23);
    }
    match exist.path.iter().all(|step| has_one_sibling(inner, step)) {
        true => Ok(()),
        false => Err(ProofError::Ics23),
    }
}

/// Whether a step has exactly one sibling: to its right, as the suffix, or to its left, at the end of the prefix.
fn has_one_sibling(inner: &InnerSpec, step: &InnerOp) -> bool {
    let size = |number: i32| usize::try_from(number).unwrap_or(0);
    let (child, least, most) =
        (size(inner.child_size), size(inner.min_prefix_length), size(inner.max_prefix_length));
    let left = step.prefix.len().checked_sub(child);
    let sibling_is_right = step.suffix.len() == child && (least..=most).contains(&step.prefix.len());
    let sibling_is_left =
        step.suffix.is_empty() && left.is_some_and(|length| (least..=most).contains(&length));
    sibling_is_right != sibling_is_left
}

fn guard_absence(spec: &ProofSpec, inner: &InnerSpec, absent: &NonExistenceProof) -> Result<(), ProofError> {
    for exist in [&absent.left, &absent.right].into_iter().flatten() {
        guard_existence(spec, inner, exist)?;
    }
    if let (Some(left), Some(right)) = (&absent.left, &absent.right) {
        let mut from_root = left.path.iter().rev().zip(right.path.iter().rev());
        if from_root.all(|(left, right)| left == right) {
            return Err(ProofError::Shape);
        }
    }
    Ok(())
}

/// The proofs as protobuf `ibc.core.commitment.v1.MerkleProof`, lowest tree first.
pub fn encode_merkle_proof(proofs: &[CommitmentProof]) -> Vec<u8> {
    let mut out = Vec::new();
    for proof in proofs {
        out.push(PROOFS_TAG);
        put_varint(&mut out, proof.encoded_len() as u64);
        proof.encode(&mut out).expect("a vector grows as needed");
    }
    out
}

/// Field 1, length-delimited.
const PROOFS_TAG: u8 = 0x0a;

/// Reads a `MerkleProof` of a store's proof and the proof of its root. Only the bytes that [`encode_merkle_proof`]
/// gives for it are taken: no unknown field, no other order.
///
/// # Errors
/// [`ProofError::TooLarge`] or [`ProofError::Malformed`].
pub fn decode_merkle_proof(bytes: &[u8]) -> Result<[CommitmentProof; 2], ProofError> {
    if bytes.len() > MERKLE_PROOF_BYTES_MAX {
        return Err(ProofError::TooLarge { limit: MERKLE_PROOF_BYTES_MAX, actual: bytes.len() });
    }
    let malformed = |rest: &[u8]| ProofError::Malformed { offset: bytes.len() - rest.len() };
    let mut rest = bytes;
    let mut next = || {
        let start = rest;
        let after_tag = rest.strip_prefix(&[PROOFS_TAG]).ok_or(malformed(start))?;
        rest = after_tag;
        let length = prost013::decode_length_delimiter(&mut rest).map_err(|_| malformed(start))?;
        let (proof, after) = rest.split_at_checked(length).ok_or(malformed(start))?;
        rest = after;
        CommitmentProof::decode(proof).map_err(|_| malformed(start))
    };
    let proofs = [next()?, next()?];
    match encode_merkle_proof(&proofs) == bytes {
        true => Ok(proofs),
        false => Err(ProofError::Malformed { offset: 0 }),
    }
}

/// A proof spec as protobuf `cosmos.ics23.v1.ProofSpec`.
pub fn encode_spec(spec: &ProofSpec) -> Vec<u8> {
    spec.encode_to_vec()
}
