//! The key and its guard: what was once signed is never contradicted.
//!
//! The guard is one mark, the highest (height, round, step) ever signed with the digest of what was signed there. It
//! refuses everything at or below the mark but the very same message. The journal holds every own message too; the mark
//! is the second copy, kept by the shell in a file of its own, flushed together with the journal and never lowered.

use catenary_crypto::{Hash, PublicKey, Signature, SigningKey, sha256};
use catenary_types::{Address, Height, VoteKind};

/// What a validator signs in a round, in the order it does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum SignedStep {
    /// The leader's proposal.
    Proposal,
    /// The first vote.
    Prevote,
    /// The second vote.
    Precommit,
}

impl From<VoteKind> for SignedStep {
    fn from(kind: VoteKind) -> Self {
        match kind {
            VoteKind::Prevote => Self::Prevote,
            VoteKind::Precommit => Self::Precommit,
        }
    }
}

/// One signed message: where it stands and what it said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Its height.
    pub height: Height,
    /// Its round.
    pub round: u32,
    /// Its step.
    pub step: SignedStep,
    /// SHA-256 of its sign-bytes.
    pub digest: Hash,
}

impl Mark {
    /// Bytes of an encoded mark.
    pub const LEN: usize = 8 + 4 + 1 + 32;

    /// The mark of a message with these sign-bytes.
    pub fn new(height: Height, round: u32, step: SignedStep, sign_bytes: &[u8]) -> Self {
        Self { height, round, step, digest: sha256(sign_bytes) }
    }

    /// A mark above everything of a height: nothing up to it is ever signed again.
    pub fn end_of(height: Height) -> Self {
        Self { height, round: u32::MAX, step: SignedStep::Precommit, digest: Hash::default() }
    }

    /// A mark that says that marks were lost: above this height the key may have signed anything. What lifts it is
    /// [`Mark::end_of`] that height or a later one.
    pub fn forgotten(height: Height) -> Self {
        Self { round: u32::MAX - 1, ..Self::end_of(height) }
    }

    /// Whether the mark lifts every [`Mark::forgotten`] of its height and below.
    pub fn is_end(&self) -> bool {
        *self == Self::end_of(self.height)
    }

    /// Whether the mark says that marks were lost. No round of a signature is that high.
    pub fn is_forgotten(&self) -> bool {
        *self == Self::forgotten(self.height)
    }

    /// The mark of a key that has signed nothing.
    pub fn nothing() -> Self {
        Self { height: Height(0), round: 0, step: SignedStep::Proposal, digest: Hash::default() }
    }

    /// Fixed-size bytes for the guard's file: height, round, step, digest, numbers big-endian.
    pub fn encode(&self) -> [u8; Self::LEN] {
        let mut bytes = [0; Self::LEN];
        bytes[..8].copy_from_slice(&self.height.0.to_be_bytes());
        bytes[8..12].copy_from_slice(&self.round.to_be_bytes());
        bytes[12] = self.step as u8;
        bytes[13..].copy_from_slice(&self.digest.0);
        bytes
    }

    /// Reads what [`Mark::encode`] wrote; none if the step is unknown.
    pub fn decode(bytes: &[u8; Self::LEN]) -> Option<Self> {
        let (height, rest) = bytes.split_first_chunk()?;
        let (round, rest) = rest.split_first_chunk()?;
        let (step, digest) = rest.split_first()?;
        let steps = [SignedStep::Proposal, SignedStep::Prevote, SignedStep::Precommit];
        Some(Self {
            height: Height(u64::from_be_bytes(*height)),
            round: u32::from_be_bytes(*round),
            step: steps.into_iter().find(|known| *known as u8 == *step)?,
            digest: Hash::from_slice(digest)?,
        })
    }

    fn position(&self) -> (Height, u32, SignedStep) {
        (self.height, self.round, self.step)
    }

    /// Whether this mark stands above another, or there is no other.
    pub fn is_above(&self, other: Option<&Self>) -> bool {
        other.is_none_or(|other| self.position() > other.position())
    }
}

/// The guard refused to sign: the mark stands at or above what was asked for, and says something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("refused to sign at {asked:?}: already signed up to {signed:?}")]
pub struct Refusal {
    /// What the engine wanted signed.
    pub asked: Mark,
    /// The highest message signed before.
    pub signed: Mark,
}

