//! `--consensus`: by which kind of group the chains of a test network agree.

use catenary_types::{Genesis, Parameters, genesis::CONSENSUS_RAFT};
use clap::ValueEnum;

/// Kinds of groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Consensus {
    /// Votes of more than two thirds: fewer than a third may lie.
    #[default]
    Bft,
    /// A replicated log and signatures of a majority: a minority may crash, nobody may lie.
    Raft,
    /// One validator for each chain, dealt to the nodes in turn.
    Solo,
}

impl Consensus {
    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Bft => "bft",
            Self::Raft => "raft",
            Self::Solo => "solo",
        }
    }

    /// The genesis of the network's chain of this number, with a group of this kind.
    pub fn found(self, genesis: Genesis, number: usize) -> Genesis {
        match self {
            Self::Bft => genesis,
            Self::Raft => {
                let parameters = Parameters::for_raft_group_of(genesis.validators.len());
                Genesis { consensus: CONSENSUS_RAFT, parameters, ..genesis }
            }
            Self::Solo => {
                let validators = vec![genesis.validators[number % genesis.validators.len()].clone()];
                Genesis { parameters: Parameters::for_group_of(1), validators, ..genesis }
            }
        }
    }
}
