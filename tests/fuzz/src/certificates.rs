//! Certificates and double votes: one that was altered in any way proves nothing.

use crate::{
    alteration::{altered, only_the_original},
    input::Input,
};
use catenary_crypto::{Hash, SigningKey, empty_root};
use catenary_types::{
    Address, ChainId, DoubleVote, Header, Height, Message, Parameters, ReportedVote, SignedHeader, Timestamp,
    Validator, ValidatorSet, VoteKind, sign_bytes, testing::certify,
};
use std::sync::LazyLock;

const MEMBERS: u8 = 4;

fn key(member: u8) -> SigningKey {
    SigningKey::from_seed(&[member + 1; 32])
}

fn chain_id() -> ChainId {
    "berka-0123456789abcdef-1".parse().expect("a chain id")
}

/// The set, and a header of it with no more signatures than it needs, so that each of them counts.
pub static SIGNED: LazyLock<(ValidatorSet, SignedHeader)> = LazyLock::new(|| {
    let member = |member| Validator { public_key: key(member).public_key(), power: 10 };
    let set = ValidatorSet::new((0..MEMBERS).map(member).collect()).expect("a valid set");
    let header = Header {
        protocol_version: 1,
        chain_id: chain_id(),
        height: Height(7),
        time: Timestamp(1_800_000_000_000_000_001),
        last_block: Some(Hash([3; 32])),
        last_commit_hash: Hash([4; 32]),
        data_hash: empty_root(),
        validators_hash: set.hash(),
        next_validators_hash: set.hash(),
        consensus_hash: Parameters::for_group_of(MEMBERS.into()).hash(),
        app_hash: Hash([5; 32]),
        last_results_hash: empty_root(),
        proposer: set.addresses()[1],
    };
    let certificate = certify(&header, &set, 2, &[1], (0..MEMBERS).map(key));
    (set, SignedHeader { header, certificate })
});

/// Alters a signed header, or the set that it is checked against.
pub fn altered_certificates(data: &[u8]) {
    let (set, signed) = &*SIGNED;
    let parameters = Parameters::for_group_of(MEMBERS.into());
    let mut input = Input::new(data);
    if !input.one_in(4) {
        only_the_original("signed header", &signed.encode(), &mut input, |bytes| {
            SignedHeader::decode(bytes).is_ok_and(|other| other.verify(set, &parameters).is_ok())
        });
        return;
    }
    let encoded = set.encode().expect("a set that exists has an encoding");
    let Ok(other) = ValidatorSet::decode(&altered(&mut input, &encoded)) else { return };
    // Proposer and priorities are part of the encoding, not of the set.
    assert_eq!(signed.verify(&other, &parameters).is_ok(), other == *set);
}

/// Two votes of one validator for one step, over different blocks.
static DOUBLE: LazyLock<DoubleVote> = LazyLock::new(|| {
    let (kind, height, round) = (VoteKind::Precommit, Height(7), 3);
    let vote = |block: Option<Hash>, time| {
        let message = sign_bytes::vote(&chain_id(), kind, height, round, block, time);
        ReportedVote { block, time, signature: key(0).sign(&message) }
    };
    DoubleVote {
        validator: Address::of(&key(0).public_key()),
        height,
        round,
        kind,
        first: vote(None, Timestamp(1_800_000_000_000_000_000)),
        second: vote(Some(Hash([1; 32])), Timestamp(1_800_000_000_500_000_000)),
    }
});

/// Alters the proof that a validator voted twice.
pub fn altered_double_votes(data: &[u8]) {
    let verifies = |votes: DoubleVote| votes.verify(&chain_id(), &key(0).public_key()).is_ok();
    only_the_original("double vote", &DOUBLE.encode(), &mut Input::new(data), |bytes| {
        DoubleVote::decode(bytes).is_ok_and(verifies)
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_altered_here_is_good_before() {
        let (set, signed) = &*SIGNED;
        assert_eq!(signed.verify(set, &Parameters::for_group_of(MEMBERS.into())), Ok(()));
        assert_eq!(DOUBLE.verify(&chain_id(), &key(0).public_key()), Ok(()));
    }
}
