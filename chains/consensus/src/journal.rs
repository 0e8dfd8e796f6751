//! Journal records: what the engine consumed, byte for byte, so that a restarted node stands where it stood.
//!
//! Exactly five inputs are recorded: own and received votes, proposals, the three timeouts, judged values, and polka
//! certificates. Received votes restore the lock; without them a restarted validator forgets it and two blocks can be
//! decided.
//!
//! One record is a tag byte and fixed fields, numbers big-endian; what may be missing is preceded by 0 or 1. There is one
//! encoding per record, and only that one is read.
//!
//! ```text
//! 01 vote      kind(1) round(4) value? validator(20) signature(64)
//! 02 proposal  round(4) pol_round? value proposer(20) signature(64) arrival(8)
//! 03 timeout   step(1) round(4)
//! 04 judged    round(4) value builder(20) judgement(1) origin(1)
//! 05 polka     round(4) value count(2) { validator(20) signature(64) }
//!              value = block(32) time(8)
//! ```

use crate::message::{
    PolkaCertificate, PolkaSignature, Proposal, ROUND_LIMIT, SignedProposal, SignedVote, ValueId, Vote,
};
use crate::timeliness::Judgement;
use catenary_crypto::{Hash, Signature};
use catenary_failpoint::Failpoint;
use catenary_types::{Address, Height, Timestamp, VoteKind};

/// One record of the journal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Record {
    /// Height it belongs to. Records of decided heights are of no use once the block is on disk.
    pub height: Height,
    /// The encoded [`Entry`].
    pub bytes: Vec<u8>,
}

impl Record {
    /// Where a node dies that is about to append this record, which its own machine made. `own` is its validator.
    pub fn failpoint(&self, own: Option<Address>) -> Failpoint {
        match Entry::read(self).expect("a machine's records read back") {
            Entry::Vote(signed) if Some(signed.vote.validator) == own => Failpoint::AppendOwnVote,
            Entry::Vote(_) => Failpoint::AppendReceivedVote,
            Entry::Proposal { .. } => Failpoint::AppendProposal,
            Entry::Timeout { .. } => Failpoint::AppendTimeout,
            Entry::Judged { .. } => Failpoint::AppendJudgement,
            Entry::Polka(_) => Failpoint::AppendPolka,
        }
    }
}

/// The steps that time out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimeoutStep {
    /// Waiting for a proposal.
    Propose,
    /// Waiting for prevotes.
    Prevote,
    /// Waiting for precommits.
    Precommit,
}

/// How a value came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// As a proposal of a running round.
    Consensus,
    /// With its certificate, from a peer that is ahead.
    Sync,
}

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// A vote, own or received.
    Vote(SignedVote),
    /// A proposal, own or received.
    Proposal {
        /// It.
        signed: SignedProposal,
        /// This node's clock when it came in.
        arrival: Timestamp,
    },
    /// A timer ended.
    Timeout {
        /// Which.
        step: TimeoutStep,
        /// Of which round.
        round: u32,
    },
    /// A value was judged.
    Judged {
        /// Round that the engine files it under.
        round: u32,
        /// The value.
        value: ValueId,
        /// Who built it.
        builder: Address,
        /// What the engine was told.
        judgement: Judgement,
        /// How it came in.
        origin: Origin,
    },
    /// A quorum of prevotes came in as one.
    Polka(PolkaCertificate),
}

/// Bytes that are no record. The journal is this node's own, so its checksums should have caught it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The record ends inside a field.
    #[error("the record ends inside a field")]
    Truncated,
    /// Bytes follow the last field.
    #[error("{extra} bytes follow the last field")]
    Trailing {
        /// How many.
        extra: usize,
    },
    /// A byte has a meaning for no version known here.
    #[error("byte {byte:#04x} is no {expected}")]
    Unknown {
        /// What was expected.
        expected: &'static str,
        /// What stands there.
        byte: u8,
    },
    /// The round does not fit the canonical encodings.
    #[error("round {round} is out of range")]
    Round {
        /// It.
        round: u32,
    },
}

const TAG_VOTE: u8 = 1;
const TAG_PROPOSAL: u8 = 2;
const TAG_TIMEOUT: u8 = 3;
const TAG_JUDGED: u8 = 4;
const TAG_POLKA: u8 = 5;

const VOTE_KINDS: [VoteKind; 2] = [VoteKind::Prevote, VoteKind::Precommit];
const STEPS: [TimeoutStep; 3] = [TimeoutStep::Propose, TimeoutStep::Prevote, TimeoutStep::Precommit];
const JUDGEMENTS: [Judgement; 3] = [Judgement::Valid, Judgement::Invalid, Judgement::Withheld];
const ORIGINS: [Origin; 2] = [Origin::Consensus, Origin::Sync];

impl Entry {
    /// The record of this entry. The height inside votes and certificates is the record's.
    pub fn record(&self, height: Height) -> Record {
        let mut out = Writer(Vec::with_capacity(160));
        match self {
            Self::Vote(SignedVote { vote, signature }) => {
                out.byte(TAG_VOTE).choice(&VOTE_KINDS, &vote.kind).u32(vote.round);
                out.option(vote.value, |out, value| out.value(&value));
                out.bytes(&vote.validator.0).bytes(&signature.0);
            }
            Self::Proposal { signed: SignedProposal { proposal, signature }, arrival } => {
                out.byte(TAG_PROPOSAL).u32(proposal.round);
                out.option(proposal.pol_round, |out, round| out.u32(round));
                out.value(&proposal.value).bytes(&proposal.proposer.0).bytes(&signature.0).u64(arrival.0);
            }
            Self::Timeout { step, round } => {
                out.byte(TAG_TIMEOUT).choice(&STEPS, step).u32(*round);
            }
            Self::Judged { round, value, builder, judgement, origin } => {
                out.byte(TAG_JUDGED).u32(*round).value(value).bytes(&builder.0);
                out.choice(&JUDGEMENTS, judgement).choice(&ORIGINS, origin);
            }
            Self::Polka(certificate) => {
                let count = u16::try_from(certificate.signatures.len());
                out.byte(TAG_POLKA).u32(certificate.round).value(&certificate.value);
                out.bytes(
                    &count.expect("a verified certificate has at most one entry per member").to_be_bytes(),
                );
                for entry in &certificate.signatures {
                    out.bytes(&entry.validator.0).bytes(&entry.signature.0);
                }
            }
        }
        Record { height, bytes: out.0 }
    }

