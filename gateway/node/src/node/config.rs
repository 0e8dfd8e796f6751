//! The configuration of one node: a TOML file, and environment variables over it.
//!
//! What must agree between nodes is in the genesis or on chain; here stands only what one operator may choose. Paths are
//! relative to the file's folder. `CATENARY__API__LISTEN` replaces `api.listen`, and so on. An unknown key is an error.

use anyhow::{Context as _, Result, ensure};
use catenary_store::disk::Reserve;
use catenary_system::SnapshotPolicy;
use config::{Config, Environment, File, FileFormat};
use serde::{Deserialize, Serialize};
use std::{
    net::SocketAddr,
    path::{Path, PathBuf},
};

/// A node's configuration.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NodeFile {
    /// The node itself.
    pub node: NodeSection,
    /// Links to other nodes.
    pub peers: PeersSection,
    /// The door for clients.
    pub api: ApiSection,
    /// Which chains run here.
    #[serde(default)]
    pub chains: Vec<ChainSection>,
    /// The door for monitoring, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metrics: Option<MetricsSection>,
    /// The router, if one runs here.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub router: Option<RouterSection>,
}

/// See [`KEYS`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NodeSection {
    pub data: PathBuf,
    pub key: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub validator_key: Option<PathBuf>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registry: Option<String>,
    #[serde(default = "disk_reserve_mib")]
    pub disk_reserve_mib: u64,
    #[serde(default = "snapshot_every_blocks")]
    pub snapshot_every_blocks: u64,
    #[serde(default = "snapshots_kept")]
    pub snapshots_kept: usize,
    #[serde(default = "begin_with_snapshot")]
    pub begin_with_snapshot: bool,
}

/// What stands for `node.disk_reserve_mib` if it is missing.
pub fn disk_reserve_mib() -> u64 {
    512
}

/// The least that it can be, but for 0: twice what is kept in the file `reserve`.
const DISK_RESERVE_MIB_MIN: u64 = 2 * (Reserve::BYTES >> 20);
/// The most: more is a mistake in the unit.
const DISK_RESERVE_MIB_MAX: u64 = 1 << 24;

fn snapshot_every_blocks() -> u64 {
    SnapshotPolicy::default().every_blocks
}

fn begin_with_snapshot() -> bool {
    SnapshotPolicy::default().begin
}

fn snapshots_kept() -> usize {
    SnapshotPolicy::default().keep
}

/// See [`KEYS`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct MetricsSection {
    pub listen: SocketAddr,
}

/// See [`KEYS`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PeersSection {
    pub listen: SocketAddr,
    pub certificate: PathBuf,
    pub tls_key: PathBuf,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked: Option<PathBuf>,
    #[serde(default)]
    pub nodes: Vec<PeerSection>,
}

/// See [`KEYS`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct PeerSection {
    pub key: String,
    pub address: String,
}

/// See [`KEYS`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ApiSection {
    pub listen: SocketAddr,
}

/// See [`KEYS`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ChainSection {
    pub genesis: PathBuf,
}

/// See [`KEYS`].
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct RouterSection {
    pub organisation: String,
    pub account: String,
    pub key: PathBuf,
    #[serde(default)]
    pub patience_ms: u64,
}

