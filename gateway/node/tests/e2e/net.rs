//! A network of real processes, and what holds of it whatever was done to them.

use crate::proxy::Proxies;
use catenary_apps::{
    accounts::KeyGrant,
    admin::{self, AdminCall, OpenAccount},
};
use catenary_crypto::{Hash, SigningKey, sha256};
use catenary_invariants::{Finality, Told};
use catenary_links::{ChainClient, GrpcChain};
use catenary_relay::{
    gateway::SubmitOutcome,
    query::{ChainStatus, TransactionName},
};
use catenary_types::{
    AccountId, Body, Call, ChainId, Genesis, Height, Message, Parameters, Receipt, RequestId, TxId,
    UnixSeconds,
};
use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Longest wait for what must come; longer than any promise, so that a slow machine fails no test.
const PATIENCE: Duration = Duration::from_secs(90);
const POLL: Duration = Duration::from_millis(50);
/// Pause between two transactions of the load, on each chain.
const LOAD_PAUSE: Duration = Duration::from_millis(60);

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
        Self::start_on(nodes, |_| ()).await
    }

    /// The same; what was written is prepared before the processes start.
    pub async fn start_on(nodes: usize, prepare: impl FnOnce(&mut Self)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path().join("net");
        let port = free_ports(nodes);
        catenary(&["testnet", "--nodes", &nodes.to_string(), "--chains", &CHAINS.join(",")])
            .args(["--port", &port.to_string()])
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
        let log = File::options().create(true).append(true).open(self.folder(node).join("log")).unwrap();
        let mut command = catenary(&["node", "--config"]);
        command.env("CATENARY_LOG", "warn,catenary_links=info").envs(self.variables.iter().cloned());
        command.arg(self.config(node)).stdout(log.try_clone().unwrap()).stderr(log);
        self.replaced.extend(self.children[node].replace(command.spawn().unwrap()));
    }

    /// Kill -9.
    pub fn kill(&mut self, node: usize) {
        let mut child = self.children[node].take().expect("the process runs");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Sends a signal, for example STOP.
    pub fn signal(&self, node: usize, signal: &str) {
        let child = self.children[node].as_ref().expect("the process runs");
        let status = Command::new("kill").arg(format!("-{signal}")).arg(child.id().to_string()).status();
        assert!(status.unwrap().success());
    }

    /// Adds a node of the first organisation, which the others do not know of, and starts it.
    pub async fn join(&mut self) -> usize {
        let node = self.add();
        self.spawn(node);
        self.answering(node).await;
        node
    }

    /// The same without starting it.
    pub fn add(&mut self) -> usize {
        let (node, port) = (self.nodes, free_ports(1));
        let mut command = catenary(&["join", "--org", "ORG1", "--port", &port.to_string(), "--net"]);
        command.arg(self.folder.path().join("net")).stdout(Stdio::null());
        assert!(command.status().unwrap().success());
        self.nodes += 1;
        self.doors.push(SocketAddr::from(([127, 0, 0, 1], port + 1)));
        self.children.push(None);
        node
    }

    /// Waits until a process ends by itself; gives how.
    pub async fn ends(&mut self, node: usize) -> ExitStatus {
        let ended = std::cell::Cell::new(None);
        let child = std::cell::RefCell::new(self.children[node].take().expect("the process runs"));
        until("a process ends", async || {
            ended.set(child.borrow_mut().try_wait().unwrap());
            ended.get().is_some()
        })
        .await;
        ended.get().expect("until says so")
    }

    pub fn genesis_file(&self, chain: usize) -> PathBuf {
        self.folder.path().join(format!("net/genesis/{}.genesis", CHAINS[chain]))
    }

    pub fn genesis(&self, chain: usize) -> &Genesis {
        &self.genesis[chain]
    }

    /// The seeds of the validators' keys.
    pub fn validator_seeds(&self) -> Vec<[u8; 32]> {
        (0..self.nodes).map(|node| seed(&self.folder(node).join("keys/validator.key"))).collect()
    }

    /// The file with the key of the operator of the first organisation.
    pub fn operator_file(&self) -> PathBuf {
        self.authority(0).join("operator.key")
    }

    /// That key.
    pub fn operator(&self) -> SigningKey {
        SigningKey::from_seed(&seed(&self.operator_file()))
    }

    /// The committee makes these nodes the validators of every chain.
    pub fn set_validators(&self, nodes: &[usize]) {
        for chain in CHAINS {
            let mut command = catenary(&["validators", "set", "--chain", chain, "--config"]);
            command.arg(self.config(nodes[0]));
            for node in nodes {
                let key = SigningKey::from_seed(&seed(&self.folder(*node).join("keys/validator.key")));
                command.arg("--validator").arg(key.public_key().to_string());
            }
            for member in 0..3 {
                command.arg("--committee").arg(self.authority(member).join("committee.key"));
            }
            let output = command.output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
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
            for chain in 0..CHAINS.len() {
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
        for chain in 0..CHAINS.len() {
            heights.push(self.height(chain).await);
        }
        heights
    }

    /// All nodes come to the same state; every block that any of them shows is the same, signed and complete; what was final
    /// once is still there.
    pub async fn judge(&self, load: &Loaded) {
        for chain in 0..CHAINS.len() {
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

/// Transactions on every chain until it is stopped.
pub struct Load {
    stop: Arc<AtomicBool>,
    tasks: Vec<tokio::task::JoinHandle<Vec<TxId>>>,
}

/// What the load saw in final blocks.
pub struct Loaded(Vec<Vec<TxId>>);

impl Loaded {
    fn is_final(&self, chain: usize) -> Vec<TxId> {
        self.0[chain].clone()
    }

    pub fn counts(&self) -> Vec<usize> {
        self.0.iter().map(Vec::len).collect()
    }
}

impl Load {
    pub fn start(net: &Net) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let key = Arc::new(net.operator());
        let task = |chain: usize| {
            let (nodes, key, stop) = (net.clients(chain), key.clone(), stop.clone());
            tokio::spawn(async move { open_accounts(&nodes, &key, &stop).await })
        };
        Self { tasks: (0..CHAINS.len()).map(task).collect(), stop }
    }

    /// Stops; what was submitted last is waited for.
    pub async fn stop(self) -> Loaded {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for task in self.tasks {
            all.push(timeout(PATIENCE, task).await.expect("the load ends").unwrap());
        }
        Loaded(all)
    }
}

fn seed(path: &Path) -> [u8; 32] {
    let text = fs::read_to_string(path).unwrap();
    text.trim().parse::<catenary_crypto::PublicKey>().unwrap().0
}

/// A transaction of the first organisation's operator with one call, which asks to be valid for ten minutes.
pub fn transaction(
    chain_id: &ChainId,
    operator: &SigningKey,
    instance: &str,
    message: Vec<u8>,
) -> (TxId, Vec<u8>) {
    let mut request_id = RequestId([0; 16]);
    StdRng::from_os_rng().fill(&mut request_id.0);
    let seconds = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let body = Body {
        chain_id: chain_id.clone(),
        sender: AccountId::new(&"ORG1".parse().unwrap(), &"operator".parse().unwrap()),
        request_id,
        valid_until: UnixSeconds(seconds + 600),
        reference: None,
        calls: vec![Call { instance: instance.parse().unwrap(), message }],
    };
    let envelope = body.sign(&[operator]);
    (TxId(sha256(&envelope.body)), envelope.encode())
}

/// The transaction that opens an account of the first organisation.
pub fn opening(chain_id: &ChainId, operator: &SigningKey, number: &str) -> (TxId, Vec<u8>) {
    let keys = vec![KeyGrant { key: operator.public_key(), weight: 1 }];
    let open = OpenAccount { number: number.parse().unwrap(), threshold: 1, keys };
    transaction(chain_id, operator, admin::KIND, AdminCall::OpenAccount(open).encode())
}

/// Opens one account after the other, and says what was final. Every one of them must become so. A node that answers may be cut
/// off from all others, so each try goes to the next one.
async fn open_accounts(nodes: &[Arc<dyn ChainClient>], key: &SigningKey, stop: &AtomicBool) -> Vec<TxId> {
    let life: u64 = StdRng::from_os_rng().random();
    let (mut is_final, mut number) = (Vec::new(), 0_u64);
    while !stop.load(Ordering::Relaxed) {
        number += 1;
        let (tx_id, envelope) = opening(nodes[0].chain_id(), key, &format!("{life:016x}-{number}"));
        settled(nodes, (tx_id, envelope)).await;
        is_final.push(tx_id);
    }
    is_final
}

/// Submits a transaction until it is final, and gives its receipt: it succeeded.
pub async fn settled(nodes: &[Arc<dyn ChainClient>], (tx_id, envelope): (TxId, Vec<u8>)) -> Receipt {
    for chain in nodes.iter().cycle() {
        // Unavailable is what a network says that is being torn apart.
        if let Ok(outcomes) = chain.submit(vec![envelope.clone()]).await {
            match &outcomes[0] {
                SubmitOutcome::Refused(refusal) if !refusal.reason.may_retry() => panic!("{refusal}"),
                _ => {}
            }
        }
        let found = chain.transaction(TransactionName::Id(tx_id)).await.ok().and_then(|found| found.value);
        if let Some(view) = found.filter(|view| view.receipt.succeeded()) {
            return view.receipt;
        }
        sleep(LOAD_PAUSE).await;
    }
    unreachable!("there is a node")
}
