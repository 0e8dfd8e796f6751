//! What a chain is made of: identifiers, the canonical codec, headers and certificates, transactions, genesis.
//!
//! The bytes that are hashed or signed are fixed here and pinned by fixtures under `tests/fixtures`. Headers,
//! validator sets and votes are CometBFT's own, hashed and encoded by the `tendermint` crate; everything else is
//! canonical protobuf by [`wire`].
//!
//! # Invariants
//!
//! - Decoding is total and canonical: any bytes give a value or an error, and a value re-encodes to the same bytes.
//! - An identifier that exists is well formed; there is no other way to make one than through its check.
//! - Nothing here reads a clock, a file or a random source.

pub mod amount;
pub mod certificate;
pub mod envelope;
pub mod equivocation;
pub mod genesis;
pub mod header;
pub mod ids;
pub mod limits;
pub mod parameters;
pub mod readiness;
pub mod receipt;
pub mod sign_bytes;
#[cfg(any(test, feature = "testing"))]
pub mod testing;
pub mod time;
pub mod validator;
pub mod wire;

pub use amount::Amount;
pub use certificate::{Certificate, CertificateError, CommitSignature, SignedHeader};
pub use envelope::{Block, Body, Call, Envelope, EnvelopeSignature};
pub use equivocation::{DoubleVote, DoubleVoteError, ReportedVote};
pub use genesis::{AccountKey, Committee, Genesis, GenesisAccount, GenesisInstance, GenesisRoots, Role};
pub use header::{FormatError, Header};
pub use ids::{
    AccountId, AccountNumber, Address, AssetId, ChainId, ChainName, IdError, InstanceName, Organisation,
    Reference, RequestId, TxId,
};
pub use parameters::{Parameters, Trust};
pub use readiness::Readiness;
pub use receipt::{Attribute, Event, Receipt};
pub use sign_bytes::VoteKind;
pub use time::{Height, Timestamp, UnixSeconds};
pub use validator::{Validator, ValidatorSet};
pub use wire::{Message, WireError};

use catenary_crypto::{Hash, PublicKey, Signature};

fixed_bytes_item!(Hash, 32);
fixed_bytes_item!(PublicKey, 32);
fixed_bytes_item!(Signature, 64);
