//! A network as processes that this one starts, over links of the real kind.

use crate::{
    network,
    node::{config::NodeFile, read_genesis},
    operate::{answering, clients},
    testnet::node_folder,
};
use anyhow::{Context as _, Result, bail, ensure};
use catenary_links::{AnyOf, ChainClient};
use catenary_runtime::ChainDefinition;
use catenary_store::DataDir;
use catenary_system::{Node, NodeConfig};
use catenary_types::Genesis;
use futures::future::try_join_all;
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// How long a killed process stays away.
const AWAY: Duration = Duration::from_secs(2);
/// How often something is looked at that nobody announces.
const POLL: Duration = Duration::from_millis(20);
/// How long nodes may take to come to the same block once nothing is paid any more, and to stop.
const PATIENCE: Duration = Duration::from_secs(60);

/// The processes of a network. They are killed when this is dropped.
pub struct Processes {
    folder: PathBuf,
    _temporary: Option<TempDir>,
    genesis: Vec<Genesis>,
    /// What each process offers to clients: all chains, in the order of the banks.
    doors: Vec<Vec<Arc<dyn ChainClient>>>,
    children: Vec<Mutex<Option<Child>>>,
    /// What killed processes had used.
    spent: Mutex<Used>,
}

impl Processes {
    /// Writes the network, or takes the one that the folder holds, and starts every process.
    pub async fn start(
        data: Option<&Path>,
        nodes: usize,
        write: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<Self> {
        let temporary = data.is_none().then(tempfile::tempdir).transpose()?;
        let folder = match (data, &temporary) {
            (Some(folder), _) => folder.to_owned(),
            (None, temporary) => temporary.as_ref().context("a folder")?.path().to_owned(),
        };
        if !node_folder(&folder, 0).exists() {
            write(&folder)?;
        }
        ensure!(
            node_folder(&folder, nodes - 1).exists() && !node_folder(&folder, nodes).exists(),
            "{} holds a network of another size",
            folder.display()
        );
        let files =
            (0..nodes).map(|node| NodeFile::read(&config(&folder, node))).collect::<Result<Vec<_>>>()?;
        let genesis =
            files[0].chains.iter().map(|chain| read_genesis(&chain.genesis)).collect::<Result<_>>()?;
        let doors = files.iter().map(clients).collect::<Result<_>>()?;
        let children = (0..nodes).map(|_| Mutex::new(None)).collect();
        let processes =
            Self { folder, _temporary: temporary, genesis, doors, children, spent: Mutex::default() };
        for node in 0..nodes {
            processes.spawn(node)?;
        }
        try_join_all(processes.doors.iter().map(|chains| answering(&*chains[0]))).await?;
        Ok(processes)
    }

    /// Where the network lies.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// What each process offers to clients: all chains, in the order of the configuration.
    pub fn doors(&self) -> &[Vec<Arc<dyn ChainClient>>] {
        &self.doors
    }

    /// The chains' genesis documents.
    pub fn genesis(&self) -> &[Genesis] {
        &self.genesis
    }

    /// The chains, through whichever process answers.
    pub fn clients(&self) -> Vec<Arc<dyn ChainClient>> {
        let through_all = |chain: usize| {
            let nodes = self.doors.iter().map(|chains| chains[chain].clone()).collect();
            Arc::new(AnyOf::new(nodes)) as Arc<dyn ChainClient>
        };
        (0..self.genesis.len()).map(through_all).collect()
    }

    fn spawn(&self, node: usize) -> Result<()> {
        let log = File::options().create(true).append(true).open(self.log(node))?;
        let mut command = Command::new(std::env::current_exe()?);
        command.arg("node").arg("--config").arg(config(&self.folder, node));
        // A failpoint is for one process, and the one that it was meant for is this one.
        command.env_remove("CATENARY_FAILPOINT").stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn().context("starting a node")?;
        *self.child(node) = Some(child);
        Ok(())
    }

    fn child(&self, node: usize) -> std::sync::MutexGuard<'_, Option<Child>> {
        self.children[node].lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self, node: usize) -> PathBuf {
        node_folder(&self.folder, node).join("log")
    }

    /// Kills the process that clients use and that carries the packets, once half of the payments are settled, and starts it
    /// again after a while.
    pub async fn kill_halfway(&self, settled: impl Fn() -> usize, all: usize) -> Result<()> {
        while settled() < all / 2 {
            sleep(POLL).await;
        }
        let killed = self.child(0).take();
        if let Some(mut child) = killed {
            let mut spent = self.spent.lock().unwrap_or_else(PoisonError::into_inner);
            *spent = Used::by(child.id()).into_iter().fold(*spent, Used::plus);
            drop(spent);
            child.kill()?;
            child.wait()?;
        }
        eprintln!("process 0 was killed with {} of {all} payments settled", settled());
        sleep(AWAY).await;
        self.spawn(0)
    }

    /// Fails as soon as a process has ended that nobody killed.
    pub async fn failure(&self) -> Result<()> {
        loop {
            for node in 0..self.children.len() {
                let ended = self.child(node).as_mut().map(Child::try_wait).transpose()?.flatten();
                if let Some(status) = ended {
                    let log = fs::read_to_string(self.log(node)).unwrap_or_default();
                    bail!("process {node} ended, {status}: {}", log.lines().last().unwrap_or_default());
                }
            }
            sleep(10 * POLL).await;
        }
    }

    /// Waits until every process has come to the same state of every chain.
    pub async fn agree(&self) -> Result<()> {
        let agreed = async {
            for chain in 0..self.genesis.len() {
                loop {
                    let tips = self.doors.iter().map(async |chains| {
                        let status = answering(&*chains[chain]).await?;
                        anyhow::Ok((status.height, status.app_hash))
                    });
                    let tips = try_join_all(tips).await?;
                    if tips.iter().all(|tip| *tip == tips[0]) {
                        break;
                    }
                    sleep(POLL).await;
                }
            }
            anyhow::Ok(())
        };
        timeout(PATIENCE, agreed).await.context("the processes do not come to the same state")?
    }

