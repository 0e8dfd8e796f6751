//! Transactions, receipts, genesis and records.

use super::{Sample, account_name, agree, key, public_bytes, public_key, same};
use catenary_crypto::{Hash, Signature};
use catenary_ledger::{
    ReferenceEntry,
    records::{self, Roles},
};
use catenary_proto::ledger;
use catenary_types::{
    AccountId, AccountKey, Attribute, Body, Call, Committee, Envelope, EnvelopeSignature, Event, Genesis,
    GenesisAccount, GenesisInstance, GenesisRoots, Height, Parameters, Readiness, Receipt, RequestId, Role,
    Timestamp, Trust, TxId, UnixSeconds, Validator, genesis::GenesisRole, receipt::ResultLeaf,
};
use proptest::prelude::*;

const CHAIN: &str = "berka-0123456789abcdef-1";

pub fn samples() -> Vec<Sample> {
    [transactions(), receipt(), vec![genesis_sample()], trust(), records()].concat()
}

fn transactions() -> Vec<Sample> {
    vec![envelope(), body(true), body(false)]
}

fn envelope() -> Sample {
    let signature = EnvelopeSignature { key: public_key(1), scheme: 1, signature: Signature([7; 64]) };
    same(
        Envelope { kind: 1, body: vec![1, 2, 3], signatures: vec![signature] },
        ledger::Envelope {
            kind: 1,
            body: vec![1, 2, 3],
            signatures: vec![ledger::EnvelopeSignature {
                key: public_bytes(1),
                scheme: 1,
                signature: vec![7; 64],
            }],
        },
    )
}

fn body(with_reference: bool) -> Sample {
    let call = |message: Vec<u8>| Call { instance: "asset".parse().unwrap(), message };
    let wire_call = |message: Vec<u8>| ledger::Call { instance: "asset".into(), message };
    same(
        Body {
            chain_id: CHAIN.parse().unwrap(),
            sender: AccountId([1; 20]),
            request_id: RequestId([2; 16]),
            valid_until: UnixSeconds(1_700_000_000),
            reference: with_reference.then(|| "order-1".parse().unwrap()),
            calls: vec![call(vec![9]), call(Vec::new())],
        },
        ledger::Body {
            chain_id: CHAIN.into(),
            sender: vec![1; 20],
            request_id: vec![2; 16],
            valid_until: 1_700_000_000,
            reference: if with_reference { "order-1".into() } else { String::new() },
            calls: vec![wire_call(vec![9]), wire_call(Vec::new())],
        },
    )
}

fn receipt() -> Vec<Sample> {
    let attribute = Attribute { name: "amount".into(), value: b"12".to_vec() };
    let event = Event {
        instance: "asset".parse().unwrap(),
        kind: "transferred".into(),
        attributes: vec![attribute, Attribute { name: "memo".into(), value: Vec::new() }],
    };
    let wire_attribute = ledger::Attribute { name: "amount".into(), value: b"12".to_vec() };
    let wire_event = ledger::Event {
        instance: "asset".into(),
        kind: "transferred".into(),
        attributes: vec![wire_attribute, ledger::Attribute { name: "memo".into(), value: Vec::new() }],
    };
    let receipt = same(
        Receipt {
            tx_id: TxId(Hash([3; 32])),
            code: 11,
            reason: "INSUFFICIENT_BALANCE".into(),
            detail: "expected 5, got 4".into(),
            events: vec![event],
        },
        ledger::Receipt {
            tx_id: vec![3; 32],
            code: 11,
            reason: "INSUFFICIENT_BALANCE".into(),
            detail: "expected 5, got 4".into(),
            events: vec![wire_event],
        },
    );
    let leaf = same(
        ResultLeaf {
            code: 1,
            reason: "INTERNAL".into(),
            tx_id: TxId(Hash([3; 32])),
            events_hash: Hash([4; 32]),
        },
        ledger::ResultLeaf {
            code: 1,
            reason: "INTERNAL".into(),
            tx_id: vec![3; 32],
            events_hash: vec![4; 32],
        },
    );
    vec![receipt, leaf]
}

pub fn parameters() -> (Parameters, ledger::Parameters) {
    let domain = Parameters {
        protocol_version: 1,
        quorum_numerator: 2,
        quorum_denominator: 3,
        trust: Trust::Crash,
        block_interval_ms_min: 4,
        idle_interval_s: 5,
        validity_window_s: 6,
        block_weight_max: 7,
        block_bytes_max: 8,
        organisation_share_percent: 9,
        clock_precision_ms: 10,
        proposal_delay_ms: 11,
    };
    let wire = ledger::Parameters {
        protocol_version: 1,
        quorum_numerator: 2,
        quorum_denominator: 3,
        trust: ledger::Trust::Crash.into(),
        block_interval_ms_min: 4,
        idle_interval_s: 5,
        validity_window_s: 6,
        block_weight_max: 7,
        block_bytes_max: 8,
        organisation_share_percent: 9,
        clock_precision_ms: 10,
        proposal_delay_ms: 11,
    };
    (domain, wire)
}

