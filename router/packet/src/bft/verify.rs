//! Whether a header follows from a trusted one.
//!
//! The comparisons of time, height and chain id, and whether the certificate is of this header, are the stock verifier's. The power rule is ours: the stock one sorts
//! validators before it hashes them and does not look at the order of signatures, and Go does neither.
//!
//! ```text
//!   update     adjacent: the set is the one that the trusted header announced     ┐
//!              skipping: more than trust_level of the trusted next set signed     ├ and more than quorum
//!   evidence   more than trust_level of the trusted next set signed               ┘ of its own set signed
//! ```
//!
//! Signatures count in order until the power suffices; those after it are not looked at, in CometBFT neither.

use super::{HeaderError, LightBlock, Member, Members};
use crate::{messages::Fraction, records::ClientState};
use catenary_crypto::{Hash, Signature, verify};
use catenary_mutant::{Mutant, is_active};
use catenary_types::{Height, Timestamp, time::NANOS_PER_SECOND};
use std::{collections::BTreeMap, time::Duration};
use tendermint::{
    Time, account,
    block::{CommitSig, Height as StockHeight},
    chain,
    vote::{self, Vote},
};
use tendermint_light_client_verifier::{
    errors::VerificationError,
    predicates::{ProdPredicates, VerificationPredicates},
};

/// A header that the client believes, with the set that it announced.
pub(super) struct Trusted<'a> {
    pub height: Height,
    pub time: Timestamp,
    pub next_validators_hash: Hash,
    /// As the message gives it; its hash is checked here.
    pub next_validators: &'a Members,
}

/// Verifies a later header.
pub(super) fn verify_update(
    client: &ClientState,
    trusted: &Trusted<'_>,
    block: &LightBlock,
    members: &Members,
    now: Timestamp,
) -> Result<(), HeaderError> {
    let stock = ProdPredicates;
    check_against(client, trusted, block, members, now)?;
    stock.is_monotonic_bft_time(time(block.time), time(trusted.time)).map_err(refused)?;
    let drift = Duration::from_millis(client.clock_drift_ms);
    stock.is_header_from_past(time(block.time), drift, time(now)).map_err(refused)?;
    let mut signatures = Signatures::new(block);
    if block.height == trusted.height.next() {
        if block.validators_hash != trusted.next_validators_hash {
            return Err(HeaderError::SetHash { what: "the set that the trusted header announced" });
        }
    } else {
        signatures.require_trust(trusted.next_validators, &client.trust_level)?;
    }
    signatures.require_quorum(members, &client.quorum)
}

/// Verifies one header of a misbehaviour message. It may be in the future, and adjacent without being announced.
pub(super) fn verify_evidence(
    client: &ClientState,
    trusted: &Trusted<'_>,
    block: &LightBlock,
    members: &Members,
    now: Timestamp,
) -> Result<(), HeaderError> {
    check_against(client, trusted, block, members, now)?;
    let mut signatures = Signatures::new(block);
    signatures.require_trust(trusted.next_validators, &client.trust_level)?;
    signatures.require_quorum(members, &client.quorum)
}

/// Verifies that a header belongs to the chain and that a quorum of its own set signed it: what a client starts from.
pub(super) fn verify_alone(
    client: &ClientState,
    block: &LightBlock,
    members: &Members,
) -> Result<(), HeaderError> {
    check_itself(client, block, members)?;
    Signatures::new(block).require_quorum(members, &client.quorum)
}

fn check_itself(client: &ClientState, block: &LightBlock, members: &Members) -> Result<(), HeaderError> {
    let (stock, header) = (ProdPredicates, &block.stock.header);
    let expected = chain::Id::try_from(client.chain_id.as_str())
        .map_err(|_| HeaderError::Form { what: "chain id", expected: "a CometBFT chain id" })?;
    stock.is_matching_chain_id(&header.chain_id, &expected).map_err(refused)?;
    stock.header_matches_commit(header, block.stock.commit.block_id.hash).map_err(refused)?;
    if members.hash != block.validators_hash {
        return Err(HeaderError::SetHash { what: "the validator set" });
    }
    Ok(())
}

fn check_against(
    client: &ClientState,
    trusted: &Trusted<'_>,
    block: &LightBlock,
    members: &Members,
    now: Timestamp,
) -> Result<(), HeaderError> {
    let stock = ProdPredicates;
    check_itself(client, block, members)?;
    stock.is_monotonic_height(height(block.height), height(trusted.height)).map_err(refused)?;
    let period = Duration::from_secs(client.trusting_period_s);
    stock.is_within_trust_period(time(trusted.time), period, time(now)).map_err(refused)?;
    // The set comes from the relayer, its hash from a header that was verified before.
    if trusted.next_validators.hash != trusted.next_validators_hash {
        return Err(HeaderError::SetHash { what: "the trusted validator set" });
    }
    Ok(())
}

