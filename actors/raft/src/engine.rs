//! The engine's types.

use catenary_types::{Address, Block};
use std::{fmt, sync::Arc};

/// A member's name in its group: its validator's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub(crate) Address);

impl Default for MemberId {
    fn default() -> Self {
        Self(Address([0; 20]))
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The test suite of the engine numbers its members.
#[cfg(test)]
impl From<u64> for MemberId {
    fn from(number: u64) -> Self {
        let mut address = [0; 20];
        address[12..].copy_from_slice(&number.to_be_bytes());
        Self(Address(address))
    }
}

openraft::declare_raft_types!(
    /// What the engine is made of here.
    pub Engine:
        D = Arc<Block>,
        R = (),
        NodeId = MemberId,
        Node = openraft::EmptyNode,
        Entry = openraft::Entry<Engine>,
        SnapshotData = (),
        AsyncRuntime = openraft::TokioRuntime,
);

pub(crate) type Entry = openraft::Entry<Engine>;
pub(crate) type Id = openraft::LogId<MemberId>;
pub(crate) type Vote = openraft::Vote<MemberId>;
pub(crate) type Members = openraft::Membership<MemberId, openraft::EmptyNode>;
pub(crate) type StoredMembers = openraft::StoredMembership<MemberId, openraft::EmptyNode>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<MemberId, openraft::EmptyNode>;
pub(crate) type StorageError = openraft::StorageError<MemberId>;