/// Every key: its name, what stands for it if it is missing, and what it means.
pub const KEYS: &[(&str, &str, &str)] = &[
    ("node.data", "required", "Folder of everything the node keeps. One process at a time."),
    (
        "node.key",
        "required",
        "File with the node key, the node's identity towards other nodes: 64 hexadecimal digits.",
    ),
    (
        "node.validator_key",
        "none: the node observes",
        "File with the key that votes, where a chain's validator set has it. Beside it, a file of the same name that ends in \
         .unused says that the key has signed nothing yet; the node deletes it when it first starts. Never create it for a key \
         that has been in use.",
    ),
    (
        "node.registry",
        "none: only the chains of this file run here",
        "The chain, by name or id, whose committee creates and removes further chains. Those on which this node's organisation is \
         a member run here too, without an entry in this file.",
    ),
    (
        "node.disk_reserve_mib",
        "512",
        "Free space on the disk of node.data, in MiB, below which the node refuses submissions with DISK_FULL, until there is a \
         quarter more; voting and following go on. 32 MiB beyond it are kept in the file reserve, with which a node whose disk is \
         full starts again. At least 64; 0 watches nothing and reserves nothing.",
    ),
    (
        "node.snapshot_every_blocks",
        "10000",
        "A snapshot of a chain is taken when it has so many blocks more than at the last one; 0 takes none. New nodes fetch them \
         instead of every block.",
    ),
    ("node.snapshots_kept", "2", "Newest snapshots of each chain that are kept, at least 1."),
    (
        "node.begin_with_snapshot",
        "true",
        "Whether a chain that has no block yet may begin with another node's snapshot; else every block is fetched.",
    ),
    ("peers.listen", "required", "Address and port where other nodes connect."),
    (
        "peers.certificate",
        "required",
        "PEM file: the node's certificate, then what leads to its organisation's root, the root last. Read again when it \
         changes.",
    ),
    (
        "peers.tls_key",
        "required",
        "PEM file with the key of that certificate; not the node key. Read again when it changes.",
    ),
    (
        "peers.revoked",
        "none",
        "Folder of lists of revoked certificates in PEM, one file for each authority, ending in .pem. Read again when they \
         change; a revoked certificate ends its links.",
    ),
    (
        "peers.nodes",
        "none",
        "The nodes to connect to. Others may connect all the same, if a chain here records their authority.",
    ),
    ("peers.nodes.key", "required", "A node's key: 64 hexadecimal digits. Whoever answers must prove it."),
    ("peers.nodes.address", "required", "Where it listens: host and port."),
    (
        "api.listen",
        "required",
        "Address and port of the gRPC door for clients. It has no TLS yet: keep it on a private network.",
    ),
    (
        "metrics",
        "none: nothing is served",
        "The door for monitoring: GET /metrics in the text format of Prometheus, /healthz and /readyz.",
    ),
    (
        "metrics.listen",
        "required",
        "Address and port of that door. It has no TLS and asks nobody who he is: keep it on a private network.",
    ),
    ("chains", "none", "The chains that run here."),
    ("chains.genesis", "required", "File with a chain's genesis document."),
    (
        "router",
        "none: no router runs here",
        "Carries packets over every lane between two chains of this node.",
    ),
    (
        "router.organisation",
        "required",
        "Organisation of the account that the router acts as, the same on every chain.",
    ),
    ("router.account", "required", "Number of that account. It needs the role relayer."),
    ("router.key", "required", "File with the account's key: 64 hexadecimal digits."),
    (
        "router.patience_ms",
        "0",
        "How long a packet is left to other routers first. 0 for the first router of a network, seconds for a standby.",
    ),
];

impl NodeFile {
    /// Reads a file and the environment.
    pub fn read(path: &Path) -> Result<Self> {
        let file = File::from(path).format(FileFormat::Toml).required(true);
        let environment = Environment::with_prefix("CATENARY").prefix_separator("__").separator("__");
        let read = Config::builder().add_source(file).add_source(environment).build();
        let file: Self = read
            .and_then(Config::try_deserialize)
            .with_context(|| format!("reading the configuration {}", path.display()))?;
        let reserve = file.node.disk_reserve_mib;
        ensure!(
            reserve == 0 || (DISK_RESERVE_MIB_MIN..=DISK_RESERVE_MIB_MAX).contains(&reserve),
            "node.disk_reserve_mib is {reserve}: expected 0, or from {DISK_RESERVE_MIB_MIN} to {DISK_RESERVE_MIB_MAX}"
        );
        let folder = path.parent().unwrap_or(Path::new("."));
        Ok(file.below(folder))
    }

