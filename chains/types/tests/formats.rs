//! The bytes that are hashed or signed and what comes of them, pinned in `fixtures/formats.txt`.
//!
//! A failure is a fork of every chain and of every client; its message holds the text that the file would have to be. The
//! second test derives the same values from the formulas as they are written down.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use catenary_crypto::{Hash, SigningKey, empty_root, merkle_root, sha256};
use catenary_types::{
    AccountId, AccountKey, Attribute, Block, Body, Call, Certificate, ChainId, CommitSignature, Committee,
    Envelope, Event, Genesis, GenesisAccount, GenesisInstance, Header, Height, Message, Parameters, Receipt,
    RequestId, Role, SignedHeader, Timestamp, TxId, UnixSeconds, Validator, ValidatorSet, VoteKind,
    envelope::signed_bytes,
    genesis::{CONSENSUS_BFT, GenesisRole, SUITE_ED25519_SHA256},
    sign_bytes,
    testing::certify,
};
use std::{collections::BTreeMap, fmt::Write};

const TIME: Timestamp = Timestamp(1_800_000_000_000_000_007);

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn validators() -> ValidatorSet {
    let member = |(seed, power)| Validator { public_key: key(seed).public_key(), power };
    ValidatorSet::new([(1, 10), (2, 10), (3, 20), (4, 5)].map(member).to_vec()).unwrap()
}

fn account() -> AccountId {
    AccountId::new(&"YZ".parse().unwrap(), &"87144583".parse().unwrap())
}

fn genesis() -> Genesis {
    Genesis {
        name: "berka".parse().unwrap(),
        revision: 1,
        suite: SUITE_ED25519_SHA256,
        consensus: CONSENSUS_BFT,
        time: UnixSeconds(1_799_999_999).start(),
        parameters: Parameters::for_group_of(4),
        validators: validators().validators().to_vec(),
        committee: Committee { threshold: 2, keys: vec![key(5).public_key(), key(6).public_key()] },
        organisations: vec!["BERKA".parse().unwrap(), "YZ".parse().unwrap()],
        accounts: vec![GenesisAccount {
            organisation: "BERKA".parse().unwrap(),
            number: "operator".parse().unwrap(),
            threshold: 1,
            keys: vec![AccountKey::ed25519(key(7).public_key())],
            roles: [Role::Issuer, Role::Operator].map(|role| GenesisRole { role }).to_vec(),
        }],
        instances: vec![GenesisInstance {
            name: "asset".parse().unwrap(),
            kind: "asset".parse().unwrap(),
            version: 1,
        }],
        roots: Vec::new(),
    }
}

fn chain_id() -> ChainId {
    genesis().chain_id().unwrap()
}

fn body(reference: Option<&str>) -> Body {
    let call = |message: &[u8]| Call { instance: "asset".parse().unwrap(), message: message.to_vec() };
    Body {
        chain_id: chain_id(),
        sender: account(),
        request_id: RequestId(*b"sixteen bytes id"),
        valid_until: UnixSeconds(1_800_000_300),
        reference: reference.map(|text| text.parse().unwrap()),
        calls: vec![call(&[1, 2, 3]), call(&[])],
    }
}

/// Signed by two keys, which stand in the order of their bytes.
fn envelope() -> Envelope {
    body(Some("29401")).sign(&[&key(7), &key(8)])
}

fn receipts() -> [Receipt; 2] {
    let event = |kind: &str| Event {
        instance: "asset".parse().unwrap(),
        kind: kind.into(),
        attributes: vec![
            Attribute { name: "amount".into(), value: b"245200".to_vec() },
            Attribute { name: "memo".into(), value: Vec::new() },
        ],
    };
    let succeeded = Receipt {
        tx_id: TxId(sha256(&envelope().body)),
        code: 0,
        reason: String::new(),
        detail: String::new(),
        events: vec![event("minted"), event("transferred"), event("burned")],
    };
    let failed = Receipt {
        tx_id: TxId(sha256(&body(None).encode())),
        code: 11,
        reason: "INSUFFICIENT_BALANCE".into(),
        detail: "no header covers this text".into(),
        events: Vec::new(),
    };
    [succeeded, failed]
}

