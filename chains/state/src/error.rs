//! What can go wrong: with the state of this node (a caller's mistake), or with a proof (its sender's fault).

use crate::multistore::StoreName;
use thiserror::Error;

/// The caller asked for something the state does not have or must not hold. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum StateError {
    /// A store name is empty, longer than the limit, or in use.
    #[error("store name `{name}` is empty, too long or taken")]
    StoreName {
        /// The name.
        name: StoreName,
    },
    /// The chain has the most stores that a proof can cover.
    #[error("a chain has at most {limit} stores")]
    TooManyStores {
        /// The limit.
        limit: usize,
    },
    /// No store of that name, at least not at that version.
    #[error("no store `{name}`")]
    UnknownStore {
        /// The name.
        name: StoreName,
    },
    /// The store is of another kind: an external root has no keys here, a tree takes no root from outside.
    #[error("store `{name}` is of another kind")]
    StoreKind {
        /// The name.
        name: StoreName,
    },
    /// The version was never committed, or is pruned.
    #[error("version {version} is not kept")]
    UnknownVersion {
        /// The version asked for.
        version: u64,
    },
    /// Versions only grow.
    #[error("version {actual} is not above {latest}")]
    VersionOrder {
        /// The newest version.
        latest: u64,
        /// The version given.
        actual: u64,
    },
    /// A key or value is empty or longer than the limit.
    #[error("store `{name}`: length {actual} is not 1 to {limit}")]
    Length {
        /// The store.
        name: StoreName,
        /// The length given.
        actual: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// The sentinel would be changed or deleted; without it an empty tree could prove nothing absent.
    #[error("store `{name}`: the sentinel cannot be changed")]
    Sentinel {
        /// The store.
        name: StoreName,
    },
    /// The key of a crit-bit store is not `client ‖ kind ‖ BE64(sequence)`.
    #[error("store `{name}`: not a packet key, {length} bytes")]
    NotPacketKey {
        /// The store.
        name: StoreName,
        /// Length of the key given.
        length: usize,
    },
    /// A multiproof was asked for no key at all.
    #[error("a proof needs at least one key")]
    NoKeys,
    /// A multiproof of all these keys would be too large to be read; ask for fewer.
    #[error("a proof of {nodes} nodes, at most {limit}")]
    TooManyKeys {
        /// Nodes that the proof would have.
        nodes: usize,
        /// Most nodes of a proof.
        limit: usize,
    },
}

/// A proof does not show what it should. Always the fault of whoever sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum ProofError {
    /// Longer than the limit.
    #[error("proof of {actual} bytes, at most {limit}")]
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
        /// The length given.
        actual: usize,
    },
    /// The bytes are not a proof in its one encoding.
    #[error("malformed at byte {offset}")]
    Malformed {
        /// Where reading stopped.
        offset: usize,
    },
    /// The proof is for the other kind of tree.
    #[error("the proof is for another kind of tree")]
    TreeKind,
    /// An empty list of queries, an empty key or value, or one key twice.
    #[error("empty or repeated query")]
    Query,
    /// More levels than the tree may have.
    #[error("more than {limit} levels")]
    Depth {
        /// The limit.
        limit: usize,
    },
    /// The proof holds something that its queries do not need, or lacks something that they do.
    #[error("the proof is not the one for these queries")]
    Shape,
    /// The proof speaks of the key, but not as claimed: present as absent, absent as present, or no neighbour.
    #[error("the proof does not show the claim")]
    Claim,
    /// The hashes do not lead to the root.
    #[error("the proof leads to another root")]
    Root,
    /// The stock verifier refuses the proof.
    #[error("the ICS-23 proof does not verify")]
    Ics23,
}
