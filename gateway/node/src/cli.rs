//! The command line.

use crate::{
    bench::{self, Workload},
    chains::{self, ChainCommand},
    cluster::ClusterConfig,
    consensus::Consensus,
    debug::{self, DebugCommand},
    demo::{self, Links, Options, Silence, parse_freeze},
    node, operate, pki,
    snapshot::{self, SnapshotCommand},
    testnet::{self, Testnet},
    validators::{self, ValidatorsCommand},
};
use anyhow::{Context as _, Result, ensure};
use catenary_links::Impairment;
use catenary_orders::{BERKA, read};
use catenary_store::DataDir;
use catenary_system::resume_voting;
use catenary_types::{ChainId, ChainName, Organisation};
use clap::{Args, Parser, Subcommand};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};
use tracing_subscriber::EnvFilter;

/// A consortium ledger: many chains in one process, and a router that settles between them with proofs.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Settle a month of real bank payments across fourteen chains and reconcile every account.
    Demo(DemoArgs),
    /// Run the demo's network without the orders, with its gRPC door open, until Ctrl-C.
    Dev(DevArgs),
    /// Check a demo's evidence offline and come to the same sums.
    Verify(VerifyArgs),
    /// Write everything that a test network of several nodes needs: keys, certificates, genesis documents, configurations.
    Testnet(TestnetArgs),
    /// Add a node to a test network: it follows every chain, and votes where a validator set comes to name its key.
    Join(JoinArgs),
    /// Run a node.
    Node(ConfigArg),
    /// Load a network of processes at a fixed rate and say what came of it: throughput, latency, cost.
    Bench(BenchArgs),
    /// Look into a node's configuration.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Renew and revoke certificates of test networks; organisations with an authority of their own use that.
    #[command(subcommand)]
    Certificate(CertificateCommand),
    /// Look after lanes.
    #[command(subcommand)]
    Lanes(LanesCommand),
    /// Look after the validators of a chain.
    #[command(subcommand)]
    Validators(ValidatorsCommand),
    /// Look after chains.
    #[command(subcommand)]
    Chain(ChainCommand),
    /// Make, list, verify and restore snapshots of a chain.
    #[command(subcommand)]
    Snapshot(SnapshotCommand),
    /// Let a validator vote again that lost both copies of what it signed, and whom no other validator can tell.
    ResumeVoting(ResumeVotingArgs),
    /// Look into, mend and copy the data folder of a node that does not run.
    #[command(subcommand)]
    Debug(DebugCommand),
}

#[derive(Debug, Args)]
struct TestnetArgs {
    /// Nodes; each is a validator of every chain.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    nodes: u16,
    /// Organisations, each with an authority of its own; one for each node if left out.
    #[arg(long, value_name = "N")]
    orgs: Option<u16>,
    /// The chains, for example a,b,c; a lane leads between every two.
    #[arg(long, value_name = "NAMES", value_delimiter = ',', required = true)]
    chains: Vec<ChainName>,
    /// By which kind of group the chains agree.
    #[arg(long, value_enum, default_value = "bft")]
    consensus: Consensus,
    /// The first port: node n takes this plus 10 n for nodes, and the next one for clients.
    #[arg(long, value_name = "PORT", default_value_t = 7_100)]
    port: u16,
    /// Where to write; must be new or empty.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

#[derive(Debug, Args)]
struct JoinArgs {
    /// What `testnet` wrote.
    #[arg(long, value_name = "DIR")]
    net: PathBuf,
    /// Whose node it is.
    #[arg(long, value_name = "NAME")]
    org: Organisation,
    /// Where it listens for nodes, and with the next port for clients.
    #[arg(long, value_name = "PORT")]
    port: u16,
}

#[derive(Debug, Args)]
struct BenchArgs {
    /// Nodes, each a process of its own and a validator of every chain; with one, chains have a single validator.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    nodes: u8,
    /// Chains; the load is spread over them evenly.
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u8).range(1..=64))]
    chains: u8,
    /// By which kind of group the chains agree.
    #[arg(long, value_enum, default_value = "bft")]
    consensus: Consensus,
    /// What is paid.
    #[arg(long, value_enum, default_value = "single")]
    workload: Workload,
    /// Transactions a second over all chains. Each has its moment, and its latency counts from there.
    #[arg(long, value_name = "PER_SECOND", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    rate: u32,
    /// For how long.
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    duration: Duration,
    /// Keep the network.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How to print.
    #[arg(short, long, value_enum, default_value = "table")]
    output: Output,
}