fn first_header() -> Header {
    let set = validators();
    Header {
        protocol_version: 1,
        chain_id: chain_id(),
        height: Height(1),
        time: TIME,
        last_block: None,
        last_commit_hash: empty_root(),
        data_hash: Block::data_hash(&[envelope().encode()]),
        validators_hash: set.hash(),
        next_validators_hash: set.hash(),
        consensus_hash: Parameters::for_group_of(4).hash(),
        app_hash: sha256(b"state after genesis"),
        last_results_hash: empty_root(),
        proposer: set.addresses()[0],
    }
}

fn second_header() -> Header {
    Header {
        height: Height(2),
        time: Timestamp(TIME.0 + 1_000_000_000),
        last_block: Some(first_header().hash()),
        last_commit_hash: certificate().hash(),
        data_hash: Block::data_hash::<Vec<u8>>(&[]),
        app_hash: sha256(b"state after block 1"),
        last_results_hash: Receipt::results_hash(&receipts()),
        proposer: validators().addresses()[2],
        ..first_header()
    }
}

/// Of the first header, decided in round 3, without the second member of the set.
fn certificate() -> Certificate {
    certify(&first_header(), &validators(), 3, &[1], (1..=4).map(key))
}

/// Lines of name and value: text, or bytes in hex.
#[derive(Default)]
struct Pins(String);

impl Pins {
    fn text(&mut self, name: &str, value: impl ToString) {
        writeln!(self.0, "{name} = {}", value.to_string()).unwrap();
    }

    fn bytes(&mut self, name: &str, bytes: impl AsRef<[u8]>) {
        self.text(name, hex::encode(bytes));
    }
}

fn pins() -> String {
    let mut pins = Pins::default();
    chain(&mut pins);
    transactions(&mut pins);
    outcomes(&mut pins);
    blocks(&mut pins);
    votes(&mut pins);
    pins.0
}

fn chain(pins: &mut Pins) {
    let (genesis, set) = (genesis(), validators());
    pins.bytes("parameters", genesis.parameters.encode());
    pins.text("consensus hash", genesis.parameters.hash());
    pins.bytes("validator set", set.encode().unwrap());
    pins.text("validators hash", set.hash());
    for (place, address) in set.addresses().iter().enumerate() {
        pins.text(&format!("address of validator {place}"), address);
    }
    pins.bytes("genesis", genesis.encode());
    pins.text("genesis hash", genesis.hash());
    pins.text("chain id", chain_id());
}

fn transactions(pins: &mut Pins) {
    let (envelope, plain) = (envelope(), body(None).encode());
    pins.text("account id", account());
    pins.bytes("body", &envelope.body);
    pins.bytes("body without reference", &plain);
    pins.bytes("signed bytes", signed_bytes(&envelope.body));
    pins.text("tx id", TxId(sha256(&envelope.body)));
    for signature in &envelope.signatures {
        pins.bytes(&format!("signature of {}", signature.key), signature.signature.0);
    }
    pins.bytes("envelope", envelope.encode());
    pins.text("data hash of none", Block::data_hash::<Vec<u8>>(&[]));
    pins.text("data hash of one", Block::data_hash(&[envelope.encode()]));
    pins.text("data hash of three", Block::data_hash(&[envelope.encode(), plain, Vec::new()]));
}

fn outcomes(pins: &mut Pins) {
    let [succeeded, failed] = receipts();
    pins.bytes("receipt", succeeded.encode());
    pins.bytes("event", succeeded.events[0].encode());
    pins.text("events hash", succeeded.leaf().events_hash);
    pins.bytes("result leaf", succeeded.leaf().encode());
    pins.bytes("receipt of a failure", failed.encode());
    pins.bytes("result leaf of a failure", failed.leaf().encode());
    pins.text("results hash of none", Receipt::results_hash(&[]));
    pins.text("results hash of two", Receipt::results_hash(&receipts()));
}

