//! Blocks that break a rule, as a Byzantine leader builds them: everything else about them is right.

use catenary_crypto::sha256;
use catenary_replica::Tip;
use catenary_types::{Address, Block, Certificate, CommitSignature, Timestamp};
use std::sync::Arc;

/// Which rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spoil {
    /// It names another state.
    StateRoot,
    /// It is no later than the block before.
    Time,
    /// Signatures of the certificate that it carries are for something else.
    LastCertificate,
    /// It carries a certificate of another block.
    OtherCertificate,
    /// Nobody signed one of its transactions.
    Signature,
    /// A transaction of an earlier block stands in it again.
    Repeated,
    /// There is nothing in it, and no occasion for that.
    Empty,
    /// There is more in it than fits.
    TooLarge,
    /// An envelope is none.
    Envelope,
    /// It names another set for the height after.
    NextValidators,
    /// Its envelopes are not those that it names.
    Body,
    /// It says that somebody else built it.
    Builder,
}

impl Spoil {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::StateRoot,
        Self::Time,
        Self::LastCertificate,
        Self::OtherCertificate,
        Self::Signature,
        Self::Repeated,
        Self::Empty,
        Self::TooLarge,
        Self::Envelope,
        Self::NextValidators,
        Self::Body,
        Self::Builder,
    ];

    /// What the report calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::StateRoot => "block with another state",
            Self::Time => "block no later than the last",
            Self::LastCertificate => "block with a forged certificate",
            Self::OtherCertificate => "block with another certificate",
            Self::Signature => "block with a forged transaction",
            Self::Repeated => "block with a repeated transaction",
            Self::Empty => "block with nothing in it",
            Self::TooLarge => "block with too much in it",
            Self::Envelope => "block with an envelope that is none",
            Self::NextValidators => "block with another next set",
            Self::Body => "block with another body",
            Self::Builder => "block in another's name",
        }
    }

    /// The block, spoiled; none if it is no occasion for that. `old` stood in an earlier block.
    pub fn spoil(self, block: &Block, tip: &Tip, old: Option<&Vec<u8>>) -> Option<Arc<Block>> {
        let mut envelopes = block.envelopes.clone();
        let mut carried = block.last_certificate.clone();
        let (mut time, mut builder) = (block.header.time, block.header.proposer);
        match self {
            Self::Time => time = Timestamp(tip.time.0.saturating_sub(1)),
            Self::LastCertificate => forge(carried.as_mut()?),
            Self::OtherCertificate => carried.as_mut()?.block = sha256(b"another block"),
            Self::Signature => *envelopes.first_mut()?.last_mut()? ^= 1,
            Self::Repeated => envelopes.push(old?.clone()),
            Self::Empty => envelopes.clear(),
            Self::TooLarge => envelopes = vec![envelopes.first()?.clone(); 2_000],
            Self::Envelope => envelopes.push(b"no envelope".to_vec()),
            Self::Builder => builder = Address([7; 20]),
            // So that nobody else, and no twin, can have the right body.
            Self::Body => time.0 += 1,
            Self::StateRoot | Self::NextValidators => {}
        }
        let mut header = tip.next_header_on(carried.as_ref(), time, builder, &envelopes);
        match self {
            Self::StateRoot => header.app_hash = sha256(b"another state"),
            Self::NextValidators => header.next_validators_hash = sha256(b"another set"),
            Self::Body => envelopes.push(old?.clone()),
            _ => {}
        }
        Some(Arc::new(Block { header, last_certificate: carried, envelopes }))
    }
}

/// Its first signature is for something else.
fn forge(certificate: &mut Certificate) {
    let signed = certificate.signatures.iter_mut().find_map(|entry| match entry {
        CommitSignature::Commit { signature, .. } => Some(signature),
        CommitSignature::Absent => None,
    });
    if let Some(signature) = signed {
        signature.0[0] ^= 1;
    }
}