#[derive(Debug, Args)]
pub struct ConfigArg {
    /// The node's configuration.
    #[arg(long, value_name = "FILE")]
    pub config: PathBuf,
}

#[derive(Debug, Subcommand)]
enum ConfigCommand {
    /// Read the configuration and every file that it names, and start nothing.
    Check(ConfigArg),
    /// Print the configuration as it is in force, environment included. Keys are named by their files and never shown.
    Show(ConfigArg),
    /// Say what a key means, or all of them.
    Explain {
        /// For example peers.revoked.
        key: Option<String>,
    },
}

#[derive(Debug, Subcommand)]
enum CertificateCommand {
    /// Give a node a new certificate and TLS key, in the same files.
    Renew {
        /// Folder with ca.pem and ca.key of the node's organisation.
        #[arg(long, value_name = "DIR")]
        authority: PathBuf,
        /// The node's certificate.
        #[arg(long, value_name = "FILE")]
        certificate: PathBuf,
        /// The key of it.
        #[arg(long, value_name = "FILE")]
        tls_key: PathBuf,
    },
    /// Print an authority's list of revoked certificates, for the folder peers.revoked of every node. It replaces the last one, so
    /// name every certificate that is to be on it.
    Revoke {
        /// Folder with ca.pem and ca.key.
        #[arg(long, value_name = "DIR")]
        authority: PathBuf,
        /// A certificate that is no longer good.
        #[arg(long, value_name = "FILE")]
        certificate: Vec<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
enum LanesCommand {
    /// Open a lane between every two of these chains: create the clients at both ends. What is open stays as it is. Every router
    /// over both chains begins to serve it.
    Open {
        #[command(flatten)]
        config: ConfigArg,
        /// A chain, by name or id; all that the configuration names if left out.
        #[arg(long, value_name = "CHAIN")]
        chain: Vec<String>,
        /// File with the key of the account `operator` of the router's organisation.
        #[arg(long, value_name = "FILE")]
        operator: PathBuf,
    },
}

/// How data is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Output {
    /// For people.
    Table,
    /// For programs.
    Json,
}

/// The nodes that a network runs on.
#[derive(Debug, Args)]
struct NodeArgs {
    /// Validators of each chain; each is a node of its own.
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u8).range(1..=16))]
    validators: u8,
    /// How long a message between two nodes is under way, for example 5ms.
    #[arg(long, value_name = "TIME", default_value = "0ms", value_parser = parse_duration)]
    link_delay: Duration,
    /// How many messages between nodes get lost, for example 1% or 0.5%.
    #[arg(long, value_name = "SHARE", default_value = "0%", value_parser = parse_share)]
    link_loss: u16,
}

impl NodeArgs {
    /// The network. `cuttable` says whether links are to be cut, which only simulated ones can be.
    fn config(&self, data: Option<PathBuf>, seed: u64, cuttable: bool) -> ClusterConfig {
        let impairment = Impairment { delay: self.link_delay, loss_per_10_000: self.link_loss, seed };
        let simulated = cuttable || impairment != Impairment { seed, ..Impairment::default() };
        let impairment = simulated.then_some(impairment);
        ClusterConfig { data, validators: usize::from(self.validators), impairment }
    }
}

/// Reads `5ms` or `10s`.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || format!("expected a time like 5ms or 10s, got {text:?}");
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?);
    let number: u32 = number.parse().map_err(|_| wrong())?;
    match unit {
        "ms" => Ok(Duration::from_millis(u64::from(number))),
        "s" => Ok(Duration::from_secs(u64::from(number))),
        _ => Err(wrong()),
    }
}

/// Reads `1%` or `0.25%`, in ten-thousandths.
fn parse_share(text: &str) -> Result<u16, String> {
    let wrong = || format!("expected a share like 1% or 0.25%, at most 100%, got {text:?}");
    let number = text.strip_suffix('%').ok_or_else(wrong)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    let digits = part.len() <= 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    let whole: u16 = whole.parse().map_err(|_| wrong())?;
    let part: u16 = if part.is_empty() { 0 } else { format!("{part:0<2}").parse().map_err(|_| wrong())? };
    let share = whole.checked_mul(100).and_then(|whole| whole.checked_add(part)).filter(|_| digits);
    share.filter(|share| *share <= 10_000).ok_or_else(wrong)
}

#[derive(Debug, Args)]
struct DevArgs {
    #[command(flatten)]
    nodes: NodeArgs,
    /// Where to listen for gRPC.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:7070")]
    listen: SocketAddr,
    /// Keep the data.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How the router reaches the chains.
    #[arg(long, value_enum, default_value = "mailbox")]
    links: Links,
}

