//! What operators do with the folder of a node that has stopped, however it came to stop.

use crate::{
    flip,
    load::Load,
    net::{CHAINS, Net, until},
};
use rand::{SeedableRng, rngs::StdRng};
use serde_json::Value;
use std::{fs, net::SocketAddr};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

/// What `debug verify` says of a node's folder, and whether it calls it sound.
pub fn verify(net: &Net, node: usize) -> (bool, Value) {
    let (code, out, error) = net.debug(node, &["verify", "-o", "json"]);
    let said: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{error}"));
    assert!(matches!(code, Some(0 | 1)), "{error}");
    (code == Some(0), said)
}

/// A command that must do what it is asked.
fn debug(net: &Net, node: usize, command: &[&str]) -> String {
    let (code, out, error) = net.debug(node, command);
    assert_eq!(code, Some(0), "{command:?}: {error}");
    out
}

fn chain<'a>(said: &'a Value, net: &Net, number: usize) -> &'a Value {
    let id = net.chain_id(number).to_string();
    let chains = said["chains"].as_array().unwrap();
    chains.iter().find(|chain| chain["chain"] == *id).unwrap_or_else(|| panic!("{said}"))
}

fn parts(faults: &Value) -> Vec<&str> {
    faults.as_array().unwrap().iter().map(|fault| fault["part"].as_str().unwrap()).collect()
}

async fn progress(net: &Net) {
    let before = net.heights().await;
    net.progress(&before).await;
}

#[tokio::test]
async fn damage_is_named_and_mended_and_the_node_joins_again() {
    let mut net = Net::start(4).await;
    let load = Load::start(&net);
    let mut random = StdRng::from_os_rng();
    for _ in 0..3 {
        progress(&net).await;
    }
    net.kill(1);
    let (sound, said) = verify(&net, 1);
    assert!(sound, "a killed node leaves nothing damaged: {said}");
    assert_eq!((&said["journal"], &said["guard"]), (&"intact".into(), &"whole".into()));
    let signed = chain(&said, &net, 0)["signed"].as_u64().unwrap();
    let height = chain(&said, &net, 0)["height"].as_u64().unwrap();
    assert!(signed >= height && height > 0, "{said}");

    // A block in the middle of the first chain.
    let id = net.chain_id(0).to_string();
    let log = net.folder(1).join(format!("data/chains/{id}/blocks/{:020}.blocks", 1));
    let mut bytes = fs::read(&log).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&log, bytes).unwrap();
    let (sound, said) = verify(&net, 1);
    let damaged = chain(&said, &net, 0);
    assert!(!sound && parts(&damaged["faults"]) == ["blocks"], "{said}");
    assert!(damaged["faults"][0]["remedy"].as_str().unwrap().contains("rollback"), "{said}");
    let kept = damaged["height"].as_u64().unwrap();
    assert!(kept < height);
    for other in 1..CHAINS.len() {
        assert_eq!(parts(&chain(&said, &net, other)["faults"]), [""; 0]);
    }
    let (code, _, error) = net.debug(1, &["rollback", "--chain", &id, "--to", &height.to_string()]);
    assert!(code == Some(1) && error.contains("is damaged"), "{error}");
    debug(&net, 1, &["rollback", "--chain", &id, "--to", &kept.to_string()]);
    let (sound, said) = verify(&net, 1);
    assert!(sound, "{said}");
    assert_eq!(chain(&said, &net, 0)["signed"], signed, "what was signed is never forgotten");

    let (code, _, error) = net.debug(0, &["verify"]);
    assert!(code == Some(1) && error.contains("in use by another process"), "{error}");
    net.spawn(1);
    net.answering(1).await;
    let tip = net.height(0).await;
    until("it catches up", async || net.status(1, 0).await.is_some_and(|status| status.height >= tip)).await;

    // The index, all over.
    net.kill(2);
    flip(&net.folder(2).join("data/index"), &mut random);
    fs::remove_file(net.folder(2).join("data/guard")).unwrap();
    let (sound, said) = verify(&net, 2);
    assert!(!sound && parts(&said["faults"]).contains(&"guard"), "{said}");
    debug(&net, 2, &["rebuild-index"]);
    let (_, said) = verify(&net, 2);
    assert_eq!(parts(&said["faults"]), ["guard"], "{said}");
    for number in 0..CHAINS.len() {
        let chain = chain(&said, &net, number);
        assert_eq!(
            (parts(&chain["faults"]), chain["index"].as_str().unwrap().starts_with("at ")),
            (vec![], true)
        );
    }
    net.spawn(2);
    net.answering(2).await;
    progress(&net).await;

    let loaded = load.stop().await;
    net.judge(&loaded).await;
}

