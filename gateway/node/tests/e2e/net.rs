//! A network of real processes, and what holds of it whatever was done to them.

use crate::{
    load::{Loaded, key, seed},
    proxy::Proxies,
};
use catenary_crypto::Hash;
use catenary_invariants::{Finality, Told};
use catenary_ledger::records::ChainRecord;
use catenary_links::{ChainClient, GrpcChain};
use catenary_relay::query::{ChainStatus, TransactionName};
use catenary_types::{Address, ChainId, Genesis, Height, Message, Parameters};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    cell::{Cell, RefCell},
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Longest wait for what must come; longer than any promise, so that a slow machine fails no test.
pub const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(50);

pub const CHAINS: [&str; 3] = ["a", "b", "c"];

/// Nodes as processes, with a proxy between every two of them.
pub struct Net {
    folder: TempDir,
    pub nodes: usize,
    pub proxies: Proxies,
    genesis: Vec<Genesis>,
    doors: Vec<SocketAddr>,
    children: Vec<Option<Child>>,
    /// Processes whose place another one was given.
    replaced: Vec<Child>,
    /// What the environment of processes has from now on.
    pub variables: Vec<(&'static str, String)>,
}

impl Net {
    /// Writes the network and starts every process.
    pub async fn start(nodes: usize) -> Self {
        Self::start_by(nodes, "bft").await
    }

    /// The same, of chains that agree in this way.
    pub async fn start_by(nodes: usize, consensus: &str) -> Self {
        Self::start_on(nodes, consensus, |_| ()).await
    }

    /// The same; what was written is prepared before the processes start.
    pub async fn start_on(nodes: usize, consensus: &str, prepare: impl FnOnce(&mut Self)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("net");
        let port = free_ports(nodes);
        catenary(&["testnet", "--nodes", &nodes.to_string(), "--chains", &CHAINS.join(",")])
            .args(["--consensus", consensus, "--port", &port.to_string()])
            .arg("--out")
            .arg(&out)
            .stdout(Stdio::null())
            .status()
            .unwrap();
        let genesis = CHAINS.map(|chain| fs::read(out.join(format!("genesis/{chain}.genesis"))).unwrap());
        let peers = |node: usize| SocketAddr::from(([127, 0, 0, 1], port + 10 * node as u16));
        let proxies = Proxies::start((0..nodes).map(peers).collect());
        let doors = (0..nodes).map(|node| SocketAddr::from(([127, 0, 0, 1], port + 10 * node as u16 + 1)));
        let mut net = Self {
            nodes,
            proxies,
            genesis: genesis.iter().map(|bytes| Genesis::decode(bytes).unwrap()).collect(),
            doors: doors.collect(),
            children: (0..nodes).map(|_| None).collect(),
            replaced: Vec::new(),
            variables: Vec::new(),
            folder,
        };
        prepare(&mut net);
        (0..nodes).for_each(|node| net.connect_through_proxies(node));
        (0..nodes).for_each(|node| net.spawn(node));
        for node in 0..nodes {
            net.answering(node).await;
        }
        net
    }

    pub fn folder(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("net/node-{node}"))
    }

    pub fn config(&self, node: usize) -> PathBuf {
        self.folder(node).join("node.toml")
    }

    fn connect_through_proxies(&self, node: usize) {
        let mut text = fs::read_to_string(self.config(node)).unwrap();
        for other in (0..self.nodes).filter(|other| *other != node) {
            let [direct, through] = [self.proxies.target(other), self.proxies.address(node, other)];
            text = text.replace(&format!("address = \"{direct}\""), &format!("address = \"{through}\""));
        }
        fs::write(self.config(node), text).unwrap();
    }

    pub fn spawn(&mut self, node: usize) {
        self.spawn_with(node, &[]);
    }

    /// The same, with variables of the environment.
    pub fn spawn_with(&mut self, node: usize, variables: &[(&str, &str)]) {
        let log = File::options().create(true).append(true).open(self.folder(node).join("log")).unwrap();
        let mut command = catenary(&["node", "--config"]);
        command.env("CATENARY_LOG", "warn,catenary_links=info,openraft=off");
        command.envs(self.variables.iter().cloned()).envs(variables.iter().copied());
        command.arg(self.config(node)).stdout(log.try_clone().unwrap()).stderr(log);
        self.replaced.extend(self.children[node].replace(command.spawn().unwrap()));
    }

    /// The address of a node's validator.
    pub fn validator(&self, node: usize) -> Address {
        let key = key(&self.folder(node).join("keys/validator.key"));
        Address::of(&key.public_key())
    }

