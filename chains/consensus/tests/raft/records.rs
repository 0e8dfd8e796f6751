//! The journal's bytes of a Raft log: one encoding per record, pinned, and any bytes read or are refused.

use catenary_consensus::raft::{Ballot, Base, LogEntry, LogId, Membership, Payload, Record, Term};
use catenary_crypto::Hash;
use catenary_types::{Address, Block, Header, Height, Timestamp};
use proptest::prelude::*;
use std::{collections::BTreeSet, sync::Arc};

fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address)
}

fn addresses() -> impl Strategy<Value = BTreeSet<Address>> {
    proptest::collection::btree_set(address(), 0..4)
}

fn term() -> impl Strategy<Value = Term> {
    (any::<u64>(), address()).prop_map(|(number, leader)| Term { number, leader })
}

fn log_id() -> impl Strategy<Value = LogId> {
    (term(), any::<u64>()).prop_map(|(term, index)| LogId { term, index })
}

fn ballot() -> impl Strategy<Value = Ballot> {
    (term(), any::<bool>()).prop_map(|(term, committed)| Ballot { term, committed })
}

fn membership() -> impl Strategy<Value = Membership> {
    (proptest::collection::vec(addresses(), 0..=2), addresses())
        .prop_map(|(voters, nodes)| Membership { voters, nodes })
}

fn block(height: u64) -> Arc<Block> {
    let hash = Hash([2; 32]);
    let header = Header {
        protocol_version: 1,
        chain_id: "bank-0123456789abcdef-1".parse().unwrap(),
        height: Height(height),
        time: Timestamp(1_700_000_000_000_000_005),
        last_block: Some(hash),
        last_commit_hash: hash,
        data_hash: hash,
        validators_hash: hash,
        next_validators_hash: hash,
        consensus_hash: hash,
        app_hash: hash,
        last_results_hash: hash,
        proposer: Address([3; 20]),
    };
    Arc::new(Block { header, last_certificate: None, envelopes: vec![vec![1, 2]] })
}

fn record() -> impl Strategy<Value = Record> {
    let payload = prop_oneof![
        Just(Payload::Blank),
        membership().prop_map(Payload::Membership),
        (2u64..9).prop_map(|height| Payload::Block(block(height))),
    ];
    let base = (proptest::option::of(log_id()), proptest::option::of(log_id()), membership())
        .prop_map(|(last, membership_at, membership)| Base { last, membership_at, membership });
    prop_oneof![
        ballot().prop_map(Record::Ballot),
        (log_id(), payload).prop_map(|(id, payload)| Record::Entry(LogEntry { id, payload })),
        any::<u64>().prop_map(|index| Record::Cut { index }),
        (proptest::option::of(ballot()), base).prop_map(|(ballot, base)| Record::Base { ballot, base }),
    ]
}

proptest! {
    #[test]
    fn what_is_written_is_read(record in record()) {
        prop_assert_eq!(Record::decode(&record.encode()), Ok(record));
    }

    #[test]
    fn any_bytes_are_refused_or_are_what_would_be_written(
        tag in 0u8..6,
        rest in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..120),
    ) {
        let bytes = [vec![tag], rest].concat();
        if let Ok(record) = Record::decode(&bytes) {
            prop_assert_eq!(record.encode(), bytes);
        }
    }

    #[test]
    fn a_cut_or_longer_record_is_refused(record in record(), cut in any::<prop::sample::Index>(), extra: u8) {
        let bytes = record.encode();
        prop_assert!(Record::decode(&bytes[..cut.index(bytes.len())]).is_err());
        prop_assert!(Record::decode(&[bytes, vec![extra]].concat()).is_err());
    }
}

#[test]
fn members_out_of_order_or_too_many_are_refused() {
    let two: BTreeSet<_> = [Address([1; 20]), Address([2; 20])].into();
    let id = LogId { term: Term { number: 1, leader: Address([1; 20]) }, index: 0 };
    let membership = Membership { voters: vec![two.clone()], nodes: two };
    let bytes = Record::Entry(LogEntry { id, payload: Payload::Membership(membership) }).encode();
    // Tag, log id, payload and the number of sets stand before the first set.
    let first = 1 + 36 + 1 + 1 + 2;
    let mut swapped = bytes.clone();
    swapped[first..first + 40].rotate_left(20);
    assert!(Record::decode(&swapped).is_err());
    let mut many = bytes;
    many[first - 3] = 3;
    assert!(Record::decode(&many).is_err());
}

#[test]
fn the_bytes_are_pinned() {
    let term = Term { number: 0x0102_0304_0506_0708, leader: Address([0xaa; 20]) };
    let ballot = Ballot { term, committed: true };
    let id = |index| LogId { term, index };
    let set: BTreeSet<_> = [Address([1; 20]), Address([2; 20])].into();
    let membership = Membership { voters: vec![set.clone()], nodes: set };
    let records = [
        Record::Ballot(ballot),
        Record::Entry(LogEntry { id: id(1), payload: Payload::Blank }),
        Record::Entry(LogEntry { id: id(2), payload: Payload::Membership(membership.clone()) }),
        Record::Entry(LogEntry { id: id(3), payload: Payload::Block(block(7)) }),
        Record::Cut { index: 9 },
        Record::Base {
            ballot: Some(ballot),
            base: Base { last: Some(id(3)), membership_at: Some(id(2)), membership },
        },
        Record::Base { ballot: None, base: Base::default() },
    ];
    let hex =
        |record: &Record| record.encode().iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    let actual: String = records.iter().map(hex).collect();
    assert_eq!(actual, include_str!("../fixtures/raft.hex"));
}
