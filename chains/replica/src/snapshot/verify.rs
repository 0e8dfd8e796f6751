//! Why to believe a snapshot: from the genesis to the root of its content, with nobody's word in between.

use super::{Manifest, Snapshot, content::Content};
use crate::{
    limits::{SNAPSHOT_CHUNK_BYTES_MAX, SNAPSHOT_CHUNKS_MAX, SNAPSHOT_TRAIL_MAX},
    tip::{Tip, TipBlock},
};
use catenary_crypto::Hash;
use catenary_ledger::{State, records::ReadRecords};
use catenary_types::{
    Block, CertificateError, ChainId, FormatError, Genesis, Header, Height, Parameters, SignedHeader,
    ValidatorSet,
};
use std::{str::FromStr, sync::Arc};

/// What a verifier knows beforehand: the genesis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Anchor {
    chain_id: ChainId,
    /// The set of the first heights.
    validators: Arc<ValidatorSet>,
    /// The quorum stands in them, and never changes.
    parameters: Parameters,
}

/// A header that the operator knows from elsewhere to be the chain's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pin {
    /// Its height.
    pub height: Height,
    /// Its hash.
    pub hash: Hash,
}

/// A manifest whose headers are the chain's. Its chunks may still be anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedManifest {
    manifest: Manifest,
    /// The set of H.
    validators: Arc<ValidatorSet>,
}

/// Why a snapshot is refused. Whoever made or sent it is at fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SnapshotError {
    /// Another version of the format.
    #[error("the snapshot has format {actual}, this build reads {expected}")]
    Version {
        /// The one that this code reads.
        expected: u32,
        /// The one found.
        actual: u64,
    },
    /// A part does not decode, is cut off, or is not the one that the manifest lists.
    #[error("{part}: {reason}")]
    Malformed {
        /// Which.
        part: String,
        /// What is wrong.
        reason: String,
    },
    /// More of something than a snapshot may have.
    #[error("{actual} {what}, at most {limit} are allowed")]
    TooMuch {
        /// Of what.
        what: &'static str,
        /// The limit.
        limit: u64,
        /// How much there is.
        actual: u64,
    },
    /// It is of another chain.
    #[error("expected a snapshot of {expected}, got one of {actual}")]
    Chain {
        /// The chain.
        expected: ChainId,
        /// The one that a header names.
        actual: ChainId,
    },
    /// Its headers do not follow each other.
    #[error("header {height} does not follow from the one before it in the snapshot")]
    Order {
        /// The later one.
        height: Height,
    },
    /// A header is not signed by a quorum of the set that signs there.
    #[error("header {height}: {error}")]
    Certificate {
        /// Which.
        height: Height,
        /// What is wrong.
        error: CertificateError,
    },
    /// A set is not the one that the header before announces.
    #[error("the set after header {height} has hash {actual}, the header announces {expected}")]
    Set {
        /// The header.
        height: Height,
        /// Hash in the header.
        expected: Hash,
        /// Hash of the set.
        actual: Hash,
    },
    /// The content has another root than header H+1 says.
    #[error("the content has root {actual}, header {height} says {expected}")]
    Root {
        /// H+1.
        height: Height,
        /// In the header.
        expected: Hash,
        /// Of the content.
        actual: Hash,
    },
    /// The content is none that a chain has.
    #[error("the content is no state: {0}")]
    Content(String),
    /// It does not have the header that the operator trusts.
    #[error("the trusted header {height} has hash {expected}, the snapshot has {}", found(*actual))]
    Pin {
        /// Its height.
        height: Height,
        /// The trusted hash.
        expected: Hash,
        /// What the snapshot has there; none if it does not carry that header.
        actual: Option<Hash>,
    },
}

fn found(actual: Option<Hash>) -> String {
    actual.map_or_else(|| "no header of that height".into(), |hash| hash.to_string())
}

impl Anchor {
    /// What a genesis document tells; an error if it starts no chain.
    pub fn of(genesis: &Genesis) -> Result<Self, FormatError> {
        Ok(Self {
            chain_id: genesis.chain_id().map_err(|_| FormatError::Header("the genesis makes no chain id"))?,
            validators: Arc::new(ValidatorSet::new(genesis.validators.clone())?),
            parameters: genesis.parameters.clone(),
        })
    }

    /// What a tip at height 0 tells.
    pub(crate) fn at(tip: &Tip) -> Self {
        assert_eq!(tip.height, Height(0), "only the genesis needs no proof");
        Self {
            chain_id: tip.chain_id.clone(),
            validators: tip.next_validators.clone(),
            parameters: tip.parameters.clone(),
        }
    }
}

impl Manifest {
    /// Walks from the genesis to header H+1.
    pub fn verify(self, anchor: &Anchor, pin: Option<Pin>) -> Result<VerifiedManifest, SnapshotError> {
        self.check_limits()?;
        self.check_links(&anchor.chain_id)?;
        let mut set = &*anchor.validators;
        let mut last = Height(0);
        for change in &self.trail {
            let header = &change.signed.header;
            if header.height <= last || header.height >= self.height() {
                return Err(SnapshotError::Order { height: header.height });
            }
            check_signed(&change.signed, set, anchor)?;
            check_announced(header, &change.validators)?;
            (set, last) = (&change.validators, header.height);
        }
        check_signed(&self.at, set, anchor)?;
        check_announced(&self.at.header, &self.next_validators)?;
        check_signed(&self.after, &self.next_validators, anchor)?;
        if let Some(pin) = pin {
            self.check_pin(pin)?;
        }
        let validators = Arc::new(set.clone());
        Ok(VerifiedManifest { manifest: self, validators })
    }