fn trust() -> Vec<Sample> {
    let sample = |(trust, wire): (Trust, ledger::Trust)| {
        let (parameters, wire_parameters) = parameters();
        let parameters = Parameters { trust, ..parameters };
        same(parameters, ledger::Parameters { trust: wire.into(), ..wire_parameters })
    };
    let kinds = [
        (Trust::Byzantine, ledger::Trust::Byzantine),
        (Trust::Crash, ledger::Trust::Crash),
        (Trust::Single, ledger::Trust::Single),
    ];
    kinds.map(sample).to_vec()
}

fn account_key() -> (AccountKey, ledger::AccountKey) {
    let domain = AccountKey { key: public_key(5), scheme: 1, weight: 2, from: Height(3), until: Height(4) };
    (domain, ledger::AccountKey { key: public_bytes(5), scheme: 1, weight: 2, from: 3, until: 4 })
}

fn genesis_sample() -> Sample {
    let (domain, wire) = genesis();
    same(domain, wire)
}

pub fn genesis() -> (Genesis, ledger::Genesis) {
    let (parameters, wire_parameters) = parameters();
    let (account_key, wire_account_key) = account_key();
    let domain = Genesis {
        name: "berka".parse().unwrap(),
        revision: 2,
        suite: 1,
        consensus: 1,
        time: Timestamp(1_700_000_000_000_000_001),
        parameters,
        validators: vec![Validator { public_key: public_key(1), power: 10 }],
        committee: Committee { threshold: 2, keys: vec![public_key(2), public_key(3)] },
        organisations: vec!["AB".parse().unwrap(), "YZ".parse().unwrap()],
        accounts: vec![GenesisAccount {
            organisation: "AB".parse().unwrap(),
            number: "1".parse().unwrap(),
            threshold: 1,
            keys: vec![account_key],
            roles: Role::ALL.map(|role| GenesisRole { role }).to_vec(),
        }],
        instances: vec![GenesisInstance {
            name: "asset".parse().unwrap(),
            kind: "asset-kind".parse().unwrap(),
            version: 3,
        }],
        roots: vec![GenesisRoots { organisation: "AB".parse().unwrap(), roots: vec![Hash([9; 32])] }],
    };
    let role = |role: ledger::Role| ledger::GenesisRole { role: role.into() };
    let wire = ledger::Genesis {
        name: "berka".into(),
        revision: 2,
        suite: 1,
        consensus: 1,
        time: 1_700_000_000_000_000_001,
        parameters: Some(wire_parameters),
        validators: vec![ledger::Validator { public_key: public_bytes(1), power: 10 }],
        committee: Some(ledger::Committee { threshold: 2, keys: vec![public_bytes(2), public_bytes(3)] }),
        organisations: vec!["AB".into(), "YZ".into()],
        accounts: vec![ledger::GenesisAccount {
            organisation: "AB".into(),
            number: "1".into(),
            threshold: 1,
            keys: vec![wire_account_key],
            roles: vec![
                role(ledger::Role::Issuer),
                role(ledger::Role::Operator),
                role(ledger::Role::Relayer),
                role(ledger::Role::Regulator),
            ],
        }],
        instances: vec![ledger::GenesisInstance {
            name: "asset".into(),
            kind: "asset-kind".into(),
            version: 3,
        }],
        roots: vec![ledger::GenesisRoots { organisation: "AB".into(), roots: vec![vec![9; 32]] }],
    };
    (domain, wire)
}

pub fn readiness() -> (Readiness, ledger::Readiness) {
    let domain = Readiness {
        validator: public_key(4),
        height: Height(2),
        app_hash: Hash([3; 32]),
        time: Timestamp(5),
        signature: Signature([6; 64]),
    };
    let wire = ledger::Readiness {
        validator: public_bytes(4),
        height: 2,
        app_hash: vec![3; 32],
        time: 5,
        signature: vec![6; 64],
    };
    (domain, wire)
}

