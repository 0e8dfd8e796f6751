//! `catenary chain`: what an operator does with chains.
//!
//! Creating and removing one is a decision of the registry's committee, and every node that has this registry carries it out.
//! Stopping and starting one concerns one node, and goes through its operator's socket.

use crate::{
    cli::{ConfigArg, Output, parse_duration},
    consensus::Consensus,
    node::{config::NodeFile, operator_socket},
    operate::{POWER, answering, committee_keys, configured_genesis, decide, door, registry, running},
    submitter::call,
};
use anyhow::{Context as _, Result, bail};
use catenary_apps::admin::{self, AdminCall, CreateChain, RemoveChain};
use catenary_crypto::PublicKey;
use catenary_links::{GrpcChain, OperatorDoor};
use catenary_relay::query::{Activity, ChainStatus};
use catenary_types::{
    ChainName, Genesis, InstanceName, Organisation, Parameters, Timestamp, Trust, Validator,
    genesis::{CONSENSUS_BFT, CONSENSUS_RAFT},
};
use clap::{Args, Subcommand};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;
use std::{path::PathBuf, time::Duration};

#[derive(Debug, Subcommand)]
pub enum ChainCommand {
    /// The chains of a node, with height, state and what each is doing.
    List {
        #[command(flatten)]
        config: ConfigArg,
        /// How to print.
        #[arg(short, long, value_enum, default_value = "table")]
        output: Output,
    },
    /// One chain of a node.
    Status {
        #[command(flatten)]
        chain: ChainArgs,
        /// How to print.
        #[arg(short, long, value_enum, default_value = "table")]
        output: Output,
    },
    /// Create a chain on every node of its members that has the same registry; nothing is restarted, no file edited. It begins as
    /// the registry began, but for what is said here.
    Create(CreateArgs),
    /// Remove a chain that was created: every node stops it and deletes what it keeps of it. There is no way back.
    Remove {
        #[command(flatten)]
        chain: ChainArgs,
        /// File with a key of the registry's committee; as many as its threshold.
        #[arg(long, value_name = "FILE", required = true)]
        committee: Vec<PathBuf>,
    },
    /// Stop a chain on one node, until it is started again or the node restarts.
    Stop {
        #[command(flatten)]
        chain: ChainArgs,
        /// What whoever asks for the chain is told.
        #[arg(long, value_name = "TEXT", default_value = "its operator stopped it")]
        reason: String,
    },
    /// Start a chain on one node that was stopped or is down.
    Start(ChainArgs),
}

#[derive(Debug, Args)]
pub struct ChainArgs {
    /// The chain, by name or id.
    chain: String,
    #[command(flatten)]
    config: ConfigArg,
}

#[derive(Debug, Args)]
pub struct CreateArgs {
    /// The chain's name.
    name: ChainName,
    #[command(flatten)]
    config: ConfigArg,
    /// An organisation whose nodes run the chain; those of the registry if left out.
    #[arg(long, value_name = "ORGANISATION", requires = "validator")]
    member: Vec<Organisation>,
    /// A validator's public key; those with which the registry began if left out.
    #[arg(long, value_name = "KEY")]
    validator: Vec<PublicKey>,
    /// How its validators agree; as those of the registry if left out.
    #[arg(long, value_enum)]
    consensus: Option<Consensus>,
    /// An app; those of the registry if left out.
    #[arg(long, value_name = "KIND")]
    app: Vec<InstanceName>,
    /// The least time between two blocks, for example 20ms.
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    block_interval: Option<Duration>,
    /// The most bytes of transactions in a block.
    #[arg(long, value_name = "BYTES")]
    block_bytes: Option<u64>,
    /// File with a key of the registry's committee; as many as its threshold. Without any it is only said what would be created.
    #[arg(long, value_name = "FILE")]
    committee: Vec<PathBuf>,
}

/// Does what was asked for.
pub async fn run(command: ChainCommand) -> Result<()> {
    match command {
        ChainCommand::List { config, output } => list(&config, output).await,
        ChainCommand::Status { chain, output } => status(&chain, output).await,
        ChainCommand::Create(args) => create(&args).await,
        ChainCommand::Remove { chain, committee } => remove(&chain, &committee).await,
        ChainCommand::Stop { chain, reason } => {
            chain.operator()?.stop(&chain.chain, &reason).await?;
            println!("{} stands still on this node", chain.chain);
            Ok(())
        }
        ChainCommand::Start(chain) => {
            let notices = chain.operator()?.start(&chain.chain).await?;
            notices.iter().for_each(|notice| eprintln!("{notice}"));
            println!("{} runs", chain.chain);
            Ok(())
        }
    }
}

impl ChainArgs {
    fn operator(&self) -> Result<OperatorDoor> {
        Ok(OperatorDoor::new(&operator_socket(&NodeFile::read(&self.config.config)?))?)
    }
}

async fn create(args: &CreateArgs) -> Result<()> {
    let file = NodeFile::read(&args.config.config)?;
    let registry = registry(&file).await?;
    let base = configured_genesis(&file, registry.chain_id())?;
    let base = base.context("the registry is not among the chains of the configuration")?;
    let tip = registry.status().await?;
    // Later than all that the registry has seen, and not later than its next block.
    let genesis = genesis(args, base, Timestamp(tip.time.0 + 1))?;
    crate::network::ledger().genesis(&genesis)?;
    let (name, validators, members) = (&args.name, genesis.validators.len(), genesis.organisations.len());
    println!("{name} has {validators} validators and {members} members");
    if args.committee.is_empty() {
        println!("nothing was created: name the keys of the committee with --committee to do so");
        return Ok(());
    }
    let chain_id = genesis.chain_id()?;
    let call = call(admin::KIND, &AdminCall::CreateChain(CreateChain { genesis }));
    let height = decide(&*registry, &committee_keys(&args.committee)?, call).await?;
    answering(&GrpcChain::over(door(&file)?, chain_id.clone())).await?;
    println!("{chain_id} was created in block {height} of {} and runs", registry.chain_id());
    Ok(())
}

