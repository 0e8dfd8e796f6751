//! `catenary/peer/v1/peer_service.proto`: what nodes of one chain say to each other.

use super::{bytes, hash, nested, required};
use crate::{Malformed, peer};
use catenary_consensus::{
    Message, PolkaCertificate, PolkaSignature, Proposal, RoundCertificate, RoundCertificateKind,
    RoundSignature, SignedProposal, SignedVote, ValueId, Vote,
};
use catenary_crypto::Signature;
use catenary_replica::{
    FETCH_BLOCKS_MAX, FetchedBlock, Manifest, PeerMessage, PeerTip, SNAPSHOT_CHUNK_BYTES_MAX, SnapshotPart,
};
use catenary_types::{
    Address, Block, Height, Message as _, Timestamp, VoteKind,
    limits::{BLOCK_ENVELOPES_MAX, VALIDATORS_MAX},
};
use peer::frame::Message as Wire;
use std::sync::Arc;

impl From<&PeerMessage> for Wire {
    fn from(message: &PeerMessage) -> Self {
        match message {
            PeerMessage::Consensus(Message::Vote(signed)) => Self::Vote(signed.into()),
            PeerMessage::Consensus(Message::Proposal(signed)) => Self::Proposal(signed.into()),
            PeerMessage::Consensus(Message::Polka(certificate)) => Self::Polka(certificate.into()),
            PeerMessage::Consensus(Message::Round(certificate)) => Self::Round(certificate.into()),
            PeerMessage::Raft(message) => Self::Raft(message.into()),
            PeerMessage::Body(block) => Self::Body(block.encode()),
            PeerMessage::Transactions(envelopes) => {
                Self::Transactions(peer::Transactions { envelopes: envelopes.clone() })
            }
            PeerMessage::Tip(PeerTip { height, app_hash }) => {
                Self::Tip(peer::Tip { height: height.0, app_hash: app_hash.0.to_vec() })
            }
            PeerMessage::Fetch(from) => Self::Fetch(peer::Fetch { from_height: from.0 }),
            PeerMessage::Blocks(blocks) => {
                Self::Blocks(peer::Blocks { blocks: blocks.iter().map(Into::into).collect() })
            }
            PeerMessage::FetchSnapshot(SnapshotPart::Manifest) => {
                Self::FetchSnapshot(peer::FetchSnapshot { chunk: None })
            }
            PeerMessage::FetchSnapshot(SnapshotPart::Chunk { height, index }) => {
                let name = peer::SnapshotChunkName { height: height.0, index: *index };
                Self::FetchSnapshot(peer::FetchSnapshot { chunk: Some(name) })
            }
            PeerMessage::Manifest(manifest) => {
                let manifest = manifest.as_ref().map(|manifest| manifest.encode()).unwrap_or_default();
                Self::SnapshotManifest(peer::SnapshotManifest { manifest })
            }
            PeerMessage::Chunk { height, index, bytes } => {
                let name = peer::SnapshotChunkName { height: height.0, index: *index };
                Self::SnapshotChunk(peer::SnapshotChunk { name: Some(name), chunk: bytes.clone() })
            }
        }
    }
}

impl TryFrom<Wire> for PeerMessage {
    type Error = Malformed;

    fn try_from(message: Wire) -> Result<Self, Malformed> {
        Ok(match message {
            Wire::Vote(vote) => Self::Consensus(Message::Vote((&vote).try_into()?)),
            Wire::Proposal(proposal) => Self::Consensus(Message::Proposal((&proposal).try_into()?)),
            Wire::Polka(certificate) => Self::Consensus(Message::Polka((&certificate).try_into()?)),
            Wire::Round(certificate) => Self::Consensus(Message::Round((&certificate).try_into()?)),
            Wire::Raft(message) => {
                Self::Raft(message.try_into().map_err(|error: Malformed| error.within("raft"))?)
            }
            Wire::Body(bytes) => Self::Body(block("body", &bytes)?),
            Wire::Transactions(peer::Transactions { envelopes }) => {
                at_most("transactions.envelopes", BLOCK_ENVELOPES_MAX, &envelopes)?;
                Self::Transactions(envelopes)
            }
            Wire::Tip(tip) => {
                let app_hash = hash("tip.app_hash", &tip.app_hash)?;
                Self::Tip(PeerTip { height: Height(tip.height), app_hash })
            }
            Wire::Fetch(fetch) => Self::Fetch(Height(fetch.from_height)),
            Wire::Blocks(peer::Blocks { blocks }) => {
                at_most("blocks.blocks", FETCH_BLOCKS_MAX, &blocks)?;
                Self::Blocks(blocks.iter().map(TryInto::try_into).collect::<Result<_, _>>()?)
            }
            Wire::FetchSnapshot(fetch) => {
                let part = fetch.chunk.map_or(SnapshotPart::Manifest, |name| SnapshotPart::Chunk {
                    height: Height(name.height),
                    index: name.index,
                });
                Self::FetchSnapshot(part)
            }
            Wire::SnapshotManifest(peer::SnapshotManifest { manifest }) if manifest.is_empty() => {
                Self::Manifest(None)
            }
            Wire::SnapshotManifest(peer::SnapshotManifest { manifest }) => {
                let read = Manifest::read(&manifest);
                let malformed = |error| Malformed::new("snapshot_manifest.manifest", error);
                Self::Manifest(Some(Arc::new(read.map_err(malformed)?)))
            }
            Wire::SnapshotChunk(peer::SnapshotChunk { name, chunk }) => {
                at_most("snapshot_chunk.chunk", SNAPSHOT_CHUNK_BYTES_MAX, &chunk)?;
                let name = required("snapshot_chunk.name", name)?;
                Self::Chunk { height: Height(name.height), index: name.index, bytes: chunk }
            }
        })
    }
}

