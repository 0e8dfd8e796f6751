//! Multiproofs of Jellyfish trees.
//!
//! A key's place follows from its hash: the verifier walks down with the queries and sends each to the side that the next
//! bit of its hash names. A query is answered where its way ends:
//!
//! - at [`Node::Queried`]: the only claim of presence that ends here is hashed as the leaf, so it stands in the tree;
//! - at [`Node::Empty`]: nothing stands there, every query that ends here is absent;
//! - at [`Node::Other`]: the only leaf below here has another key hash, every query that ends here is absent.
//!
//! No neighbour is needed, and no key or value of anybody else is shown, only hashes of one leaf.

use super::Query;
use super::codec::{Reader, tag};
use crate::entry::{bit, first_difference};
use crate::error::ProofError;
use crate::jellyfish::{PLACEHOLDER, inner_hash, leaf_hash};
use crate::limits::JELLYFISH_DEPTH_MAX;
use crate::node_hash::node_hash;
use catenary_crypto::Hash;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Opaque(Hash),
    Inner,
    Queried,
    Other { path: Hash, value_hash: Hash },
    Empty,
}

impl Node {
    pub(super) fn is_inner(&self) -> bool {
        matches!(self, Self::Inner)
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Opaque(hash) => {
                out.push(tag::OPAQUE);
                out.extend(hash.0);
            }
            Self::Inner => out.push(tag::INNER),
            Self::Queried => out.push(tag::QUERIED),
            Self::Other { path, value_hash } => {
                out.push(tag::OTHER);
                out.extend(path.0);
                out.extend(value_hash.0);
            }
            Self::Empty => out.push(tag::EMPTY),
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        match reader.byte()? {
            tag::OPAQUE => Some(Self::Opaque(reader.hash()?)),
            tag::INNER => Some(Self::Inner),
            tag::QUERIED => Some(Self::Queried),
            tag::OTHER => Some(Self::Other { path: reader.hash()?, value_hash: reader.hash()? }),
            tag::EMPTY => Some(Self::Empty),
            _ => None,
        }
    }
}

/// A query by its place in the tree.
#[derive(Clone, Copy)]
struct Claim {
    path: Hash,
    /// Hash of the value claimed.
    value_hash: Option<Hash>,
}

/// The root that the nodes hash to, if they answer every query as claimed and hold nothing else.
pub(super) fn root(nodes: &[Node], queries: &[Query<'_>]) -> Result<Hash, ProofError> {
    let mut claims: Vec<Claim> = queries
        .iter()
        .map(|(key, value)| Claim {
            path: node_hash(&[key]),
            value_hash: value.map(|value| node_hash(&[value])),
        })
        .collect();
    claims.sort_unstable_by_key(|claim| claim.path);
    if claims.windows(2).any(|pair| pair[0].path == pair[1].path) {
        return Err(ProofError::Query);
    }
    let mut rest = nodes.iter();
    let root = subtree(&mut rest, 0, &claims)?;
    if rest.next().is_some() { Err(ProofError::Shape) } else { Ok(root) }
}

fn subtree(
    nodes: &mut std::slice::Iter<'_, Node>,
    depth: usize,
    claims: &[Claim],
) -> Result<Hash, ProofError> {
    let present = || claims.iter().filter_map(|claim| claim.value_hash.map(|value| (claim.path, value)));
    match nodes.next().ok_or(ProofError::Shape)? {
        // An empty place has a tag of its own, which keeps the encoding unique.
        Node::Opaque(hash) if claims.is_empty() && *hash != PLACEHOLDER => Ok(*hash),
        Node::Opaque(_) => Err(ProofError::Shape),
        Node::Empty if present().next().is_some() => Err(ProofError::Claim),
        Node::Empty => Ok(PLACEHOLDER),
        Node::Queried => {
            let mut present = present();
            match (present.next(), present.next()) {
                (Some((path, value_hash)), None) => Ok(leaf_hash(&path, &value_hash)),
                _ => Err(ProofError::Claim),
            }
        }
        Node::Other { path, value_hash } => {
            let first = claims.first().ok_or(ProofError::Shape)?;
            let in_place = first_difference(&first.path.0, &path.0).is_none_or(|at| at >= depth);
            if present().next().is_some() || claims.iter().any(|claim| claim.path == *path) || !in_place {
                return Err(ProofError::Claim);
            }
            Ok(leaf_hash(path, value_hash))
        }
        Node::Inner if claims.is_empty() => Err(ProofError::Shape),
        Node::Inner if depth == JELLYFISH_DEPTH_MAX => Err(ProofError::Depth { limit: JELLYFISH_DEPTH_MAX }),
        Node::Inner => {
            let at = claims.partition_point(|claim| !bit(&claim.path.0, depth));
            let left = subtree(nodes, depth + 1, &claims[..at])?;
            let right = subtree(nodes, depth + 1, &claims[at..])?;
            Ok(inner_hash(&left, &right))
        }
    }
}
