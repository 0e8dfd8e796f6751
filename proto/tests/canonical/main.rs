//! A stock protobuf library writes the same bytes as the canonical codec: every hashed message, field by field by name.
#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use catenary_crypto::{PublicKey, SigningKey};
use catenary_proto::{DESCRIPTORS, Malformed, ledger};
use catenary_types::wire::Item;
use prost::Message;
use prost_types::FileDescriptorSet;
use std::fmt::Debug;

mod apps;
mod blocks;
mod core;
mod packets;

/// Asserts that both sides have the same bytes and lead to each other; gives the wire side as text.
fn same<D, W>(domain: D, wire: W) -> String
where
    D: Item + Debug + PartialEq + for<'a> TryFrom<&'a W, Error = Malformed>,
    W: Message + Default + Debug + PartialEq + for<'a> From<&'a D>,
{
    let mut canonical = Vec::new();
    domain.write_content(&mut canonical);
    assert_eq!(wire.encode_to_vec(), canonical, "{domain:?}");
    assert_eq!(W::from(&domain), wire);
    assert_eq!(D::try_from(&wire), Ok(domain));
    format!("{wire:?}\n")
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
fn stock_libraries_write_canonical_bytes_of_every_hashed_message() {
    let samples = [core::samples(), blocks::samples(), apps::samples(), packets::samples()].concat();
    let set = FileDescriptorSet::decode(DESCRIPTORS).unwrap();
    for file in set
        .file
        .iter()
        .filter(|file| file.package().starts_with("catenary.") && file.package() != "catenary.api.v1")
    {
        for message in file.message_type.iter().map(|message| message.name()) {
            // The record is private to the ledger; its schema is for readers of proofs.
            let seen =
                samples.contains(&format!("{message} {{")) || ["Tick", "ReferenceEntry"].contains(&message);
            assert!(seen, "no sample of {message} of {}", file.name());
        }
    }
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
