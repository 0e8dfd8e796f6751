//! On-chain parameters: what all nodes must agree on and a transaction may change.

use crate::wire::{Field, Message, Reader, WireError};
use catenary_crypto::{Hash, sha256};

/// What a chain's finality rests on. Every answer about the chain shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust {
    /// Fewer than a third of the power may lie.
    Byzantine,
    /// A minority may crash; nobody may lie.
    Crash,
    /// One validator: it may do neither.
    Single,
}

impl Trust {
    /// The published label.
    pub fn label(self) -> &'static str {
        match self {
            Self::Byzantine => "byzantine",
            Self::Crash => "crash",
            Self::Single => "single",
        }
    }

    /// More than this part of the power makes a block final: numerator and denominator.
    pub fn quorum(self) -> (u64, u64) {
        match self {
            Self::Byzantine | Self::Single => (2, 3),
            Self::Crash => (1, 2),
        }
    }

    /// So many of this many members of equal power make a block final.
    pub fn quorum_of(self, members: usize) -> usize {
        match self {
            Self::Byzantine | Self::Single => members * 2 / 3 + 1,
            Self::Crash => members / 2 + 1,
        }
    }

    fn number(self) -> u32 {
        match self {
            Self::Byzantine => 1,
            Self::Crash => 2,
            Self::Single => 3,
        }
    }
}

impl Field for Trust {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        self.number().write(number, out);
    }

    fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
        let value = u32::read(number, input)?;
        let known =
            [Self::Byzantine, Self::Crash, Self::Single].into_iter().find(|trust| trust.number() == value);
        known.ok_or_else(|| WireError::Value {
            number,
            reason: format!("expected a trust of 1 to 3, got {value}"),
        })
    }
}

crate::message! {
    /// Parameters of a chain; the header's `consensus_hash` covers them.
    pub struct Parameters {
        /// Rules in force, shown as `version.app`.
        1 => protocol_version: u64,
        /// A block is final with more than `quorum_numerator / quorum_denominator` of the power.
        2 => quorum_numerator: u64,
        /// See `quorum_numerator`.
        3 => quorum_denominator: u64,
        /// What finality rests on.
        4 => trust: Trust,
        /// The proposer's pause between blocks in milliseconds; policy, not validity.
        5 => block_interval_ms_min: u64,
        /// An idle chain makes a heartbeat block after this many seconds.
        6 => idle_interval_s: u64,
        /// A transaction may ask to be valid for at most this many seconds.
        7 => validity_window_s: u64,
        /// Static weight that fits a block.
        8 => block_weight_max: u64,
        /// Bytes of envelopes that fit a block.
        9 => block_bytes_max: u64,
        /// Percent of a full block that one organisation may take; policy, not validity.
        10 => organisation_share_percent: u64,
        /// p of the timeliness rule in milliseconds: how far two honest clocks may be apart.
        11 => clock_precision_ms: u64,
        /// d of the timeliness rule in milliseconds: how long a proposal may travel.
        12 => proposal_delay_ms: u64,
    }
}

impl Parameters {
    /// SHA-256 of the encoding: the header's `consensus_hash`.
    pub fn hash(&self) -> Hash {
        sha256(&self.encode())
    }

    /// Whether this much power makes a block final.
    pub fn is_quorum(&self, power: u64, total: u64) -> bool {
        u128::from(power) * u128::from(self.quorum_denominator)
            > u128::from(total) * u128::from(self.quorum_numerator)
    }

    /// The defaults for a Raft group of this many validators: a majority makes a block final.
    pub fn for_raft_group_of(validators: usize) -> Self {
        Self {
            quorum_numerator: 1,
            quorum_denominator: 2,
            trust: if validators == 1 { Trust::Single } else { Trust::Crash },
            ..Self::for_group_of(validators)
        }
    }

    /// Whether a majority is enough, as it is in Raft groups alone: they count members, not their power.
    pub fn counts_heads(&self) -> bool {
        (self.quorum_numerator, self.quorum_denominator) == (1, 2)
    }

    /// The defaults for a group of this many validators.
    pub fn for_group_of(validators: usize) -> Self {
        Self {
            protocol_version: 1,
            quorum_numerator: 2,
            quorum_denominator: 3,
            trust: if validators == 1 { Trust::Single } else { Trust::Byzantine },
            block_interval_ms_min: 20,
            idle_interval_s: 24 * 3600,
            validity_window_s: 3600,
            block_weight_max: 1_000_000,
            block_bytes_max: 4 << 20,
            organisation_share_percent: 50,
            clock_precision_ms: 500,
            proposal_delay_ms: 4_000,
        }
    }
}
