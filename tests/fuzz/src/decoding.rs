//! Messages: what is read is what would be written, whatever the bytes; and what follows from a message follows from it.

use crate::decoders::{CALLS, ENVELOPES, GENESIS, Group, HEADERS, PACKETS, PROOFS, RECEIPTS, RECORDS};
use catenary_consensus::{Mark, Record, journal::Entry};
use catenary_crypto::sha256;
use catenary_packet::{
    Packet,
    bft::{LightBlock, Members},
};
use catenary_types::{
    Envelope, Genesis, Header, Height, Message, Receipt, SignedHeader, TxId, ValidatorSet,
    envelope::{Transaction, signed_bytes},
    limits::{CALLS_MAX, SIGNATURES_MAX},
    receipt::ResultLeaf,
};

fn all(group: Group, data: &[u8]) {
    for decoder in group {
        decoder.is_canonical(data);
    }
}

/// Envelopes and bodies; and what is derived from an envelope follows from it.
pub fn envelopes(data: &[u8]) {
    all(ENVELOPES, data);
    let Ok(transaction) = Transaction::decode(data) else { return };
    let envelope = Envelope::decode(data).expect("a transaction is an envelope");
    assert_eq!(transaction.bytes, data);
    assert_eq!(transaction.body.encode(), envelope.body);
    assert_eq!(transaction.id, TxId(sha256(&envelope.body)));
    assert_eq!(transaction.signed_bytes, signed_bytes(&envelope.body));
    assert_eq!(transaction.signatures, envelope.signatures);
    assert!((1..=CALLS_MAX).contains(&transaction.body.calls.len()));
    assert!((1..=SIGNATURES_MAX).contains(&transaction.signatures.len()));
    assert!(transaction.signatures.is_sorted_by(|one, other| one.key < other.key));
}

/// Blocks, headers, certificates and sets. The light client reads every header that the chains write, and as the same.
pub fn headers(data: &[u8]) {
    all(HEADERS, data);
    if let Ok(header) = Header::decode(data) {
        assert_eq!(Header::from_tendermint(&header.to_tendermint()), Ok(header));
    }
    let block = LightBlock::decode(data);
    if let Ok(SignedHeader { header, .. }) = SignedHeader::decode(data)
        && header.height > Height(0)
    {
        let block = block.unwrap_or_else(|error| panic!("a header is none to a light client: {error}"));
        assert_eq!((block.hash, block.height, block.time), (header.hash(), header.height, header.time));
    }
    sets(data);
}

/// A set has several encodings, since any member may stand as its proposer; all of them give one set.
fn sets(data: &[u8]) {
    let members = Members::decode(data);
    let Ok(set) = ValidatorSet::decode(data) else { return };
    let total = members.map(|members| members.total);
    assert!(total.is_ok_and(|total| total == set.total_power()), "a set is none to a light client");
    let encoded = set.encode().expect("a set that exists has an encoding");
    assert_eq!(ValidatorSet::decode(&encoded), Ok(set.clone()));
    let members = Members::decode(&encoded).unwrap_or_else(|error| panic!("no set to a client: {error}"));
    assert_eq!((members.hash, members.total), (set.hash(), set.total_power()));
}

/// Genesis documents; the id of a chain follows from the document and leads back to its parts.
pub fn genesis_documents(data: &[u8]) {
    all(GENESIS, data);
    let Ok(genesis) = Genesis::decode(data) else { return };
    if let Ok(id) = genesis.chain_id() {
        assert_eq!((id.name(), id.revision()), (genesis.name.as_str(), genesis.revision.into()));
        assert!(id.as_str().contains(&genesis.hash().to_string()[..16]));
    }
}

/// Receipts and events.
pub fn receipts(data: &[u8]) {
    all(RECEIPTS, data);
    if let Ok(receipt) = Receipt::decode(data) {
        assert!(ResultLeaf::decode(&receipt.leaf().encode()).is_ok());
    }
}

/// Values of the state.
pub fn records(data: &[u8]) {
    all(RECORDS, data);
}

/// Calls of the apps.
pub fn calls(data: &[u8]) {
    all(CALLS, data);
}

/// Packets; the value of a transfer is read only if it is exactly one.
pub fn packets(data: &[u8]) {
    all(PACKETS, data);
    if let Ok(packet) = Packet::decode(data)
        && let Ok(payload) = packet.check()
        && let Ok((value, amount)) = catenary_transfer::data::read(payload)
    {
        assert_eq!((value.encode(), &value.amount), (payload.value.clone(), &amount.to_string()));
        assert_eq!(catenary_transfer::data::payload(&value), *payload);
    }
}

/// Both encodings of proofs.
pub fn proof_encodings(data: &[u8]) {
    all(PROOFS, data);
}

/// Records of the consensus journal and marks of the guard.
pub fn journal_entries(data: &[u8]) {
    let record = Record { height: Height(7), bytes: data.to_vec() };
    if let Ok(entry) = Entry::read(&record) {
        assert_eq!(entry.record(record.height), record);
    }
    if let Some(bytes) = data.first_chunk()
        && let Some(mark) = Mark::decode(bytes)
    {
        assert_eq!(mark.encode(), *bytes);
    }
}
