//! What operators do to a running node through its door.

use crate::{
    cli::Output,
    keys,
    network::Holder,
    node::{config::NodeFile, read_genesis, routing},
    submitter::{call, included, submit},
    testnet::OPERATOR,
};
use anyhow::{Context as _, Result, bail, ensure};
use catenary_apps::admin::{self, AdminCall, SetValidators};
use catenary_crypto::{PublicKey, SigningKey, sha256};
use catenary_ledger::records::committee_account;
use catenary_links::{ChainClient, Directory, GrpcChain};
use catenary_relay::{
    gateway::{GatewayError, SubmitOutcome},
    query::{Activity, ChainStatus},
};
use catenary_types::{
    AccountId, Body, Call, Height, Message, RequestId, Trust, TxId, UnixSeconds, Validator,
};
use comfy_table::{CellAlignment, Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a node that was just started may take to open its door.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a decision asks to be valid.
const VALID_FOR_S: u64 = 300;
/// Of each validator.
const POWER: u64 = 10;
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

/// Makes these the validators of a chain, each with the same power, by a decision that the committee's keys sign; without them
/// it is only said what would change.
pub async fn set_validators(
    path: &Path,
    chain: &str,
    validators: &[PublicKey],
    committee: &[PathBuf],
) -> Result<()> {
    let file = NodeFile::read(path)?;
    let chain = Directory::new(clients(&file)?).find(chain)?;
    answering(&*chain).await?;
    let present = present_validators(&file, &*chain).await?;
    let wanted: BTreeSet<_> = validators.iter().copied().collect();
    ensure!(!wanted.is_empty(), "a chain needs a validator");
    for (what, keys) in
        [("stays", &present & &wanted), ("joins", &wanted - &present), ("leaves", &present - &wanted)]
    {
        keys.iter().for_each(|key| println!("{what} {key}"));
    }
    let trust = chain.status().await?.trust;
    let [(size, quorum), (size_now, quorum_now)] =
        [&wanted, &present].map(|set| (set.len(), trust.quorum_of(set.len())));
    println!("{quorum} of {size} will have to vote; {quorum_now} of {size_now} must until then");
    if committee.is_empty() {
        println!("nothing was decided: name the keys of the committee with --committee to do so");
        return Ok(());
    }
    let keys = committee.iter().map(|path| keys::signing_key(path)).collect::<Result<Vec<_>>>()?;
    let validators = wanted.into_iter().map(|public_key| Validator { public_key, power: POWER }).collect();
    let call = call(admin::KIND, &AdminCall::SetValidators(SetValidators { validators }));
    let height = decide(&*chain, &keys, call).await?;
    println!("decided in block {height}; the new set signs from block {} on", height.next().next());
    Ok(())
}

/// The keys that sign now: those of the newest header, or of the genesis if there is no block yet.
async fn present_validators(file: &NodeFile, chain: &dyn ChainClient) -> Result<BTreeSet<PublicKey>> {
    let of = |validators: &[Validator]| validators.iter().map(|one| one.public_key).collect();
    match chain.header(None).await {
        Ok(view) => return Ok(of(view.validators.validators())),
        Err(GatewayError::Height { .. }) => {}
        Err(error) => bail!("asking {}: {error}", chain.chain_id()),
    }
    let documents = file.chains.iter().map(|section| read_genesis(&section.genesis));
    let documents = documents.collect::<Result<Vec<_>>>()?;
    let genesis = documents.iter().find(|genesis| genesis.chain_id().is_ok_and(|id| id == *chain.chain_id()));
    Ok(of(&genesis.context("the configuration names the genesis of each of its chains")?.validators))
}

/// Has the committee do something, and says in which block it was done.
async fn decide(chain: &dyn ChainClient, keys: &[SigningKey], call: Call) -> Result<Height> {
    let now = catenary_runtime::now();
    let mut request_id = RequestId([0; 16]);
    request_id.0.copy_from_slice(&sha256(format!("decision {}", now.0).as_bytes()).0[..16]);
    let body = Body {
        chain_id: chain.chain_id().clone(),
        sender: committee_account(),
        request_id,
        valid_until: UnixSeconds(now.seconds().0 + VALID_FOR_S),
        reference: None,
        calls: vec![call],
    };
    let envelope = body.sign(&keys.iter().collect::<Vec<_>>());
    let tx_id = TxId(sha256(&envelope.body));
    if let SubmitOutcome::Refused(refusal) = &submit(chain, vec![envelope.encode()]).await?[0] {
        bail!("the decision was refused: {refusal}");
    }
    let view = included(chain, tx_id).await?;
    let receipt = &view.receipt;
    ensure!(receipt.succeeded(), "the decision failed: {}: {}", receipt.reason, receipt.detail);
    Ok(view.height)
}