pub(super) fn block(field: &str, bytes: &[u8]) -> Result<Arc<Block>, Malformed> {
    Block::decode(bytes).map(Arc::new).map_err(|error| Malformed::new(field, error))
}

pub(super) fn at_most<T>(field: &str, limit: usize, items: &[T]) -> Result<(), Malformed> {
    let actual = items.len();
    if actual <= limit {
        return Ok(());
    }
    Err(Malformed::new(field, format!("expected at most {limit}, got {actual}")))
}

pub(super) fn address(field: &str, value: &[u8]) -> Result<Address, Malformed> {
    bytes(field, value).map(Address)
}

fn signature(field: &str, value: &[u8]) -> Result<Signature, Malformed> {
    bytes(field, value).map(Signature)
}

impl From<VoteKind> for peer::VoteKind {
    fn from(kind: VoteKind) -> Self {
        match kind {
            VoteKind::Prevote => Self::Prevote,
            VoteKind::Precommit => Self::Precommit,
        }
    }
}

fn vote_kind(number: i32) -> Result<VoteKind, Malformed> {
    match peer::VoteKind::try_from(number) {
        Ok(peer::VoteKind::Prevote) => Ok(VoteKind::Prevote),
        Ok(peer::VoteKind::Precommit) => Ok(VoteKind::Precommit),
        Ok(peer::VoteKind::Unspecified) | Err(_) => {
            Err(Malformed::new("kind", format!("expected a vote kind of 1 or 2, got {number}")))
        }
    }
}

impl From<&ValueId> for peer::Value {
    fn from(value: &ValueId) -> Self {
        Self { block: value.block.0.to_vec(), time: value.time.0 }
    }
}

impl TryFrom<&peer::Value> for ValueId {
    type Error = Malformed;

    fn try_from(value: &peer::Value) -> Result<Self, Malformed> {
        Ok(Self { block: hash("block", &value.block)?, time: Timestamp(value.time) })
    }
}

fn value_or_nil(value: &Option<peer::Value>) -> Result<Option<ValueId>, Malformed> {
    value.as_ref().map(ValueId::try_from).transpose().map_err(|error| error.within("value"))
}

impl From<&SignedVote> for peer::Vote {
    fn from(SignedVote { vote, signature }: &SignedVote) -> Self {
        Self {
            kind: peer::VoteKind::from(vote.kind).into(),
            height: vote.height.0,
            round: vote.round,
            value: vote.value.as_ref().map(Into::into),
            validator: vote.validator.0.to_vec(),
            signature: signature.0.to_vec(),
        }
    }
}

impl TryFrom<&peer::Vote> for SignedVote {
    type Error = Malformed;

    fn try_from(vote: &peer::Vote) -> Result<Self, Malformed> {
        let signature = signature("signature", &vote.signature)?;
        let vote = Vote {
            kind: vote_kind(vote.kind)?,
            height: Height(vote.height),
            round: vote.round,
            value: value_or_nil(&vote.value)?,
            validator: address("validator", &vote.validator)?,
        };
        Ok(Self { vote, signature })
    }
}

impl From<&SignedProposal> for peer::Proposal {
    fn from(SignedProposal { proposal, signature }: &SignedProposal) -> Self {
        Self {
            height: proposal.height.0,
            round: proposal.round,
            pol_round_plus_one: proposal.pol_round.map_or(0, |round| round.saturating_add(1)),
            value: Some((&proposal.value).into()),
            proposer: proposal.proposer.0.to_vec(),
            signature: signature.0.to_vec(),
        }
    }
}

impl TryFrom<&peer::Proposal> for SignedProposal {
    type Error = Malformed;

