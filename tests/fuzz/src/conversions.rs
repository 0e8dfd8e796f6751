//! What a stock library read from another node, as domain types: refused or understood, and the same on the way back.

use crate::{
    input::Input,
    samples::{messages, unhex},
};
use catenary_proto::{
    Fault, Malformed, admin, api, asset, gateway_error, ledger, packet, peer, tendermint, transfer,
};
use catenary_relay::{
    gateway::{FinalBlock, ProofRequest, SubmitOutcome},
    query::{
        AccountView, BlockView, ChainStatus, HeaderView, ProofView, TransactionName, TransactionView,
        TransferView,
    },
};
use catenary_replica::{Anchor, Chunk, Manifest, PeerMessage};
use catenary_types::{AccountId, Genesis, Message as _};
use prost::Message;
use std::fmt::Debug;
use tonic::{Code, Status};

/// A message that is hashed has the same bytes on both sides, so nothing is lost in between.
fn same<W, D>(bytes: &[u8])
where
    W: Message + Debug + Default + PartialEq + for<'a> From<&'a D>,
    D: for<'a> TryFrom<&'a W, Error = Malformed>,
{
    if let Ok(wire) = W::decode(bytes)
        && let Ok(domain) = D::try_from(&wire)
    {
        assert_eq!(W::from(&domain), wire);
    }
}

/// A view may have several messages, but each of them is one view.
fn stable<W, D>(bytes: &[u8])
where
    W: Message + Default + for<'a> From<&'a D>,
    D: Debug + PartialEq + for<'a> TryFrom<&'a W, Error = Malformed>,
{
    if let Ok(wire) = W::decode(bytes)
        && let Ok(domain) = D::try_from(&wire)
    {
        assert_eq!(D::try_from(&W::from(&domain)), Ok(domain));
    }
}

/// Every conversion from the wire.
pub fn views(data: &[u8]) {
    same::<tendermint::types::SignedHeader, catenary_types::SignedHeader>(data);
    same::<tendermint::types::Header, catenary_types::Header>(data);
    same::<tendermint::types::Commit, catenary_types::Certificate>(data);
    same::<ledger::Block, catenary_types::Block>(data);
    same::<ledger::Envelope, catenary_types::Envelope>(data);
    same::<ledger::Body, catenary_types::Body>(data);
    same::<ledger::Receipt, catenary_types::Receipt>(data);
    same::<ledger::Genesis, catenary_types::Genesis>(data);
    same::<ledger::Account, catenary_ledger::records::Account>(data);
    same::<admin::AdminCall, catenary_apps::admin::AdminCall>(data);
    same::<asset::AssetCall, catenary_apps::asset::AssetCall>(data);
    same::<transfer::TransferCall, catenary_transfer::TransferCall>(data);
    same::<packet::PacketCall, catenary_packet::PacketCall>(data);
    stable::<tendermint::types::ValidatorSet, catenary_types::ValidatorSet>(data);
    stable::<api::ChainStatus, ChainStatus>(data);
    stable::<api::AccountView, AccountView>(data);
    stable::<api::HeaderView, HeaderView>(data);
    stable::<api::ProofView, ProofView>(data);
    stable::<api::BlockView, BlockView>(data);
    stable::<api::FinalBlock, FinalBlock>(data);
    stable::<api::TransactionView, TransactionView>(data);
    stable::<api::TransferView, TransferView>(data);
    stable::<api::SubmitResult, SubmitOutcome>(data);
    requests(data);
    frames(data);
    snapshots(data);
}

/// What stands in the files of a snapshot that another node sends.
fn snapshots(data: &[u8]) {
    let [manifest, _, genesis] = committed_snapshot();
    if let Ok(read) = Manifest::read(data) {
        assert_eq!(read.encode(), data);
        let genesis = Genesis::decode(&genesis).expect("a committed genesis");
        let anchor = Anchor::of(&genesis).expect("the genesis of a chain");
        // Whatever was changed: what its chain's members signed is what it proves.
        if let Ok(verified) = read.verify(&anchor, None) {
            let signed = Manifest::read(&manifest).expect("a committed manifest");
            assert_eq!(verified.manifest().after.header, signed.after.header);
        }
    }
    if let Ok(chunk) = Chunk::decode(data) {
        assert_eq!(chunk.encode(), data);
    }
}

/// Manifest, chunk and genesis.
fn committed_snapshot() -> [Vec<u8>; 3] {
    let mut lines = include_str!("../../../chains/replica/tests/fixtures/snapshot.hex").lines().map(unhex);
    std::array::from_fn(|_| lines.next().expect("a manifest, a chunk and a genesis"))
}

/// What other nodes say.
fn frames(data: &[u8]) {
    let frame = peer::Frame::decode(data).ok().and_then(|frame| frame.message);
    if let Some(Ok(message)) = frame.map(PeerMessage::try_from) {
        let wire = peer::frame::Message::from(&message);
        let again =
            PeerMessage::try_from(wire.clone()).expect("what was understood once is understood again");
        assert_eq!(peer::frame::Message::from(&again), wire);
    }
}

