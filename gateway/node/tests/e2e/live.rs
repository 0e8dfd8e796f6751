//! Chains that come and go while the nodes run.

use crate::{
    load::Load,
    net::{Net, until},
    payments::Payments,
};
use catenary_relay::gateway::GatewayError;
use std::{fs, path::Path, time::Instant};

/// How many chains come and go in a row, after as many that fill what is kept for later use, unless `E2E_CHAINS` says otherwise.
const CHAINS: usize = 10;
/// What the process may have grown by then, in MiB: less than a running chain each.
const GROWN_MIB_MAX: u64 = 8;

#[tokio::test]
async fn a_chain_is_created_on_running_nodes_and_removed_again() {
    let mut net = Net::start(4).await;
    let load = Load::start(&net);
    let payments = Payments::start(&net, [0, 1], [0, 0]).await;
    let called = Instant::now();
    net.create_chain(0, "d", &[]);
    let others = load;
    let load = Load::start(&net);
    let before = net.heights().await;
    net.progress(&before).await;
    println!("a transaction on it is final {:.1?} after the call", called.elapsed());
    // Money goes from the new chain to an old one, over a lane that no configuration names.
    let from_new = Payments::start(&net, [3, 0], [0, 1]).await;

    // A node that is away takes a chain up when it is back, and may vote on it: it has forgotten nothing.
    net.kill(3);
    let created = net.create_chain(0, "e", &[]);
    net.spawn(3);
    net.answering(3).await;
    let load = [others, load, Load::start(&net)];
    net.kill(0);
    let before = net.heights().await;
    net.progress(&before).await;
    net.spawn(0);
    net.answering(0).await;

    // One that lost everything may not, before the others have told it how far they are.
    net.kill(1);
    fs::remove_dir_all(net.folder(1).join("data")).unwrap();
    net.spawn(1);
    net.answering(1).await;
    for _ in 0..6 {
        let before = net.heights().await;
        net.progress(&before).await;
    }
    net.kill(2);
    let before = net.heights().await;
    net.progress(&before).await;
    net.spawn(2);
    net.answering(2).await;

    // A chain stands still on one node while its operator wants it to.
    net.operate(3, &["chain", "stop", "d"]);
    assert!(net.operate(3, &["chain", "status", "d"]).contains("its operator stopped it"));
    let before = net.heights().await;
    net.progress(&before).await;
    net.operate(3, &["chain", "start", "d"]);

    (0..net.nodes).for_each(|node| net.kill(node));
    (0..net.nodes).for_each(|node| net.spawn(node));
    net.progress(&before).await;
    let [first, second, load] = load;
    let (loaded, _, _) = (load.stop().await, first.stop().await, second.stop().await);
    let paid = [payments.settle().await, from_new.settle().await];
    assert!(paid.iter().all(|paid| *paid > 5), "{paid:?} payments");
    assert!(loaded.counts().iter().all(|count| *count > 3), "{:?}", loaded.counts());
    net.judge(&loaded).await;
    goes_from_every_node(&mut net, created).await;
}

/// The chain that was created last goes, also from a node that was away; the others go on.
async fn goes_from_every_node(net: &mut Net, created: usize) {
    let id = net.chain_id(created);
    net.kill(2);
    net.remove_chain(0);
    net.spawn(2);
    net.answering(2).await;
    let folders: Vec<_> = (0..net.nodes).map(|node| net.folder(node).join("data")).collect();
    until("nothing is left of it", async || !folders.iter().any(|data| holds(data, id.as_str()))).await;
    let before = net.heights().await;
    let load = Load::start(net);
    net.progress(&before).await;
    net.judge(&load.stop().await).await;
}

/// Whether anything below a folder bears a name.
fn holds(folder: &Path, name: &str) -> bool {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path());
    entries
        .into_iter()
        .any(|path| path.display().to_string().contains(name) || (path.is_dir() && holds(&path, name)))
}

#[tokio::test]
async fn chains_that_come_and_go_leave_no_memory_behind() {
    let mut net = Net::start(1).await;
    let chains = std::env::var("E2E_CHAINS").map_or(CHAINS, |text| text.parse().unwrap());
    let mut memory = Vec::new();
    for round in 0..2 {
        for number in 0..chains {
            let created = net.create_chain(0, &format!("guest{round}x{number}"), &[]);
            let chain = net.client(0, created);
            chain.status().await.unwrap();
            net.remove_chain(0);
            until("it is gone", async || !matches!(chain.status().await, Ok(_) | Err(GatewayError::Busy)))
                .await;
        }
        memory.push(net.memory_mib(0));
    }
    println!("{memory:?} MiB after {chains} chains each");
    assert!(memory[1] <= memory[0] + GROWN_MIB_MAX, "{memory:?}");
}