    /// What all processes have used.
    pub fn used(&self) -> Used {
        let running = (0..self.children.len()).filter_map(|node| self.child(node).as_ref().map(Child::id));
        let spent = *self.spent.lock().unwrap_or_else(PoisonError::into_inner);
        let used = running.filter_map(Used::by).fold(spent, Used::plus);
        let data = (0..self.children.len()).map(|node| node_folder(&self.folder, node).join("data"));
        let bytes_disk = data.map(|folder| bytes_below(&folder)).sum();
        Used { bytes_wire: loopback_bytes().unwrap_or_default(), bytes_disk, ..used }
    }

    /// Stops every process and opens what it left: a node that follows, on each folder.
    pub async fn stop(&self) -> Result<Vec<Node>> {
        let mut children: Vec<_> =
            (0..self.children.len()).filter_map(|node| self.child(node).take()).collect();
        for child in &children {
            kill(Pid::from_raw(i32::try_from(child.id())?), Signal::SIGTERM)?;
        }
        let stopped = async {
            while let Some(child) = children.last_mut() {
                match child.try_wait()? {
                    Some(_) => drop(children.pop()),
                    None => sleep(POLL).await,
                }
            }
            anyhow::Ok(())
        };
        timeout(PATIENCE, stopped).await.context("a process does not stop")??;
        let mut nodes = Vec::new();
        for node in 0..self.children.len() {
            nodes.push(self.open(node).await?);
        }
        Ok(nodes)
    }

    async fn open(&self, number: usize) -> Result<Node> {
        let definition = |genesis: &Genesis| {
            Ok(ChainDefinition {
                chain_id: genesis.chain_id()?,
                genesis: genesis.clone(),
                ledger: network::ledger(),
                validator_seed: None,
                reporter: None,
                is_new: false,
            })
        };
        let data = DataDir::open(node_folder(&self.folder, number).join("data"))?;
        let chains = self.genesis.iter().map(definition).collect::<Result<_>>()?;
        let (node, _) = Node::open(NodeConfig::on_this_machine(data, chains))?;
        node.start().await;
        Ok(node)
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        for node in 0..self.children.len() {
            if let Some(mut child) = self.child(node).take() {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
    }
}

fn config(folder: &Path, node: usize) -> PathBuf {
    node_folder(folder, node).join("node.toml")
}

/// Ports that nobody uses at this moment.
pub fn free_doors(nodes: usize) -> Result<Vec<[SocketAddr; 2]>> {
    let listeners =
        (0..2 * nodes).map(|_| TcpListener::bind("127.0.0.1:0")).collect::<Result<Vec<_>, _>>()?;
    let addresses = listeners.iter().map(TcpListener::local_addr).collect::<Result<Vec<_>, _>>()?;
    Ok(addresses.chunks_exact(2).map(|pair| [pair[0], pair[1]]).collect())
}

/// What processes have used.
#[derive(Clone, Copy, Debug, Default)]
pub struct Used {
    /// Processor time in microseconds.
    pub cpu_us: i64,
    /// The largest memory of one of them.
    pub peak_rss_bytes: i64,
    /// Bytes that the data folders take on disk.
    pub bytes_disk: i64,
    /// Bytes that crossed the loopback interface, whoever sent them.
    pub bytes_wire: i64,
}

impl Used {
    /// By one process; none where the system does not say.
    fn by(process: u32) -> Option<Self> {
        let read = |file: &str| fs::read_to_string(format!("/proc/{process}/{file}")).ok();
        let stat = read("stat")?;
        let fields: Vec<_> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        // Fields 14 and 15 of proc(5), in hundredths of a second; the first two are before the bracket.
        let ticks = fields.get(11)?.parse::<i64>().ok()? + fields.get(12)?.parse::<i64>().ok()?;
        let status = read("status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        let kib: i64 = peak.trim().strip_suffix("kB")?.trim().parse().ok()?;
        Some(Self { cpu_us: ticks * 10_000, peak_rss_bytes: kib * 1024, ..Self::default() })
    }

    fn plus(self, other: Self) -> Self {
        Self {
            cpu_us: self.cpu_us + other.cpu_us,
            peak_rss_bytes: self.peak_rss_bytes.max(other.peak_rss_bytes),
            ..self
        }
    }

    /// What was used since an earlier reading.
    #[must_use]
    pub fn since(self, before: &Self) -> Self {
        Self {
            cpu_us: self.cpu_us - before.cpu_us,
            peak_rss_bytes: self.peak_rss_bytes,
            bytes_disk: self.bytes_disk - before.bytes_disk,
            bytes_wire: self.bytes_wire - before.bytes_wire,
        }
    }
}

/// What the files below a folder take on disk; files come and go meanwhile.
fn bytes_below(folder: &Path) -> i64 {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let bytes = entries.map(|entry| match entry.metadata() {
        Ok(metadata) if metadata.is_dir() => bytes_below(&entry.path()),
        Ok(metadata) => i64::try_from(metadata.blocks() * 512).unwrap_or(i64::MAX),
        Err(_) => 0,
    });
    bytes.sum()
}

/// Bytes that the loopback interface has carried.
fn loopback_bytes() -> Option<i64> {
    let devices = fs::read_to_string("/proc/net/dev").ok()?;
    let loopback = devices.lines().find_map(|line| line.trim().strip_prefix("lo:"))?;
    loopback.split_whitespace().next()?.parse().ok()
}
