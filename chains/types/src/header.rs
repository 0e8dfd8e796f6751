//! The block header: CometBFT's, with what never varies left out.

use crate::{
    ids::{Address, ChainId},
    time::{Height, NANOS_PER_SECOND, Timestamp},
};
use catenary_crypto::{Hash, empty_root};
use tendermint::{AppHash, Time, account, block, chain};
use tendermint_proto::{Protobuf, v0_38::types::Header as RawHeader};

/// CometBFT's block protocol; stock verifiers refuse any other.
pub const BLOCK_PROTOCOL: u64 = 11;

/// Bytes or values that are no part of a canonical chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// The header does not decode, or a field has a value that our chains never have.
    #[error("not a header of a canonical chain: {0}")]
    Header(&'static str),
    /// The certificate does not decode, or is not one of its height and block.
    #[error("not a certificate of a canonical chain: {0}")]
    Certificate(&'static str),
    /// The set is empty, too large, out of order, or has a member twice or without power.
    #[error("not a canonical validator set")]
    ValidatorSet,
    /// The bytes are a second encoding of something that has one.
    #[error("the bytes are not the canonical encoding")]
    NotCanonical,
}

/// A block header. The fields left out are constants: block protocol 11, no evidence, part set (1, block hash).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Protocol version of the chain, shown as `version.app`.
    pub protocol_version: u64,
    /// The chain.
    pub chain_id: ChainId,
    /// Number of the block, from 1 on.
    pub height: Height,
    /// Strictly increasing time that the proposer set and a quorum found timely.
    pub time: Timestamp,
    /// Hash of the block before; none at height 1.
    pub last_block: Option<Hash>,
    /// Merkle root over the signatures of the certificate of the block before.
    pub last_commit_hash: Hash,
    /// Merkle root over the SHA-256 of each envelope.
    pub data_hash: Hash,
    /// Hash of the set that signs this block.
    pub validators_hash: Hash,
    /// Hash of the set that signs the next block.
    pub next_validators_hash: Hash,
    /// SHA-256 of the parameters.
    pub consensus_hash: Hash,
    /// Root of the state after the block before.
    pub app_hash: Hash,
    /// Merkle root over the results of the block before.
    pub last_results_hash: Hash,
    /// Who built the block.
    pub proposer: Address,
}

impl Header {
    /// CometBFT's hash of the header: the block's id.
    pub fn hash(&self) -> Hash {
        let hash = self.to_tendermint().hash();
        Hash::from_slice(hash.as_bytes()).expect("a header hash is a SHA-256")
    }

    /// As the stock verifiers take it.
    pub fn to_tendermint(&self) -> block::Header {
        let chain_id = chain::Id::try_from(self.chain_id.as_str());
        block::Header {
            version: block::header::Version { block: BLOCK_PROTOCOL, app: self.protocol_version },
            chain_id: chain_id.expect("our chain ids are narrower than CometBFT's"),
            height: to_block_height(self.height),
            time: to_time(self.time),
            last_block_id: self.last_block.map(to_block_id),
            last_commit_hash: Some(to_hash(self.last_commit_hash)),
            data_hash: Some(to_hash(self.data_hash)),
            validators_hash: to_hash(self.validators_hash),
            next_validators_hash: to_hash(self.next_validators_hash),
            consensus_hash: to_hash(self.consensus_hash),
            app_hash: AppHash::try_from(self.app_hash.0.to_vec()).expect("any bytes are an app hash"),
            last_results_hash: Some(to_hash(self.last_results_hash)),
            evidence_hash: Some(to_hash(empty_root())),
            proposer_address: account::Id::new(self.proposer.0),
        }
    }

    /// `tendermint.types.Header`.
    pub fn encode(&self) -> Vec<u8> {
        Protobuf::<RawHeader>::encode_vec(self.to_tendermint())
    }

    /// Reads `tendermint.types.Header`, in one encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let stock = <block::Header as Protobuf<RawHeader>>::decode_vec(bytes)
            .map_err(|_| FormatError::Header("it does not decode"))?;
        let header = Self::from_tendermint(&stock)?;
        if header.encode() == bytes { Ok(header) } else { Err(FormatError::NotCanonical) }
    }

    /// Takes over a stock header of a canonical chain.
    pub fn from_tendermint(stock: &block::Header) -> Result<Self, FormatError> {
        let required = |hash: Option<tendermint::Hash>| from_hash(hash.unwrap_or_default());
        let header = Self {
            protocol_version: stock.version.app,
            chain_id: stock.chain_id.as_str().parse().map_err(|_| FormatError::Header("foreign chain id"))?,
            height: Height(stock.height.value()),
            time: from_time(stock.time)?,
            last_block: stock.last_block_id.map(from_block_id).transpose()?,
            last_commit_hash: required(stock.last_commit_hash)?,
            data_hash: required(stock.data_hash)?,
            validators_hash: from_hash(stock.validators_hash)?,
            next_validators_hash: from_hash(stock.next_validators_hash)?,
            consensus_hash: from_hash(stock.consensus_hash)?,
            app_hash: Hash::from_slice(stock.app_hash.as_bytes())
                .ok_or(FormatError::Header("the app hash is not 32 bytes"))?,
            last_results_hash: required(stock.last_results_hash)?,
            proposer: Address(
                stock.proposer_address.as_bytes().try_into().map_err(|_| FormatError::Header("proposer"))?,
            ),
        };
        if stock.version.block != BLOCK_PROTOCOL {
            return Err(FormatError::Header("the block protocol is not 11"));
        }
        if header.to_tendermint() == *stock { Ok(header) } else { Err(FormatError::NotCanonical) }
    }
}

pub(crate) fn to_hash(hash: Hash) -> tendermint::Hash {
    tendermint::Hash::Sha256(hash.0)
}

pub(crate) fn from_hash(hash: tendermint::Hash) -> Result<Hash, FormatError> {
    Hash::from_slice(hash.as_bytes()).ok_or(FormatError::Header("a hash is not 32 bytes"))
}

/// `BlockID = {hash, {1, hash}}`: our blocks have one part, named by the block's own hash.
pub(crate) fn to_block_id(hash: Hash) -> block::Id {
    let part_set_header = block::parts::Header::new(1, to_hash(hash)).expect("one part is a valid total");
    block::Id { hash: to_hash(hash), part_set_header }
}

pub(crate) fn from_block_id(id: block::Id) -> Result<Hash, FormatError> {
    let hash = from_hash(id.hash)?;
    if to_block_id(hash) == id {
        Ok(hash)
    } else {
        Err(FormatError::Header("a part set is not (1, block hash)"))
    }
}

pub(crate) fn to_block_height(height: Height) -> block::Height {
    block::Height::try_from(height.0).expect("no chain reaches 2^63 blocks")
}

pub(crate) fn to_time(time: Timestamp) -> Time {
    let (seconds, nanos) = (time.0 / NANOS_PER_SECOND, time.0 % NANOS_PER_SECOND);
    Time::from_unix_timestamp(seconds as i64, nanos as u32)
        .expect("64 bits of nanoseconds end in the year 2554")
}

pub(crate) fn from_time(time: Time) -> Result<Timestamp, FormatError> {
    let nanos = u64::try_from(time.unix_timestamp_nanos());
    nanos.map(Timestamp).map_err(|_| FormatError::Header("the time is before 1970 or after 2554"))
}
