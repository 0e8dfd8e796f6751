//! Networks of real processes on loopback: killed, stopped, parted, wiped. After each of these every node comes to the same
//! state, no block has a rival, and what was final stays so.
//!
//! `E2E_CYCLES` says how often each node is killed in turn, `E2E_CHAINS` how many chains come and go; `.ci/full` asks for more than a normal run.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod idle;
mod live;
mod load;
mod net;
mod operations;
mod payments;
mod proxy;
mod raft;
mod small_disk;
mod snapshot;
mod twins;

use catenary_types::Height;
use load::Load;
use net::{Net, until};
use payments::Payments;
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{fs, io::Write, net::TcpStream, path::Path, time::Duration};
use tokio::time::sleep;

/// How often one of the nodes is killed.
const CYCLES: usize = 8;
/// How long a part of the network that must stand still is watched: long enough for links to be given up.
const STILL: Duration = Duration::from_secs(11);

/// Silent connections to one node, unless `E2E_FLOOD` says otherwise.
const FLOOD: usize = 1_200;
/// The promise of docs/operator.md for a node that is flooded.
const FLOODED_MIB_MAX: u64 = 256;

fn flood() -> usize {
    std::env::var("E2E_FLOOD").map_or(FLOOD, |text| text.parse().unwrap())
}

/// How long a process is stopped, unless `E2E_STOPPED_S` says otherwise.
fn stopped() -> Duration {
    Duration::from_secs(std::env::var("E2E_STOPPED_S").map_or(1, |text| text.parse().unwrap()))
}

fn cycles() -> usize {
    std::env::var("E2E_CYCLES").map_or(CYCLES, |text| text.parse().unwrap())
}

#[tokio::test]
async fn nodes_that_are_killed_stopped_or_wiped_lose_nothing() {
    let mut net = Net::start(4).await;
    let load = Load::start(&net);
    let mut random = StdRng::from_os_rng();
    for cycle in 0..cycles() {
        let node = cycle % net.nodes;
        sleep(Duration::from_millis(random.random_range(100..1_500))).await;
        net.kill(node);
        let before = net.heights().await;
        net.progress(&before).await;
        net.spawn(node);
        net.answering(node).await;
    }
    let before = net.heights().await;
    for node in 0..net.nodes {
        net.kill(node);
    }
    for node in 0..net.nodes {
        net.spawn(node);
    }
    net.progress(&before).await;

    // Two of four: no quorum until one is back.
    net.kill(0);
    net.kill(1);
    let still = stands_still(&net, Duration::from_secs(2)).await;
    net.spawn(0);
    net.spawn(1);
    net.progress(&still).await;

    net.signal(2, "STOP");
    sleep(stopped()).await;
    net.signal(2, "CONT");
    let before = net.heights().await;
    net.progress(&before).await;

    // What is on a disk is lost in part or in whole. The first two are found at the start; the votes are known from the guard, or
    // asked for.
    let damages: [fn(&Path, &mut StdRng); 4] = [
        |data, random| flip(&data.join("index"), random),
        |data, random| flip(&data.join("chains"), random),
        |data, _| fs::remove_dir_all(data.join("journal")).unwrap(),
        |data, _| fs::remove_dir_all(data).unwrap(),
    ];
    for (node, damage) in damages.into_iter().enumerate() {
        net.kill(node);
        damage(&net.folder(node).join("data"), &mut random);
        net.spawn(node);
        net.answering(node).await;
        let before = net.heights().await;
        net.progress(&before).await;
    }

    let loaded = load.stop().await;
    assert!(loaded.counts().iter().all(|count| *count > 10), "{:?}", loaded.counts());
    net.judge(&loaded).await;
}

/// Nothing is decided for a while but what was under way; gives the heights.
async fn stands_still(net: &Net, duration: Duration) -> Vec<Height> {
    let before = net.heights().await;
    sleep(duration).await;
    let now = net.heights().await;
    assert!(now.iter().zip(&before).all(|(now, then)| *now <= then.next()), "{before:?}, then {now:?}");
    now
}

/// Flips bits all over the files of a folder.
fn flip(folder: &Path, random: &mut StdRng) {
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.is_dir() {
            flip(&entry, random);
            continue;
        }
        let mut bytes = fs::read(&entry).unwrap();
        for _ in 0..bytes.len().min(3) {
            let at = random.random_range(0..bytes.len());
            bytes[at] ^= 1 << random.random_range(0..8);
        }
        fs::write(&entry, bytes).unwrap();
    }
}

