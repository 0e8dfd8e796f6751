//! Every message between nodes reads back as it was, and whatever else comes names the field that is wrong.
#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use catenary_consensus::{
    Message, PolkaCertificate, PolkaSignature, Proposal, RoundCertificate, RoundCertificateKind,
    RoundSignature, SignedProposal, SignedVote, ValueId, Vote,
    raft::{self, Appended, Ballot, Base, LogEntry, LogId, Membership, Payload, Rpc, Term},
};
use catenary_crypto::{Hash, Signature, SigningKey};
use catenary_proto::peer::{self, frame::Message as Wire};
use catenary_replica::{ChunkSummary, FetchedBlock, Manifest, PeerMessage, PeerTip, SetChange, SnapshotPart};
use catenary_types::{
    Address, Block, Certificate, CommitSignature, Header, Height, SignedHeader, Timestamp, Validator,
    ValidatorSet, VoteKind,
};
use prost::Message as _;
use std::{collections::BTreeSet, sync::Arc};

const VALIDATOR: Address = Address([3; 20]);
const SIGNATURE: Signature = Signature([4; 64]);

fn value() -> ValueId {
    ValueId { block: Hash([1; 32]), time: Timestamp(2) }
}

fn vote(kind: VoteKind, value: Option<ValueId>) -> PeerMessage {
    let vote = Vote { kind, height: Height(7), round: 1, value, validator: VALIDATOR };
    PeerMessage::Consensus(Message::Vote(SignedVote { vote, signature: SIGNATURE }))
}

fn proposal(pol_round: Option<u32>) -> PeerMessage {
    let proposal = Proposal { height: Height(7), round: 1, pol_round, value: value(), proposer: VALIDATOR };
    PeerMessage::Consensus(Message::Proposal(SignedProposal { proposal, signature: SIGNATURE }))
}

fn round(kind: RoundCertificateKind) -> PeerMessage {
    let entry = |kind, value| RoundSignature { kind, value, validator: VALIDATOR, signature: SIGNATURE };
    let signatures = vec![entry(VoteKind::Prevote, Some(value())), entry(VoteKind::Precommit, None)];
    let certificate = RoundCertificate { height: Height(7), round: 1, kind, signatures };
    PeerMessage::Consensus(Message::Round(certificate))
}

fn block() -> Arc<Block> {
    let hash = Hash([2; 32]);
    let header = Header {
        protocol_version: 1,
        chain_id: "berka-0123456789abcdef-1".parse().unwrap(),
        height: Height(7),
        time: Timestamp(1_700_000_000_000_000_005),
        last_block: Some(hash),
        last_commit_hash: hash,
        data_hash: hash,
        validators_hash: hash,
        next_validators_hash: hash,
        consensus_hash: hash,
        app_hash: hash,
        last_results_hash: hash,
        proposer: VALIDATOR,
    };
    Arc::new(Block { header, last_certificate: Some(certificate()), envelopes: vec![vec![1, 2], vec![3]] })
}

fn manifest() -> Arc<Manifest> {
    let header = block().header.clone();
    let signed = SignedHeader { header: header.clone(), certificate: certificate() };
    let member = Validator { public_key: SigningKey::from_seed(&[1; 32]).public_key(), power: 10 };
    let validators = ValidatorSet::new(vec![member]).unwrap();
    Arc::new(Manifest {
        version: 1,
        before: header,
        at: signed.clone(),
        after: signed.clone(),
        next_validators: validators.clone(),
        trail: vec![SetChange { signed, validators }],
        chunks: vec![ChunkSummary { bytes: 5, hash: Hash([9; 32]) }],
    })
}

fn certificate() -> Certificate {
    Certificate {
        height: Height(7),
        round: 2,
        block: Hash([5; 32]),
        signatures: vec![CommitSignature::Absent],
    }
}

fn log_id(index: u64) -> LogId {
    LogId { term: Term { number: 5, leader: VALIDATOR }, index }
}

fn ballot() -> Ballot {
    Ballot { term: Term { number: 5, leader: VALIDATOR }, committed: true }
}

fn membership() -> Membership {
    let members = BTreeSet::from([VALIDATOR, Address([9; 20])]);
    Membership { voters: vec![members.clone()], nodes: members }
}

fn raft(rpc: Rpc) -> raft::Message {
    raft::Message { from: VALIDATOR, number: 8, clock: Timestamp(9), rpc }
}

/// Short answers and questions of a Raft group.
fn short_raft_messages() -> Vec<PeerMessage> {
    let appended = [
        Appended::All,
        Appended::Upto(Some(log_id(1))),
        Appended::Upto(None),
        Appended::Conflict,
        Appended::Higher(ballot()),
    ];
    let others = [
        Rpc::Hello,
        Rpc::Welcome,
        Rpc::RequestVote { ballot: ballot(), last: None },
        Rpc::Voted { ballot: ballot(), granted: true, last: Some(log_id(1)) },
        Rpc::Installed { ballot: ballot() },
    ];
    appended.into_iter().map(Rpc::Appended).chain(others).map(|rpc| PeerMessage::Raft(raft(rpc))).collect()
}

