//! What the nodes of one chain say to each other.

use crate::{
    snapshot::{Manifest, SnapshotPart},
    sync::FetchedBlock,
};
use catenary_consensus::{Message, Peer, raft};
use catenary_crypto::Hash;
use catenary_types::{Block, Height};
use std::sync::Arc;

/// A message between two nodes of one chain.
#[derive(Clone, Debug)]
pub enum PeerMessage {
    /// Of the consensus group.
    Consensus(Message),
    /// Of the group's log, if it keeps one.
    Raft(raft::Message),
    /// The body of a proposed block.
    Body(Arc<Block>),
    /// Envelopes that wait for a block.
    Transactions(Vec<Vec<u8>>),
    /// How far the sender is.
    Tip(PeerTip),
    /// Asks for final blocks from this height on.
    Fetch(Height),
    /// Answers [`PeerMessage::Fetch`]: consecutive final blocks, none if the sender has none to give.
    Blocks(Vec<FetchedBlock>),
    /// Asks for a part of the newest snapshot.
    FetchSnapshot(SnapshotPart),
    /// Answers [`SnapshotPart::Manifest`]; none if the sender has no snapshot.
    Manifest(Option<Arc<Manifest>>),
    /// Answers [`SnapshotPart::Chunk`].
    Chunk {
        /// Of the snapshot of this height.
        height: Height,
        /// Its number.
        index: u32,
        /// The encoded chunk; nothing if the sender no longer has the snapshot.
        bytes: Vec<u8>,
    },
}

/// How far a node is. A claim: nothing follows from it but that it may be worth asking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PeerTip {
    /// Its newest final block.
    pub height: Height,
    /// Root of its state after that block.
    pub app_hash: Hash,
}

/// Which messages go first when a link is busy; a full link drops from the last lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lane {
    /// Votes, proposals and bodies.
    Consensus,
    /// Tips, fetched blocks and snapshots.
    Sync,
    /// Transactions.
    Gossip,
}

impl Lane {
    /// Every lane, the first one first.
    pub const ALL: [Self; 3] = [Self::Consensus, Self::Sync, Self::Gossip];
}

impl PeerMessage {
    /// The lane of a message.
    pub fn lane(&self) -> Lane {
        match self {
            Self::Consensus(_) | Self::Raft(_) | Self::Body(_) => Lane::Consensus,
            Self::Tip(_)
            | Self::Fetch(_)
            | Self::Blocks(_)
            | Self::FetchSnapshot(_)
            | Self::Manifest(_)
            | Self::Chunk { .. } => Lane::Sync,
            Self::Transactions(_) => Lane::Gossip,
        }
    }
}

/// Whom a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recipients {
    /// Every connected node of the chain.
    All,
    /// One of them.
    One(Peer),
}