#[tokio::test]
async fn parted_networks_stand_still_without_a_quorum_and_go_on_when_joined() {
    let net = Net::start(4).await;
    let load = Load::start(&net);
    let before = net.heights().await;
    net.progress(&before).await;

    // Three and one: the three go on.
    net.proxies.part(&[0], true);
    let before = net.heights().await;
    net.progress(&before).await;
    net.proxies.part(&[0], false);

    // Two and two: nobody has a quorum.
    net.proxies.part(&[0, 1], true);
    let before = stands_still(&net, STILL).await;
    net.proxies.part(&[0, 1], false);
    let healed = net.progress(&before).await;
    println!("two and two: a block of every chain {healed:.1?} after the network was joined");

    // One way: what node 0 says is not heard.
    for other in 1..net.nodes {
        net.proxies.hold(0, other, true);
    }
    let before = net.heights().await;
    net.progress(&before).await;
    for other in 1..net.nodes {
        net.proxies.hold(0, other, false);
    }

    // Flapping every second.
    for second in 0..6 {
        net.proxies.part(&[1, 2], second % 2 == 0);
        sleep(Duration::from_secs(1)).await;
    }
    net.proxies.part(&[1, 2], false);
    let before = net.heights().await;
    let healed_again = net.progress(&before).await;
    println!("flapping: a block of every chain {healed_again:.1?} after it ended");

    let loaded = load.stop().await;
    net.judge(&loaded).await;
}

#[tokio::test]
async fn a_node_joins_becomes_a_validator_and_takes_the_place_of_another() {
    let mut net = Net::start(4).await;
    let load = Load::start(&net);
    let payments = Payments::start(&net, [0, 1], [0, 0]).await;
    // No configuration but its own is written: its organisation's authority stands on chain.
    let joined = net.join().await;
    let tip = net.height(0).await;
    until("it follows", async || net.status(joined, 0).await.is_some_and(|status| status.height > tip)).await;

    net.set_validators(&[1, 2, 3, joined]);
    // The set that decided still signs the next block.
    for _ in 0..2 {
        let before = net.heights().await;
        net.progress(&before).await;
    }
    net.kill(0);
    net.kill(1);
    // Three of the four new validators are there, and one of them is the one that joined.
    let before = net.heights().await;
    net.progress(&before).await;
    net.spawn(0);
    net.spawn(1);
    net.answering(0).await;

    let paid = payments.settle().await;
    assert!(paid > 2, "{paid} payments");
    let loaded = load.stop().await;
    net.judge(&loaded).await;
}

#[tokio::test]
async fn a_second_process_on_the_same_folder_or_with_the_same_key_is_refused() {
    let mut net = Net::start(1).await;
    net.spawn(0);
    until("the second says why", async || net.log(0).contains("catenary: ")).await;
    let log = net.log(0);
    assert!(log.contains("in use by another process"), "{log}");
}

#[tokio::test]
async fn certificates_are_renewed_and_revoked_while_the_network_runs() {
    let net = Net::start(4).await;
    let load = Load::start(&net);
    for node in 0..net.nodes {
        net.renew_certificate(node);
    }
    until("every node shows its new certificate", async || {
        (0..net.nodes).all(|node| net.log(node).contains("shows another certificate"))
    })
    .await;
    let before = net.heights().await;
    net.progress(&before).await;

    // Links that are given up are made again with the new ones.
    let given_up = || net.log(1).matches("the link is down").count();
    let before = given_up();
    net.proxies.part(&[1], true);
    until("the links are given up", async || given_up() >= before + 3).await;
    net.proxies.part(&[1], false);
    let before = net.heights().await;
    net.progress(&before).await;

    // A revoked node is let go and the others go on without it; with a new certificate it is back.
    for node in [0, 1, 2] {
        net.revoke_certificate(3, node);
    }
    until("the revoked one is let go", async || {
        [0, 1, 2].iter().all(|node| net.log(*node).contains("CertRevoked"))
    })
    .await;
    // What it had been told before it may still be working on; then it stands still, and the others do not.
    let height = async || net.status(3, 0).await.map(|status| status.height);
    until("it stands still", async || {
        let before = height().await;
        for _ in 0..3 {
            let heights = net.heights().await;
            net.progress(&heights).await;
        }
        before.is_some() && height().await == before
    })
    .await;
    let alone = height().await.unwrap();
    net.renew_certificate(3);
    until("it is back", async || height().await.is_some_and(|height| height > alone)).await;

    let loaded = load.stop().await;
    net.judge(&loaded).await;
}

#[tokio::test]
async fn floods_of_silent_connections_stop_no_block_and_cost_little_memory() {
    let net = Net::start(4).await;
    let load = Load::start(&net);
    let mut silent = Vec::new();
    for number in 0..flood() {
        let door = [net.proxies.target(0), net.door(0)][number % 2];
        let Ok(stream) = TcpStream::connect(door) else { continue };
        if number % 3 == 0 {
            // Slower than anybody means it: a byte now, and another one never.
            let _ = (&stream).write_all(b"P");
        }
        silent.push(stream);
        if number % 200 == 0 {
            let before = net.heights().await;
            net.progress(&before).await;
        }
    }
    let memory = net.memory_mib(0);
    println!("{} silent connections, {memory} MiB", silent.len());
    assert!(memory < FLOODED_MIB_MAX, "{memory} MiB");
    let loaded = load.stop().await;
    net.judge(&loaded).await;
}
