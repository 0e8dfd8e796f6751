//! What operators do to a running node through its door.

use crate::{
    cli::Output,
    keys,
    network::Holder,
    node::{config::NodeFile, read_genesis, routing},
    testnet::OPERATOR,
};
use anyhow::{Context as _, Result};
use catenary_links::{ChainClient, Directory, GrpcChain};
use catenary_relay::{
    gateway::GatewayError,
    query::{Activity, ChainStatus},
};
use catenary_types::{AccountId, Trust};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;
use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a node that was just started may take to open its door.
const PATIENCE: Duration = Duration::from_secs(30);
const POLL: Duration = Duration::from_millis(200);

/// Prints the configuration in force.
pub fn show(path: &Path) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(&NodeFile::read(path)?)?);
    Ok(())
}

/// The chains of a node through its door.
pub fn clients(file: &NodeFile) -> Result<Vec<Arc<dyn ChainClient>>> {
    let channel = GrpcChain::channel(&format!("http://{}", file.api.listen))?;
    let client = |chain: &crate::node::config::ChainSection| {
        let chain_id = read_genesis(&chain.genesis)?.chain_id()?;
        Ok(Arc::new(GrpcChain::over(channel.clone(), chain_id)) as Arc<dyn ChainClient>)
    };
    file.chains.iter().map(client).collect()
}

/// Waits until a chain answers.
pub async fn answering(chain: &dyn ChainClient) -> Result<ChainStatus> {
    let started = Instant::now();
    loop {
        match chain.status().await {
            Err(GatewayError::Unavailable(_)) if started.elapsed() < PATIENCE => {
                tokio::time::sleep(POLL).await
            }
            answer => return answer.with_context(|| format!("asking {}", chain.chain_id())),
        }
    }
}

/// Opens the lanes that a node's router serves.
pub async fn open_lanes(path: &Path, operator: &Path) -> Result<()> {
    let file = NodeFile::read(path)?;
    let section = file.router.as_ref().context("the configuration has no router")?;
    let chains = clients(&file)?;
    for chain in &chains {
        answering(&**chain).await?;
    }
    let (organisation, number) = (section.organisation.parse()?, OPERATOR.parse()?);
    let account = AccountId::new(&organisation, &number);
    let operator = Holder { number, account, key: Arc::new(keys::signing_key(operator)?) };
    routing::open_lanes(&Directory::new(chains), &section.lanes, &operator).await?;
    println!("{} lanes are open", section.lanes.len());
    Ok(())
}

/// One line of `chain list`.
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

/// Prints the chains of a node.
pub async fn list_chains(path: &Path, output: Output) -> Result<()> {
    let mut rows = Vec::new();
    for chain in clients(&NodeFile::read(path)?)? {
        rows.push(row(chain.status().await.with_context(|| format!("asking {}", chain.chain_id()))?));
    }
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