#[tokio::test]
async fn blocks_of_one_node_start_another_that_was_wiped() {
    let mut net = Net::start(4).await;
    let load = Load::start(&net);
    for _ in 0..3 {
        progress(&net).await;
    }
    assert_eq!(net.terminate(0).await, Some(0));
    net.kill(3);
    let (_, before) = verify(&net, 3);
    let data = net.folder(3).join("data");
    fs::remove_dir_all(&data).unwrap();
    for number in 0..CHAINS.len() {
        let id = net.chain_id(number).to_string();
        let copy = net.folder(0).join(format!("{id}.blocks"));
        let copy = copy.to_str().unwrap();
        debug(&net, 0, &["export", "--chain", &id, "--out", copy]);
        let genesis = net.genesis_file(number);
        let command = ["import", copy, "--chain", &id, "--genesis", genesis.to_str().unwrap()];
        let said = debug(&net, 3, &command);
        assert!(said.contains("0 were there already"), "{said}");
    }
    let (sound, imported) = verify(&net, 3);
    assert!(!sound && parts(&imported["faults"]) == ["journal", "guard"], "{imported}");
    let (_, source) = verify(&net, 0);
    for number in 0..CHAINS.len() {
        let [here, there] = [&imported, &source].map(|said| chain(said, &net, number));
        assert_eq!((&here["height"], &here["app_hash"]), (&there["height"], &there["app_hash"]));
        assert_eq!(here["signed"], Value::Null, "an import says nothing of what was signed");
    }
    net.spawn(0);
    net.spawn(3);
    net.answering(3).await;
    progress(&net).await;
    let tip = net.height(0).await;
    until("it follows", async || net.status(3, 0).await.is_some_and(|status| status.height > tip)).await;
    let loaded = load.stop().await;
    net.judge(&loaded).await;
    // It has forgotten what it signed, and signs nothing at or below it.
    assert_eq!(net.terminate(3).await, Some(0));
    let (_, after) = verify(&net, 3);
    for number in 0..CHAINS.len() {
        let [then, now] = [&before, &after].map(|said| chain(said, &net, number)["signed"].as_u64());
        assert!(now >= then, "signed {then:?}, then {now:?}");
    }
}

#[tokio::test]
async fn a_node_that_is_told_to_stop_leaves_nothing_unfinished() {
    let mut net = Net::start(4).await;
    let load = Load::start(&net);
    for node in 0..net.nodes {
        progress(&net).await;
        assert_eq!(net.terminate(node).await, Some(0), "{}", net.log(node));
        let log = net.log(node);
        assert!(log.contains("stopping: no submission is taken any more"), "{log}");
        let stopped =
            log.lines().find(|line| line.starts_with("stopped: ")).unwrap_or_else(|| panic!("{log}"));
        let (sound, said) = verify(&net, node);
        assert!(sound, "{said}");
        for number in 0..CHAINS.len() {
            let chain = chain(&said, &net, number);
            assert_eq!(chain["notices"].as_array().unwrap().len(), 0, "{chain}");
            assert!(stopped.contains(chain["chain"].as_str().unwrap()), "{stopped}");
        }
        net.spawn(node);
        net.answering(node).await;
    }
    let loaded = load.stop().await;
    net.judge(&loaded).await;
}

/// What a node answers to a request of the monitoring: status and body.
async fn get(address: SocketAddr, path: &str) -> Option<(u16, String)> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: node\r\n\r\n").as_bytes()).await.ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    Some((head.split(' ').nth(1)?.parse().ok()?, body.to_owned()))
}

/// The value of a sample, by its name and labels.
async fn sample(address: SocketAddr, name: &str) -> Option<u64> {
    let (status, metrics) = get(address, "/metrics").await?;
    assert!(status == 200 || status == 503, "{metrics}");
    metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
}

#[tokio::test]
async fn a_node_tells_its_monitoring_how_its_chains_and_links_are() {
    let mut net = Net::start(4).await;
    net.kill(1);
    let door = net.monitor(1);
    net.spawn(1);
    net.answering(1).await;
    assert_eq!(get(door, "/healthz").await, Some((200, "alive\n".into())));
    until("it is ready", async || get(door, "/readyz").await == Some((200, "ready\n".into()))).await;

    let load = Load::start(&net);
    let chain = format!("{{chain=\"{}\"}}", net.chain_id(0));
    let height = format!("catenary_chain_height{chain}");
    let first = sample(door, &height).await.unwrap();
    until("its height moves", async || sample(door, &height).await > Some(first)).await;
    let shown = net.height(0).await.0;
    until("it shows what all show", async || sample(door, &height).await >= Some(shown)).await;
    assert!(sample(door, &format!("catenary_chain_transactions_total{chain}")).await > Some(0));
    assert!(sample(door, "catenary_node_fsyncs_total").await > Some(0));
    assert!(sample(door, "catenary_node_disk_free_bytes").await > Some(0));

    let links = async || {
        let (_, metrics) = get(door, "/metrics").await?;
        let links = metrics.lines().filter(|line| line.starts_with("catenary_link_up{"));
        Some(links.map(|line| line.ends_with(" 1")).filter(|is_up| *is_up).count())
    };
    until("it has a link to each other node", async || links().await == Some(3)).await;
    net.kill(2);
    until("it misses one", async || links().await == Some(2)).await;
    net.spawn(2);
    until("it has it again", async || links().await == Some(3)).await;
    let loaded = load.stop().await;
    net.judge(&loaded).await;
}
