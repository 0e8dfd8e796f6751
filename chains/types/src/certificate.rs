//! The certificate: precommits of more than two thirds of the power, in the set's order.

use crate::{
    header::{FormatError, from_block_id, from_time, to_block_height, to_block_id, to_time},
    ids::{Address, ChainId},
    parameters::Parameters,
    sign_bytes::{self, VoteKind},
    time::{Height, Timestamp},
    validator::ValidatorSet,
};
use catenary_crypto::{Hash, Signature, VerificationItem, merkle_root, sha256_parts, verify_batch};
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

/// Why a certificate proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CertificateError {
    /// It is of another height or block than the header.
    #[error("the certificate is of another block than the header")]
    Block,
    /// The header names another set.
    #[error("the header is not one that this validator set signs")]
    Validators,
    /// Not one entry per validator.
    #[error("expected {expected} entries, one per validator, got {actual}")]
    Length {
        /// Size of the set.
        expected: usize,
        /// Entries.
        actual: usize,
    },
    /// An entry names another validator than the set does, or another time than the header.
    #[error("entry {index} is not of the validator at its place, or not of the header's time")]
    Entry {
        /// Which.
        index: usize,
    },
    /// A signature does not verify.
    #[error("the signature of entry {index} does not verify")]
    Signature {
        /// Which.
        index: usize,
    },
    /// Too little power signed.
    #[error("signatures carry {actual} of {total} power, more than {numerator}/{denominator} is needed")]
    Power {
        /// Power that signed.
        actual: u64,
        /// Power of the set.
        total: u64,
        /// Of the quorum.
        numerator: u64,
        /// Of the quorum.
        denominator: u64,
    },
}

impl Certificate {
    /// Checks that a quorum of the set signed the block that this certificate names, at this time, in the set's order.
    /// Which header the block is, and whether the set is the right one, the caller knows; see
    /// [`SignedHeader::verify`].
    pub fn verify(
        &self,
        chain_id: &ChainId,
        validators: &ValidatorSet,
        parameters: &Parameters,
        time: Timestamp,
    ) -> Result<(), CertificateError> {
        let (expected, actual) = (validators.validators().len(), self.signatures.len());
        if expected != actual {
            return Err(CertificateError::Length { expected, actual });
        }
        let (kind, block) = (VoteKind::Precommit, Some(self.block));
        let message = sign_bytes::vote(chain_id, kind, self.height, self.round, block, time);
        let mut signed = Vec::new();
        let mut power = 0;
        for (index, entry) in self.signatures.iter().enumerate() {
            let CommitSignature::Commit { address, time: voted, signature } = entry else { continue };
            if *address != validators.addresses()[index] || *voted != time {
                return Err(CertificateError::Entry { index });
            }
            let validator = &validators.validators()[index];
            power += validator.power;
            let key = validator.public_key;
            signed.push((index, VerificationItem { key, message: &message, signature: *signature }));
        }
        let (numerator, denominator) = (parameters.quorum_numerator, parameters.quorum_denominator);
        let total = validators.total_power();
        if !parameters.is_quorum(power, total) {
            return Err(CertificateError::Power { actual: power, total, numerator, denominator });
        }
        let items: Vec<_> = signed.iter().map(|(_, item)| *item).collect();
        let seed = sha256_parts(&[&self.encode()]).0;
        let results = verify_batch(&items, seed);
        match results.iter().position(Result::is_err) {
            None => Ok(()),
            Some(at) => Err(CertificateError::Signature { index: signed[at].0 }),
        }
    }

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
            signatures: self.signatures.iter().map(|signature| signature.to_tendermint()).collect(),
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

    fn to_tendermint(self) -> block::CommitSig {
        match self {
            Self::Absent => block::CommitSig::BlockIdFlagAbsent,
            Self::Commit { address, time, signature } => block::CommitSig::BlockIdFlagCommit {
                validator_address: account::Id::new(address.0),
                timestamp: to_time(time),
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

impl SignedHeader {
    /// Checks that the header is final: the set is the one that it names, and a quorum of it signed this very header.
    /// Whether the set may sign for this chain, the caller knows.
    pub fn verify(&self, validators: &ValidatorSet, parameters: &Parameters) -> Result<(), CertificateError> {
        let Self { header, certificate } = self;
        if header.validators_hash != validators.hash() {
            return Err(CertificateError::Validators);
        }
        if certificate.height != header.height || certificate.block != header.hash() {
            return Err(CertificateError::Block);
        }
        certificate.verify(&header.chain_id, validators, parameters, header.time)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{header::Header, testing::certify, validator::Validator};
    use catenary_crypto::{SigningKey, empty_root};

    fn key(index: u8) -> SigningKey {
        SigningKey::from_seed(&[index; 32])
    }

    fn set(members: u8) -> ValidatorSet {
        let member = |index| Validator { public_key: key(index).public_key(), power: 10 };
        ValidatorSet::new((0..members).map(member).collect()).unwrap()
    }

    /// A header of four validators, signed by all but the absent.
    fn signed(absent: &[usize]) -> SignedHeader {
        let set = set(4);
        let header = Header {
            protocol_version: 1,
            chain_id: "berka-0123456789abcdef-1".parse().unwrap(),
            height: Height(7),
            time: Timestamp(1_800_000_000_000_000_000),
            last_block: Some(empty_root()),
            last_commit_hash: empty_root(),
            data_hash: empty_root(),
            validators_hash: set.hash(),
            next_validators_hash: set.hash(),
            consensus_hash: empty_root(),
            app_hash: empty_root(),
            last_results_hash: empty_root(),
            proposer: set.addresses()[0],
        };
        let certificate = certify(&header, &set, 0, absent, (0..4).map(key));
        SignedHeader { header, certificate }
    }

    fn verify(signed: &SignedHeader) -> Result<(), CertificateError> {
        signed.verify(&set(4), &Parameters::for_group_of(4))
    }

    #[test]
    fn a_quorum_of_the_named_set_makes_a_header_final() {
        assert_eq!(verify(&signed(&[])), Ok(()));
        assert_eq!(verify(&signed(&[2])), Ok(()));
        let power = CertificateError::Power { actual: 20, total: 40, numerator: 2, denominator: 3 };
        assert_eq!(verify(&signed(&[0, 3])), Err(power));
        let other = signed(&[]).verify(&set(5), &Parameters::for_group_of(5));
        assert_eq!(other, Err(CertificateError::Validators));
    }

    #[test]
    fn a_certificate_proves_its_own_block_alone() {
        let mut other = signed(&[]);
        other.header.app_hash = Hash([1; 32]);
        assert_eq!(verify(&other), Err(CertificateError::Block));
        other.certificate.block = other.header.hash();
        assert_eq!(verify(&other), Err(CertificateError::Signature { index: 0 }));
        let mut other = signed(&[]);
        other.certificate.height = Height(8);
        assert_eq!(verify(&other), Err(CertificateError::Block));
    }

    #[test]
    fn entries_stand_in_the_order_of_the_set() {
        let mut swapped = signed(&[]);
        swapped.certificate.signatures.swap(1, 2);
        assert_eq!(verify(&swapped), Err(CertificateError::Entry { index: 1 }));
        let mut short = signed(&[]);
        short.certificate.signatures.pop();
        assert_eq!(verify(&short), Err(CertificateError::Length { expected: 4, actual: 3 }));
    }
}
