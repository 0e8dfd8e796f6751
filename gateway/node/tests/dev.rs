//! The network without orders: it stays up, also when one of its chains cannot.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_links::{ChainClient, GrpcChain};
use catenary_types::ChainId;
use std::{
    fs,
    io::{BufRead, BufReader, Lines},
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
};

/// A network that runs, with what it prints.
struct Dev {
    process: Child,
    address: String,
    chains: Vec<ChainId>,
    errors: Lines<BufReader<ChildStderr>>,
}

impl Dev {
    fn start(data: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_catenary"));
        let command =
            command.args(["dev", "--validators", "1", "--listen", "127.0.0.1:0", "--data"]).arg(data);
        let mut process = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap).take(15);
        let printed: Vec<_> = lines.map(|line| line.split_whitespace().last().unwrap().to_owned()).collect();
        let [address, chains @ ..] = &printed[..] else { panic!("nothing printed") };
        let errors = BufReader::new(process.stderr.take().unwrap()).lines();
        let chains = chains.iter().map(|id| id.parse().unwrap()).collect();
        Self { process, address: address.clone(), chains, errors }
    }

    /// The chains that do not run, as the door says it.
    fn down(&self) -> Vec<(ChainId, String)> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let channel = GrpcChain::channel(&format!("http://{}", self.address)).unwrap();
            let mut down = Vec::new();
            for id in &self.chains {
                if let Err(error) = GrpcChain::over(channel.clone(), id.clone()).status().await {
                    down.push((id.clone(), error.to_string()));
                }
            }
            down
        })
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        // It may have ended by itself; then there is nothing to end.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_damaged_chain_is_named_and_the_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let dev = Dev::start(folder.path());
    assert_eq!((dev.chains.len(), dev.down()), (14, vec![]));
    let damaged = dev.chains[3].clone();
    drop(dev);
    let blocks = folder.path().join(format!("node-0/chains/{damaged}/blocks/{:020}.blocks", 1));
    let mut bytes = fs::read(&blocks).unwrap();
    bytes[500] ^= 1;
    fs::write(&blocks, bytes).unwrap();

    let mut dev = Dev::start(folder.path());
    let told =
        format!("{damaged} is down, the other chains go on: block log of {damaged} is damaged: segment 1");
    assert!(dev.errors.any(|line| line.unwrap().starts_with(&told)));
    let down = dev.down();
    assert_eq!(down.len(), 1, "{down:?}");
    assert!(down[0].0 == damaged && down[0].1.contains("is damaged"), "{down:?}");
}
