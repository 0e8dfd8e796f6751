//! Chains whose groups keep Raft logs: their leaders are killed again and again, also between append and commit, and no
//! member ever signs two headers of one height.
//!
//! `E2E_CYCLES` says how often a leader is killed.

use crate::{
    load::Load,
    net::{CHAINS, Net, catenary, until},
};
use catenary_crypto::Hash;
use catenary_types::{Address, Certificate, CommitSignature, Height, Trust};
use std::{collections::BTreeMap, fs};

/// How often a leader is killed, unless `E2E_CYCLES` says otherwise.
const CYCLES: usize = 4;

fn cycles() -> usize {
    std::env::var("E2E_CYCLES").map_or(CYCLES, |text| text.parse().unwrap())
}

/// The node that built the newest block of a chain.
async fn leader(net: &Net, chain: usize) -> usize {
    let mut newest = None;
    for node in 0..net.nodes {
        let Ok(view) = net.client(node, chain).header(None).await else { continue };
        let header = view.signed.header;
        newest = newest.max(Some((header.height, header.proposer)));
    }
    let (_, builder) = newest.unwrap();
    net.node_of(builder)
}

/// Goes through every certificate that any node shows, those inside of blocks too. Gives how many members signed the newest
/// block of each chain.
async fn nobody_signed_twice(net: &Net) -> Vec<usize> {
    let mut newest = Vec::new();
    for chain in 0..CHAINS.len() {
        let mut signed = BTreeMap::<(Height, Address), Hash>::new();
        for node in 0..net.nodes {
            let client = net.client(node, chain);
            let tip = client.status().await.unwrap().height;
            for height in 1..=tip.0 {
                let view = client.block(Height(height)).await.unwrap().unwrap();
                for certificate in view.block.last_certificate.iter().chain([&view.certificate]) {
                    for entry in &certificate.signatures {
                        let CommitSignature::Commit { address, .. } = entry else { continue };
                        let block =
                            *signed.entry((certificate.height, *address)).or_insert(certificate.block);
                        assert_eq!(block, certificate.block, "{address} at height {}", certificate.height);
                    }
                }
            }
        }
        let (last, _) = *signed.last_key_value().unwrap().0;
        newest.push(signed.range((last, Address([0; 20]))..).count());
    }
    newest
}

fn has_signed(certificate: &Certificate, member: Address) -> bool {
    let is_his = |entry: &CommitSignature| matches!(entry, CommitSignature::Commit { address, .. } if *address == member);
    certificate.signatures.iter().any(is_his)
}

#[tokio::test]
async fn leaders_that_are_killed_are_replaced_and_nobody_signs_twice() {
    let mut net = Net::start_by(4, "raft").await;
    let load = Load::start(&net);
    let before = net.heights().await;
    net.progress(&before).await;
    for cycle in 0..cycles() {
        let node = leader(&net, cycle % CHAINS.len()).await;
        net.kill(node);
        let before = net.heights().await;
        let took = net.progress(&before).await;
        println!("leader {node} killed: a block of every chain after {took:.1?}");
        net.spawn(node);
        net.answering(node).await;
    }
    // All at once, and two of four: three make a majority.
    let before = net.heights().await;
    (0..net.nodes).for_each(|node| net.kill(node));
    (0..net.nodes).for_each(|node| net.spawn(node));
    net.progress(&before).await;

    let loaded = load.stop().await;
    assert!(loaded.counts().iter().all(|count| *count > 10), "{:?}", loaded.counts());
    net.judge(&loaded).await;
    let signers = nobody_signed_twice(&net).await;
    assert!(signers.iter().all(|count| *count >= Trust::Crash.quorum_of(4)), "{signers:?}");
}

#[tokio::test]
async fn a_node_that_dies_between_append_and_commit_comes_back_to_the_same_log() {
    let mut net = Net::start_by(4, "raft").await;
    let load = Load::start(&net);
    let before = net.heights().await;
    net.progress(&before).await;
    for (round, point) in
        ["append-raft", "raft-durable", "append-own-vote", "journal-batch-written"].iter().enumerate()
    {
        let node = leader(&net, round % CHAINS.len()).await;
        net.kill(node);
        // It leads again sooner or later, or follows; it dies in either part.
        net.spawn_with(node, &[("CATENARY_FAILPOINT", &format!("{point}:{}", 20 * (round + 1)))]);
        net.ends(node).await;
        assert!(net.log(node).contains(&format!("failpoint {point} reached")));
        let before = net.heights().await;
        net.progress(&before).await;
        net.spawn(node);
        net.answering(node).await;
    }
    let loaded = load.stop().await;
    net.judge(&loaded).await;
    nobody_signed_twice(&net).await;
}

