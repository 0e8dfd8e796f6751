//! The command line.

use crate::demo::{self, Links, Options, parse_freeze};
use anyhow::{Context as _, Result};
use catenary_orders::{BERKA, read};
use clap::{Args, Parser, Subcommand};
use std::{
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::ExitCode,
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
}

#[derive(Debug, Args)]
struct DevArgs {
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

/// Reads the command line and runs.
pub fn main() -> ExitCode {
    let filter = EnvFilter::try_from_env("CATENARY_LOG").unwrap_or_else(|_| EnvFilter::new("error"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let Cli { command } = Cli::parse();
    let result = match command {
        Command::Demo(args) => run_demo(args),
        Command::Verify(VerifyArgs { orders, months, evidence }) => {
            run_verify(orders.as_deref(), months, &evidence)
        }
        Command::Dev(DevArgs { listen, data, links }) => {
            actix::System::new().block_on(demo::dev(data, links, listen)).map(|()| ExitCode::SUCCESS)
        }
    };
    result.unwrap_or_else(|error| {
        eprintln!("catenary: {error:#}");
        ExitCode::FAILURE
    })
}

fn run_demo(args: DemoArgs) -> Result<ExitCode> {
    let bytes = orders_or_berka(args.orders.as_deref())?;
    let freeze = args.freeze.iter().map(|text| parse_freeze(text)).collect::<Result<_>>()?;
    let options = Options {
        orders: read(&bytes),
        months: args.months,
        freeze,
        data: args.data,
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
