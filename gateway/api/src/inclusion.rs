//! Paths in CometBFT's simple Merkle tree: that a transaction is in a block, and what became of it.

use catenary_crypto::{Hash, merkle_root, sha256};
use catenary_proto::api;
use catenary_relay::query::{BlockView, HeaderView};
use catenary_types::{Message, SignedHeader};

/// Hashes beside the way from a leaf up to the root.
fn siblings<L: AsRef<[u8]>>(leaves: &[L], position: usize, out: &mut Vec<Hash>) {
    if leaves.len() < 2 {
        return;
    }
    let (left, right) = leaves.split_at(leaves.len().next_power_of_two() / 2);
    if position < left.len() {
        siblings(left, position, out);
        out.push(merkle_root(right));
    } else {
        siblings(right, position - left.len(), out);
        out.push(merkle_root(left));
    }
}

fn path<L: AsRef<[u8]>>(header: &HeaderView, leaves: &[L], position: u32) -> api::MerklePath {
    let mut beside = Vec::new();
    siblings(leaves, position as usize, &mut beside);
    api::MerklePath {
        header: Some(header.into()),
        position,
        total: u32::try_from(leaves.len()).expect("a block has at most 10,000 envelopes"),
        leaf: leaves.get(position as usize).map(|leaf| leaf.as_ref().to_vec()).unwrap_or_default(),
        siblings: beside.iter().map(|hash| hash.0.to_vec()).collect(),
    }
}

/// Proves the transaction at a position of a block; its result only if the next header is there.
pub(crate) fn prove(block: &BlockView, next: Option<&HeaderView>, position: u32) -> api::TransactionProof {
    let header = HeaderView {
        signed: SignedHeader { header: block.block.header.clone(), certificate: block.certificate.clone() },
        validators: block.validators.clone(),
    };
    let envelopes: Vec<_> = block.block.envelopes.iter().map(|envelope| sha256(envelope)).collect();
    let results: Vec<_> = block.receipts.iter().map(|receipt| receipt.leaf().encode()).collect();
    api::TransactionProof {
        envelope: Some(path(&header, &envelopes, position)),
        result: next.map(|next| path(next, &results, position)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_crypto::{inner_hash, leaf_hash};

    /// What a client does: fold the siblings up, splitting as the tree does.
    fn root(leaf: &[u8], position: usize, total: usize, siblings: &[Hash]) -> Hash {
        let Some((last, rest)) = siblings.split_last() else { return leaf_hash(leaf) };
        let half = total.next_power_of_two() / 2;
        if position < half {
            inner_hash(&root(leaf, position, half, rest), last)
        } else {
            inner_hash(last, &root(leaf, position - half, total - half, rest))
        }
    }

    #[test]
    fn every_path_leads_to_the_root() {
        for total in 1..40usize {
            let leaves: Vec<_> = (0..total).map(|at| vec![at as u8; 3]).collect();
            for position in 0..total {
                let mut beside = Vec::new();
                siblings(&leaves, position, &mut beside);
                assert_eq!(root(&leaves[position], position, total, &beside), merkle_root(&leaves));
            }
        }
    }
}
