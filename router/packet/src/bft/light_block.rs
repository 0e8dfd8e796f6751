//! A signed header and a validator set as they came, decoded once and judged in themselves.

use super::{
    HeaderError,
    schema::{SIGNED_HEADER, VALIDATOR_SET},
};
use crate::limits::SET_MEMBERS_MAX;
use catenary_crypto::{Hash, PublicKey, merkle_root};
use catenary_types::{Height, Timestamp, header::BLOCK_PROTOCOL, limits::TOTAL_POWER_MAX};
use std::collections::BTreeSet;
use tendermint::{account, block::signed_header::SignedHeader, validator::Info};
use tendermint_proto::{
    Protobuf,
    v0_38::types::{SignedHeader as RawSignedHeader, ValidatorSet as RawValidatorSet},
};

const HEADER: &str = "signed header";
const SET: &str = "validator set";

/// A header and its certificate.
pub struct LightBlock {
    /// As the stock crate reads it.
    pub stock: SignedHeader,
    /// Number of the block.
    pub height: Height,
    /// The header's time.
    pub time: Timestamp,
    /// CometBFT's hash of the header.
    pub hash: Hash,
    /// Root of the state after the block before.
    pub app_hash: Hash,
    /// The set that signs this header.
    pub validators_hash: Hash,
    /// The set that signs the next one.
    pub next_validators_hash: Hash,
    /// SHA-256 of the parameters, on our own chains.
    pub consensus_hash: Option<Hash>,
}

/// One member of a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// First 20 bytes of the key's hash.
    pub address: account::Id,
    /// Ed25519.
    pub key: PublicKey,
    /// At least 1.
    pub power: u64,
}

/// Validators in the order in which they came, which is the order in which they are hashed and sign.
pub struct Members {
    /// None twice.
    pub list: Vec<Member>,
    /// The sum of all powers.
    pub total: u64,
    /// CometBFT's hash of the set.
    pub hash: Hash,
}

fn form(what: &'static str, expected: &'static str) -> HeaderError {
    HeaderError::Form { what, expected }
}

impl LightBlock {
    /// Reads `tendermint.types.SignedHeader` and checks what CometBFT's `ValidateBasic` checks.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        SIGNED_HEADER.check(bytes).map_err(|error| HeaderError::Wire { what: HEADER, error })?;
        let stock = <SignedHeader as Protobuf<RawSignedHeader>>::decode_vec(bytes)
            .map_err(|_| form(HEADER, "fields in their ranges"))?;
        let header = &stock.header;
        if header.version.block != BLOCK_PROTOCOL {
            return Err(form(HEADER, "block protocol 11"));
        }
        if header.height.value() == 0 {
            return Err(form(HEADER, "a height of at least 1"));
        }
        let sha256 = |hash: tendermint::Hash, expected: &'static str| {
            Hash::from_slice(hash.as_bytes()).ok_or(form(HEADER, expected))
        };
        let nanos = u64::try_from(header.time.unix_timestamp_nanos());
        Ok(Self {
            height: Height(header.height.value()),
            time: nanos.map(Timestamp).map_err(|_| form(HEADER, "a time from 1970 to 2554"))?,
            hash: sha256(header.hash(), "a header with a hash")?,
            app_hash: Hash::from_slice(header.app_hash.as_bytes())
                .ok_or(form(HEADER, "an app hash of 32 bytes"))?,
            validators_hash: sha256(header.validators_hash, "a validators hash of 32 bytes")?,
            next_validators_hash: sha256(header.next_validators_hash, "a next validators hash of 32 bytes")?,
            consensus_hash: Hash::from_slice(header.consensus_hash.as_bytes()),
            stock,
        })
    }
}

impl Members {
    /// Reads `tendermint.types.ValidatorSet`: a proposer that is a member, nobody twice or without power.
    pub fn decode(bytes: &[u8]) -> Result<Self, HeaderError> {
        VALIDATOR_SET.check(bytes).map_err(|error| HeaderError::Wire { what: SET, error })?;
        let raw = <RawValidatorSet as prost::Message>::decode(bytes)
            .map_err(|_| form(SET, "fields in their ranges"))?;
        if !(1..=SET_MEMBERS_MAX).contains(&raw.validators.len()) {
            return Err(form(SET, "1 to 256 members"));
        }
        let info =
            |raw| Info::try_from(raw).map_err(|_| form(SET, "members with an Ed25519 key and its address"));
        let infos = raw.validators.into_iter().map(info).collect::<Result<Vec<_>, _>>()?;
        let proposer = raw.proposer.map(info).transpose()?.ok_or(form(SET, "a proposer"))?;
        let members = infos.iter().map(|info| {
            let key = info.pub_key.ed25519().and_then(|key| PublicKey::from_slice(key.as_bytes()));
            key.map(|key| Member { address: info.address, key, power: info.power.value() })
        });
        let list: Vec<_> = members.collect::<Option<_>>().ok_or(form(SET, "Ed25519 keys"))?;
        let addresses: BTreeSet<_> = list.iter().map(|member| member.address.as_bytes().to_vec()).collect();
        if addresses.len() != list.len() || !addresses.contains(proposer.address.as_bytes()) {
            return Err(form(SET, "every member once, and a proposer among them"));
        }
        let total = list.iter().try_fold(0u64, |sum, member| sum.checked_add(member.power));
        let total = total.filter(|total| *total <= TOTAL_POWER_MAX);
        let total = total.ok_or(form(SET, "a total power of at most 2^63/8"))?;
        if list.iter().any(|member| member.power == 0) {
            return Err(form(SET, "members with power"));
        }
        if raw.total_voting_power != 0 && u64::try_from(raw.total_voting_power) != Ok(total) {
            return Err(form(SET, "the total power left out, or right"));
        }
        let leaves: Vec<_> = infos.iter().map(Info::hash_bytes).collect();
        Ok(Self { list, total, hash: merkle_root(&leaves) })
    }

    /// The member of an address.
    pub fn by_address(&self, address: &account::Id) -> Option<&Member> {
        self.list.iter().find(|member| member.address == *address)
    }
}
