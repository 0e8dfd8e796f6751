//! Journal records of a Raft log: whom a member voted for, its entries, and where they begin.
//!
//! The records of a chain are read in the order in which they were written. One is a tag byte and fixed fields, numbers
//! big-endian; what may be missing is preceded by 0 or 1. There is one encoding per record, and only that one is read.
//!
//! ```text
//! 01 ballot   ballot
//! 02 entry    log_id payload
//! 03 cut      index(8)
//! 04 base     ballot? base
//!             ballot = term committed(1)    term = number(8) leader(20)    log_id = term index(8)
//!             base = log_id? log_id? membership    membership = count(1) { addresses } addresses
//!             addresses = count(2) { address(20) }, ascending
//!             payload = 00 | 01 membership | 02 block
//! ```

use super::message::{Ballot, Base, LogEntry, LogId, Membership, Payload, Term};
use crate::journal::{self, Reader, Writer};
use catenary_types::{Address, Block, Height, Message as _, WireError, limits::VALIDATORS_MAX};
use std::{collections::BTreeSet, sync::Arc};

/// Sets of voters in a membership: the old and the new.
const VOTER_SETS_MAX: usize = 2;

/// What a record says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// The member votes, or follows.
    Ballot(Ballot),
    /// It took in an entry, in the place of whatever stood there.
    Entry(LogEntry),
    /// It dropped the entries from this index on.
    Cut {
        /// The first of them.
        index: u64,
    },
    /// It dropped the entries up to some point; whatever it voted last stands here again, so that what was written before
    /// can go.
    Base {
        /// The vote.
        ballot: Option<Ballot>,
        /// Where the log begins now.
        base: Base,
    },
}

/// Bytes that are no record.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// The fields do not read.
    #[error(transparent)]
    Field(#[from] journal::RecordError),
    /// The block does not read.
    #[error("block: {0}")]
    Block(#[from] WireError),
    /// Addresses do not ascend, or there are too many.
    #[error("a membership is malformed")]
    Membership,
}

const TAG_BALLOT: u8 = 1;
const TAG_ENTRY: u8 = 2;
const TAG_CUT: u8 = 3;
const TAG_BASE: u8 = 4;

const PAYLOAD_BLANK: u8 = 0;
const PAYLOAD_MEMBERSHIP: u8 = 1;
const PAYLOAD_BLOCK: u8 = 2;

impl Record {
    /// Its bytes.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = Writer(Vec::with_capacity(64));
        match self {
            Self::Ballot(given) => ballot(out.byte(TAG_BALLOT), given),
            Self::Entry(LogEntry { id, payload }) => {
                log_id(out.byte(TAG_ENTRY), id);
                match payload {
                    Payload::Blank => out.byte(PAYLOAD_BLANK),
                    Payload::Membership(members) => membership(out.byte(PAYLOAD_MEMBERSHIP), members),
                    Payload::Block(block) => out.byte(PAYLOAD_BLOCK).bytes(&block.encode()),
                }
            }
            Self::Cut { index } => out.byte(TAG_CUT).u64(*index),
            Self::Base { ballot: given, base } => {
                out.byte(TAG_BASE).option(given.as_ref(), ballot);
                out.option(base.last.as_ref(), log_id).option(base.membership_at.as_ref(), log_id);
                membership(&mut out, &base.membership)
            }
        };
        out.0
    }

    /// Whether it is of an entry with a block of this height.
    pub fn is_block_of(&self, height: Height) -> bool {
        match self {
            Self::Entry(LogEntry { payload: Payload::Block(block), .. }) => block.header.height == height,
            Self::Entry(_) | Self::Ballot(_) | Self::Cut { .. } | Self::Base { .. } => false,
        }
    }

    /// Reads a record; any bytes give one or an error.
    pub fn decode(bytes: &[u8]) -> Result<Self, RecordError> {
        let mut input = Reader(bytes);
        let record = match input.byte()? {
            TAG_BALLOT => Self::Ballot(read_ballot(&mut input)?),
            TAG_ENTRY => {
                let id = read_log_id(&mut input)?;
                Self::Entry(LogEntry { id, payload: read_payload(&mut input)? })
            }
            TAG_CUT => Self::Cut { index: input.u64()? },
            TAG_BASE => Self::Base {
                ballot: input.option(read_ballot)?,
                base: Base {
                    last: input.option(read_log_id)?,
                    membership_at: input.option(read_log_id)?,
                    membership: read_membership(&mut input)?,
                },
            },
            byte => return Err(journal::RecordError::Unknown { expected: "record", byte }.into()),
        };
        match input.0.len() {
            0 => Ok(record),
            extra => Err(journal::RecordError::Trailing { extra }.into()),
        }
    }
}