    fn check_limits(&self) -> Result<(), SnapshotError> {
        let within = |what, limit: usize, actual: u64| {
            let limit = limit as u64;
            if actual <= limit { Ok(()) } else { Err(SnapshotError::TooMuch { what, limit, actual }) }
        };
        within("changes of the set", SNAPSHOT_TRAIL_MAX, self.trail.len() as u64)?;
        within("chunks", SNAPSHOT_CHUNKS_MAX, self.chunks.len() as u64)?;
        let longest = self.chunks.iter().map(|chunk| chunk.bytes).max().unwrap_or_default();
        within("bytes of a chunk", SNAPSHOT_CHUNK_BYTES_MAX, longest.into())
    }

    fn check_links(&self, chain_id: &ChainId) -> Result<(), SnapshotError> {
        let (before, at, after) = (&self.before, &self.at.header, &self.after.header);
        let foreign = [before, at, after].into_iter().find(|header| header.chain_id != *chain_id);
        if let Some(header) = foreign {
            return Err(SnapshotError::Chain { expected: chain_id.clone(), actual: header.chain_id.clone() });
        }
        for (header, next) in [(before, at), (at, after)] {
            if next.height != header.height.next() || next.last_block != Some(header.hash()) {
                return Err(SnapshotError::Order { height: next.height });
            }
        }
        Ok(())
    }

    fn check_pin(&self, Pin { height, hash }: Pin) -> Result<(), SnapshotError> {
        let near = [&self.before, &self.at.header, &self.after.header];
        let trail = self.trail.iter().map(|change| &change.signed.header);
        let found = near.into_iter().chain(trail).find(|header| header.height == height).map(Header::hash);
        if found == Some(hash) {
            return Ok(());
        }
        Err(SnapshotError::Pin { height, expected: hash, actual: found })
    }
}

fn check_signed(signed: &SignedHeader, set: &ValidatorSet, anchor: &Anchor) -> Result<(), SnapshotError> {
    let (height, named) = (signed.header.height, &signed.header.chain_id);
    if *named != anchor.chain_id {
        return Err(SnapshotError::Chain { expected: anchor.chain_id.clone(), actual: named.clone() });
    }
    let verified = signed.verify(set, &anchor.parameters);
    verified.map_err(|error| SnapshotError::Certificate { height, error })
}

fn check_announced(header: &Header, set: &ValidatorSet) -> Result<(), SnapshotError> {
    let (expected, actual) = (header.next_validators_hash, set.hash());
    if expected == actual {
        return Ok(());
    }
    Err(SnapshotError::Set { height: header.height, expected, actual })
}

impl VerifiedManifest {
    /// The manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The state and the tip after H, if these chunks have the root that header H+1 names.
    pub fn open(&self, chunks: &[Vec<u8>]) -> Result<(State, Tip), SnapshotError> {
        let (after, height) = (&self.manifest.after.header, self.manifest.height());
        let (content, replay) = Content::read(&self.manifest, chunks)?.into_parts();
        let no_state = |reason: String| SnapshotError::Content(reason);
        let state =
            State::try_restore(height, content, replay).map_err(|error| no_state(error.to_string()))?;
        let (expected, actual) = (after.app_hash, state.app_hash());
        if expected != actual {
            return Err(SnapshotError::Root { height: after.height, expected, actual });
        }
        let tip = self.tip(&state).map_err(|error| no_state(error.to_string()))?;
        // What the header says beyond the root: parameters, the set after it, its own links.
        let body = (after.last_commit_hash, after.data_hash);
        if tip.next_header_over(body, after.time, after.proposer) != *after {
            return Err(SnapshotError::Order { height: after.height });
        }
        Ok((state, tip))
    }

    /// All of the snapshot, if the chunks are right.
    pub(crate) fn with(self: Arc<Self>, chunks: Vec<Vec<u8>>) -> Result<Snapshot, SnapshotError> {
        self.open(&chunks)?;
        Ok(Snapshot { manifest: self, chunks })
    }

    fn tip(&self, state: &State) -> Result<Tip, FormatError> {
        let Manifest { before, at, after, next_validators, .. } = &self.manifest;
        Ok(Tip {
            chain_id: at.header.chain_id.clone(),
            height: at.header.height,
            time: at.header.time,
            time_before: before.time,
            block: Some(TipBlock {
                hash: at.certificate.block,
                certificate: at.certificate.clone(),
                proposer: at.header.proposer,
            }),
            empty: at.header.data_hash == Block::data_hash::<Vec<u8>>(&[]),
            validators: self.validators.clone(),
            next_validators: Arc::new(next_validators.clone()),
            after_next_validators: Arc::new(ValidatorSet::new(state.validators())?),
            parameters: state.parameters(),
            app_hash: state.app_hash(),
            results_hash: after.header.last_results_hash,
        })
    }
}

/// What a [`Pin`] is written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected HEIGHT:HASH, a header's height and its hash as 64 hexadecimal digits")]
pub struct InvalidPin;

impl FromStr for Pin {
    type Err = InvalidPin;

    fn from_str(text: &str) -> Result<Self, InvalidPin> {
        let (height, hash) = text.split_once(':').ok_or(InvalidPin)?;
        let digits = hash.as_bytes();
        let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(*pair.get(1)?)?);
        let bytes: Option<Vec<u8>> = digits.chunks(2).map(pair).collect();
        let hash = bytes.and_then(|bytes| Hash::from_slice(&bytes)).ok_or(InvalidPin)?;
        Ok(Self { height: Height(height.parse().map_err(|_| InvalidPin)?), hash })
    }
}