    /// The same with paths that do not depend on where the process runs.
    fn below(mut self, folder: &Path) -> Self {
        let paths = [
            Some(&mut self.node.data),
            Some(&mut self.node.key),
            self.node.validator_key.as_mut(),
            Some(&mut self.peers.certificate),
            Some(&mut self.peers.tls_key),
            self.peers.revoked.as_mut(),
            self.router.as_mut().map(|router| &mut router.key),
        ];
        let genesis = self.chains.iter_mut().map(|chain| &mut chain.genesis);
        paths.into_iter().flatten().chain(genesis).for_each(|path| *path = folder.join(&*path));
        self
    }
}

/// What a key means, or all of them.
pub fn explain(key: Option<&str>) -> Result<String> {
    let wanted = |name: &str| {
        key.is_none_or(|key| name == key || name.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
    };
    let lines: Vec<_> = KEYS
        .iter()
        .filter(|(name, ..)| wanted(name))
        .map(|(name, default, text)| format!("{name}\n    {text}\n    Default: {default}\n"))
        .collect();
    anyhow::ensure!(
        !lines.is_empty(),
        "there is no key {:?}; `config explain` lists all",
        key.unwrap_or_default()
    );
    Ok(lines.join("\n"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    fn whole() -> NodeFile {
        NodeFile {
            node: NodeSection {
                data: "data".into(),
                key: "k".into(),
                validator_key: Some("v".into()),
                registry: Some("a".into()),
                disk_reserve_mib: 64,
                snapshot_every_blocks: 1,
                snapshots_kept: 1,
                begin_with_snapshot: false,
            },
            peers: PeersSection {
                listen: "127.0.0.1:1".parse().unwrap(),
                certificate: "c".into(),
                tls_key: "t".into(),
                revoked: Some("r".into()),
                nodes: vec![PeerSection { key: "00".into(), address: "a:1".into() }],
            },
            api: ApiSection { listen: "127.0.0.1:2".parse().unwrap() },
            chains: vec![ChainSection { genesis: "g".into() }],
            metrics: Some(MetricsSection { listen: "127.0.0.1:3".parse().unwrap() }),
            router: Some(RouterSection {
                organisation: "A".into(),
                account: "router".into(),
                key: "k".into(),
                patience_ms: 1,
            }),
        }
    }

    fn keys(prefix: &str, value: &serde_json::Value, found: &mut BTreeSet<String>) {
        match value {
            serde_json::Value::Object(fields) => {
                for (name, value) in fields {
                    let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                    keys(&name, value, found);
                    found.insert(name);
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| keys(prefix, item, found)),
            _ => {}
        }
    }

    #[test]
    fn every_key_is_explained_and_no_other() {
        let mut found = BTreeSet::new();
        keys("", &serde_json::to_value(whole()).unwrap(), &mut found);
        let sections = ["node", "peers", "api"];
        let found: BTreeSet<_> =
            found.iter().map(String::as_str).filter(|key| !sections.contains(key)).collect();
        let explained: BTreeSet<_> = KEYS.iter().map(|(name, ..)| *name).collect();
        assert_eq!(found, explained);
        assert!(explain(Some("peers.nodes")).unwrap().contains("peers.nodes.address"));
        assert!(explain(Some("nothing")).is_err());
    }

    #[test]
    fn an_unknown_or_missing_key_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("node.toml");
        let text = "[node]\ndata = 'd'\nkey = 'k'\n[peers]\nlisten = '127.0.0.1:1'\ncertificate = 'c'\ntls_key = 't'\n";
        let with_api = format!("{text}[api]\nlisten = '127.0.0.1:2'\n");
        std::fs::write(&path, &with_api).unwrap();
        let read = NodeFile::read(&path).unwrap();
        assert_eq!(read.node.data, folder.path().join("d"));
        let little = with_api.replace("[peers]", "disk_reserve_mib = 63\n[peers]");
        let wrong = [
            (format!("{with_api}lissten = 1\n"), "lissten"),
            (text.to_owned(), "api"),
            (little, "from 64 to"),
        ];
        for (text, named) in wrong {
            std::fs::write(&path, text).unwrap();
            let error = format!("{:#}", NodeFile::read(&path).unwrap_err());
            assert!(error.contains(named), "{error}");
        }
    }
}
