//! Chains at which nothing happens.

use crate::net::{catenary, free_ports, memory_kib, until};
use std::{
    fs,
    path::Path,
    process::{Child, Stdio},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::sleep;

/// What a chain may cost while it is idle.
const IDLE_CHAIN_KIB_MAX: u64 = 2 * 1024;
const CHAINS: u64 = 100;
/// Long enough for a chain that would make blocks to make many.
const WATCHED: Duration = Duration::from_secs(5);

/// A node of one process.
struct Node {
    folder: TempDir,
    child: Child,
}

impl Node {
    async fn start(chains: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let net = folder.path().join("net");
        let names: Vec<_> = (0..chains).map(|number| format!("idle-{number}")).collect();
        let port = free_ports(1).to_string();
        let mut command =
            catenary(&["testnet", "--nodes", "1", "--port", &port, "--chains", &names.join(",")]);
        command.arg("--out").arg(&net).stdout(Stdio::null());
        assert!(command.status().unwrap().success());
        let config = config(&net);
        // A router has something to do with every chain.
        let text = fs::read_to_string(&config).unwrap();
        fs::write(&config, text.split("[router]").next().unwrap()).unwrap();
        let log = fs::File::create(folder.path().join("log")).unwrap();
        let child = catenary(&["node", "--config"]).arg(&config).stdout(log).spawn().unwrap();
        let node = Self { folder, child };
        until("the node is ready", async || {
            fs::read_to_string(node.folder.path().join("log")).unwrap().contains("api ")
        })
        .await;
        node
    }

    fn chains(&self) -> Vec<serde_json::Value> {
        let mut command = catenary(&["chain", "list", "-o", "json", "--config"]);
        let output = command.arg(config(&self.folder.path().join("net"))).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn config(net: &Path) -> std::path::PathBuf {
    net.join("node-0/node.toml")
}

#[tokio::test]
async fn a_hundred_idle_chains_make_no_block_and_cost_little() {
    let alone = memory_kib(&Node::start(1).await.child);
    let node = Node::start(1 + CHAINS).await;
    sleep(WATCHED).await;
    let chains = node.chains();
    assert_eq!(chains.len() as u64, 1 + CHAINS);
    assert!(chains.iter().all(|chain| chain["height"] == 0 && chain["activity"] == "idle"), "{chains:?}");
    let each = memory_kib(&node.child).saturating_sub(alone) / CHAINS;
    println!("{each} KiB for each idle chain");
    assert!(each <= IDLE_CHAIN_KIB_MAX, "{each} KiB");
}
