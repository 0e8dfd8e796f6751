//! What crosses a wire: the schemas, the code generated from them, and the only conversions to and from domain types.
//!
//! | Package | What it is |
//! |---|---|
//! | `catenary.ledger.v1`, `admin.v1`, `asset.v1`, `packet.v1`, `transfer.v1` | what is hashed or signed: [`ledger`], [`admin`], [`asset`], [`packet`], [`transfer`] |
//! | `tendermint.*` | headers, certificates and validator sets, CometBFT's own: [`tendermint`] |
//! | `catenary.api.v1` | services, answers and errors: [`api`] |
//! | `catenary.peer.v1` | what nodes of one chain say to each other: [`peer`] |
//!
//! A hashed message has one encoding, by the codec of `catenary-types`. A stock protobuf library that writes fields in order and
//! leaves defaults out, as all do, writes the same bytes; `tests/canonical` proves it for every message.
//! Reading is another matter: stock libraries drop unknown fields, so what is hashed travels as bytes and is read by
//! the canonical codec alone.
//!
//! `schema.txt` lists every field's number and type; a test compares it with the schemas.
//!
//! # Invariants
//!
//! - Conversions are total: any message gives a value or names the field that is wrong.
//! - Nothing here knows a connection, a clock or an actor.
//! - Within `v1` numbers and types of fields never change.

pub mod convert;
mod fault;
mod generated;
mod malformed;
mod reason;

pub use fault::{DOMAIN, Fault, gateway_error};
pub use generated::{
    catenary::{
        admin::v1 as admin, api::v1 as api, asset::v1 as asset, ledger::v1 as ledger, packet::v1 as packet,
        peer::v1 as peer, transfer::v1 as transfer,
    },
    tendermint,
};
pub use malformed::Malformed;
/// What every generated message can do.
pub use prost::Message as WireMessage;

/// All schemas as an encoded `google.protobuf.FileDescriptorSet`, custom options and comments included.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
