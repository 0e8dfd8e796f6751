//! `catenary snapshot`: snapshots of a node that does not run.

use crate::{cli::Output, network, node::read_genesis};
use anyhow::Result;
use catenary_store::DataDir;
use catenary_system::{Listed, Pin, create_snapshot, list_snapshots, restore_snapshot, verify_snapshot};
use catenary_types::ChainId;
use clap::{Args, Subcommand};
use comfy_table::Table;
use serde::Serialize;
use std::path::PathBuf;

/// What is done with snapshots.
#[derive(Debug, Subcommand)]
pub enum SnapshotCommand {
    /// Take one of the newest state of a chain. The node must not run; while it runs it takes them by itself.
    Create(ChainArgs),
    /// List those of a data folder.
    List {
        #[command(flatten)]
        chain: ChainArgs,
        /// How to print.
        #[arg(short, long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Verify one, from the genesis to the root of its state.
    Verify {
        /// The chain's genesis document.
        #[arg(long, value_name = "FILE")]
        genesis: PathBuf,
        #[command(flatten)]
        snapshot: FolderArgs,
    },
    /// Have a chain begin with one in an empty folder. The node must not run; when it starts it fetches the blocks that follow,
    /// and votes once the other validators have said how far they are.
    Restore {
        #[command(flatten)]
        chain: ChainArgs,
        /// The chain's genesis document, if the data folder does not hold it yet.
        #[arg(long, value_name = "FILE")]
        genesis: Option<PathBuf>,
        #[command(flatten)]
        snapshot: FolderArgs,
    },
}

/// A chain of a node that does not run.
#[derive(Debug, Args)]
pub struct ChainArgs {
    /// The node's data folder.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The chain's id.
    #[arg(long, value_name = "CHAIN_ID")]
    chain: ChainId,
}

/// A snapshot.
#[derive(Debug, Args)]
pub struct FolderArgs {
    /// Its folder, with manifest and chunks.
    #[arg(long, value_name = "DIR")]
    snapshot: PathBuf,
    /// A header that you know to be the chain's, from whom you trust; the snapshot must carry it.
    #[arg(long, value_name = "HEIGHT:HASH")]
    trusted: Option<Pin>,
}

#[derive(Serialize)]
struct Row {
    height: u64,
    chunks: usize,
    bytes: u64,
    folder: PathBuf,
}

impl From<Listed> for Row {
    fn from(Listed { height, folder, chunks, bytes }: Listed) -> Self {
        Self { height: height.0, chunks, bytes, folder }
    }
}

/// Does it, and prints what came of it.
pub fn run(command: &SnapshotCommand) -> Result<()> {
    match command {
        SnapshotCommand::Create(ChainArgs { data, chain }) => {
            let taken = create_snapshot(&DataDir::open(data)?, chain, &network::ledger())?;
            println!("{}", taken.folder.display());
        }
        SnapshotCommand::List { chain: ChainArgs { data, chain }, output } => {
            let listed = list_snapshots(&DataDir::open(data)?, chain)?;
            print(listed.into_iter().map(Row::from).collect(), *output)?;
        }
        SnapshotCommand::Verify { genesis, snapshot: FolderArgs { snapshot, trusted } } => {
            let (height, root) = verify_snapshot(&read_genesis(genesis)?, snapshot, *trusted)?;
            println!("the state after height {height}, with root {root}, is the chain's");
        }
        SnapshotCommand::Restore { chain, genesis, snapshot } => {
            let ChainArgs { data, chain } = chain;
            let FolderArgs { snapshot, trusted } = snapshot;
            let genesis = genesis.as_deref().map(read_genesis).transpose()?;
            let data = DataDir::open(data)?;
            let height = restore_snapshot(&data, chain, genesis.as_ref(), snapshot, *trusted)?;
            println!("{chain} begins after height {height}");
        }
    }
    Ok(())
}

fn print(rows: Vec<Row>, output: Output) -> Result<()> {
    match output {
        Output::Json => println!("{}", serde_json::to_string(&rows)?),
        Output::Table => {
            let mut table = Table::new();
            table
                .load_preset(comfy_table::presets::NOTHING)
                .set_header(["HEIGHT", "CHUNKS", "BYTES", "FOLDER"]);
            for Row { height, chunks, bytes, folder } in rows {
                let folder = folder.display().to_string();
                table.add_row([height.to_string(), chunks.to_string(), bytes.to_string(), folder]);
            }
            println!("{table}");
        }
    }
    Ok(())
}