/// A validator's key under its guard.
#[derive(Debug)]
pub struct Signer {
    key: SigningKey,
    address: Address,
    mark: Option<Mark>,
}

impl Signer {
    /// A key that signed up to `mark` before, as the guard's file says; none if it never signed.
    pub fn new(key: SigningKey, mark: Option<Mark>) -> Self {
        let address = Address::of(&key.public_key());
        Self { key, address, mark }
    }

    /// Whose signatures these are.
    pub fn address(&self) -> Address {
        self.address
    }

    /// The key that they verify under.
    pub fn public_key(&self) -> PublicKey {
        self.key.public_key()
    }

    /// The highest message signed.
    pub fn mark(&self) -> Option<Mark> {
        self.mark
    }

    /// Takes over what another copy remembers; never lowers the mark. What a rest of a lost memory knows does not make it
    /// whole.
    pub(crate) fn adopt(&mut self, mark: Mark) {
        let is_rest = self.mark.is_some_and(|own| own.is_forgotten()) && !mark.is_end();
        let mark = if is_rest { Mark::forgotten(mark.height) } else { mark };
        if mark.is_above(self.mark.as_ref()) {
            self.mark = Some(mark);
        }
    }

    pub(crate) fn sign(
        &mut self,
        height: Height,
        round: u32,
        step: SignedStep,
        message: &[u8],
    ) -> Result<Signature, Refusal> {
        let asked = Mark::new(height, round, step, message);
        match self.mark {
            Some(signed) if !asked.is_above(Some(&signed)) && asked != signed => {
                return Err(Refusal { asked, signed });
            }
            _ => self.mark = Some(asked),
        }
        Ok(self.key.sign(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer() -> Signer {
        Signer::new(SigningKey::from_seed(&[1; 32]), None)
    }

    #[test]
    fn signs_upwards_only_and_the_last_message_again() {
        let mut signer = signer();
        let mut sign =
            |height, round, step, message: &[u8]| signer.sign(Height(height), round, step, message).is_ok();
        assert!(sign(5, 0, SignedStep::Prevote, b"a"));
        assert!(sign(5, 0, SignedStep::Prevote, b"a"), "the same again");
        assert!(!sign(5, 0, SignedStep::Prevote, b"b"), "another one there");
        assert!(!sign(5, 0, SignedStep::Proposal, b"c"), "an earlier step");
        assert!(sign(5, 0, SignedStep::Precommit, b"b"));
        assert!(!sign(5, 0, SignedStep::Prevote, b"a"), "the same, but overtaken");
        assert!(sign(5, 1, SignedStep::Proposal, b"d"));
        assert!(!sign(4, 9, SignedStep::Precommit, b"e"), "an earlier height");
        assert!(sign(6, 0, SignedStep::Proposal, b"f"));
    }

    #[test]
    fn a_signature_again_is_the_same_signature() {
        let mut signer = signer();
        let mut sign = || signer.sign(Height(1), 0, SignedStep::Prevote, b"a");
        assert_eq!(sign(), sign());
    }

    #[test]
    fn adopting_never_lowers_the_mark() {
        let mut signer = signer();
        let high = Mark::new(Height(3), 1, SignedStep::Prevote, b"x");
        signer.adopt(high);
        signer.adopt(Mark::new(Height(3), 0, SignedStep::Precommit, b"y"));
        assert_eq!(signer.mark(), Some(high));
    }

    #[test]
    fn a_lost_memory_stays_lost_until_it_is_lifted() {
        let mut signer = Signer::new(SigningKey::from_seed(&[1; 32]), Some(Mark::forgotten(Height(3))));
        signer.adopt(Mark::new(Height(5), 0, SignedStep::Prevote, b"found in the journal"));
        assert_eq!(signer.mark(), Some(Mark::forgotten(Height(5))));
        signer.adopt(Mark::end_of(Height(5)));
        assert_eq!(signer.mark(), Some(Mark::end_of(Height(5))));
    }

    #[test]
    fn marks_read_back() {
        for step in [SignedStep::Proposal, SignedStep::Prevote, SignedStep::Precommit] {
            let mark = Mark::new(Height(1 << 40), 7, step, b"message");
            assert_eq!(Mark::decode(&mark.encode()), Some(mark));
        }
        assert_eq!(Mark::decode(&[9; Mark::LEN]), None, "no step 9");
    }
}
