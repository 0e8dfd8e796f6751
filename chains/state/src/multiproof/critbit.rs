//! Multiproofs of crit-bit trees.
//!
//! An inner node of IAVL form does not say which keys are on which side; that its leaves stand in order of key is all that
//! an honest tree promises. So absence is shown as in ICS-23: the leaves around the missing key are shown and stand next
//! to each other. Reading the proof in order gives a row of shown leaves and hidden subtrees; a key is
//!
//! - present if a shown leaf is hashed from the query's key and value;
//! - absent if the last shown leaf below it and the first above it are neighbours in the row (or it is beyond the first
//!   or last item of the row and that is a leaf): no hidden subtree is between them, so no leaf is.
//!
//! ```text
//!   row:  [leaf 00]  [hidden]  [leaf …01 7]  [leaf …02 3]  [hidden]
//!                                         ^ …01 8 would stand here, so it is absent
//! ```
//!
//! The sentinel is below every packet key, so there is always a leaf to the left.

use super::Query;
use super::codec::{Reader, tag};
use crate::critbit::{inner_hash, leaf_hash, put_varint};
use crate::error::ProofError;
use crate::limits::{IAVL_DEPTH_MAX, PACKET_KEY_BYTES_MAX};
use crate::node_hash::node_hash;
use catenary_crypto::Hash;
use std::slice::Iter;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Node {
    Opaque(Hash),
    Inner {
        height: u64,
        size: u64,
    },
    Queried,
    /// A neighbour of an absent key. Its key is at most a packet key long.
    Other {
        key: Vec<u8>,
        value_hash: Hash,
    },
}

impl Node {
    pub(super) fn is_inner(&self) -> bool {
        matches!(self, Self::Inner { .. })
    }

    pub(super) fn write(&self, out: &mut Vec<u8>) {
        match self {
            Self::Opaque(hash) => {
                out.push(tag::OPAQUE);
                out.extend(hash.0);
            }
            Self::Inner { height, size } => {
                out.push(tag::INNER);
                put_varint(out, *height);
                put_varint(out, *size);
            }
            Self::Queried => out.push(tag::QUERIED),
            Self::Other { key, value_hash } => {
                out.push(tag::OTHER);
                out.push(u8::try_from(key.len()).expect("a packet key fits a length byte"));
                out.extend(key);
                out.extend(value_hash.0);
            }
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        match reader.byte()? {
            tag::OPAQUE => Some(Self::Opaque(reader.hash()?)),
            tag::INNER => {
                let (height, size) = (reader.varint()?, reader.varint()?);
                // A height of at least 1 is what tells an inner node's hash from a leaf's.
                let possible = height >= 1 && size >= 2 && height < 1 << 62 && size < 1 << 62;
                possible.then_some(Self::Inner { height, size })
            }
            tag::QUERIED => Some(Self::Queried),
            tag::OTHER => {
                let length = usize::from(reader.byte()?);
                if !(1..=PACKET_KEY_BYTES_MAX).contains(&length) {
                    return None;
                }
                let key = reader.bytes(length)?.to_vec();
                Some(Self::Other { key, value_hash: reader.hash()? })
            }
            _ => None,
        }
    }
}

/// A leaf in the row that a proof shows.
struct Shown<'a> {
    key: &'a [u8],
    position: usize,
    /// Whether some query needs it.
    needed: bool,
}

/// Reads the nodes in order.
struct Walk<'a, 'q> {
    nodes: Iter<'a, Node>,
    /// Claims of presence that have not met their leaf yet, in order of key.
    present: Iter<'a, Query<'q>>,
    /// Items of the row so far, hidden subtrees included.
    length: usize,
    row: Vec<Shown<'a>>,
}

/// The root that the nodes hash to, if they answer every query as claimed and hold nothing else.
pub(super) fn root(nodes: &[Node], queries: &[Query<'_>]) -> Result<Hash, ProofError> {
    let mut queries = queries.to_vec();
    queries.sort_unstable_by_key(|(key, _)| *key);
    if queries.windows(2).any(|pair| pair[0].0 == pair[1].0) {
        return Err(ProofError::Query);
    }
    let (present, absent): (Vec<_>, Vec<_>) = queries.into_iter().partition(|(_, value)| value.is_some());
    let mut walk = Walk { nodes: nodes.iter(), present: present.iter(), length: 0, row: Vec::new() };
    let root = walk.subtree(0)?;
    if walk.nodes.next().is_some() {
        return Err(ProofError::Shape);
    }
    let ordered = walk.row.is_sorted_by(|a, b| a.key < b.key);
    if walk.present.next().is_some() || !ordered {
        return Err(ProofError::Claim);
    }
    absent.iter().try_for_each(|(key, _)| walk.check_absent(key))?;
    if walk.row.iter().all(|shown| shown.needed) { Ok(root) } else { Err(ProofError::Shape) }
}

impl<'a> Walk<'a, '_> {
    fn subtree(&mut self, depth: usize) -> Result<Hash, ProofError> {
        match self.nodes.next().ok_or(ProofError::Shape)? {
            Node::Opaque(hash) => {
                self.length += 1;
                Ok(*hash)
            }
            Node::Queried => {
                let (key, value) = self.present.next().ok_or(ProofError::Claim)?;
                let value = value.ok_or(ProofError::Claim)?;
                self.show(key, true);
                Ok(leaf_hash(key, &node_hash(&[value])))
            }
            Node::Other { key, value_hash } => {
                self.show(key, false);
                Ok(leaf_hash(key, value_hash))
            }
            Node::Inner { .. } if depth == IAVL_DEPTH_MAX => Err(ProofError::Depth { limit: IAVL_DEPTH_MAX }),
            Node::Inner { height, size } => {
                let shown = self.row.len();
                let left = self.subtree(depth + 1)?;
                let right = self.subtree(depth + 1)?;
                if self.row.len() == shown {
                    return Err(ProofError::Shape);
                }
                Ok(inner_hash(*height, *size, &left, &right))
            }
        }
    }

    fn show(&mut self, key: &'a [u8], needed: bool) {
        self.row.push(Shown { key, position: self.length, needed });
        self.length += 1;
    }

    fn check_absent(&mut self, key: &[u8]) -> Result<(), ProofError> {
        let above = self.row.partition_point(|shown| shown.key < key);
        let (left, right) = self.row.split_at_mut(above);
        let (left, right) = (left.last_mut(), right.first_mut());
        if right.as_ref().is_some_and(|right| right.key == key) {
            return Err(ProofError::Claim);
        }
        // Position of the item that must be the next leaf, and of the one that is.
        let expected = left.as_ref().map_or(0, |left| left.position + 1);
        let actual = right.as_ref().map_or(self.length, |right| right.position);
        if expected != actual {
            return Err(ProofError::Claim);
        }
        for shown in left.into_iter().chain(right) {
            shown.needed = true;
        }
        Ok(())
    }
}