#[derive(Debug, Args)]
struct DemoArgs {
    #[command(flatten)]
    nodes: NodeArgs,
    /// Take orders from this file instead of the Berka data; same columns.
    #[arg(long, value_name = "FILE")]
    orders: Option<PathBuf>,
    /// Repeat the month.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=120))]
    months: u32,
    /// Freeze a creditor before the first order; its orders are refunded.
    #[arg(long, value_name = "BANK:ACCOUNT")]
    freeze: Vec<String>,
    /// Keep the data; a second run resumes what was unfinished.
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How the router reaches the chains.
    #[arg(long, value_enum, default_value = "mailbox")]
    links: Links,
    /// Add what real life adds: frozen creditors, a bank that is down, bad rows, double submissions, returned payments.
    #[arg(long)]
    rough: bool,
    /// Cut the links of this many nodes when the payments begin: of every chain so many validators fall silent.
    #[arg(long, value_name = "N", default_value_t = 0)]
    silence: u8,
    /// Join the silenced nodes again after this time; without it they stay silent.
    #[arg(long = "for", value_name = "TIME", value_parser = parse_duration, requires = "silence")]
    silence_for: Option<Duration>,
    /// Run each node as a process of its own, one for each organisation, over links with mutual TLS; half-way the process that
    /// clients use is killed, and started again two seconds later.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(2..=16),
        conflicts_with_all = ["validators", "link_delay", "link_loss", "links", "rough", "silence"])]
    processes: Option<u8>,
    /// Seed of `--rough`.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write headers, certificates and proofs, for `catenary verify`.
    #[arg(long, value_name = "DIR")]
    evidence: Option<PathBuf>,
    /// Print one JSON object on stdout.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct ResumeVotingArgs {
    /// The folder of the node, which must not run; for example DIR/node-0 of a demo's data.
    #[arg(long, value_name = "DIR")]
    data: PathBuf,
    /// The chain's id.
    #[arg(long, value_name = "CHAIN_ID")]
    chain: ChainId,
    /// You know that this validator signed nothing above the newest block of its log.
    #[arg(long)]
    i_know_what_it_signed: bool,
}

#[derive(Debug, Args)]
struct VerifyArgs {
    /// The orders that were settled; the Berka data if left out.
    #[arg(long, value_name = "FILE")]
    orders: Option<PathBuf>,
    /// How often the month was repeated.
    #[arg(long, value_name = "N", default_value_t = 1)]
    months: u32,
    /// What `demo --evidence` wrote.
    #[arg(long, value_name = "DIR")]
    evidence: PathBuf,
}

/// What is logged unless `CATENARY_LOG` says otherwise. The Raft engine calls it an error that a member cannot be reached; what
/// ends it is told by the group.
const LOG_FILTER: &str = "error,openraft=off";

/// Reads the command line and runs.
pub fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("CATENARY_LOG").unwrap_or_else(|_| EnvFilter::new(LOG_FILTER));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let Cli { command } = Cli::parse();
    if let Err(error) = catenary_store::failpoint::arm() {
        eprintln!("catenary: {error}");
        return ExitCode::from(2);
    }
    let result = match command {
        Command::Demo(args) => run_demo(args),
        Command::Verify(VerifyArgs { orders, months, evidence }) => {
            run_verify(orders.as_deref(), months, &evidence)
        }
        Command::Snapshot(command) => done(snapshot::run(&command)),
        Command::ResumeVoting(args) => run_resume_voting(&args),
        Command::Debug(command) => debug::run(&command),
        Command::Testnet(args) => run_testnet(args),
        Command::Join(args) => run_join(&args),
        Command::Bench(args) => run_bench(args),
        Command::Node(args) => done(actix::System::new().block_on(node::run(&args.config))),
        Command::Config(ConfigCommand::Check(args)) => done(node::check(&args.config)),
        Command::Config(ConfigCommand::Show(args)) => done(operate::show(&args.config)),
        Command::Config(ConfigCommand::Explain { key }) => {
            done(node::config::explain(key.as_deref()).map(|text| print!("{text}")))
        }
        Command::Certificate(CertificateCommand::Renew { authority, certificate, tls_key }) => {
            let renewed = pki::renew(&authority, &certificate, &tls_key);
            done(renewed.map(|node| println!("{node} has a new certificate")))
        }
        Command::Certificate(CertificateCommand::Revoke { authority, certificate }) => {
            done(pki::revoke(&authority, &certificate).map(|list| print!("{list}")))
        }
        Command::Lanes(LanesCommand::Open { config, chain, operator }) => {
            done(actix::System::new().block_on(operate::open_lanes(&config.config, &chain, &operator)))
        }
        Command::Validators(command) => done(actix::System::new().block_on(validators::run(command))),
        Command::Chain(command) => done(actix::System::new().block_on(chains::run(command))),
        Command::Dev(DevArgs { nodes, listen, data, links }) => {
            let cluster = nodes.config(data, 0, false);
            actix::System::new().block_on(demo::dev(&cluster, links, listen)).map(|()| ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("catenary: {error:#}");
        ExitCode::FAILURE
    })
}

