//! The properties bite: decoders and checks that are a little too generous are found by as many cases as every test run has.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use catenary_fuzz::{
    Target, alteration::only_the_original, certificates, decoders, input::Input, names, samples,
};
use catenary_types::{Message as _, Parameters, SignedHeader};
use prost::Message as _;
use std::panic::catch_unwind;

const CASES: usize = 200;

/// Runs a body as a target of this name and returns what it failed with.
fn failure(name: &'static str, body: fn(&[u8]), seeds: fn() -> Vec<Vec<u8>>) -> String {
    let target = Target { name, group: "noticed", body, seeds };
    let panic = catch_unwind(|| target.run(CASES)).unwrap_err();
    panic.downcast_ref::<String>().unwrap().clone()
}

#[test]
fn a_decoder_that_drops_what_it_does_not_know() {
    let body = |data: &[u8]| {
        let stock = |bytes: &[u8]| {
            let envelope = catenary_proto::ledger::Envelope::decode(bytes).ok()?;
            Some(envelope.encode_to_vec())
        };
        decoders::decoder("stock", stock).is_canonical(data);
    };
    let found = failure("envelopes", body, || samples::of(decoders::ENVELOPES));
    assert!(found.contains("stock is read from"), "{found}");
}

#[test]
fn a_number_with_two_texts() {
    let body = |data: &[u8]| {
        std::str::from_utf8(data).ok().and_then(|text| names::canonical::<u128>(text, 39));
    };
    let found = failure("identifiers", body, names::samples);
    assert!(found.contains("a second text of a value"), "{found}");
}

#[test]
fn a_certificate_whose_header_alone_is_compared() {
    let body = |data: &[u8]| {
        let (_, signed) = &*certificates::SIGNED;
        only_the_original("signed header", &signed.encode(), &mut Input::new(data), |bytes| {
            SignedHeader::decode(bytes).is_ok_and(|other| other.header == signed.header)
        });
    };
    let found = failure("altered_certificates", body, samples::scripts);
    assert!(found.contains("altered signed header passed"), "{found}");
}

#[test]
fn a_certificate_of_one_signature() {
    let body = |data: &[u8]| {
        let (set, signed) = &*certificates::SIGNED;
        let lax = Parameters { quorum_numerator: 0, ..Parameters::for_group_of(4) };
        only_the_original("signed header", &signed.encode(), &mut Input::new(data), |bytes| {
            let Ok(mut other) = SignedHeader::decode(bytes) else { return false };
            other.certificate.signatures.truncate(1);
            other.certificate.signatures.extend_from_slice(&signed.certificate.signatures[1..]);
            other.verify(set, &lax).is_ok()
        });
    };
    let found = failure("altered_certificates", body, samples::scripts);
    assert!(found.contains("altered signed header passed"), "{found}");
}
