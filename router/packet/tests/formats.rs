//! Go's verdicts, case by case: headers, updates, proofs and packets of the format fixtures.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_ledger::{Reason, View};
use catenary_packet::{
    ClientId, PacketCall, ReadClients,
    bft::LightBlock,
    commitment::{
        ERROR_ACKNOWLEDGEMENT, acknowledgement_commitment, acknowledgement_key, commitment_key,
        packet_commitment, receipt_key,
    },
    messages::{SubmitMisbehaviour, UpdateClient},
    proof::verify_path,
};
use catenary_state::{CommitmentProof, ProofSpec, verify_ics23};
use common::{Fixture, Hex, Host, PacketFixture, UpdateFixture, load, timestamp};
use prost013::Message as _;
use serde::Deserialize;

const SHAPES: [&str; 2] = ["single-tree", "two-stores"];

/// Where our client is stricter than ibc-go, on purpose: it keeps the hash of each header.
const STRICTER: &str = "second certified header for a known height that differs in its data hash only \
                        (not noticed without a misbehaviour message)";

fn outcome(fixture: &Fixture, case: &UpdateFixture) -> (&'static str, String) {
    let (mut host, client) = (Host::default(), ClientId::bft(0));
    let started = timestamp(&fixture.at(case.trusted).time);
    host.call(started, &PacketCall::CreateClient(fixture.create(case.trusted))).unwrap();
    let now = timestamp(&case.now);
    let mut show =
        |update| host.call(now, &PacketCall::UpdateClient(UpdateClient { client: client.clone(), update }));
    for height in &case.before {
        show(fixture.update(case.trusted, *height)).unwrap();
    }
    let mut first = fixture.update(case.trusted, case.trusted);
    first.signed_header = case.signed_header.0.clone();
    first.validators = case.validators.0.clone();
    first.trusted_validators = case.trusted_validators.0.clone();
    let result = match (&case.signed_header_2, &case.validators_2) {
        (Some(header), Some(validators)) => {
            let mut second = first.clone();
            second.signed_header = header.0.clone();
            second.validators = validators.0.clone();
            let evidence = SubmitMisbehaviour { client: client.clone(), first, second };
            host.call(now, &PacketCall::SubmitMisbehaviour(evidence))
        }
        _ => show(first),
    };
    let evidence = case.signed_header_2.is_some();
    let without_effect = if evidence { Reason::InvalidArgument } else { Reason::Redundant };
    match result {
        Ok(_) if host.is_frozen(&client) => ("freeze", String::new()),
        Ok(_) => ("accept", String::new()),
        // What Go takes as a message without effect fails as a call without effect here.
        Err(failure) if failure.reason == without_effect => ("accept", failure.to_string()),
        Err(failure) => ("reject", failure.to_string()),
    }
}

#[test]
fn updates_and_misbehaviour_get_the_verdicts_of_ibc_go() {
    let fixture = Fixture::load("single-tree");
    let cases: Vec<UpdateFixture> = load("single-tree", "updates");
    assert_eq!(cases.len(), 53);
    let mut differences = Vec::new();
    for case in &cases {
        let (actual, why) = outcome(&fixture, case);
        let expected = if case.name == STRICTER { "freeze" } else { case.expect.as_str() };
        if actual != expected {
            differences.push(format!("{}: expected {expected}, got {actual} ({why})", case.name));
        }
    }
    assert!(differences.is_empty(), "{}", differences.join("\n"));
    assert!(cases.iter().any(|case| case.name == STRICTER));
}

#[test]
fn every_pair_of_headers_gets_the_verdict_of_the_light_verifier() {
    for shape in SHAPES {
        let fixture = Fixture::load(shape);
        let now = timestamp("2026-11-20T08:01:08Z");
        let mut accepted = 0;
        for (from, to) in (1..=12).flat_map(|to| (1..to).map(move |from| (from, to))) {
            let mut host = Host::default();
            let started = timestamp(&fixture.at(from).time);
            host.call(started, &PacketCall::CreateClient(fixture.create(from))).unwrap();
            let update = UpdateClient { client: ClientId::bft(0), update: fixture.update(from, to) };
            let result = host.call(now, &PacketCall::UpdateClient(update));
            assert!(result.is_ok(), "{shape} {from} to {to}: {result:?}");
            let view: &dyn View = &host.stores;
            let state = view.client(&ClientId::bft(0)).unwrap();
            let kept = view.consensus(&ClientId::bft(0), &state, state.latest_height).unwrap();
            let block = fixture.at(to);
            assert_eq!((state.latest_height.0, kept.header_hash.0.to_vec()), (to, block.hash.0.clone()));
            assert_eq!(
                (kept.app_hash.0.to_vec(), kept.time),
                (block.app_hash.0.clone(), timestamp(&block.time))
            );
            accepted += 1;
        }
        assert_eq!(accepted, 66);
    }
}

#[test]
fn the_empty_last_block_id_that_go_writes_at_height_1_reads_as_none() {
    let fixture = Fixture::load("two-stores");
    let bytes = &fixture.at(1).signed_header.0;
    // Field 1 of 333 bytes is the header; field 6 follows the time.
    assert_eq!(bytes[..3], [0x0a, 0xcd, 0x02]);
    let at = bytes.windows(4).position(|window| window == [0x32, 0x20, 0xe3, 0xb0]).unwrap();
    let mut go = bytes.clone();
    go.splice(at..at, [0x2a, 0x02, 0x12, 0x00]);
    go[1] += 4;
    let (ours, theirs) = (LightBlock::decode(bytes).unwrap(), LightBlock::decode(&go).unwrap());
    assert_eq!((theirs.hash, theirs.stock), (ours.hash, ours.stock));
}