/// What clients ask for; domain types are not always sent back.
fn requests(data: &[u8]) {
    if let Ok(request) = api::GetTransactionRequest::decode(data)
        && let Ok(name) = TransactionName::try_from(&request)
    {
        let again = api::GetTransactionRequest { name: Some((&name).into()), ..request };
        assert_eq!(TransactionName::try_from(&again), Ok(name));
    }
    if let Ok(request) = api::GetAccountRequest::decode(data) {
        drop(AccountId::try_from(&request));
    }
    if let Ok(request) = api::GetProofRequest::decode(data) {
        drop(ProofRequest::try_from(request));
    }
}

/// The status of another node: a fault of ours survives, and whatever else it is means something.
pub fn error_details(data: &[u8]) {
    let mut input = Input::new(data);
    let code = Code::from_i32(input.byte().into());
    let message = String::from_utf8_lossy(input.bytes(8)).into_owned();
    let status = Status::with_details(code, message, input.rest().to_vec().into());
    assert!(!gateway_error(&status).to_string().is_empty());
    if let Some(fault) = Fault::from_status(&status) {
        assert_eq!(Fault::from_status(&Status::from(fault.clone())), Some(fault));
    }
}

fn frame_samples(block: &[u8], certificate: Option<&tendermint::types::Commit>) -> Vec<Vec<u8>> {
    use peer::frame::Message as M;
    let (hash, validator, signature) = (vec![1; 32], vec![2; 20], vec![3; 64]);
    let value = Some(peer::Value { block: hash.clone(), time: 5 });
    let vote = peer::Vote {
        kind: 1,
        height: 7,
        round: 1,
        value: value.clone(),
        validator: validator.clone(),
        signature: signature.clone(),
    };
    let proposal = peer::Proposal {
        height: 7,
        round: 1,
        pol_round_plus_one: 1,
        value: value.clone(),
        proposer: validator.clone(),
        signature: signature.clone(),
    };
    let entry = peer::RoundSignature { kind: 2, value, validator, signature };
    let round = peer::RoundCertificate { height: 7, round: 1, kind: 1, signatures: vec![entry] };
    let fetched = peer::CertifiedBlock { block: block.to_vec(), certificate: certificate.cloned() };
    let name = peer::SnapshotChunkName { height: 8, index: 0 };
    let [manifest, chunk, _] = committed_snapshot();
    let messages = [
        M::Vote(vote),
        M::Proposal(proposal),
        M::Round(round),
        M::Body(block.to_vec()),
        M::Tip(peer::Tip { height: 7, app_hash: hash }),
        M::Blocks(peer::Blocks { blocks: vec![fetched] }),
        M::FetchSnapshot(peer::FetchSnapshot { chunk: Some(name) }),
        M::SnapshotManifest(peer::SnapshotManifest { manifest }),
        M::SnapshotChunk(peer::SnapshotChunk { name: Some(name), chunk }),
    ];
    let frame = |message| peer::Frame { chain: "a-0123456789abcdef-1".into(), message: Some(message) };
    messages.into_iter().map(|message| frame(message).encode_to_vec()).collect()
}

/// Every committed message, and answers that are made of them.
pub fn samples() -> Vec<Vec<u8>> {
    let mut samples: Vec<_> = messages().into_iter().map(|(_, bytes)| bytes).collect();
    let of = |schema: &str| {
        let found = messages().into_iter().find(|(name, _)| *name == schema);
        found.map(|(_, bytes)| bytes).expect("the schema has a committed sample")
    };
    let signed = tendermint::types::SignedHeader::decode(&*of("tendermint.types.SignedHeader")).ok();
    let validators = tendermint::types::ValidatorSet::decode(&*of("tendermint.types.ValidatorSet")).ok();
    let receipt = ledger::Receipt::decode(&*of("catenary.ledger.v1.Receipt")).ok();
    let block = ledger::Block::decode(&*of("catenary.ledger.v1.Block")).ok();
    let certificate = signed.clone().and_then(|signed| signed.commit);
    samples.extend(committed_snapshot());
    samples.extend(frame_samples(&of("catenary.ledger.v1.Block"), certificate.as_ref()));
    let header = api::HeaderView { signed: signed.clone(), validators: validators.clone() };
    let receipts: Vec<_> = receipt.clone().into_iter().collect();
    samples.extend([
        header.encode_to_vec(),
        api::ProofView { header: Some(header), proof: vec![1, 2], values: vec![vec![], vec![3]] }
            .encode_to_vec(),
        api::BlockView { block, certificate, validators: validators.clone(), receipts: receipts.clone() }
            .encode_to_vec(),
        api::FinalBlock { signed, validators, receipts }.encode_to_vec(),
        api::TransactionView {
            tx_id: vec![1; 32],
            height: 2,
            position: 3,
            time_ns: 4,
            envelope: vec![5],
            receipt,
        }
        .encode_to_vec(),
    ]);
    samples
}

/// The details of a few faults.
pub fn error_samples() -> Vec<Vec<u8>> {
    let faults = [
        Fault::new(api::ErrorReason::Busy, "later"),
        Fault::new(api::ErrorReason::WrongChain, "another chain").field("envelope", "made for another chain"),
        Fault::new(api::ErrorReason::HeightNotAvailable, "gone")
            .with("requested", 1)
            .with("oldest", 2)
            .with("newest", 3),
    ];
    let bytes = |fault: Fault| {
        let status = Status::from(fault);
        [&[u8::try_from(status.code() as i32).unwrap_or_default()], &b"a fault."[..], status.details()]
            .concat()
    };
    faults.into_iter().map(bytes).collect()
}
