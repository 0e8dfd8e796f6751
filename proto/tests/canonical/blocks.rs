//! Headers, certificates, sets and blocks: CometBFT's schema.

use super::{Sample, key, public_bytes, public_key, same};
use catenary_crypto::{Hash, Signature};
use catenary_proto::{
    ledger,
    tendermint::{
        crypto::{PublicKey, public_key::Sum},
        types as comet,
        version::Consensus,
    },
};
use catenary_types::{
    Address, Block, Certificate, CommitSignature, Header, Height, SignedHeader, Timestamp, Validator,
    ValidatorSet,
};

pub fn samples() -> Vec<Sample> {
    let (header, wire_header) = header(Some(Hash([1; 32])));
    let (certificate, wire_certificate) = certificate();
    let signed = same(
        SignedHeader { header: header.clone(), certificate: certificate.clone() },
        comet::SignedHeader { header: Some(wire_header.clone()), commit: Some(wire_certificate.clone()) },
    );
    let block = same(
        Block { header, last_certificate: Some(certificate), envelopes: vec![vec![1], vec![2, 3]] },
        ledger::Block {
            header: Some(wire_header),
            last_certificate: Some(wire_certificate),
            envelopes: vec![vec![1], vec![2, 3]],
        },
    );
    let (first, wire_first) = self::header(None);
    let first = same(
        Block { header: first, last_certificate: None, envelopes: Vec::new() },
        ledger::Block { header: Some(wire_first), last_certificate: None, envelopes: Vec::new() },
    );
    vec![signed, block, first, validators()]
}

fn block_id(hash: Vec<u8>) -> Option<comet::BlockId> {
    let part_set_header = Some(comet::PartSetHeader { total: 1, hash: hash.clone() });
    Some(comet::BlockId { hash, part_set_header })
}

fn header(last_block: Option<Hash>) -> (Header, comet::Header) {
    let hash = |byte: u8| vec![byte; 32];
    let domain = Header {
        protocol_version: 4,
        chain_id: "berka-0123456789abcdef-1".parse().unwrap(),
        height: Height(if last_block.is_some() { 9 } else { 1 }),
        time: Timestamp(1_700_000_000_000_000_005),
        last_block,
        last_commit_hash: Hash([2; 32]),
        data_hash: Hash([3; 32]),
        validators_hash: Hash([4; 32]),
        next_validators_hash: Hash([5; 32]),
        consensus_hash: Hash([6; 32]),
        app_hash: Hash([7; 32]),
        last_results_hash: Hash([8; 32]),
        proposer: Address::of(&public_key(1)),
    };
    let wire = comet::Header {
        version: Some(Consensus { block: 11, app: 4 }),
        chain_id: "berka-0123456789abcdef-1".into(),
        height: if last_block.is_some() { 9 } else { 1 },
        time: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5 }),
        last_block_id: last_block.and_then(|hash| block_id(hash.0.to_vec())),
        last_commit_hash: hash(2),
        data_hash: hash(3),
        validators_hash: hash(4),
        next_validators_hash: hash(5),
        consensus_hash: hash(6),
        app_hash: hash(7),
        last_results_hash: hash(8),
        evidence_hash: catenary_crypto::empty_root().0.to_vec(),
        proposer_address: Address::of(&public_key(1)).0.to_vec(),
    };
    (domain, wire)
}

fn certificate() -> (Certificate, comet::Commit) {
    let address = Address::of(&public_key(1));
    let commit = CommitSignature::Commit {
        address,
        time: Timestamp(1_700_000_000_000_000_005),
        signature: Signature(key(1).sign(b"vote").0),
    };
    let domain = Certificate {
        height: Height(9),
        round: 2,
        block: Hash([1; 32]),
        signatures: vec![commit, CommitSignature::Absent],
    };
    let wire = comet::Commit {
        height: 9,
        round: 2,
        block_id: block_id(vec![1; 32]),
        signatures: vec![
            comet::CommitSig {
                block_id_flag: comet::BlockIdFlag::Commit.into(),
                validator_address: address.0.to_vec(),
                timestamp: Some(prost_types::Timestamp { seconds: 1_700_000_000, nanos: 5 }),
                signature: key(1).sign(b"vote").0.to_vec(),
            },
            comet::CommitSig {
                block_id_flag: comet::BlockIdFlag::Absent.into(),
                validator_address: Vec::new(),
                // 0001-01-01T00:00:00Z, Go's zero time.
                timestamp: Some(prost_types::Timestamp { seconds: -62_135_596_800, nanos: 0 }),
                signature: Vec::new(),
            },
        ],
    };
    (domain, wire)
}

fn validators() -> Sample {
    let domain = ValidatorSet::new(vec![
        Validator { public_key: public_key(1), power: 3 },
        Validator { public_key: public_key(2), power: 9 },
    ]);
    let member = |number: u8, power: i64| comet::Validator {
        address: Address::of(&public_key(number)).0.to_vec(),
        pub_key: Some(PublicKey { sum: Some(Sum::Ed25519(public_bytes(number))) }),
        voting_power: power,
        proposer_priority: 0,
    };
    let wire = comet::ValidatorSet {
        validators: vec![member(2, 9), member(1, 3)],
        proposer: Some(member(2, 9)),
        total_voting_power: 12,
    };
    same(domain.unwrap(), wire)
}
