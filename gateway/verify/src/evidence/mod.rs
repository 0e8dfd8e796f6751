//! The files of evidence: one for the home chain, one per partner. `docs/formats/evidence.md` has the bytes.
//!
//! ```text
//!   home.evidence     genesis, block 1, block 2, …, head
//!   <BANK>.evidence   genesis, headers that change the validators and headers with proofs, in order of heights
//! ```
//!
//! The head proves the receipts of the last block; its own body is not in the file.

mod frames;
mod write;

pub(crate) use frames::Frames;
pub use write::{HomeWriter, Lane, PartnerWriter, Request};

use crate::follow::ChainError;
use catenary_packet::{
    ClientId, Sequence,
    commitment::{ERROR_ACKNOWLEDGEMENT, acknowledgement_commitment, acknowledgement_key, receipt_key},
};
use catenary_transfer::SUCCESS_ACKNOWLEDGEMENT;
use catenary_types::{
    Genesis, Height, Parameters, Receipt, SignedHeader, Validator, WireError,
    wire::{Field, Reader},
};
use std::{io, path::PathBuf};

/// The home chain's file.
pub const HOME_FILE: &str = "home.evidence";

/// A partner's file.
pub fn partner_file(bank: &str) -> String {
    format!("{bank}.evidence")
}

/// Why a file is no evidence, or cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum EvidenceError {
    /// Reading or writing failed.
    #[error("{}: {error}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the system says.
        error: io::Error,
    },
    /// The bytes are no records.
    #[error("{file}, record {record}: {reason}")]
    Damaged {
        /// The file.
        file: String,
        /// Which record, from 1 on.
        record: u64,
        /// What is wrong with it.
        reason: String,
    },
    /// A record does not follow from those before it.
    #[error("{file}, height {height}: {error}")]
    Chain {
        /// The file.
        file: String,
        /// Height of the header.
        height: Height,
        /// What is wrong with it.
        error: ChainError,
    },
    /// The last block has transactions, and nothing is there that proves what they did.
    #[error("block {height} has transactions; only the next header proves what they did")]
    Unproven {
        /// The last block.
        height: Height,
    },
}

/// What a partner's `ibc` store says of a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Answer {
    /// The acknowledgement of success: the creditor has the money.
    Credited,
    /// The error acknowledgement: the partner did not take the money.
    Refused,
    /// No receipt: the packet did not arrive in time.
    Silent,
}

impl Answer {
    const ALL: [Self; 3] = [Self::Credited, Self::Refused, Self::Silent];

    fn number(self) -> u32 {
        match self {
            Self::Credited => 1,
            Self::Refused => 2,
            Self::Silent => 3,
        }
    }

    /// The key that shows it.
    pub(crate) fn key(self, client: &ClientId, sequence: Sequence) -> Vec<u8> {
        match self {
            Self::Credited | Self::Refused => acknowledgement_key(client, sequence),
            Self::Silent => receipt_key(client, sequence),
        }
    }

    /// What stands under the key.
    pub(crate) fn value(self) -> Option<Vec<u8>> {
        let commitment = |answer: &[u8]| Some(acknowledgement_commitment(answer).0.to_vec());
        match self {
            Self::Credited => commitment(SUCCESS_ACKNOWLEDGEMENT),
            Self::Refused => commitment(&ERROR_ACKNOWLEDGEMENT),
            Self::Silent => None,
        }
    }
}

impl Field for Answer {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        self.number().write(number, out);
    }

    fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
        let value = u32::read(number, input)?;
        let known = Self::ALL.into_iter().find(|answer| answer.number() == value);
        let reason = format!("expected an answer of 1 to 3, got {value}");
        known.ok_or(WireError::Value { number, reason })
    }
}

catenary_types::oneof! {
    /// What a file is a list of.
    pub enum Record {
        /// The first record of every file.
        1 => Genesis(Genesis),
        /// The next block of the home chain.
        2 => Block(BlockRecord),
        /// The last header of the home chain.
        3 => Head(Certified),
        /// A header of a partner.
        4 => Partner(PartnerRecord),
    }
}

catenary_types::message! {
    /// A final header, and what it takes to see that it is one.
    pub struct Certified {
        /// Header and certificate.
        1 => signed: SignedHeader,
        /// The set that signed it, in canonical order; left out if it is that of the record before.
        2 => validators: Vec<Validator>,
        /// The parameters under its `consensus_hash`; left out if they are those of the record before.
        3 => parameters: Option<Parameters>,
    }

    /// A block of the home chain.
    pub struct BlockRecord {
        /// The header.
        1 => certified: Certified,
        /// The transactions.
        2 => envelopes: Vec<Vec<u8>>,
        /// What they did. Without details, which no header covers.
        3 => receipts: Vec<Receipt>,
    }

    /// A header of a partner.
    pub struct PartnerRecord {
        /// The header.
        1 => certified: Certified,
        /// What the state under it says of packets.
        2 => proofs: Vec<LaneProof>,
    }

    /// What a partner's `ibc` store says of packets that came in over one client.
    pub struct LaneProof {
        /// The client on the partner's chain.
        1 => client: ClientId,
        /// What it says of each packet.
        2 => answers: Vec<PacketAnswer>,
        /// The proof of all of it.
        3 => multiproof: Vec<u8>,
    }

    /// What is said of one packet.
    pub struct PacketAnswer {
        /// The packet.
        1 => sequence: Sequence,
        /// The answer.
        2 => answer: Answer,
    }
}