    /// Reads a record; any bytes give an entry or an error.
    pub fn read(record: &Record) -> Result<Self, RecordError> {
        let (height, mut input) = (record.height, Reader(&record.bytes));
        let entry = match input.byte()? {
            TAG_VOTE => input.vote(height).map(Self::Vote)?,
            TAG_PROPOSAL => {
                Self::Proposal { signed: input.proposal(height)?, arrival: Timestamp(input.u64()?) }
            }
            TAG_TIMEOUT => Self::Timeout { step: input.choice(&STEPS, "step")?, round: input.round()? },
            TAG_JUDGED => Self::Judged {
                round: input.round()?,
                value: input.value()?,
                builder: Address(input.array()?),
                judgement: input.choice(&JUDGEMENTS, "judgement")?,
                origin: input.choice(&ORIGINS, "origin")?,
            },
            TAG_POLKA => input.polka(height).map(Self::Polka)?,
            byte => return Err(RecordError::Unknown { expected: "record", byte }),
        };
        match input.0.len() {
            0 => Ok(entry),
            extra => Err(RecordError::Trailing { extra }),
        }
    }
}

pub(crate) struct Writer(pub(crate) Vec<u8>);

impl Writer {
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    pub(crate) fn byte(&mut self, byte: u8) -> &mut Self {
        self.bytes(&[byte])
    }

    fn u32(&mut self, number: u32) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    pub(crate) fn u64(&mut self, number: u64) -> &mut Self {
        self.bytes(&number.to_be_bytes())
    }

    fn value(&mut self, value: &ValueId) -> &mut Self {
        self.bytes(&value.block.0).u64(value.time.0)
    }

    pub(crate) fn option<T>(
        &mut self,
        option: Option<T>,
        write: impl Fn(&mut Self, T) -> &mut Self,
    ) -> &mut Self {
        match option {
            None => self.byte(0),
            Some(content) => write(self.byte(1), content),
        }
    }

    /// Writes which of the choices it is.
    fn choice<T: PartialEq>(&mut self, choices: &[T], chosen: &T) -> &mut Self {
        let index = choices.iter().position(|choice| choice == chosen);
        let index = index.and_then(|index| u8::try_from(index).ok());
        self.byte(index.expect("the lists of choices are complete and short"))
    }
}

pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl Reader<'_> {
    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordError> {
        let (head, tail) = self.0.split_first_chunk().ok_or(RecordError::Truncated)?;
        self.0 = tail;
        Ok(*head)
    }

    pub(crate) fn byte(&mut self) -> Result<u8, RecordError> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, RecordError> {
        self.array().map(u64::from_be_bytes)
    }

    fn round(&mut self) -> Result<u32, RecordError> {
        let round = u32::from_be_bytes(self.array()?);
        if round < ROUND_LIMIT { Ok(round) } else { Err(RecordError::Round { round }) }
    }

    fn value(&mut self) -> Result<ValueId, RecordError> {
        Ok(ValueId { block: Hash(self.array()?), time: Timestamp(self.u64()?) })
    }

    fn choice<T: Copy>(&mut self, choices: &[T], expected: &'static str) -> Result<T, RecordError> {
        let byte = self.byte()?;
        choices.get(usize::from(byte)).copied().ok_or(RecordError::Unknown { expected, byte })
    }

    pub(crate) fn option<T>(
        &mut self,
        read: impl Fn(&mut Self) -> Result<T, RecordError>,
    ) -> Result<Option<T>, RecordError> {
        if self.choice(&[false, true], "presence")? { read(self).map(Some) } else { Ok(None) }
    }

    fn vote(&mut self, height: Height) -> Result<SignedVote, RecordError> {
        let vote = Vote {
            height,
            kind: self.choice(&VOTE_KINDS, "kind of vote")?,
            round: self.round()?,
            value: self.option(Self::value)?,
            validator: Address(self.array()?),
        };
        Ok(SignedVote { vote, signature: Signature(self.array()?) })
    }

    fn proposal(&mut self, height: Height) -> Result<SignedProposal, RecordError> {
        let proposal = Proposal {
            height,
            round: self.round()?,
            pol_round: self.option(Self::round)?,
            value: self.value()?,
            proposer: Address(self.array()?),
        };
        Ok(SignedProposal { proposal, signature: Signature(self.array()?) })
    }

    fn polka(&mut self, height: Height) -> Result<PolkaCertificate, RecordError> {
        let (round, value) = (self.round()?, self.value()?);
        let count = u16::from_be_bytes(self.array()?);
        let entry = |_| {
            let validator = Address(self.array()?);
            Ok(PolkaSignature { validator, signature: Signature(self.array()?) })
        };
        let signatures = (0..count).map(entry).collect::<Result<_, _>>()?;
        Ok(PolkaCertificate { height, round, value, signatures })
    }
}
