//! `catenary bench`: what a network of processes does under a load that does not wait for it.

mod drive;
mod report;
mod workload;

pub use report::Report;
pub use workload::Workload;

use crate::{
    consensus::Consensus,
    keys, lanes,
    network::Holder,
    processes::{Processes, Used, free_doors},
    testnet::{self, OPERATOR, Testnet},
};
use anyhow::{Context as _, Result, ensure};
use catenary_links::{ChainClient, Directory};
use catenary_packet::ClientId;
use catenary_types::{AccountId, ChainName, Organisation};
use drive::{Driven, drive};
use futures::future::try_join_all;
use std::{
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use workload::Payers;

/// From the end of the preparations to the first transaction.
const LEAD: Duration = Duration::from_millis(500);
/// The organisation whose accounts pay.
const ORGANISATION: &str = "ORG1";

/// What to measure.
#[derive(Clone, Debug)]
pub struct Options {
    /// Nodes, each a validator of every chain and a process of its own.
    pub nodes: usize,
    /// Chains; the load is spread over them evenly.
    pub chains: usize,
    /// By which kind of group the chains agree.
    pub consensus: Consensus,
    /// What is paid.
    pub workload: Workload,
    /// Transactions a second, over all chains.
    pub rate: u32,
    /// For how long.
    pub duration: Duration,
    /// Where the network is kept; a temporary folder if there is none.
    pub data: Option<PathBuf>,
}

/// Starts a network, loads it and says what came of it.
pub async fn run(options: &Options) -> Result<Report> {
    ensure!(
        options.workload != Workload::Cross || options.chains >= 2,
        "payments between chains need two of them"
    );
    let names =
        (0..options.chains).map(|number| format!("bench-{number}").parse()).collect::<Result<Vec<_>, _>>()?;
    let (processes, directory) = start(options, &names).await?;
    let operator = operator(&processes)?;
    let organisation: Organisation = ORGANISATION.parse()?;
    let chains = (0..options.chains).map(|chain| -> Vec<Arc<dyn ChainClient>> {
        processes.doors().iter().map(|door| door[chain].clone()).collect()
    });
    let chains: Vec<_> = chains.collect();
    let payers =
        try_join_all(chains.iter().map(|nodes| Payers::open(&*nodes[0], &operator, &organisation))).await?;
    if options.workload == Workload::Cross {
        let names: Vec<_> = names.iter().map(ToString::to_string).collect();
        lanes::open_missing(&names, &directory, &operator).await?;
    }
    let total = u64::from(options.rate) * options.duration.as_millis() as u64 / 1_000;
    let each = usize::try_from(total)?.div_ceil(options.chains);
    let signed = chains.iter().zip(&payers).map(|(nodes, payers)| {
        // On every chain the first client leads to the first of the others.
        let client = (options.workload == Workload::Cross).then(|| ClientId::bft(0));
        payers.sign(nodes[0].chain_id(), options.workload, client.as_ref(), each)
    });
    let signed: Vec<_> = signed.collect();
    let interval = Duration::from_secs(1).saturating_mul(u32::try_from(options.chains)?) / options.rate;
    let before = processes.used();
    let begin = Instant::now() + LEAD;
    let driven = chains
        .iter()
        .zip(signed)
        .map(|(nodes, signed)| drive(nodes, signed, (begin, interval), options.workload));
    let driven: Vec<Driven> = try_join_all(driven).await?;
    let used: Used = processes.used().since(&before);
    Report::new(options, begin, &driven, &used)
}

async fn start(options: &Options, names: &[ChainName]) -> Result<(Processes, Directory)> {
    let now = catenary_runtime::now();
    let write = |folder: &std::path::Path| {
        let testnet = Testnet {
            out: folder.to_owned(),
            doors: free_doors(options.nodes)?,
            organisations: options.nodes,
            chains: names.to_vec(),
            consensus: options.consensus,
        };
        testnet.write(|chain, consortium| testnet::genesis(chain, consortium, now))
    };
    let processes = Processes::start(options.data.as_deref(), options.nodes, write).await?;
    let directory = Directory::new(processes.doors()[0].iter().cloned());
    Ok((processes, directory))
}

fn operator(processes: &Processes) -> Result<Holder> {
    let path = processes.folder().join("organisations").join(ORGANISATION).join("operator.key");
    let key = Arc::new(keys::signing_key(&path).context("the operator's key")?);
    let number = OPERATOR.parse()?;
    Ok(Holder { account: AccountId::new(&ORGANISATION.parse()?, &number), number, key })
}