fn term<'a>(out: &'a mut Writer, term: &Term) -> &'a mut Writer {
    out.u64(term.number).bytes(&term.leader.0)
}

fn ballot<'a>(out: &'a mut Writer, ballot: &Ballot) -> &'a mut Writer {
    term(out, &ballot.term).byte(u8::from(ballot.committed))
}

fn log_id<'a>(out: &'a mut Writer, id: &LogId) -> &'a mut Writer {
    term(out, &id.term).u64(id.index)
}

fn addresses<'a>(out: &'a mut Writer, addresses: &BTreeSet<Address>) -> &'a mut Writer {
    let count = u16::try_from(addresses.len()).expect("a set of validators is small");
    out.bytes(&count.to_be_bytes());
    addresses.iter().fold(out, |out, address| out.bytes(&address.0))
}

fn membership<'a>(out: &'a mut Writer, members: &Membership) -> &'a mut Writer {
    out.byte(u8::try_from(members.voters.len()).expect("a membership has at most two sets"));
    let out = members.voters.iter().fold(out, addresses);
    addresses(out, &members.nodes)
}

type Read<T> = Result<T, journal::RecordError>;

fn read_term(input: &mut Reader<'_>) -> Read<Term> {
    Ok(Term { number: input.u64()?, leader: Address(input.array()?) })
}

fn read_ballot(input: &mut Reader<'_>) -> Read<Ballot> {
    let term = read_term(input)?;
    match input.byte()? {
        byte @ (0 | 1) => Ok(Ballot { term, committed: byte == 1 }),
        byte => Err(journal::RecordError::Unknown { expected: "flag", byte }),
    }
}

fn read_log_id(input: &mut Reader<'_>) -> Read<LogId> {
    Ok(LogId { term: read_term(input)?, index: input.u64()? })
}

fn read_addresses(input: &mut Reader<'_>) -> Result<BTreeSet<Address>, RecordError> {
    let count = usize::from(u16::from_be_bytes(input.array()?));
    // Members of an old set and of a new one may stand side by side.
    if count > VOTER_SETS_MAX * VALIDATORS_MAX {
        return Err(RecordError::Membership);
    }
    let read = (0..count).map(|_| input.array().map(Address)).collect::<Result<Vec<_>, _>>()?;
    if !read.is_sorted_by(|one, next| one < next) {
        return Err(RecordError::Membership);
    }
    Ok(read.into_iter().collect())
}

fn read_membership(input: &mut Reader<'_>) -> Result<Membership, RecordError> {
    let sets = usize::from(input.byte()?);
    if sets > VOTER_SETS_MAX {
        return Err(RecordError::Membership);
    }
    let voters = (0..sets).map(|_| read_addresses(input)).collect::<Result<_, _>>()?;
    Ok(Membership { voters, nodes: read_addresses(input)? })
}

fn read_payload(input: &mut Reader<'_>) -> Result<Payload, RecordError> {
    match input.byte()? {
        PAYLOAD_BLANK => Ok(Payload::Blank),
        PAYLOAD_MEMBERSHIP => read_membership(input).map(Payload::Membership),
        PAYLOAD_BLOCK => Ok(Payload::Block(Arc::new(Block::decode(std::mem::take(&mut input.0))?))),
        byte => Err(journal::RecordError::Unknown { expected: "payload", byte }.into()),
    }
}
