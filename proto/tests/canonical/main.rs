//! A stock protobuf library writes the same bytes as the canonical codec: every hashed message, field by field by name.
//!
//! The bytes themselves are pinned in `fixtures/messages.txt`, a line per sample. A failure there is a fork of every chain;
//! the message of the failing test holds the text that the file would have to be.
#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use catenary_crypto::{PublicKey, SigningKey};
use catenary_proto::{Malformed, ledger};
use catenary_types::wire::Item;
use prost::Message;
use std::{any::type_name, collections::BTreeSet, fmt::Debug};

mod apps;
mod blocks;
mod core;
mod coverage;
mod equivocation;
mod packets;

/// A message as both sides write it.
#[derive(Clone)]
struct Sample {
    /// Its full name in the schemas.
    schema: String,
    bytes: Vec<u8>,
}

/// Asserts that both sides have the same bytes, and that the codec reads them.
fn agree<D, W>(domain: &D, wire: &W) -> Sample
where
    D: Item + Debug + PartialEq,
    W: Message,
{
    let mut bytes = Vec::new();
    domain.write_content(&mut bytes);
    assert_eq!(wire.encode_to_vec(), bytes, "{domain:?}");
    assert_eq!(D::read_content(&bytes).as_ref(), Ok(domain));
    // Generated code has a module per part of the schema's name.
    let (_, path) = type_name::<W>().split_once("generated::").unwrap();
    Sample { schema: path.replace("::", "."), bytes }
}

/// As [`agree`], and asserts that both sides lead to each other.
fn same<D, W>(domain: D, wire: W) -> Sample
where
    D: Item + Debug + PartialEq + for<'a> TryFrom<&'a W, Error = Malformed>,
    W: Message + Default + Debug + PartialEq + for<'a> From<&'a D>,
{
    let sample = agree(&domain, &wire);
    assert_eq!(W::from(&domain), wire);
    assert_eq!(D::try_from(&wire), Ok(domain));
    sample
}

fn samples() -> Vec<Sample> {
    [core::samples(), blocks::samples(), apps::samples(), equivocation::samples(), packets::samples()]
        .concat()
}

fn key(number: u8) -> SigningKey {
    SigningKey::from_seed(&[number; 32])
}

fn public_key(number: u8) -> PublicKey {
    key(number).public_key()
}

fn public_bytes(number: u8) -> Vec<u8> {
    public_key(number).0.to_vec()
}

fn account_name() -> (catenary_apps::accounts::AccountName, ledger::AccountName) {
    let domain = catenary_apps::accounts::AccountName {
        organisation: "AB".parse().unwrap(),
        number: "CZ6508000000192000145399".parse().unwrap(),
    };
    let wire = ledger::AccountName { organisation: "AB".into(), number: "CZ6508000000192000145399".into() };
    (domain, wire)
}

#[test]
fn stock_libraries_write_canonical_bytes_of_every_field_of_every_hashed_message() {
    let schemas = coverage::Schemas::load();
    let mut shown = BTreeSet::new();
    samples().iter().for_each(|sample| schemas.read(&sample.schema, &sample.bytes, &mut shown));
    let hashed = schemas.hashed();
    assert!(hashed.len() > 250, "only {} parts of the schemas were looked for", hashed.len());
    let missing: Vec<_> = hashed.difference(&shown).collect();
    assert!(missing.is_empty(), "no sample shows {missing:#?}");
}

#[test]
fn the_bytes_of_every_hashed_message_are_as_committed() {
    let schemas = coverage::Schemas::load();
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let line = |sample: &Sample| format!("{} = {}\n", schemas.name(sample), hex(&sample.bytes));
    let actual: String = samples().iter().map(line).collect();
    assert!(actual == include_str!("../fixtures/messages.txt"), "not the committed bytes:\n{actual}");
}

#[test]
fn unknown_fields_are_dropped_by_stock_libraries_and_refused_by_the_codec() {
    use catenary_types::Message as _;
    let mut bytes = ledger::Call { instance: "asset".into(), message: vec![1] }.encode_to_vec();
    bytes.extend([0x78, 0x01]);
    assert!(ledger::Call::decode(bytes.as_slice()).is_ok());
    assert!(catenary_types::Call::decode(&bytes).is_err());
}

#[test]
fn a_malformed_message_names_the_field() {
    let call = ledger::Call { instance: "Not a name".into(), message: vec![] };
    let error = catenary_types::Call::try_from(&call).unwrap_err();
    assert!(error.to_string().contains("field 1"), "{error}");
}