fn done(outcome: Result<()>) -> Result<ExitCode> {
    outcome.map(|()| ExitCode::SUCCESS)
}

fn run_join(JoinArgs { net, org, port }: &JoinArgs) -> Result<ExitCode> {
    let doors = testnet::doors(1, *port)?[0];
    let number = testnet::join(net, org, doors)?;
    println!("{}", testnet::node_folder(net, number).display());
    Ok(ExitCode::SUCCESS)
}

fn run_bench(args: BenchArgs) -> Result<ExitCode> {
    let BenchArgs { nodes, chains, consensus, workload, rate, duration, data, output } = args;
    let (nodes, chains) = (usize::from(nodes), usize::from(chains));
    let options = bench::Options { nodes, chains, consensus, workload, rate, duration, data };
    let report = actix::System::new().block_on(bench::run(&options))?;
    match output {
        Output::Json => println!("{}", serde_json::to_string(&report)?),
        Output::Table => println!("{report}"),
    }
    Ok(ExitCode::SUCCESS)
}

fn run_testnet(args: TestnetArgs) -> Result<ExitCode> {
    let TestnetArgs { nodes, orgs, chains, consensus, port, out } = args;
    let now = catenary_runtime::now();
    let organisations = usize::from(orgs.unwrap_or(nodes));
    let testnet = Testnet { out, doors: testnet::doors(nodes, port)?, organisations, chains, consensus };
    testnet.write(|chain, consortium| testnet::genesis(chain, consortium, now))?;
    let out = testnet.out.display();
    println!("{out} holds {nodes} nodes: {out}/start, {out}/status, {out}/stop");
    Ok(ExitCode::SUCCESS)
}

fn run_demo(args: DemoArgs) -> Result<ExitCode> {
    let bytes = orders_or_berka(args.orders.as_deref())?;
    let freeze = args.freeze.iter().map(|text| parse_freeze(text)).collect::<Result<_>>()?;
    let cluster = args.nodes.config(args.data, args.seed, args.silence > 0);
    let options = Options {
        orders: read(&bytes),
        months: args.months,
        freeze,
        cluster: ClusterConfig {
            validators: args.processes.map_or(cluster.validators, usize::from),
            ..cluster
        },
        processes: args.processes.is_some(),
        silence: Silence { nodes: usize::from(args.silence), duration: args.silence_for },
        links: args.links,
        rough: args.rough.then_some(args.seed),
        evidence: args.evidence,
        progress: true,
    };
    let report = actix::System::new().block_on(demo::run(options))?;
    if args.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        println!("{report}");
    }
    Ok(ExitCode::from(report.exit_code()))
}

fn run_resume_voting(args: &ResumeVotingArgs) -> Result<ExitCode> {
    ensure!(
        args.i_know_what_it_signed,
        "a validator that signs at a height where it signed before can make two blocks of one height, and every light client \
         that sees both freezes. If the newest block of this folder is the newest that anybody saw of the chain, say so with \
         --i-know-what-it-signed"
    );
    let data = DataDir::open(&args.data)?;
    let height = resume_voting(&data, &args.chain)?;
    println!("{} votes again from height {height} on", args.chain);
    Ok(ExitCode::SUCCESS)
}

fn run_verify(orders: Option<&Path>, months: u32, evidence: &Path) -> Result<ExitCode> {
    let orders = read(&orders_or_berka(orders)?);
    for row in &orders.refused {
        println!("line {}: refused: {}", row.line, row.reason);
    }
    println!("{}", catenary_verify::verify(&orders.orders, months, evidence)?);
    Ok(ExitCode::from(if orders.refused.is_empty() { 0 } else { 3 }))
}

fn orders_or_berka(path: Option<&Path>) -> Result<Vec<u8>> {
    match path {
        Some(path) => fs::read(path).with_context(|| format!("reading {}", path.display())),
        None => Ok(BERKA.to_vec()),
    }
}
