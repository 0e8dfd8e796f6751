//! A node joins a network whose chain is long: it begins with a snapshot of another node, dies on the way, goes on, and becomes
//! a validator, while transactions go on.
//!
//! `E2E_BLOCKS` says how long the chain is.

use crate::{
    load::{Load, key, opening},
    net::{Net, catenary, until},
    payments::Payments,
};
use catenary_apps::{
    admin::{self, Admin},
    asset::{self, Asset},
};
use catenary_failpoint::Failpoint;
use catenary_ledger::{Apps, Ledger};
use catenary_packet::PacketApp;
use catenary_relay::gateway::GatewayError;
use catenary_system::testing::{copy_into, grow};
use catenary_transfer::Transfer;
use catenary_types::Height;
use std::{fs, os::unix::process::ExitStatusExt, path::Path, sync::Arc, time::Instant};

/// The chain that is long.
const LONG: usize = 0;
/// Its blocks, unless `E2E_BLOCKS` says otherwise: more than a node fetches one by one.
const BLOCKS: u64 = 2_400;
const SIGABRT: i32 = 6;

fn blocks() -> u64 {
    std::env::var("E2E_BLOCKS").map_or(BLOCKS, |text| text.parse().unwrap())
}

/// The code that nodes run.
fn ledger() -> Ledger {
    let apps = Apps::default()
        .with(admin::KIND, Admin)
        .with(asset::KIND, Asset)
        .with(catenary_packet::KIND, PacketApp::new(vec![Arc::new(Transfer)]))
        .with(catenary_transfer::KIND, Transfer);
    Ledger::new(apps)
}

/// Gives every node the same long chain.
fn prepare(net: &mut Net, blocks: u64) {
    let (chain_id, operator) = (net.chain_id(LONG), key(&net.operator_key()));
    let first = net.folder(0).join("data");
    let data = catenary_store::DataDir::open(&first).unwrap();
    let envelopes = (1..blocks).map(|number| opening(&chain_id, &operator, &format!("grown-{number}")).1);
    let height = grow(&data, (net.genesis(LONG), &ledger()), &net.validator_seeds(), envelopes);
    assert_eq!(height, Height(blocks));
    drop(data);
    for node in 1..net.nodes {
        copy_into(&first, &net.folder(node).join("data")).unwrap();
    }
    // Every node takes one as soon as its chain has gone on.
    net.variables.push(("CATENARY__NODE__SNAPSHOT_EVERY_BLOCKS", (blocks / 2).to_string()));
}

fn snapshots(net: &Net, node: usize) -> usize {
    let folder = net.folder(node).join("data/snapshots").join(net.chain_id(LONG).as_str());
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    let named =
        entries.filter(|entry| entry.as_ref().unwrap().file_name().to_str().unwrap().parse::<u64>().is_ok());
    named.count()
}

/// What an operator can do with the snapshots of a node that is stopped.
fn commands(net: &Net, node: usize) {
    let run = |arguments: &[&str]| {
        let output = catenary(&[&["snapshot"], arguments].concat()).output().unwrap();
        let text =
            String::from_utf8(if output.status.success() { output.stdout } else { output.stderr }).unwrap();
        (output.status.success(), text.trim().to_owned())
    };
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let (data, genesis) = (text(&net.folder(node).join("data")), text(&net.genesis_file(LONG)));
    let chain = net.chain_id(LONG).to_string();
    let (made, folder) = run(&["create", "--data", &data, "--chain", &chain]);
    assert!(made, "{folder}");
    let (listed, rows) = run(&["list", "--data", &data, "--chain", &chain, "-o", "json"]);
    assert!(listed && rows.contains(&folder), "{rows}");
    let (verified, said) = run(&["verify", "--genesis", &genesis, "--snapshot", &folder]);
    assert!(verified && said.ends_with("is the chain's"), "{said}");
    let pin = format!("7:{}", "00".repeat(32));
    let (trusted, said) = run(&["verify", "--genesis", &genesis, "--snapshot", &folder, "--trusted", &pin]);
    assert!(!trusted && said.contains("no header of that height"), "{said}");
    let (over, said) = run(&["restore", "--data", &data, "--chain", &chain, "--snapshot", &folder]);
    assert!(!over && said.contains("restored into an empty folder"), "{said}");
    let empty = tempfile::tempdir().unwrap();
    let into = text(empty.path());
    let arguments =
        ["restore", "--data", &into, "--chain", &chain, "--snapshot", &folder, "--genesis", &genesis];
    let (restored, said) = run(&arguments);
    assert!(restored && said.starts_with(&format!("{chain} begins after height")), "{said}");
}

async fn has(net: &Net, node: usize, tip: Height) -> bool {
    net.status(node, LONG).await.is_some_and(|status| status.height >= tip)
}

#[tokio::test]
async fn a_node_joins_a_long_chain_by_a_snapshot_and_votes() {
    let blocks = blocks();
    let made = Instant::now();
    let mut net = Net::start_on(4, "bft", |net| prepare(net, blocks)).await;
    println!("a chain of {blocks} blocks, made and opened by four nodes in {:.1?}", made.elapsed());
    let load = Load::start(&net);
    let payments = Payments::start(&net, [1, 2], [0, 0]).await;
    until("every node takes a snapshot", async || (0..4).all(|node| snapshots(&net, node) > 0)).await;

    let tip = net.height(LONG).await;
    let started = Instant::now();
    let quick = net.admit();
    net.spawn(quick);
    until("it reaches the tip", async || has(&net, quick, tip).await).await;
    println!("a node joined a chain of {tip} blocks in {:.1?}", started.elapsed());

    // Another one dies when the snapshot is written, then when it has its name, and begins again.
    let joined = net.admit();
    for point in [Failpoint::SnapshotFlushed, Failpoint::SnapshotNamed] {
        net.variables.push(("CATENARY_FAILPOINT", point.to_string()));
        net.spawn(joined);
        let ended = net.ends(joined).await;
        assert_eq!(ended.signal(), Some(SIGABRT), "{point}: {ended}, {}", net.log(joined));
        net.variables.pop();
    }
    net.spawn(joined);
    until("it reaches the tip", async || has(&net, joined, tip).await).await;
    for node in [quick, joined] {
        // It never had the first block, and says from where on it has them.
        let first = net.client(node, LONG).block(Height(1)).await.unwrap_err();
        let GatewayError::Height { oldest, .. } = first else { panic!("{first}") };
        assert!(oldest > Height(blocks / 2), "{oldest}");
    }

    net.set_validators(&[0, 1, 2, 3, joined]);
    for _ in 0..2 {
        let before = net.heights().await;
        net.progress(&before).await;
    }
    // Four of five are needed, and one of the first four is away.
    net.kill(1);
    let before = net.heights().await;
    net.progress(&before).await;
    net.spawn(1);
    let paid = payments.settle().await;
    println!("{paid} payments between chains meanwhile");
    assert!(paid > 0);
    let loaded = load.stop().await;
    assert!(loaded.counts().iter().all(|count| *count > 10), "{:?}", loaded.counts());
    until("all nodes come to the same state, and it is sealed", async || {
        let mut tips = Vec::new();
        for node in 0..net.nodes {
            tips.push(net.status(node, LONG).await.map(|status| (status.height, status.app_hash)));
        }
        let Some((newest, _)) = tips[0] else { return false };
        let block = net.client(0, LONG).block(newest).await.ok().flatten();
        tips.iter().all(|tip| *tip == tips[0]) && block.is_some_and(|view| view.block.envelopes.is_empty())
    })
    .await;
    net.kill(0);
    commands(&net, 0);
}