    /// Kill -9.
    pub fn kill(&mut self, node: usize) {
        let mut child = self.children[node].take().expect("the process runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Changes the configuration of a node that does not run.
    pub fn configure(&self, node: usize, change: impl FnOnce(String) -> String) {
        let text = fs::read_to_string(self.config(node)).unwrap();
        fs::write(self.config(node), change(text)).unwrap();
    }

    /// Gives a node that does not run a door for monitoring.
    pub fn monitor(&self, node: usize) -> SocketAddr {
        let address = SocketAddr::from(([127, 0, 0, 1], free_ports(1)));
        self.configure(node, |text| format!("{text}\n[metrics]\nlisten = \"{address}\"\n"));
        address
    }

    /// Waits until the process ends by itself and gives its exit code.
    pub async fn ended(&mut self, node: usize) -> Option<i32> {
        let child = RefCell::new(self.children[node].take().expect("the process runs"));
        until("the process ends", async || child.borrow_mut().try_wait().unwrap().is_some()).await;
        child.into_inner().wait().unwrap().code()
    }

    /// SIGTERM; waits until the process has ended and gives its exit code.
    pub async fn terminate(&mut self, node: usize) -> Option<i32> {
        self.signal(node, "TERM");
        self.ended(node).await
    }

    /// The output of `catenary debug <command> --data <the node's folder>`, and its exit code.
    pub fn debug(&self, node: usize, command: &[&str]) -> (Option<i32>, String, String) {
        let mut debug = catenary(&["debug"]);
        let output = debug.args(command).arg("--data").arg(self.folder(node).join("data")).output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    }

    /// Sends a signal, for example STOP.
    pub fn signal(&self, node: usize, signal: &str) {
        let child = self.children[node].as_ref().expect("the process runs");
        let status = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Adds a node of the first organisation, which the others do not know of, and starts it.
    pub async fn join(&mut self) -> usize {
        let node = self.admit();
        self.spawn(node);
        self.answering(node).await;
        node
    }

    /// Adds a node that signs with the key of another one and knows nothing of it, as if it ran on another machine.
    pub async fn join_as_twin(&mut self, of: usize) -> usize {
        let node = self.admit();
        let [own, twin] = [of, node].map(|node| self.folder(node).join("keys/validator.key"));
        fs::copy(own, twin).unwrap();
        let elsewhere = self.folder(node).join("tmp");
        fs::create_dir(&elsewhere).unwrap();
        self.spawn_with(node, &[("TMPDIR", elsewhere.to_str().unwrap())]);
        self.answering(node).await;
        node
    }

    /// The node that joined last goes for good.
    pub fn leave(&mut self) {
        self.kill(self.nodes - 1);
        self.nodes -= 1;
        self.doors.pop();
        self.children.pop();
    }

    /// Writes the folder of one more node of the first organisation.
    pub fn admit(&mut self) -> usize {
        let (node, port) = (self.nodes, free_ports(1));
        let mut command = catenary(&["join", "--org", "ORG1", "--port", &port.to_string(), "--net"]);
        command.arg(self.folder.path().join("net")).stdout(Stdio::null());
        assert!(command.status().unwrap().success());
        self.nodes += 1;
        self.doors.push(SocketAddr::from(([127, 0, 0, 1], port + 1)));
        self.children.push(None);
        node
    }

    /// The node that votes as a validator.
    pub fn node_of(&self, validator: Address) -> usize {
        (0..self.nodes).find(|node| self.validator(*node) == validator).expect("the validators are nodes")
    }

    /// Waits until a process ends by itself; gives how.
    pub async fn ends(&mut self, node: usize) -> ExitStatus {
        let ended = Cell::new(None);
        let child = RefCell::new(self.children[node].take().expect("the process runs"));
        until("a process ends", async || {
            ended.set(child.borrow_mut().try_wait().unwrap());
            ended.get().is_some()
        })
        .await;
        ended.get().expect("until says so")
    }

    pub fn genesis(&self, chain: usize) -> &Genesis {
        &self.genesis[chain]
    }

    /// The seeds of the validators' keys.
    pub fn validator_seeds(&self) -> Vec<[u8; 32]> {
        (0..self.nodes).map(|node| seed(&self.folder(node).join("keys/validator.key"))).collect()
    }

    /// The chains that there are.
    pub fn chains(&self) -> std::ops::Range<usize> {
        0..self.genesis.len()
    }

    /// Runs a command of the binary on a node's configuration, with the keys of enough of the committee.
    pub fn decide(&self, node: usize, arguments: &[&str]) -> String {
        let mut command = catenary(arguments);
        command.arg("--config").arg(self.config(node));
        for member in 0..self.nodes.min(3) {
            command.arg("--committee").arg(self.authority(member).join("committee.key"));
        }
        said(&mut command)
    }

    /// Runs a command of the binary on a node's configuration.
    pub fn operate(&self, node: usize, arguments: &[&str]) -> String {
        said(catenary(arguments).arg("--config").arg(self.config(node)))
    }

    /// Creates a chain with these options, through this node, and says which it is.
    pub fn create_chain(&mut self, node: usize, name: &str, options: &[&str]) -> usize {
        self.decide(node, &[&["chain", "create", name], options].concat());
        let kept = fs::read_dir(self.folder(node).join("data/registry")).unwrap();
        let mut records = kept.map(|entry| entry.unwrap().path()).filter(|path| path.extension().is_some());
        let record =
            records.find(|path| path.file_name().unwrap().to_str().unwrap().starts_with(name)).unwrap();
        let record = ChainRecord::decode(&fs::read(record).unwrap()).unwrap();
        self.genesis.push(Genesis::decode(&record.genesis).unwrap());
        self.genesis.len() - 1
    }

    /// Removes the chain that was created last, through this node.
    pub fn remove_chain(&mut self, node: usize) {
        let genesis = self.genesis.pop().unwrap();
        self.decide(node, &["chain", "remove", genesis.name.as_str()]);
    }

    /// The committee makes these nodes the validators of every chain.
    pub fn set_validators(&self, nodes: &[usize]) {
        let keys = nodes.iter().map(|node| key(&self.folder(*node).join("keys/validator.key")));
        let keys: Vec<_> = keys.map(|key| key.public_key().to_string()).collect();
        let operator = self.operator_key();
        for chain in CHAINS {
            for node in nodes {
                let arguments = ["validators", "ready", "--chain", chain, "--org", "ORG1", "--operator"];
                self.operate(*node, &[&arguments[..], &[operator.to_str().unwrap()]].concat());
            }
            let mut arguments = vec!["validators", "set", "--chain", chain];
            keys.iter().for_each(|key| arguments.extend(["--validator", key]));
            self.decide(nodes[0], &arguments);
        }
    }

    /// File with the key of the first organisation's operator.
    pub fn operator_key(&self) -> PathBuf {
        self.authority(0).join("operator.key")
    }

    /// Where clients reach a node.
    pub fn door(&self, node: usize) -> SocketAddr {
        self.doors[node]
    }

    fn authority(&self, node: usize) -> PathBuf {
        self.folder.path().join(format!("net/organisations/ORG{}", node + 1))
    }

    /// A new certificate and TLS key for a node. The old certificate is kept aside.
    pub fn renew_certificate(&self, node: usize) {
        let tls = self.folder(node).join("tls");
        fs::copy(tls.join("node.pem"), tls.join("old.pem")).unwrap();
        let mut command = catenary(&["certificate", "renew", "--authority"]);
        command.arg(self.authority(node)).arg("--certificate").arg(tls.join("node.pem"));
        command.arg("--tls-key").arg(tls.join("node.key")).stdout(Stdio::null());
        assert!(command.status().unwrap().success());
    }

    /// Tells one node that the certificates of another are revoked, the old one too: links that are up may have been made with it.
    pub fn revoke_certificate(&self, revoked: usize, told: usize) {
        let mut command = catenary(&["certificate", "revoke", "--authority"]);
        let tls = self.folder(revoked).join("tls");
        command.arg(self.authority(revoked));
        for certificate in ["node.pem", "old.pem"] {
            command.arg("--certificate").arg(tls.join(certificate));
        }
        let output = command.output().unwrap();
        assert!(output.status.success());
        let list = format!("tls/revoked/ORG{}.pem", revoked + 1);
        fs::write(self.folder(told).join(list), output.stdout).unwrap();
    }

    /// Resident memory of a node.
    pub fn memory_mib(&self, node: usize) -> u64 {
        memory_kib(self.children[node].as_ref().expect("the process runs")) / 1024
    }

    /// What a node said so far.
    pub fn log(&self, node: usize) -> String {
        fs::read_to_string(self.folder(node).join("log")).unwrap()
    }

    /// The file of a chain's genesis.
    pub fn genesis_file(&self, chain: usize) -> PathBuf {
        self.folder.path().join(format!("net/genesis/{}.genesis", CHAINS[chain]))
    }

    pub fn chain_id(&self, chain: usize) -> ChainId {
        self.genesis[chain].chain_id().unwrap()
    }

    /// A chain through one node.
    pub fn client(&self, node: usize, chain: usize) -> Arc<dyn ChainClient> {
        let address = format!("http://{}", self.doors[node]);
        Arc::new(GrpcChain::new(&address, self.chain_id(chain)).unwrap())
    }

    /// A chain through each node.
    pub fn clients(&self, chain: usize) -> Vec<Arc<dyn ChainClient>> {
        (0..self.nodes).map(|node| self.client(node, chain)).collect()
    }

    pub async fn status(&self, node: usize, chain: usize) -> Option<ChainStatus> {
        self.client(node, chain).status().await.ok()
    }

    pub async fn answering(&self, node: usize) {
        until("a node answers", async || {
            let mut up = true;
            for chain in self.chains() {
                up &= self.status(node, chain).await.is_some();
            }
            up
        })
        .await;
    }

    /// The highest block of a chain that any node shows.
    pub async fn height(&self, chain: usize) -> Height {
        let mut height = Height(0);
        for node in (0..self.nodes).filter(|node| self.children[*node].is_some()) {
            let status = timeout(Duration::from_secs(2), self.status(node, chain)).await.ok().flatten();
            height = height.max(status.map_or(Height(0), |status| status.height));
        }
        height
    }

    /// How long it takes until every chain has a block above these.
    pub async fn progress(&self, above: &[Height]) -> Duration {
        let started = Instant::now();
        for (chain, above) in above.iter().enumerate() {
            until("a block comes", async || self.height(chain).await > *above).await;
        }
        started.elapsed()
    }

    pub async fn heights(&self) -> Vec<Height> {
        let mut heights = Vec::new();
        for chain in self.chains() {
            heights.push(self.height(chain).await);
        }
        heights
    }

    /// All nodes come to the same state; every block that any of them shows is the same, signed and complete; what was final
    /// once is still there.
    pub async fn judge(&self, load: &Loaded) {
        for chain in self.chains() {
            let expected = load.is_final(chain);
            let agreed = async || {
                let mut tips = Vec::new();
                for node in 0..self.nodes {
                    tips.push(self.status(node, chain).await.map(|status| (status.height, status.app_hash)));
                }
                tips[0].is_some() && tips.iter().all(|tip| *tip == tips[0])
            };
            until("all nodes come to the same state", agreed).await;
            let mut finality = Finality::default();
            for node in 0..self.nodes {
                let client = self.client(node, chain);
                tell(&*client, &self.genesis[chain].parameters, &mut finality).await;
                for tx_id in &expected {
                    let found = client.transaction(TransactionName::Id(*tx_id)).await.unwrap().value;
                    assert!(found.is_some(), "node {node}, chain {chain}: {tx_id} was final and is gone");
                }
            }
        }
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        for child in &mut self.replaced {
            let _ = child.kill();
            let _ = child.wait();
        }
        for (node, child) in self.children.iter_mut().enumerate() {
            if let Some(mut child) = child.take() {
                let _ = child.kill();
                let _ = child.wait();
            }
            if std::thread::panicking() {
                let log = self.folder.path().join(format!("net/node-{node}/log"));
                eprintln!("node {node}: {}", fs::read_to_string(log).unwrap_or_default());
            }
        }
    }
}

/// What a command says that succeeds.
fn said(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Resident memory of a process.
pub fn memory_kib(child: &Child) -> u64 {
    let status = fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix("kB").unwrap().trim().parse().unwrap()
}

/// Everything that a node shows of a chain.
async fn tell(client: &dyn ChainClient, parameters: &Parameters, finality: &mut Finality) {
    let tip = client.status().await.unwrap();
    for height in 1..=tip.height.0 {
        let view = client.block(Height(height)).await.unwrap().expect("a block below the tip");
        let app_hash: Hash = match height == tip.height.0 {
            true => tip.app_hash,
            false => client.block(Height(height + 1)).await.unwrap().unwrap().block.header.app_hash,
        };
        let (block, certificate, validators) = (&view.block, &view.certificate, &view.validators);
        finality.told(Told { block, certificate, validators, parameters, app_hash }).unwrap();
    }
}

pub async fn until(what: &str, condition: impl AsyncFn() -> bool) {
    let holds = async {
        while !condition().await {
            sleep(POLL).await;
        }
    };
    timeout(PATIENCE, holds).await.unwrap_or_else(|_| panic!("{what}: not within {PATIENCE:?}"));
}

pub fn catenary(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catenary"));
    command.args(arguments).stdin(Stdio::null());
    command
}

/// A first port from which on nobody listens where the nodes will.
pub fn free_ports(nodes: usize) -> u16 {
    let mut random = StdRng::from_os_rng();
    loop {
        let first: u16 = random.random_range(20_000..30_000);
        let ports = (0..nodes as u16).flat_map(|node| [first + 10 * node, first + 10 * node + 1]);
        if ports.into_iter().all(|port| TcpListener::bind(("127.0.0.1", port)).is_ok()) {
            return first;
        }
    }
}
