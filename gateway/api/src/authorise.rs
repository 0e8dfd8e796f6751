//! Who may do what: the one function that every request passes. Today it allows everything.

use catenary_proto::Fault;
use std::net::SocketAddr;

/// Who asks. A name follows with mutual TLS; until then everybody is anonymous.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Where the connection comes from.
    pub address: Option<SocketAddr>,
}

/// What is asked for. `chain` is the chain as the request names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action<'a> {
    /// The list of chains.
    ListChains,
    /// Whether chains are well.
    ReadHealth,
    /// How a chain stands.
    ReadStatus(&'a str),
    /// A header, its certificate, a proof.
    ReadHeader(&'a str),
    /// A block.
    ReadBlock(&'a str),
    /// A transaction.
    ReadTransaction(&'a str),
    /// An account and its money.
    ReadAccount(&'a str),
    /// A transfer.
    ReadTransfer(&'a str),
    /// Events as they happen.
    StreamEvents(&'a str),
    /// Blocks as they become final.
    StreamBlocks(&'a str),
    /// Submitting; the ledger then asks for signatures.
    Submit(&'a str),
}

/// Decides about a request before it touches a chain. Denial is a [`Fault`] with reason `NOT_PERMITTED`.
pub type Authorise = fn(&Principal, &Action<'_>) -> Result<(), Fault>;

/// The rule of this version: everybody may read and submit everything; the ledgers check signatures.
pub fn authorise(_principal: &Principal, action: &Action<'_>) -> Result<(), Fault> {
    match action {
        Action::ListChains
        | Action::ReadHealth
        | Action::ReadStatus(_)
        | Action::ReadHeader(_)
        | Action::ReadBlock(_)
        | Action::ReadTransaction(_)
        | Action::ReadAccount(_)
        | Action::ReadTransfer(_)
        | Action::StreamEvents(_)
        | Action::StreamBlocks(_)
        | Action::Submit(_) => Ok(()),
    }
}

impl Principal {
    /// Who sent a request.
    pub(crate) fn of<T>(request: &tonic::Request<T>) -> Self {
        Self { address: request.remote_addr() }
    }
}