    fn try_from(proposal: &peer::Proposal) -> Result<Self, Malformed> {
        let signature = signature("signature", &proposal.signature)?;
        let proposal = Proposal {
            height: Height(proposal.height),
            round: proposal.round,
            pol_round: proposal.pol_round_plus_one.checked_sub(1),
            value: nested("value", &proposal.value)?,
            proposer: address("proposer", &proposal.proposer)?,
        };
        Ok(Self { proposal, signature })
    }
}

impl From<&PolkaCertificate> for peer::PolkaCertificate {
    fn from(certificate: &PolkaCertificate) -> Self {
        let signature = |entry: &PolkaSignature| peer::PolkaSignature {
            validator: entry.validator.0.to_vec(),
            signature: entry.signature.0.to_vec(),
        };
        Self {
            height: certificate.height.0,
            round: certificate.round,
            value: Some((&certificate.value).into()),
            signatures: certificate.signatures.iter().map(signature).collect(),
        }
    }
}

impl TryFrom<&peer::PolkaCertificate> for PolkaCertificate {
    type Error = Malformed;

    fn try_from(certificate: &peer::PolkaCertificate) -> Result<Self, Malformed> {
        at_most("signatures", VALIDATORS_MAX, &certificate.signatures)?;
        let entry = |entry: &peer::PolkaSignature| {
            Ok(PolkaSignature {
                validator: address("signatures.validator", &entry.validator)?,
                signature: signature("signatures.signature", &entry.signature)?,
            })
        };
        Ok(Self {
            height: Height(certificate.height),
            round: certificate.round,
            value: nested("value", &certificate.value)?,
            signatures: certificate.signatures.iter().map(entry).collect::<Result<_, _>>()?,
        })
    }
}

impl From<RoundCertificateKind> for peer::RoundCertificateKind {
    fn from(kind: RoundCertificateKind) -> Self {
        match kind {
            RoundCertificateKind::Skip => Self::Skip,
            RoundCertificateKind::Precommit => Self::Precommit,
        }
    }
}

impl From<&RoundCertificate> for peer::RoundCertificate {
    fn from(certificate: &RoundCertificate) -> Self {
        let signature = |entry: &RoundSignature| peer::RoundSignature {
            kind: peer::VoteKind::from(entry.kind).into(),
            value: entry.value.as_ref().map(Into::into),
            validator: entry.validator.0.to_vec(),
            signature: entry.signature.0.to_vec(),
        };
        Self {
            height: certificate.height.0,
            round: certificate.round,
            kind: peer::RoundCertificateKind::from(certificate.kind).into(),
            signatures: certificate.signatures.iter().map(signature).collect(),
        }
    }
}

impl TryFrom<&peer::RoundCertificate> for RoundCertificate {
    type Error = Malformed;

    fn try_from(certificate: &peer::RoundCertificate) -> Result<Self, Malformed> {
        // A member may be in it with a vote of each kind.
        at_most("signatures", 2 * VALIDATORS_MAX, &certificate.signatures)?;
        let kind = match peer::RoundCertificateKind::try_from(certificate.kind) {
            Ok(peer::RoundCertificateKind::Skip) => RoundCertificateKind::Skip,
            Ok(peer::RoundCertificateKind::Precommit) => RoundCertificateKind::Precommit,
            Ok(peer::RoundCertificateKind::Unspecified) | Err(_) => {
                let reason = format!("expected a certificate kind of 1 or 2, got {}", certificate.kind);
                return Err(Malformed::new("kind", reason));
            }
        };
        let entry = |entry: &peer::RoundSignature| {
            Ok(RoundSignature {
                kind: vote_kind(entry.kind)?,
                value: value_or_nil(&entry.value)?,
                validator: address("signatures.validator", &entry.validator)?,
                signature: signature("signatures.signature", &entry.signature)?,
            })
        };
        Ok(Self {
            height: Height(certificate.height),
            round: certificate.round,
            kind,
            signatures: certificate.signatures.iter().map(entry).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&FetchedBlock> for peer::CertifiedBlock {
    fn from(FetchedBlock { block, certificate }: &FetchedBlock) -> Self {
        Self { block: block.encode(), certificate: Some(certificate.into()) }
    }
}

impl TryFrom<&peer::CertifiedBlock> for FetchedBlock {
    type Error = Malformed;

    fn try_from(fetched: &peer::CertifiedBlock) -> Result<Self, Malformed> {
        let certificate = required("certificate", fetched.certificate.as_ref())?;
        let certificate = certificate.try_into().map_err(|error: Malformed| error.within("certificate"))?;
        Ok(Self { block: block("block", &fetched.block)?, certificate })
    }
}