fn messages() -> Vec<PeerMessage> {
    let polka = PolkaCertificate {
        height: Height(7),
        round: 1,
        value: value(),
        signatures: vec![PolkaSignature { validator: VALIDATOR, signature: SIGNATURE }],
    };
    vec![
        vote(VoteKind::Prevote, Some(value())),
        vote(VoteKind::Precommit, None),
        proposal(None),
        proposal(Some(0)),
        PeerMessage::Consensus(Message::Polka(polka)),
        round(RoundCertificateKind::Skip),
        round(RoundCertificateKind::Precommit),
        PeerMessage::Raft(raft(Rpc::Append {
            ballot: ballot(),
            previous: Some(log_id(0)),
            entries: [Payload::Blank, Payload::Membership(membership()), Payload::Block(block())]
                .into_iter()
                .map(|payload| LogEntry { id: log_id(1), payload })
                .collect(),
            committed: None,
        })),
        PeerMessage::Raft(raft(Rpc::Install {
            ballot: ballot(),
            base: Base { last: Some(log_id(3)), membership_at: Some(log_id(2)), membership: membership() },
        })),
        PeerMessage::Body(block()),
        PeerMessage::Transactions(vec![vec![1], vec![2, 3]]),
        PeerMessage::Tip(PeerTip { height: Height(9), app_hash: Hash([6; 32]) }),
        PeerMessage::Fetch(Height(3)),
        PeerMessage::Blocks(vec![FetchedBlock { block: block(), certificate: certificate() }]),
        PeerMessage::FetchSnapshot(SnapshotPart::Manifest),
        PeerMessage::FetchSnapshot(SnapshotPart::Chunk { height: Height(0), index: 0 }),
        PeerMessage::Manifest(None),
        PeerMessage::Manifest(Some(manifest())),
        PeerMessage::Chunk { height: Height(7), index: 3, bytes: vec![1, 2, 3] },
    ]
}

#[test]
fn every_message_reads_back() {
    for message in messages().into_iter().chain(short_raft_messages()) {
        let frame = peer::Frame { chain: "a".into(), message: Some((&message).into()) };
        let frame = peer::Frame::decode(frame.encode_to_vec().as_slice()).unwrap();
        let read = PeerMessage::try_from(frame.message.unwrap()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{message:?}"));
    }
}

#[test]
fn no_altered_byte_makes_a_conversion_panic() {
    for message in messages().into_iter().chain(short_raft_messages()) {
        let frame = peer::Frame { chain: "a".into(), message: Some((&message).into()) };
        let bytes = frame.encode_to_vec();
        for at in 0..bytes.len() {
            let mut bytes = bytes.clone();
            bytes[at] ^= 0x81;
            let wire = peer::Frame::decode(bytes.as_slice()).ok().and_then(|frame| frame.message);
            if let Some(Ok(read)) = wire.map(PeerMessage::try_from) {
                assert_eq!(Wire::from(&read), Wire::from(&PeerMessage::try_from(Wire::from(&read)).unwrap()));
            }
        }
    }
}

#[test]
fn what_is_out_of_bounds_is_refused_by_name() {
    let signature = peer::PolkaSignature { validator: vec![0; 20], signature: vec![0; 64] };
    let polka = |count, block: usize| peer::PolkaCertificate {
        height: 1,
        round: 0,
        value: Some(peer::Value { block: vec![0; block], time: 1 }),
        signatures: vec![signature.clone(); count],
    };
    let append = |entries| {
        let append =
            peer::RaftAppend { entries: vec![peer::RaftEntry::default(); entries], ..Default::default() };
        let rpc = Some(peer::raft::Rpc::Append(append));
        Wire::Raft(peer::Raft { from: vec![3; 20], rpc, ..Default::default() })
    };
    let vote = peer::Vote { kind: 3, validator: vec![0; 20], signature: vec![0; 64], ..Default::default() };
    let long = peer::SnapshotChunk { name: Some(Default::default()), chunk: vec![0; (1 << 20) + 1] };
    let wrong = [
        (Wire::Polka(polka(129, 32)), "signatures: expected at most 128, got 129"),
        (Wire::Polka(polka(1, 31)), "value.block: expected 32 bytes, got 31"),
        (Wire::Vote(vote), "kind: expected a vote kind of 1 or 2, got 3"),
        (Wire::Blocks(peer::Blocks { blocks: vec![peer::CertifiedBlock::default()] }), "certificate"),
        (Wire::Proposal(peer::Proposal::default()), "signature: expected 64 bytes, got 0"),
        (Wire::Body(vec![0xff]), "body: "),
        (
            Wire::Raft(peer::Raft { from: vec![3; 19], ..Default::default() }),
            "raft.from: expected 20 bytes, got 19",
        ),
        (Wire::Raft(peer::Raft { from: vec![3; 20], ..Default::default() }), "raft.rpc: expected a value"),
        (append(65), "raft.entries: expected at most 64, got 65"),
        (append(1), "raft.ballot: expected a value"),
        (Wire::SnapshotChunk(peer::SnapshotChunk::default()), "snapshot_chunk.name"),
        (Wire::SnapshotChunk(long), "snapshot_chunk.chunk: expected at most 1048576, got 1048577"),
        (
            Wire::SnapshotManifest(peer::SnapshotManifest { manifest: vec![8, 2] }),
            "snapshot_manifest.manifest: the snapshot has format 2, this build reads 1",
        ),
    ];
    for (wire, expected) in wrong {
        let error = PeerMessage::try_from(wire).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }
}
