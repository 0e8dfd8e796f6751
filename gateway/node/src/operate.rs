//! What operators do to a running node through its door.

use crate::{
    keys, lanes,
    network::Holder,
    node::{config::NodeFile, read_genesis},
    submitter::{included, submit},
    testnet::OPERATOR,
};
use anyhow::{Context as _, Result, bail, ensure};
use catenary_crypto::{SigningKey, sha256};
use catenary_ledger::{
    records::{AdminKey, ChainRecord, committee_account},
    stores::ADMIN,
};
use catenary_links::{ChainClient, Channel, Directory, GrpcChain};
use catenary_relay::{
    gateway::{GatewayError, ProofRequest, SubmitOutcome},
    query::ChainStatus,
};
use catenary_types::{
    AccountId, Body, Call, ChainId, Genesis, Height, Message, RequestId, TxId, UnixSeconds,
};
use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

/// How long a node that was just started may take to open its door.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long a decision asks to be valid.
const VALID_FOR_S: u64 = 300;
/// Of each validator.
pub const POWER: u64 = 10;
const POLL: Duration = Duration::from_millis(200);

/// Prints the configuration in force.
pub fn show(path: &Path) -> Result<()> {
    println!("{}", serde_json::to_string_pretty(&NodeFile::read(path)?)?);
    Ok(())
}

/// The chains of a node's configuration through its door, in the order in which they stand there.
pub fn clients(file: &NodeFile) -> Result<Vec<Arc<dyn ChainClient>>> {
    let channel = door(file)?;
    let client = |chain: &crate::node::config::ChainSection| {
        let chain_id = read_genesis(&chain.genesis)?.chain_id()?;
        Ok(Arc::new(GrpcChain::over(channel.clone(), chain_id)) as Arc<dyn ChainClient>)
    };
    file.chains.iter().map(client).collect()
}

/// The door of a node.
pub fn door(file: &NodeFile) -> Result<Channel> {
    Ok(GrpcChain::channel(&format!("http://{}", file.api.listen))?)
}

/// Every chain that runs on a node, through its door.
pub async fn running(file: &NodeFile) -> Result<Directory> {
    let channel = door(file)?;
    let chains = GrpcChain::list(channel.clone()).await.context("asking the node for its chains")?;
    let client = |status: ChainStatus| {
        Arc::new(GrpcChain::over(channel.clone(), status.chain_id)) as Arc<dyn ChainClient>
    };
    Ok(Directory::new(chains.into_iter().map(client)))
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

/// Opens a lane between every two of these chains, or of all that the configuration names, unless they have one.
pub async fn open_lanes(path: &Path, chains: &[String], operator: &Path) -> Result<()> {
    let file = NodeFile::read(path)?;
    let section = file.router.as_ref().context("the configuration has no router")?;
    let configured = clients(&file)?;
    for chain in &configured {
        answering(&**chain).await?;
    }
    let all = || configured.iter().map(|chain| chain.chain_id().to_string()).collect();
    let chains = if chains.is_empty() { all() } else { chains.to_vec() };
    let operator = holder(&section.organisation, operator)?;
    let open = lanes::open_missing(&chains, &running(&file).await?, &operator).await?;
    println!("{open} lanes are open");
    Ok(())
}

/// The operator of an organisation, with his key.
pub fn holder(organisation: &str, key: &Path) -> Result<Holder> {
    let number = OPERATOR.parse()?;
    let account = AccountId::new(&organisation.parse()?, &number);
    Ok(Holder { number, account, key: Arc::new(keys::signing_key(key)?) })
}

/// Reads the committee's key files.
pub fn committee_keys(paths: &[PathBuf]) -> Result<Vec<SigningKey>> {
    paths.iter().map(|path| keys::signing_key(path)).collect()
}

/// The genesis document of a chain that the configuration names.
pub fn configured_genesis(file: &NodeFile, chain_id: &ChainId) -> Result<Option<Genesis>> {
    let documents = file.chains.iter().map(|section| read_genesis(&section.genesis));
    let documents = documents.collect::<Result<Vec<_>>>()?;
    Ok(documents.into_iter().find(|genesis| genesis.chain_id().is_ok_and(|id| id == *chain_id)))
}

/// The chain whose committee creates further ones on this node.
pub async fn registry(file: &NodeFile) -> Result<Arc<dyn ChainClient>> {
    let name = file.node.registry.as_deref().context("the configuration names no node.registry")?;
    Ok(running(file).await?.find(name)?)
}

/// The genesis document of a chain of this node: the configuration names it, or the registry holds it.
pub async fn genesis_of(file: &NodeFile, chain_id: &ChainId) -> Result<Genesis> {
    if let Some(genesis) = configured_genesis(file, chain_id)? {
        return Ok(genesis);
    }
    let registry = registry(file).await?;
    let height = registry.status().await?.height;
    let height = height.previous().context("the registry has no block yet")?;
    let keys = vec![AdminKey::Chain(&chain_id.chain_name()).bytes()];
    let proof = registry.prove(ProofRequest { height, store: ADMIN, keys }).await?;
    let record = proof.values.into_iter().flatten().next().context("the registry does not know the chain")?;
    Ok(Genesis::decode(&ChainRecord::decode(&record)?.genesis)?)
}

/// Has the committee do something, and says in which block it was done.
pub async fn decide(chain: &dyn ChainClient, keys: &[SigningKey], call: Call) -> Result<Height> {
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
