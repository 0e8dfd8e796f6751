//! The certificate: precommits of more than two thirds of the power, in the set's order.

use crate::{
    header::{FormatError, from_block_id, from_time, to_block_height, to_block_id, to_time},
    ids::Address,
    time::{Height, Timestamp},
};
use catenary_crypto::{Hash, Signature, merkle_root};
use prost::Message as _;
use tendermint::{account, block};
use tendermint_proto::v0_38::types::{Commit as RawCommit, CommitSig as RawCommitSig};

/// What one validator contributed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommitSignature {
    /// Nothing that counts.
    Absent,
    /// A precommit for the block.
    Commit {
        /// Who.
        address: Address,
        /// The header's time.
        time: Timestamp,
        /// Over [`crate::sign_bytes::vote`].
        signature: Signature,
    },
}

/// Proof that a block is final: one entry per validator, in canonical order of the set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Certificate {
    /// Height of the block.
    pub height: Height,
    /// Round in which it was decided.
    pub round: u32,
    /// Hash of its header.
    pub block: Hash,
    /// One entry per validator.
    pub signatures: Vec<CommitSignature>,
}

impl Certificate {
    /// Merkle root over the signatures: the next header's `last_commit_hash`.
    pub fn hash(&self) -> Hash {
        let leaves: Vec<_> = self.signatures.iter().map(CommitSignature::encode).collect();
        merkle_root(&leaves)
    }

    /// As the stock verifiers take it.
    pub fn to_tendermint(&self) -> block::Commit {
        block::Commit {
            height: to_block_height(self.height),
            round: block::Round::try_from(self.round).expect("no height reaches 2^31 rounds"),
            block_id: to_block_id(self.block),
            signatures: self.signatures.iter().map(CommitSignature::to_tendermint).collect(),
        }
    }

    /// `tendermint.types.Commit`.
    pub fn encode(&self) -> Vec<u8> {
        RawCommit::from(self.to_tendermint()).encode_to_vec()
    }

    /// Reads `tendermint.types.Commit`, in one encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, FormatError> {
        let raw = RawCommit::decode(bytes).map_err(|_| FormatError::Certificate("it does not decode"))?;
        let stock = block::Commit::try_from(raw)
            .map_err(|_| FormatError::Certificate("a field is out of its range"))?;
        let certificate = Self::from_tendermint(&stock)?;
        if certificate.encode() == bytes { Ok(certificate) } else { Err(FormatError::NotCanonical) }
    }

    /// Takes over a stock commit of a canonical chain.
    pub fn from_tendermint(stock: &block::Commit) -> Result<Self, FormatError> {
        let signatures = stock.signatures.iter().map(CommitSignature::from_tendermint);
        Ok(Self {
            height: Height(stock.height.value()),
            round: stock.round.value(),
            block: from_block_id(stock.block_id)?,
            signatures: signatures.collect::<Result<_, _>>()?,
        })
    }
}

impl CommitSignature {
    /// `tendermint.types.CommitSig`: the Merkle leaf.
    pub fn encode(&self) -> Vec<u8> {
        RawCommitSig::from(self.to_tendermint()).encode_to_vec()
    }

    fn to_tendermint(&self) -> block::CommitSig {
        match self {
            Self::Absent => block::CommitSig::BlockIdFlagAbsent,
            Self::Commit { address, time, signature } => block::CommitSig::BlockIdFlagCommit {
                validator_address: account::Id::new(address.0),
                timestamp: to_time(*time),
                signature: tendermint::Signature::new(&signature.0[..]).ok().flatten(),
            },
        }
    }

    fn from_tendermint(stock: &block::CommitSig) -> Result<Self, FormatError> {
        match stock {
            block::CommitSig::BlockIdFlagAbsent => Ok(Self::Absent),
            block::CommitSig::BlockIdFlagNil { .. } => {
                Err(FormatError::Certificate("it holds a vote for nil"))
            }
            block::CommitSig::BlockIdFlagCommit { validator_address, timestamp, signature } => {
                let bytes =
                    signature.as_ref().and_then(|signature| Signature::from_slice(signature.as_bytes()));
                Ok(Self::Commit {
                    address: Address(
                        validator_address
                            .as_bytes()
                            .try_into()
                            .map_err(|_| FormatError::Certificate("an address is not 20 bytes"))?,
                    ),
                    time: from_time(*timestamp)?,
                    signature: bytes.ok_or(FormatError::Certificate("a signature is not 64 bytes"))?,
                })
            }
        }
    }
}

/// Lets a certificate stand as a field of our own messages.
impl crate::wire::Item for Certificate {
    fn write_content(&self, out: &mut Vec<u8>) {
        out.extend(self.encode());
    }

    fn read_content(bytes: &[u8]) -> Result<Self, String> {
        Self::decode(bytes).map_err(|error| error.to_string())
    }
}

crate::required_field!(Certificate);

/// Lets a header stand as a field of our own messages.
impl crate::wire::Item for crate::header::Header {
    fn write_content(&self, out: &mut Vec<u8>) {
        out.extend(self.encode());
    }

    fn read_content(bytes: &[u8]) -> Result<Self, String> {
        Self::decode(bytes).map_err(|error| error.to_string())
    }
}

crate::required_field!(crate::header::Header);

/// Lets a validator set stand as a field of our own messages.
impl crate::wire::Item for crate::validator::ValidatorSet {
    fn write_content(&self, out: &mut Vec<u8>) {
        out.extend(self.encode().expect("a set that exists has an encoding"));
    }

    fn read_content(bytes: &[u8]) -> Result<Self, String> {
        Self::decode(bytes).map_err(|error| error.to_string())
    }
}

crate::required_field!(crate::validator::ValidatorSet);

crate::message! {
    /// A final header with its certificate; byte for byte `tendermint.types.SignedHeader`.
    pub struct SignedHeader {
        /// The header.
        1 => header: crate::header::Header,
        /// Its certificate.
        2 => certificate: Certificate,
    }
}
