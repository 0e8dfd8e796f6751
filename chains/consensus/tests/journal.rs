//! The journal's bytes: one encoding per record, pinned, and any bytes read or are refused.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use catenary_consensus::journal::{Entry, Origin, Record, TimeoutStep};
use catenary_consensus::timeliness::Judgement;
use catenary_consensus::{
    PolkaCertificate, PolkaSignature, Proposal, ROUND_LIMIT, SignedProposal, SignedVote, ValueId, Vote,
};
use catenary_crypto::{Hash, Signature};
use catenary_types::{Address, Height, Timestamp, VoteKind};
use proptest::prelude::*;

const HEIGHT: Height = Height(5);

fn value() -> impl Strategy<Value = ValueId> {
    (any::<[u8; 32]>(), any::<u64>())
        .prop_map(|(hash, time)| ValueId { block: Hash(hash), time: Timestamp(time) })
}

fn signature() -> impl Strategy<Value = Signature> {
    proptest::array::uniform32(any::<u16>()).prop_map(|halves| {
        let mut bytes = [0; 64];
        bytes.chunks_mut(2).zip(halves).for_each(|(pair, half)| pair.copy_from_slice(&half.to_be_bytes()));
        Signature(bytes)
    })
}

fn address() -> impl Strategy<Value = Address> {
    any::<[u8; 20]>().prop_map(Address)
}

fn vote() -> impl Strategy<Value = Entry> {
    let kind = prop_oneof![Just(VoteKind::Prevote), Just(VoteKind::Precommit)];
    let parts = (kind, 0..ROUND_LIMIT, proptest::option::of(value()), address(), signature());
    parts.prop_map(|(kind, round, value, validator, signature)| {
        Entry::Vote(SignedVote { vote: Vote { kind, height: HEIGHT, round, value, validator }, signature })
    })
}

fn proposal() -> impl Strategy<Value = Entry> {
    let pol_round = proptest::option::of(0..ROUND_LIMIT);
    let parts = (0..ROUND_LIMIT, pol_round, value(), address(), signature(), any::<u64>());
    parts.prop_map(|(round, pol_round, value, proposer, signature, arrival)| Entry::Proposal {
        signed: SignedProposal {
            proposal: Proposal { height: HEIGHT, round, pol_round, value, proposer },
            signature,
        },
        arrival: Timestamp(arrival),
    })
}

fn timeout() -> impl Strategy<Value = Entry> {
    let step =
        prop_oneof![Just(TimeoutStep::Propose), Just(TimeoutStep::Prevote), Just(TimeoutStep::Precommit)];
    (step, 0..ROUND_LIMIT).prop_map(|(step, round)| Entry::Timeout { step, round })
}

fn judged() -> impl Strategy<Value = Entry> {
    let judgement = prop_oneof![Just(Judgement::Valid), Just(Judgement::Invalid), Just(Judgement::Withheld)];
    let origin = prop_oneof![Just(Origin::Consensus), Just(Origin::Sync)];
    (0..ROUND_LIMIT, value(), address(), judgement, origin).prop_map(
        |(round, value, builder, judgement, origin)| Entry::Judged {
            round,
            value,
            builder,
            judgement,
            origin,
        },
    )
}

fn polka() -> impl Strategy<Value = Entry> {
    let entry =
        (address(), signature()).prop_map(|(validator, signature)| PolkaSignature { validator, signature });
    let signatures = proptest::collection::vec(entry, 0..5);
    (0..ROUND_LIMIT, value(), signatures).prop_map(|(round, value, signatures)| {
        Entry::Polka(PolkaCertificate { height: HEIGHT, round, value, signatures })
    })
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![vote(), proposal(), timeout(), judged(), polka()]
}

proptest! {
    #[test]
    fn what_is_written_is_read(entry in entry()) {
        prop_assert_eq!(Entry::read(&entry.record(HEIGHT)), Ok(entry));
    }

    #[test]
    fn any_bytes_are_refused_or_are_what_would_be_written(
        tag in 0u8..7,
        rest in proptest::collection::vec(prop_oneof![Just(0u8), Just(1), any::<u8>()], 0..220),
    ) {
        let bytes = [vec![tag], rest].concat();
        let record = Record { height: HEIGHT, bytes };
        if let Ok(entry) = Entry::read(&record) {
            prop_assert_eq!(entry.record(HEIGHT), record);
        }
    }

    #[test]
    fn a_cut_or_longer_record_is_refused(entry in entry(), cut in any::<prop::sample::Index>(), extra: u8) {
        let record = entry.record(HEIGHT);
        let mut shorter = record.clone();
        shorter.bytes.truncate(cut.index(record.bytes.len()));
        prop_assert!(Entry::read(&shorter).is_err());
        let mut longer = record;
        longer.bytes.push(extra);
        prop_assert!(Entry::read(&longer).is_err());
    }
}

#[test]
fn the_bytes_are_pinned() {
    let value = ValueId { block: Hash([0xbb; 32]), time: Timestamp(0x0102_0304_0506_0708) };
    let (address, signature) = (Address([0xaa; 20]), Signature([0x55; 64]));
    let vote = |kind, value| {
        Entry::Vote(SignedVote {
            vote: Vote { kind, height: HEIGHT, round: 2, value, validator: address },
            signature,
        })
    };
    let proposal = |pol_round| Entry::Proposal {
        signed: SignedProposal {
            proposal: Proposal { height: HEIGHT, round: 3, pol_round, value, proposer: address },
            signature,
        },
        arrival: Timestamp(9),
    };
    let entries = [
        vote(VoteKind::Prevote, None),
        vote(VoteKind::Precommit, Some(value)),
        proposal(None),
        proposal(Some(1)),
        Entry::Timeout { step: TimeoutStep::Precommit, round: 7 },
        Entry::Judged {
            round: 1,
            value,
            builder: address,
            judgement: Judgement::Withheld,
            origin: Origin::Sync,
        },
        Entry::Polka(PolkaCertificate {
            height: HEIGHT,
            round: 4,
            value,
            signatures: vec![PolkaSignature { validator: address, signature }; 2],
        }),
    ];
    let hex =
        |record: Record| record.bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>() + "\n";
    let actual: String = entries.iter().map(|entry| hex(entry.record(HEIGHT))).collect();
    assert_eq!(actual, include_str!("fixtures/journal.hex"));
}