#[tokio::test]
async fn a_member_that_lost_its_log_follows_says_so_and_signs_nothing() {
    let mut net = Net::start_by(4, "raft").await;
    let load = Load::start(&net);
    let before = net.heights().await;
    net.progress(&before).await;
    let lost = 3;
    net.kill(lost);
    fs::remove_dir_all(net.folder(lost).join("data")).unwrap();
    let wiped_at = net.heights().await;
    net.spawn(lost);
    net.answering(lost).await;
    for _ in 0..3 {
        let before = net.heights().await;
        net.progress(&before).await;
    }
    let loaded = load.stop().await;
    net.judge(&loaded).await;
    nobody_signed_twice(&net).await;
    let own = net.validator(lost);
    for (chain, wiped_at) in wiped_at.iter().enumerate() {
        let client = net.client(lost, chain);
        let tip = client.status().await.unwrap();
        assert_eq!(tip.trust, Trust::Crash);
        for height in wiped_at.0 + 2..=tip.height.0 {
            let view = client.block(Height(height)).await.unwrap().unwrap();
            assert!(!has_signed(&view.certificate, own), "it signed at {height}");
        }
    }
    let mut list = catenary(&["chain", "list", "--config"]);
    let listed = list.arg(net.folder(lost).join("node.toml")).output().unwrap();
    let text = String::from_utf8(listed.stdout).unwrap();
    assert!(text.contains("crash") && text.contains("Raft log is lost"), "{text}");
}

#[tokio::test]
async fn members_of_the_log_follow_the_validators_of_the_chain() {
    let mut net = Net::start_by(4, "raft").await;
    let load = Load::start(&net);
    let before = net.heights().await;
    net.progress(&before).await;
    let joined = net.join().await;
    let tip = net.height(0).await;
    until("it follows", async || net.status(joined, 0).await.is_some_and(|status| status.height > tip)).await;

    net.set_validators(&[1, 2, 3, joined]);
    let own = net.validator(joined);
    // A block that the new set signs says that the log has its members.
    for chain in 0..CHAINS.len() {
        until("it is a validator", async || {
            let view = net.client(1, chain).header(None).await;
            view.is_ok_and(|view| view.validators.by_address(&own).is_some())
        })
        .await;
    }
    until("it signs", async || {
        let view = net.client(1, 0).header(None).await;
        view.is_ok_and(|view| has_signed(&view.signed.certificate, own))
    })
    .await;
    // Three of the new four are a majority; of the old four there are but two left.
    net.kill(0);
    net.kill(1);
    for _ in 0..2 {
        let before = net.heights().await;
        net.progress(&before).await;
    }
    net.spawn(0);
    net.spawn(1);

    let loaded = load.stop().await;
    net.judge(&loaded).await;
    nobody_signed_twice(&net).await;
}

#[tokio::test]
async fn chains_of_one_validator_go_on_wherever_they_are_asked() {
    let mut net = Net::start_by(3, "solo").await;
    let load = Load::start(&net);
    for node in 0..net.nodes {
        let before = net.heights().await;
        net.progress(&before).await;
        net.kill(node);
        net.spawn(node);
        net.answering(node).await;
    }
    until("every chain is single", async || {
        let mut single = true;
        for chain in 0..CHAINS.len() {
            single &= net.status(0, chain).await.is_some_and(|status| status.trust == Trust::Single);
        }
        single
    })
    .await;
    let loaded = load.stop().await;
    net.judge(&loaded).await;
}

#[tokio::test]
async fn a_group_that_is_created_on_running_nodes_finds_its_members() {
    let mut net = Net::start(4).await;
    let created = net.create_chain(0, "d", &["--consensus", "raft"]);
    let load = Load::start(&net);
    until("a transaction on it is final", async || net.height(created).await > Height(0)).await;
    assert_eq!(net.status(1, created).await.unwrap().trust, Trust::Crash);
    let loaded = load.stop().await;
    net.judge(&loaded).await;
}