fn records() -> Vec<Sample> {
    let (account_key, wire_account_key) = account_key();
    let roles = Roles::default().with(Role::Operator).with(Role::Relayer);
    let account = same(
        records::Account {
            organisation: "AB".parse().unwrap(),
            number: "17".parse().unwrap(),
            threshold: 2,
            keys: vec![account_key],
            roles,
            opened: Height(9),
        },
        ledger::Account {
            organisation: "AB".into(),
            number: "17".into(),
            threshold: 2,
            keys: vec![wire_account_key],
            roles: 1 << 2 | 1 << 3,
            opened: 9,
        },
    );
    let organisation = same(
        records::OrganisationRecord {
            joined: Height(1),
            name: "AB".parse().unwrap(),
            roots: vec![Hash([8; 32])],
        },
        ledger::OrganisationRecord { joined: 1, name: "AB".into(), roots: vec![vec![8; 32]] },
    );
    let instance = same(
        records::Instance { kind: "asset".parse().unwrap(), version: 1, active: true },
        ledger::Instance { kind: "asset".into(), version: 1, active: true },
    );
    let chain_id = "ab-0123456789abcdef-1";
    let chain = same(
        records::ChainRecord {
            chain_id: chain_id.parse().unwrap(),
            genesis: vec![5, 6],
            created: Height(3),
            removed: Timestamp(4),
        },
        ledger::ChainRecord { chain_id: chain_id.into(), genesis: vec![5, 6], created: 3, removed: 4 },
    );
    let validators = same(
        records::Validators { validators: vec![Validator { public_key: public_key(1), power: 1 }] },
        ledger::Validators { validators: vec![ledger::Validator { public_key: public_bytes(1), power: 1 }] },
    );
    let (name, wire_name) = account_name();
    let name = same(name, wire_name);
    let grant = same(
        catenary_apps::accounts::KeyGrant { key: public_key(1), weight: 3 },
        ledger::KeyGrant { key: public_bytes(1), weight: 3 },
    );
    let reference = agree(
        &ReferenceEntry { height: Height(7), position: 2, tx_id: TxId(Hash([3; 32])) },
        &ledger::ReferenceEntry { height: 7, position: 2, tx_id: vec![3; 32] },
    );
    let (readiness, wire_readiness) = readiness();
    let readiness = same(readiness, wire_readiness);
    vec![account, organisation, instance, chain, readiness, validators, name, grant, reference]
}

/// What a client with a stock library does: fill in fields, encode, hash, sign.
#[test]
fn a_transaction_built_with_a_stock_library_is_one() {
    use catenary_types::envelope::{SIGNING_TAG, Transaction};
    use prost::Message;
    let body = ledger::Body {
        chain_id: CHAIN.into(),
        sender: vec![1; 20],
        request_id: vec![2; 16],
        valid_until: 1_700_000_000,
        reference: String::new(),
        calls: vec![ledger::Call { instance: "asset".into(), message: vec![9] }],
    };
    let body = body.encode_to_vec();
    let signature = key(1).sign(&[SIGNING_TAG, &body].concat());
    let signature =
        ledger::EnvelopeSignature { key: public_bytes(1), scheme: 1, signature: signature.0.to_vec() };
    let envelope = ledger::Envelope { kind: 1, body: body.clone(), signatures: vec![signature] };
    let transaction = Transaction::decode(&envelope.encode_to_vec()).unwrap();
    assert_eq!(transaction.id.0, catenary_crypto::sha256(&body));
    let signature = &transaction.signatures[0];
    let verified = catenary_crypto::verify(&signature.key, &transaction.signed_bytes, &signature.signature);
    assert_eq!(verified, Ok(()));
}

proptest! {
    #[test]
    fn bodies_and_receipts_of_any_content_agree(
        valid_until: u64,
        code: u32,
        texts in proptest::collection::vec(".{0,12}", 2),
        messages in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..20), 1..4),
    ) {
        let calls = messages.iter().map(|message| Call { instance: "app-1".parse().unwrap(), message: message.clone() });
        let wire_calls = messages.iter().map(|message| ledger::Call { instance: "app-1".into(), message: message.clone() });
        same(
            Body {
                chain_id: CHAIN.parse().unwrap(),
                sender: AccountId([0; 20]),
                request_id: RequestId([0; 16]),
                valid_until: UnixSeconds(valid_until),
                reference: None,
                calls: calls.collect(),
            },
            ledger::Body {
                chain_id: CHAIN.into(),
                sender: vec![0; 20],
                request_id: vec![0; 16],
                valid_until,
                reference: String::new(),
                calls: wire_calls.collect(),
            },
        );
        let (reason, detail) = (texts[0].clone(), texts[1].clone());
        same(
            Receipt { tx_id: TxId(Hash([0; 32])), code, reason: reason.clone(), detail: detail.clone(), events: Vec::new() },
            ledger::Receipt { tx_id: vec![0; 32], code, reason, detail, events: Vec::new() },
        );
    }
}
