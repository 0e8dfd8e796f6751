//! One proof for many keys of one store at one version, present or absent: our own encoding, between our chains.
//!
//! A multiproof is the part of the store's tree that the queries touch, in pre-order, and the steps from the store's root
//! to the `app_hash`. What a query brings itself (key, value) is not in it, shared nodes stand once, and a subtree that no
//! query needs is its hash.
//!
//! ```text
//!   format(1) ‖ tree kind(1) ‖ steps: count(1) ‖ sides(1) ‖ 32 bytes each ‖ nodes in pre-order
//! ```
//!
//! | tag | node | then |
//! |---|---|---|
//! | 0 | hash of a subtree that no query needs | 32 bytes |
//! | 1 | inner node, its two subtrees follow | nothing; of a crit-bit tree varint height, varint size |
//! | 2 | the leaf of a query that is claimed present | nothing |
//! | 3 | another leaf | Jellyfish: key hash, value hash; crit-bit: key with length byte, value hash |
//! | 4 | empty place (Jellyfish) | nothing |
//!
//! # Why it cannot lie
//!
//! The verifier computes every hash from what it reads, with the formulas of the tree. Leaves, inner nodes and the
//! empty place have inputs that no two of them share, so if the result is the root of an honest tree, the nodes read
//! are nodes of that tree, each in its place (else SHA-256 has a collision). How absence then follows from the nodes
//! is said in [`jellyfish`] and [`critbit`].
//!
//! For a tree and a set of queries there is exactly one proof that is accepted: no node may be missing, and none may be
//! there that no query needs.

#[cfg(test)]
mod adversary;
mod codec;
pub(crate) mod critbit;
pub(crate) mod jellyfish;

use crate::error::ProofError;
use crate::limits::{MULTIPROOF_BYTES_MAX, MULTIPROOF_NODES_MAX, STORE_STEPS_MAX};
use crate::multistore::TreeKind;
use crate::multistore::simple::{self, Step};
use catenary_crypto::Hash;
use codec::Reader;

/// A key, and the value it is claimed to have; `None` claims that it has none.
pub type Query<'a> = (&'a [u8], Option<&'a [u8]>);

const FORMAT: u8 = 1;
const JELLYFISH: u8 = 1;
const CRIT_BIT: u8 = 2;

/// A proof of many keys; see the module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Multiproof {
    pub(crate) body: Body,
    /// From the store's leaf to the app hash.
    pub(crate) steps: Vec<Step>,
}

/// The nodes, in pre-order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Body {
    Jellyfish(Vec<jellyfish::Node>),
    CritBit(Vec<critbit::Node>),
}

impl Body {
    pub(crate) fn nodes(&self) -> usize {
        match self {
            Self::Jellyfish(nodes) => nodes.len(),
            Self::CritBit(nodes) => nodes.len(),
        }
    }
}

impl Multiproof {
    /// Verifies every query against the store `store` of the chain whose header carries `app_hash`.
    ///
    /// # Errors
    /// See [`ProofError`]. All queries hold or the proof is refused, whatever bytes it was read from.
    pub fn verify(
        &self,
        app_hash: &Hash,
        store: &str,
        tree: TreeKind,
        queries: &[Query<'_>],
    ) -> Result<(), ProofError> {
        let empty = |query: &Query<'_>| query.0.is_empty() || query.1.is_some_and(<[u8]>::is_empty);
        if queries.is_empty() || queries.iter().any(empty) {
            return Err(ProofError::Query);
        }
        let root = match (&self.body, tree) {
            (Body::Jellyfish(nodes), TreeKind::Jellyfish) => jellyfish::root(nodes, queries)?,
            (Body::CritBit(nodes), TreeKind::CritBit) => critbit::root(nodes, queries)?,
            _ => return Err(ProofError::TreeKind),
        };
        if simple::root_of_steps(simple::store_leaf(store, &root), &self.steps) != *app_hash {
            return Err(ProofError::Root);
        }
        Ok(())
    }

    /// The proof's only encoding.
    pub fn encode(&self) -> Vec<u8> {
        let kind = match self.body {
            Body::Jellyfish(_) => JELLYFISH,
            Body::CritBit(_) => CRIT_BIT,
        };
        let sides =
            self.steps.iter().rev().fold(0, |sides, step| sides << 1 | u8::from(step.sibling_is_left));
        let mut out = vec![FORMAT, kind, self.steps.len() as u8, sides];
        self.steps.iter().for_each(|step| out.extend(step.sibling.0));
        match &self.body {
            Body::Jellyfish(nodes) => nodes.iter().for_each(|node| node.write(&mut out)),
            Body::CritBit(nodes) => nodes.iter().for_each(|node| node.write(&mut out)),
        }
        out
    }

    /// Reads a proof. Total: any bytes give a proof that encodes to the same bytes, or an error; memory is bounded.
    ///
    /// # Errors
    /// [`ProofError::TooLarge`] or [`ProofError::Malformed`].
    pub fn decode(bytes: &[u8]) -> Result<Self, ProofError> {
        if bytes.len() > MULTIPROOF_BYTES_MAX {
            return Err(ProofError::TooLarge { limit: MULTIPROOF_BYTES_MAX, actual: bytes.len() });
        }
        let mut reader = Reader::new(bytes);
        let parsed = Self::read(&mut reader).filter(|_| reader.is_at_end());
        parsed.ok_or(ProofError::Malformed { offset: reader.offset() })
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (format, kind, count, sides) = (reader.byte()?, reader.byte()?, reader.byte()?, reader.byte()?);
        let fits = usize::from(count) <= STORE_STEPS_MAX && u16::from(sides) >> count == 0;
        if format != FORMAT || !fits {
            return None;
        }
        let step = |at: u8| Some(Step { sibling: reader.hash()?, sibling_is_left: sides >> at & 1 == 1 });
        let steps = (0..count).map(step).collect::<Option<_>>()?;
        let body = match kind {
            JELLYFISH => {
                Body::Jellyfish(read_tree(reader, jellyfish::Node::read, jellyfish::Node::is_inner)?)
            }
            CRIT_BIT => Body::CritBit(read_tree(reader, critbit::Node::read, critbit::Node::is_inner)?),
            _ => return None,
        };
        Some(Self { body, steps })
    }
}

/// Reads nodes until they form exactly one tree: an inner node opens one place more than it fills.
fn read_tree<N>(
    reader: &mut Reader<'_>,
    read: impl Fn(&mut Reader<'_>) -> Option<N>,
    is_inner: impl Fn(&N) -> bool,
) -> Option<Vec<N>> {
    let mut nodes = Vec::new();
    let mut open = 1_usize;
    while open > 0 {
        if nodes.len() == MULTIPROOF_NODES_MAX {
            return None;
        }
        let node = read(reader)?;
        open = if is_inner(&node) { open + 1 } else { open - 1 };
        nodes.push(node);
    }
    Some(nodes)
}