/// The signatures of one certificate, each verified at most once.
struct Signatures<'a> {
    block: &'a LightBlock,
    verified: BTreeMap<usize, bool>,
}

impl<'a> Signatures<'a> {
    fn new(block: &'a LightBlock) -> Self {
        Self { block, verified: BTreeMap::new() }
    }

    /// More than `level` of a set that need not be the header's signed; found by address.
    fn require_trust(&mut self, trusted: &Members, level: &Fraction) -> Result<(), HeaderError> {
        let member = |_, address: &account::Id| Ok(trusted.by_address(address));
        self.require("of the trusted set", trusted.total, level, member)
    }

    /// More than `quorum` of the header's own set signed; found by place, address by address.
    fn require_quorum(&mut self, members: &Members, quorum: &Fraction) -> Result<(), HeaderError> {
        if members.list.len() != self.block.stock.commit.signatures.len() {
            let expected = "one entry per validator";
            return Err(HeaderError::Form { what: "certificate", expected });
        }
        let member = |index: usize, address: &account::Id| match &members.list[index] {
            member if member.address == *address => Ok(Some(member)),
            _ => Err(HeaderError::SignerOrder { index }),
        };
        self.require("of the header's set", members.total, quorum, member)
    }

    fn require<'m>(
        &mut self,
        whose: &'static str,
        total: u64,
        share: &Fraction,
        member_of: impl Fn(usize, &account::Id) -> Result<Option<&'m Member>, HeaderError>,
    ) -> Result<(), HeaderError> {
        let mut counted: Vec<&account::Id> = Vec::new();
        let mut actual = 0u64;
        if is_active(Mutant::LightClientQuorumUnchecked) {
            return Ok(());
        }
        for (index, entry) in self.block.stock.commit.signatures.iter().enumerate() {
            let CommitSig::BlockIdFlagCommit { validator_address, .. } = entry else { continue };
            let Some(member) = member_of(index, validator_address)? else { continue };
            if counted.contains(&validator_address) {
                return Err(HeaderError::SignerTwice { index });
            }
            counted.push(validator_address);
            self.verify(index, entry, member)?;
            actual = actual.saturating_add(member.power);
            if share.is_exceeded_by(actual, total) {
                return Ok(());
            }
        }
        let Fraction { numerator, denominator } = *share;
        Err(HeaderError::Power { whose, actual, total, numerator, denominator })
    }

    /// An address determines its key, so a signature that verified once need not be verified for another set.
    fn verify(&mut self, index: usize, entry: &CommitSig, member: &Member) -> Result<(), HeaderError> {
        let block = self.block;
        let valid = *self.verified.entry(index).or_insert_with(|| {
            let CommitSig::BlockIdFlagCommit { timestamp, signature, .. } = entry else { return false };
            let signature = signature.as_ref().and_then(|bytes| Signature::from_slice(bytes.as_bytes()));
            let message = sign_bytes(block, *timestamp);
            signature.is_some_and(|signature| verify(&member.key, &message, &signature).is_ok())
        });
        if valid { Ok(()) } else { Err(HeaderError::Signature { index }) }
    }
}

/// What a validator signed: CometBFT's canonical precommit with the time that stands beside the signature.
fn sign_bytes(block: &LightBlock, timestamp: Time) -> Vec<u8> {
    let (header, commit) = (&block.stock.header, &block.stock.commit);
    let vote = Vote {
        vote_type: vote::Type::Precommit,
        height: commit.height,
        round: commit.round,
        block_id: Some(commit.block_id),
        timestamp: Some(timestamp),
        // The signer is not part of the canonical vote.
        validator_address: account::Id::new([0; 20]),
        validator_index: 0u32.try_into().expect("zero is an index"),
        signature: None,
        extension: Vec::new(),
        extension_signature: None,
    };
    vote.into_signable_vec(header.chain_id.clone())
}

fn refused(error: VerificationError) -> HeaderError {
    HeaderError::Stock(error.detail().to_string())
}

fn time(time: Timestamp) -> Time {
    let (seconds, nanos) = (time.0 / NANOS_PER_SECOND, time.0 % NANOS_PER_SECOND);
    Time::from_unix_timestamp(seconds as i64, nanos as u32)
        .expect("64 bits of nanoseconds end in the year 2554")
}

fn height(height: Height) -> StockHeight {
    StockHeight::try_from(height.0).expect("heights of a client were read as positive 63-bit numbers")
}
