//! `catenary debug`: looks into, mends and copies the data folder of a node that does not run.
//!
//! Every command takes the folder's lock, so none runs beside a node. None touches journal or guard: what a validator has
//! signed is remembered whatever becomes of its blocks.

mod folder;
mod tools;
mod verify;

use crate::cli::Output;
use anyhow::Result;
use catenary_types::ChainId;
use clap::{Args, Subcommand};
use std::{path::PathBuf, process::ExitCode};

/// What to do with a data folder.
#[derive(Debug, Subcommand)]
pub enum DebugCommand {
    /// Verify everything that a data folder holds: journal, guard, and of each chain every block from the genesis on, its
    /// certificate, its execution, and the index. Changes nothing, but that the index's engine opens its files as always. Exit code 1
    /// if anything is damaged.
    Verify(VerifyArgs),
    /// Drop the index of a chain, or the whole index, and build it again from the block log. Nothing is lost by it; a node whose
    /// index is damaged does the same when it starts.
    RebuildIndex(ChainsArgs),
    /// Cut a chain back to a height, for rescue only.
    ///
    /// Use it when `verify` names a block that must not be there, or that keeps the node from starting, and the other
    /// validators have the blocks above. The log is set aside whole as `blocks.rolled-back-1`, the index is rebuilt, and the
    /// node fetches the blocks above from the others when it starts. What it has signed stays: it does not vote again on
    /// heights where it voted. In a group of one nobody has the blocks above: such a node does not start afterwards, unless
    /// they are imported again.
    Rollback(RollbackArgs),
    /// Copy blocks with their certificates into a file, a segment of a block log: with the genesis alone anyone can verify a
    /// copy that begins with block 1.
    Export(ExportArgs),
    /// Append the blocks of a copy to a chain's folder, each verified and executed. A folder that is new is made.
    Import(ImportArgs),
}

/// A data folder.
#[derive(Debug, Args)]
pub struct DataArg {
    /// The folder of a node, which must not run: `node.data` of its configuration.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
}

/// See [`DebugCommand::Verify`].
#[derive(Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    chains: ChainsArgs,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

/// A data folder and some of its chains.
#[derive(Debug, Args)]
pub struct ChainsArgs {
    #[command(flatten)]
    pub data: DataArg,
    /// A chain's id; every chain of the folder if left out.
    #[arg(long, value_name = "CHAIN_ID")]
    pub chain: Vec<ChainId>,
    /// A genesis document to trust instead of the one in the folder.
    #[arg(long, value_name = "FILE")]
    pub genesis: Vec<PathBuf>,
}

/// A data folder and one of its chains.
#[derive(Debug, Args)]
pub struct ChainArgs {
    #[command(flatten)]
    pub data: DataArg,
    /// The chain's id.
    #[arg(long, value_name = "CHAIN_ID")]
    pub chain: ChainId,
    /// The genesis document to trust instead of the one in the folder.
    #[arg(long, value_name = "FILE")]
    pub genesis: Option<PathBuf>,
}

/// See [`DebugCommand::Rollback`].
#[derive(Debug, Args)]
pub struct RollbackArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// The last block that stays.
    #[arg(long, value_name = "HEIGHT")]
    to: u64,
}

/// See [`DebugCommand::Export`].
#[derive(Debug, Args)]
pub struct ExportArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// The first block.
    #[arg(long, value_name = "HEIGHT", default_value_t = 1)]
    from: u64,
    /// The last block; the newest if left out.
    #[arg(long, value_name = "HEIGHT")]
    to: Option<u64>,
    /// The file to write.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

/// See [`DebugCommand::Import`].
#[derive(Debug, Args)]
pub struct ImportArgs {
    #[command(flatten)]
    chain: ChainArgs,
    /// What `export` wrote.
    file: PathBuf,
}

/// Runs a command.
pub fn run(command: &DebugCommand) -> Result<ExitCode> {
    match command {
        DebugCommand::Verify(VerifyArgs { chains, output }) => {
            let verdict = verify::verify(chains)?;
            verdict.print(*output)?;
            Ok(if verdict.is_damaged() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
        }
        DebugCommand::RebuildIndex(chains) => tools::rebuild_index(chains).map(|()| ExitCode::SUCCESS),
        DebugCommand::Rollback(RollbackArgs { chain, to }) => {
            tools::roll_back(chain, *to).map(|()| ExitCode::SUCCESS)
        }
        DebugCommand::Export(ExportArgs { chain, from, to, out }) => {
            tools::export(chain, *from, *to, out).map(|()| ExitCode::SUCCESS)
        }
        DebugCommand::Import(ImportArgs { chain, file }) => {
            tools::import(chain, file).map(|()| ExitCode::SUCCESS)
        }
    }
}
