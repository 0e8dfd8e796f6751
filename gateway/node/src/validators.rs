//! `catenary validators`: who votes, and whether they are ready to.

use crate::{
    cli::ConfigArg,
    keys,
    network::Holder,
    node::config::NodeFile,
    operate::{POWER, committee_keys, decide, genesis_of, holder, running},
    submitter::{call, once},
};
use anyhow::{Context as _, Result, bail, ensure};
use catenary_apps::admin::{self, AdminCall, DeclareReady, READY_MS_MAX, SetValidators};
use catenary_crypto::{PublicKey, sha256};
use catenary_ledger::{records::AdminKey, stores::ADMIN};
use catenary_links::ChainClient;
use catenary_relay::gateway::{GatewayError, ProofRequest};
use catenary_types::{Address, Message, Readiness, Validator};
use clap::{Args, Subcommand};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

#[derive(Debug, Subcommand)]
pub enum ValidatorsCommand {
    /// Print the public key of a key file.
    Key {
        /// For example keys/validator.key.
        file: PathBuf,
    },
    /// Say on chain that this node's validator key is ready: where the node is, signed by the key. It counts for a minute.
    Ready {
        #[command(flatten)]
        config: ConfigArg,
        /// The chain, by name or id.
        #[arg(long, value_name = "CHAIN")]
        chain: String,
        /// File with the key of the account `operator` of an organisation.
        #[arg(long, value_name = "FILE")]
        operator: PathBuf,
        /// That organisation; the router's if left out.
        #[arg(long, value_name = "ORGANISATION")]
        org: Option<String>,
    },
    /// Say what would change if these were the validators, and who of them is ready; with the committee's keys decide it. Who joins
    /// must be ready, and if somebody leaves a quorum of the new set. The set that signs now must keep its quorum until the second
    /// block after the decision.
    Set(SetArgs),
}

#[derive(Debug, Args)]
pub struct SetArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The chain, by name or id.
    #[arg(long, value_name = "CHAIN")]
    chain: String,
    /// A validator's public key; all of them, also those that stay.
    #[arg(long, value_name = "KEY", required = true)]
    validator: Vec<PublicKey>,
    /// File with a key of the committee; as many as its threshold.
    #[arg(long, value_name = "FILE")]
    committee: Vec<PathBuf>,
}

/// Does what was asked for.
pub async fn run(command: ValidatorsCommand) -> Result<()> {
    match command {
        ValidatorsCommand::Key { file } => {
            println!("{}", keys::signing_key(&file)?.public_key());
            Ok(())
        }
        ValidatorsCommand::Ready { config, chain, operator: key, org } => {
            let file = NodeFile::read(&config.config)?;
            let of_router = || file.router.as_ref().map(|router| router.organisation.clone());
            let organisation = org.or_else(of_router).context("name an organisation with --org")?;
            declare_ready(&file, &chain, &holder(&organisation, &key)?).await
        }
        ValidatorsCommand::Set(args) => set(&args).await,
    }
}

async fn declare_ready(file: &NodeFile, chain: &str, operator: &Holder) -> Result<()> {
    let path = file.node.validator_key.as_deref().context("the configuration has no node.validator_key")?;
    let key = keys::signing_key(path)?;
    let chain = running(file).await?.find(chain)?;
    let status = chain.status().await?;
    let now = catenary_runtime::now();
    let readiness = Readiness::sign(chain.chain_id(), &key, (status.height, status.app_hash), now);
    let reference = format!("ready-{}", &sha256(&readiness.encode()).to_string()[..16]);
    let declare = call(admin::KIND, &AdminCall::DeclareReady(DeclareReady { readiness }));
    let view = once(&*chain, operator, &reference, vec![declare]).await?;
    println!("{} is ready: height {}, said in block {}", key.public_key(), status.height, view.height);
    Ok(())
}

/// Makes these the validators of a chain, each with the same power, by a decision that the committee's keys sign; without them
/// it is only said what would change.
async fn set(SetArgs { config, chain, validator, committee }: &SetArgs) -> Result<()> {
    let file = NodeFile::read(&config.config)?;
    let chain = running(&file).await?.find(chain)?;
    let present = present_validators(&file, &*chain).await?;
    let wanted: BTreeSet<_> = validator.iter().copied().collect();
    ensure!(!wanted.is_empty(), "a chain needs a validator");
    let said = readiness(&*chain, &wanted).await?;
    for (what, keys) in
        [("stays", &present & &wanted), ("joins", &wanted - &present), ("leaves", &present - &wanted)]
    {
        keys.iter().for_each(|key| println!("{what} {key}{}", said.get(key).map_or("", String::as_str)));
    }
    let trust = chain.status().await?.trust;
    let [(size, quorum), (size_now, quorum_now)] =
        [&wanted, &present].map(|set| (set.len(), trust.quorum_of(set.len())));
    println!("{quorum} of {size} will have to vote; {quorum_now} of {size_now} must until then");
    if committee.is_empty() {
        println!("nothing was decided: name the keys of the committee with --committee to do so");
        return Ok(());
    }
    let keys = committee_keys(committee)?;
    let validators = wanted.into_iter().map(|public_key| Validator { public_key, power: POWER }).collect();
    let call = call(admin::KIND, &AdminCall::SetValidators(SetValidators { validators }));
    let height = decide(&*chain, &keys, call).await?;
    println!("decided in block {height}; the new set signs from block {} on", height.next().next());
    Ok(())
}

/// What is known of the readiness of those who are to vote, as it is printed.
async fn readiness(
    chain: &dyn ChainClient,
    wanted: &BTreeSet<PublicKey>,
) -> Result<BTreeMap<PublicKey, String>> {
    let key = |key: &PublicKey| AdminKey::Readiness(&Address::of(key)).bytes();
    let mut said: BTreeMap<_, _> =
        wanted.iter().map(|key| (*key, ", has not said that it is ready".to_owned())).collect();
    // The newest state that a header names.
    let Some(height) = chain.status().await?.height.previous() else { return Ok(said) };
    let request = ProofRequest { height, store: ADMIN, keys: wanted.iter().map(key).collect() };
    let now = catenary_runtime::now();
    for value in chain.prove(request).await?.values.into_iter().flatten() {
        let word = Readiness::decode(&value)?;
        let age_ms = now.0.saturating_sub(word.time.0) / 1_000_000;
        let text = match age_ms <= READY_MS_MAX {
            true => format!(", ready at height {}, {} s ago", word.height, age_ms / 1_000),
            false => format!(", last ready {} s ago", age_ms / 1_000),
        };
        said.insert(word.validator, text);
    }
    Ok(said)
}

/// The keys that sign now: those of the newest header, or of the genesis if there is no block yet.
async fn present_validators(file: &NodeFile, chain: &dyn ChainClient) -> Result<BTreeSet<PublicKey>> {
    let of = |validators: &[Validator]| validators.iter().map(|one| one.public_key).collect();
    match chain.header(None).await {
        Ok(view) => return Ok(of(view.validators.validators())),
        Err(GatewayError::Height { .. }) => {}
        Err(error) => bail!("asking {}: {error}", chain.chain_id()),
    }
    Ok(of(&genesis_of(file, chain.chain_id()).await?.validators))
}