/// As the registry began, but for what the arguments say.
fn genesis(args: &CreateArgs, base: Genesis, time: Timestamp) -> Result<Genesis> {
    let mut genesis = Genesis { name: args.name.clone(), time, ..base };
    if !args.member.is_empty() {
        if let Some(stranger) = args.member.iter().find(|member| !genesis.organisations.contains(member)) {
            bail!("{stranger} is no member of the registry");
        }
        let stays = |organisation: &Organisation| args.member.contains(organisation);
        genesis.organisations.retain(stays);
        genesis.accounts.retain(|account| stays(&account.organisation));
        genesis.roots.retain(|roots| stays(&roots.organisation));
    }
    if !args.validator.is_empty() {
        let validator = |key: &PublicKey| Validator { public_key: *key, power: POWER };
        genesis.validators = args.validator.iter().map(validator).collect();
    }
    if args.consensus.is_some() || !args.validator.is_empty() {
        let of_registry = if genesis.consensus == CONSENSUS_RAFT { Consensus::Raft } else { Consensus::Bft };
        let plain = Parameters::for_group_of(genesis.validators.len());
        let before = std::mem::replace(&mut genesis.parameters, plain);
        genesis.consensus = CONSENSUS_BFT;
        genesis = args.consensus.unwrap_or(of_registry).found(genesis, 0);
        let Parameters { trust, quorum_numerator, quorum_denominator, .. } = genesis.parameters;
        genesis.parameters = Parameters { trust, quorum_numerator, quorum_denominator, ..before };
    }
    if !args.app.is_empty() {
        let missing = args.app.iter().find(|app| !genesis.instances.iter().any(|one| one.kind == **app));
        if let Some(missing) = missing {
            bail!("the registry has no app {missing}");
        }
        genesis.instances.retain(|instance| args.app.contains(&instance.kind));
    }
    if let Some(interval) = args.block_interval {
        genesis.parameters.block_interval_ms_min = u64::try_from(interval.as_millis())?;
    }
    if let Some(bytes) = args.block_bytes {
        genesis.parameters.block_bytes_max = bytes;
    }
    Ok(genesis)
}

async fn remove(args: &ChainArgs, committee: &[PathBuf]) -> Result<()> {
    let file = NodeFile::read(&args.config.config)?;
    let chain_id = running(&file).await?.find(&args.chain)?.chain_id().clone();
    let registry = registry(&file).await?;
    let call = call(admin::KIND, &AdminCall::RemoveChain(RemoveChain { chain_id: chain_id.clone() }));
    let height = decide(&*registry, &committee_keys(committee)?, call).await?;
    println!("{chain_id} was removed in block {height} of {}", registry.chain_id());
    Ok(())
}

/// What is printed of a chain.
#[derive(Serialize)]
struct Row {
    chain: String,
    height: u64,
    app_hash: String,
    trust: &'static str,
    validators: usize,
    pool: usize,
    activity: String,
}

async fn list(ConfigArg { config }: &ConfigArg, output: Output) -> Result<()> {
    let file = NodeFile::read(config)?;
    let chains = GrpcChain::list(door(&file)?).await.context("asking the node for its chains")?;
    print(chains.into_iter().map(row).collect(), output)
}

async fn status(ChainArgs { chain, config }: &ChainArgs, output: Output) -> Result<()> {
    let chain = running(&NodeFile::read(&config.config)?).await?.find(chain)?;
    print(vec![row(chain.status().await?)], output)
}

fn print(rows: Vec<Row>, output: Output) -> Result<()> {
    match output {
        Output::Json => println!("{}", serde_json::to_string(&rows)?),
        Output::Table => println!("{}", table(&rows)),
    }
    Ok(())
}

fn row(status: ChainStatus) -> Row {
    let activity = match status.activity {
        Activity::Idle => "idle".into(),
        Activity::Working => "working".into(),
        Activity::Waiting { on, .. } => format!("waits for {on}"),
        Activity::Halted { reason } => format!("halted: {reason}"),
    };
    let trust = match status.trust {
        Trust::Byzantine => "Byzantine",
        Trust::Crash => "crash",
        Trust::Single => "single",
    };
    Row {
        chain: status.chain_id.to_string(),
        height: status.height.0,
        app_hash: status.app_hash.to_string(),
        trust,
        validators: status.validators,
        pool: status.pool,
        activity,
    }
}

fn table(rows: &[Row]) -> Table {
    let mut table = Table::new();
    table.load_preset(UTF8_FULL_CONDENSED);
    table.set_header(["chain", "height", "state", "trust", "validators", "pool", "doing"]);
    for row in rows {
        let state = row.app_hash.chars().take(16).collect::<String>();
        let [height, validators, pool] =
            [row.height, row.validators as u64, row.pool as u64].map(|n| n.to_string());
        table.add_row([&row.chain, &height, &state, row.trust, &validators, &pool, &row.activity]);
    }
    for column in [1, 4, 5] {
        table
            .column_mut(column)
            .into_iter()
            .for_each(|column| column.set_cell_alignment(CellAlignment::Right));
    }
    table
}