fn blocks(pins: &mut Pins) {
    let (first, second, certificate) = (first_header(), second_header(), certificate());
    pins.bytes("header 1", first.encode());
    pins.text("hash of header 1", first.hash());
    pins.bytes("certificate of header 1", certificate.encode());
    pins.bytes("entry of a validator", certificate.signatures[0].encode());
    pins.bytes("entry of an absent validator", certificate.signatures[1].encode());
    pins.text("commit hash", certificate.hash());
    let signed = SignedHeader { header: first.clone(), certificate: certificate.clone() };
    pins.bytes("signed header", signed.encode());
    let envelopes = vec![envelope().encode()];
    pins.bytes("block 1", Block { header: first, last_certificate: None, envelopes }.encode());
    pins.bytes("header 2", second.encode());
    pins.text("hash of header 2", second.hash());
    let block = Block { header: second, last_certificate: Some(certificate), envelopes: Vec::new() };
    pins.bytes("block 2", block.encode());
}

fn votes(pins: &mut Pins) {
    let (chain, header) = (chain_id(), first_header());
    let (height, time, block) = (header.height, header.time, header.hash());
    for (name, kind) in [("prevote", VoteKind::Prevote), ("precommit", VoteKind::Precommit)] {
        let mut vote = |of: &str, round, block| {
            pins.bytes(&format!("{name} {of}"), sign_bytes::vote(&chain, kind, height, round, block, time));
        };
        vote("in round 0", 0, Some(block));
        vote("in round 3", 3, Some(block));
        vote("for nil", 0, None);
    }
    let mut proposal = |of: &str, round, pol_round| {
        let bytes = sign_bytes::proposal(&chain, height, round, pol_round, block, time);
        pins.bytes(&format!("proposal {of}"), bytes);
    };
    proposal("in round 0", 0, None);
    proposal("in round 3", 3, None);
    proposal("in round 3 after a polka in round 0", 3, Some(0));
    proposal("in round 3 after a polka in round 2", 3, Some(2));
}

#[test]
fn every_hashed_or_signed_byte_is_as_committed() {
    let actual = pins();
    assert!(actual == include_str!("fixtures/formats.txt"), "not the committed bytes:\n{actual}");
}

/// A text after its length, which takes one byte.
fn counted(text: &str) -> Vec<u8> {
    [&[u8::try_from(text.len()).unwrap()], text.as_bytes()].concat()
}

#[test]
fn the_formulas_give_the_pinned_values() {
    let pinned: BTreeMap<_, _> =
        include_str!("fixtures/formats.txt").lines().map(|line| line.split_once(" = ").unwrap()).collect();
    let bytes = |name: &str| hex::decode(pinned[name]).unwrap();
    let check = |name: &str, hash: Hash| assert_eq!(hash.to_string(), pinned[name], "{name}");
    check("tx id", sha256(&bytes("body")));
    assert_eq!(bytes("signed bytes"), [b"catenary/tx/1", &bytes("body")[..]].concat());
    check("genesis hash", sha256(&bytes("genesis")));
    assert_eq!(pinned["chain id"], format!("berka-{}-1", &pinned["genesis hash"][..16]));
    check("consensus hash", sha256(&bytes("parameters")));
    let name = [counted("catenary/account/1"), counted("YZ"), counted("87144583")].concat();
    assert_eq!(sha256(&name).to_string()[..40], *pinned["account id"]);

    let envelopes = [bytes("envelope"), bytes("body without reference"), Vec::new()];
    let leaves = envelopes.map(|envelope| sha256(&envelope).0.to_vec());
    check("data hash of none", empty_root());
    check("data hash of one", merkle_root(&leaves[..1]));
    check("data hash of three", merkle_root(&leaves));
    let [succeeded, _] = receipts();
    check("events hash", merkle_root(&succeeded.events.iter().map(Message::encode).collect::<Vec<_>>()));
    check("results hash of two", merkle_root(&[bytes("result leaf"), bytes("result leaf of a failure")]));
    let entries: Vec<_> = certificate().signatures.iter().map(CommitSignature::encode).collect();
    assert_eq!(entries[..2], [bytes("entry of a validator"), bytes("entry of an absent validator")]);
    check("commit hash", merkle_root(&entries));
}

#[test]
fn the_pinned_certificate_makes_the_pinned_header_final() {
    let signed = SignedHeader { header: first_header(), certificate: certificate() };
    assert_eq!(signed.verify(&validators(), &Parameters::for_group_of(4)), Ok(()));
    assert_eq!(SignedHeader::decode(&signed.encode()), Ok(signed));
}