#[derive(Deserialize)]
struct ProofFixture {
    name: String,
    path: Vec<Hex>,
    value: Option<Hex>,
    proof: Hex,
    height: Option<u64>,
    root: Option<Hex>,
    specs: Option<Vec<Hex>>,
    expect: String,
}

/// `ibc.core.commitment.v1.MerkleProof`, of any number of trees.
fn decode_proofs(mut bytes: &[u8]) -> Vec<CommitmentProof> {
    let mut proofs = Vec::new();
    while let Some(rest) = bytes.strip_prefix(&[0x0a]) {
        bytes = rest;
        let length = prost013::decode_length_delimiter(&mut bytes).unwrap();
        let (proof, rest) = bytes.split_at(length);
        proofs.push(CommitmentProof::decode(proof).unwrap());
        bytes = rest;
    }
    proofs
}

#[test]
fn merkle_proofs_get_the_verdicts_of_ibc_go() {
    for (shape, count) in [("single-tree", 43), ("two-stores", 22)] {
        let fixture = Fixture::load(shape);
        let cases: Vec<ProofFixture> = load(shape, "proofs");
        assert_eq!(cases.len(), count);
        for case in &cases {
            let specs = case.specs.as_ref().unwrap_or(&fixture.chain.proof_specs);
            let specs: Vec<_> = specs.iter().map(|spec| ProofSpec::decode(&spec.0[..]).unwrap()).collect();
            let of_height = || fixture.at(case.height.unwrap()).app_hash.0.clone();
            let root = case.root.as_ref().map_or_else(of_height, |root| root.0.clone());
            let path: Vec<_> = case.path.iter().map(|key| &key.0[..]).collect();
            let value = case.value.as_ref().map(|value| &value.0[..]);
            let verdict = verify_path(&specs, &root, &path, value, &decode_proofs(&case.proof.0));
            assert_eq!(verdict.is_ok(), case.expect == "accept", "{shape}, {}: {verdict:?}", case.name);
        }
    }
}

#[derive(Deserialize)]
struct RawProofFixture {
    name: String,
    spec: Hex,
    root: Hex,
    key: Hex,
    value: Option<Hex>,
    proof: Hex,
    expect: String,
}

#[test]
fn raw_proofs_get_the_verdicts_of_ics23_in_go() {
    let cases: Vec<RawProofFixture> = load("single-tree", "ics23");
    assert_eq!(cases.len(), 42);
    for case in &cases {
        let spec = ProofSpec::decode(&case.spec.0[..]).unwrap();
        let value = case.value.as_ref().map(|value| &value.0[..]);
        let verdict =
            CommitmentProof::decode(&case.proof.0[..]).map_err(|error| error.to_string()).and_then(|proof| {
                verify_ics23(&spec, &case.root.0, &proof, &case.key.0, value)
                    .map_err(|error| error.to_string())
            });
        assert_eq!(verdict.is_ok(), case.expect == "accept", "{}: {verdict:?}", case.name);
    }
}

#[derive(Deserialize)]
struct PacketsFixture {
    packets: Vec<GoldenPacket>,
    acknowledgements: Vec<GoldenAcknowledgement>,
    error_acknowledgement: Hex,
    keys: Vec<GoldenKeys>,
}

#[derive(Deserialize)]
struct GoldenPacket {
    name: String,
    packet: PacketFixture,
    commitment: Hex,
}

#[derive(Deserialize)]
struct GoldenAcknowledgement {
    app_acknowledgements: Vec<Hex>,
    commitment: Hex,
}

#[derive(Deserialize)]
struct GoldenKeys {
    client: String,
    sequence: u64,
    commitment: Hex,
    receipt: Hex,
    acknowledgement: Hex,
}

#[test]
fn commitments_and_keys_are_those_of_ibc_go_and_solidity() {
    let golden: PacketsFixture = load("single-tree", "packets");
    for case in &golden.packets {
        let packet = case.packet.packet();
        assert!(packet.check().is_ok(), "{}", case.name);
        assert_eq!(packet_commitment(&packet).0.to_vec(), case.commitment.0, "{}", case.name);
    }
    let hashes: Vec<_> = golden.packets.iter().map(|case| hex::encode(&case.commitment.0)).collect();
    for named in [
        "a096722aa6534040a0efbdae05765132a7b223ad306d6512f3734821bd046505",
        "b691a1950f6fb0bbbcf4bdb16fe2c4d0aa7ef783eb7803073f475cb8164d9b7a",
    ] {
        assert!(hashes.iter().any(|hash| hash == named), "{named} is not among the fixtures");
    }
    let named = "4774d4a575993f963b1c06573736617a457abef8589178db8d10c94b4ab511ab";
    assert_eq!(hex::encode(ERROR_ACKNOWLEDGEMENT), named);
    assert_eq!(ERROR_ACKNOWLEDGEMENT.to_vec(), golden.error_acknowledgement.0);
    for case in &golden.acknowledgements {
        let [acknowledgement] = case.app_acknowledgements.as_slice() else { panic!("one answer per packet") };
        assert_eq!(acknowledgement_commitment(&acknowledgement.0).0.to_vec(), case.commitment.0);
    }
    for case in &golden.keys {
        let (client, sequence) =
            (case.client.parse::<ClientId>().unwrap(), catenary_packet::Sequence(case.sequence));
        assert_eq!(commitment_key(&client, sequence), case.commitment.0);
        assert_eq!(receipt_key(&client, sequence), case.receipt.0);
        assert_eq!(acknowledgement_key(&client, sequence), case.acknowledgement.0);
    }
}
