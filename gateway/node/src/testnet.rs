//! `catenary testnet`: everything that a network of several nodes needs, in a folder.
//!
//! ```text
//! OUT/organisations/ORG1/  ca.pem ca.key operator.key committee.key
//! OUT/genesis/             a.genesis b.genesis
//! OUT/node-0/              node.toml keys/ tls/
//! OUT/                     start stop status
//! ```

use crate::{
    consensus::Consensus,
    keys::{self, Seed, new_seed, write_secret},
    network,
    node::config::{
        ApiSection, ChainSection, NodeFile, NodeSection, PeerSection, PeersSection, RouterSection,
        disk_reserve_mib,
    },
    pki::Authority,
};
use anyhow::{Context as _, Result, ensure};
use catenary_crypto::{PublicKey, SigningKey};
use catenary_links::peers::NodeName;
use catenary_system::SnapshotPolicy;
use catenary_types::{
    ChainName, Committee, Genesis, GenesisAccount, GenesisRoots, Message, Organisation, Parameters, Role,
    Timestamp, Validator,
    genesis::{AccountKey, CONSENSUS_BFT, GenesisRole, SUITE_ED25519_SHA256},
};
use std::{
    collections::BTreeSet,
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

/// Account numbers that every organisation has on every chain.
pub const OPERATOR: &str = "operator";
pub const ROUTER: &str = "router";
/// A standby router leaves packets to the one before it for so long.
const PATIENCE_MS: u64 = 2_000;
/// Where the files of an organisation and of the genesis documents lie.
const ORGANISATIONS: &str = "organisations";
const GENESIS: &str = "genesis";

/// What a test network is.
pub struct Testnet {
    /// Where it is written.
    pub out: PathBuf,
    /// Where each node listens: for nodes, and for clients. Each is a validator of every chain.
    pub doors: Vec<[SocketAddr; 2]>,
    /// How many organisations; nodes are dealt to them in turn.
    pub organisations: usize,
    /// The chains.
    pub chains: Vec<ChainName>,
    /// By which kind of group they agree.
    pub consensus: Consensus,
}

/// Who is in a test network: what its genesis documents are made of.
pub struct Consortium {
    members: Vec<Member>,
    machines: Vec<Machine>,
}

struct Member {
    organisation: Organisation,
    authority: Authority,
    operator: Seed,
    router: Seed,
    committee: Seed,
}

struct Machine {
    node: Seed,
    validator: Seed,
}

/// Doors on this machine: node `n` takes the first port plus 10 n for nodes, and the next one for clients.
pub fn doors(nodes: u16, first: u16) -> Result<Vec<[SocketAddr; 2]>> {
    let highest = u32::from(first) + 10 * u32::from(nodes);
    ensure!(highest <= u32::from(u16::MAX), "the ports would end at {highest}");
    let door = |port: u16| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    Ok((0..nodes).map(|node| [door(first + 10 * node), door(first + 10 * node + 1)]).collect())
}

impl Testnet {
    /// Writes everything. The folder must be new or empty.
    pub fn write(&self, genesis: impl Fn(&ChainName, &Consortium) -> Genesis) -> Result<()> {
        let nodes = self.doors.len();
        ensure!((1..=nodes).contains(&self.organisations), "expected 1 to {nodes} organisations");
        let names: BTreeSet<_> = self.chains.iter().collect();
        ensure!(!names.is_empty() && names.len() == self.chains.len(), "expected chains of different names");
        let occupied = fs::read_dir(&self.out).is_ok_and(|mut entries| entries.next().is_some());
        ensure!(!occupied, "{} is not empty", self.out.display());
        let consortium = Consortium {
            members: (1..=self.organisations).map(Member::new).collect::<Result<_>>()?,
            machines: (0..nodes).map(|_| Machine::new()).collect(),
        };
        for member in &consortium.members {
            member.write(&self.out.join(ORGANISATIONS).join(member.organisation.as_str()))?;
        }
        fs::create_dir_all(self.out.join(GENESIS))?;
        for (number, chain) in self.chains.iter().enumerate() {
            let path = self.out.join(GENESIS).join(format!("{chain}.genesis"));
            write(&path, &self.consensus.found(genesis(chain, &consortium), number).encode())?;
        }
        let lists = consortium
            .members
            .iter()
            .map(|member| Ok((format!("{}.pem", member.organisation), member.authority.revoke(&[])?)));
        let lists = lists.collect::<Result<Vec<_>>>()?;
        for number in 0..nodes {
            self.write_node(number, &consortium, &lists)?;
        }
        self.write_scripts()
    }

    fn write_node(
        &self,
        number: usize,
        Consortium { members, machines }: &Consortium,
        lists: &[(String, String)],
    ) -> Result<()> {
        let folder = node_folder(&self.out, number);
        let (machine, member) = (&machines[number], &members[number % members.len()]);
        let others = machines.iter().zip(&self.doors).enumerate().filter(|(other, _)| *other != number);
        let peer = |(_, (machine, doors)): (usize, (&Machine, &[SocketAddr; 2]))| PeerSection {
            key: public_key(&machine.node).to_string(),
            address: doors[0].to_string(),
        };
        let chain =
            |chain: &ChainName| ChainSection { genesis: format!("../{GENESIS}/{chain}.genesis").into() };
        let router = RouterSection {
            organisation: member.organisation.to_string(),
            account: ROUTER.into(),
            key: "keys/router.key".into(),
            patience_ms: number as u64 * PATIENCE_MS,
        };
        let chains = (self.chains.iter().map(chain).collect(), self.chains.first().map(ToString::to_string));
        let file = node_file(self.doors[number], others.map(peer).collect(), chains, Some(router));
        write_node(&folder, &file, (machine, &member.organisation, &member.authority))?;
        keys::write(&folder.join("keys/router.key"), &member.router)?;
        let mut lists = lists.iter();
        lists.try_for_each(|(name, list)| write(&folder.join("tls/revoked").join(name), list.as_bytes()))
    }

    fn write_scripts(&self) -> Result<()> {
        let last = self.doors.len() - 1;
        let head = format!(
            "#!/bin/sh\n# CATENARY names the binary if it is not on the path.\n\
             catenary=$(command -v \"${{CATENARY:-catenary}}\") || {{\n  \
             echo 'catenary is not on the path: set CATENARY to the binary' >&2\n  exit 1\n}}\n\
             catenary=$(realpath \"$catenary\")\n\
             cd \"$(dirname \"$0\")\" || exit 1\nnodes=$(seq 0 {last})\n"
        );
        let start = "for n in $nodes; do\n  nohup \"$catenary\" node --config node-$n/node.toml >>node-$n/log 2>&1 &\n  \
             echo $! >node-$n/pid\ndone\n\"$catenary\" lanes open --config node-0/node.toml --operator \
             organisations/ORG1/operator.key\n";
        let stop = "for n in $nodes; do\n  [ -f node-$n/pid ] && kill \"$(cat node-$n/pid)\" && rm node-$n/pid\ndone\n";
        let status = "for n in $nodes; do\n  echo \"node-$n\"\n  \"$catenary\" chain list --config node-$n/node.toml\ndone\n";
        for (name, body) in [("start", start), ("stop", stop), ("status", status)] {
            let path = self.out.join(name);
            write(&path, format!("{head}{body}").as_bytes())?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        }
        Ok(())
    }
}

/// Adds a node of an organisation to a network that is there, and says which number it has. It follows every chain, and votes
/// where a validator set comes to name its key. The other nodes let it in: their chains record its authority.
pub fn join(out: &Path, organisation: &Organisation, doors: [SocketAddr; 2]) -> Result<usize> {
    let present = (0..).take_while(|number| node_folder(out, *number).exists()).count();
    ensure!(present > 0, "{} holds no network", out.display());
    let authority = Authority::read(&out.join(ORGANISATIONS).join(organisation.as_str()))?;
    let peers = (0..present).map(|number| {
        let folder = node_folder(out, number);
        let key = keys::signing_key(&folder.join("keys/node.key"))?.public_key().to_string();
        let address = NodeFile::read(&folder.join("node.toml"))?.peers.listen.to_string();
        Ok(PeerSection { key, address })
    });
    let nodes = peers.collect::<Result<Vec<_>>>()?;
    let first = NodeFile::read(&node_folder(out, 0).join("node.toml"))?;
    let name = |chain: &ChainSection| {
        chain.genesis.file_name().map(Path::new).map(|name| Path::new("..").join(GENESIS).join(name))
    };
    let chains = first.chains.iter().filter_map(name).map(|genesis| ChainSection { genesis });
    let file = node_file(doors, nodes, (chains.collect(), first.node.registry.clone()), None);
    let folder = node_folder(out, present);
    write_node(&folder, &file, (&Machine::new(), organisation, &authority))?;
    for list in fs::read_dir(node_folder(out, 0).join("tls/revoked"))?.flatten() {
        fs::copy(list.path(), folder.join("tls/revoked").join(list.file_name()))?;
    }
    Ok(present)
}

/// Keys, certificate and configuration of a node.
fn write_node(
    folder: &Path,
    file: &NodeFile,
    (machine, organisation, authority): (&Machine, &Organisation, &Authority),
) -> Result<()> {
    for part in ["keys", "tls/revoked"] {
        fs::create_dir_all(folder.join(part))?;
    }
    let validator_key = folder.join("keys/validator.key");
    keys::write(&folder.join("keys/node.key"), &machine.node)?;
    keys::write(&validator_key, &machine.validator)?;
    write(&keys::unused_mark(&validator_key), b"")?;
    let name = NodeName { organisation: organisation.clone(), key: public_key(&machine.node) };
    let certified = authority.certify(&name)?;
    write(&folder.join("tls/node.pem"), certified.certificates.as_bytes())?;
    write_secret(&folder.join("tls/node.key"), &certified.key)?;
    write(&folder.join("node.toml"), toml(file).as_bytes())
}

fn node_file(
    [peers, api]: [SocketAddr; 2],
    nodes: Vec<PeerSection>,
    (chains, registry): (Vec<ChainSection>, Option<String>),
    router: Option<RouterSection>,
) -> NodeFile {
    NodeFile {
        node: NodeSection {
            data: "data".into(),
            key: "keys/node.key".into(),
            validator_key: Some("keys/validator.key".into()),
            registry,
            disk_reserve_mib: disk_reserve_mib(),
            snapshot_every_blocks: SnapshotPolicy::default().every_blocks,
            snapshots_kept: SnapshotPolicy::default().keep,
            begin_with_snapshot: SnapshotPolicy::default().begin,
        },
        peers: PeersSection {
            listen: peers,
            certificate: "tls/node.pem".into(),
            tls_key: "tls/node.key".into(),
            revoked: Some("tls/revoked".into()),
            nodes,
        },
        api: ApiSection { listen: api },
        chains,
        metrics: None,
        router,
    }
}

impl Member {
    fn new(number: usize) -> Result<Self> {
        let organisation: Organisation = format!("ORG{number}").parse()?;
        let authority = Authority::new(&organisation)?;
        Ok(Self { organisation, authority, operator: new_seed(), router: new_seed(), committee: new_seed() })
    }

    fn write(&self, folder: &Path) -> Result<()> {
        fs::create_dir_all(folder)?;
        self.authority.write(folder)?;
        keys::write(&folder.join("operator.key"), &self.operator)?;
        keys::write(&folder.join("committee.key"), &self.committee)
    }

    fn accounts(&self) -> [GenesisAccount; 2] {
        let account = |number: &str, seed: &Seed, roles: &[Role]| GenesisAccount {
            organisation: self.organisation.clone(),
            number: number.parse().expect("a well-formed account number"),
            threshold: 1,
            keys: vec![AccountKey::ed25519(public_key(seed))],
            roles: roles.iter().map(|role| GenesisRole { role: *role }).collect(),
        };
        let operator = [Role::Issuer, Role::Operator, Role::Regulator];
        [account(OPERATOR, &self.operator, &operator), account(ROUTER, &self.router, &[Role::Relayer])]
    }
}

impl Machine {
    fn new() -> Self {
        Self { node: new_seed(), validator: new_seed() }
    }
}

impl Consortium {
    /// The same validators on every chain.
    pub fn validators(&self) -> Vec<Validator> {
        let validator =
            |machine: &Machine| Validator { public_key: public_key(&machine.validator), power: 10 };
        self.machines.iter().map(validator).collect()
    }

    /// The organisations that run the nodes.
    pub fn organisations(&self) -> impl Iterator<Item = Organisation> + '_ {
        self.members.iter().map(|member| member.organisation.clone())
    }

    /// Their authorities.
    pub fn roots(&self) -> Vec<GenesisRoots> {
        let roots = |member: &Member| GenesisRoots {
            organisation: member.organisation.clone(),
            roots: vec![member.authority.root()],
        };
        self.members.iter().map(roots).collect()
    }

    /// An operator and a router for each of them.
    pub fn accounts(&self) -> impl Iterator<Item = GenesisAccount> + '_ {
        self.members.iter().flat_map(Member::accounts)
    }

    /// A majority of them governs.
    pub fn committee(&self) -> Committee {
        let keys: Vec<_> = self.members.iter().map(|member| public_key(&member.committee)).collect();
        let threshold = u32::try_from(keys.len() / 2 + 1).expect("few organisations");
        Committee { threshold, keys }
    }
}

/// The genesis of a chain on which the consortium has nothing but itself.
pub fn genesis(name: &ChainName, consortium: &Consortium, time: Timestamp) -> Genesis {
    let validators = consortium.validators();
    Genesis {
        name: name.clone(),
        revision: 1,
        suite: SUITE_ED25519_SHA256,
        consensus: CONSENSUS_BFT,
        time,
        parameters: Parameters::for_group_of(validators.len()),
        validators,
        committee: consortium.committee(),
        organisations: consortium.organisations().collect(),
        accounts: consortium.accounts().collect(),
        instances: network::instances(),
        roots: consortium.roots(),
    }
}

/// Where a node's files lie.
pub fn node_folder(out: &Path, number: usize) -> PathBuf {
    out.join(format!("node-{number}"))
}

fn public_key(seed: &Seed) -> PublicKey {
    SigningKey::from_seed(seed).public_key()
}

fn write(path: &Path, content: &[u8]) -> Result<()> {
    fs::write(path, content).with_context(|| format!("writing {}", path.display()))
}

/// The configuration as an operator wants to read it.
fn toml(file: &NodeFile) -> String {
    let quoted = |text: &dyn std::fmt::Display| format!("{:?}", text.to_string());
    let path = |path: &Path| quoted(&path.display());
    // Monitoring is off in a test network.
    let NodeFile { node, peers, api, chains, metrics: _, router } = file;
    let mut text = format!(
        "# `catenary config explain` says what each key means; CATENARY__API__LISTEN replaces api.listen, and so on.\n\
         # Paths are relative to this file.\n\n\
         [node]\ndata = {}\nkey = {}\n# Votes on every chain whose validators name it.\nvalidator_key = {}\n\
         # Its committee creates further chains, which run here too.\nregistry = {}\n\n\
         [peers]\nlisten = {}\ncertificate = {}\ntls_key = {}\nrevoked = {}\n\n\
         # For clients; without TLS.\n[api]\nlisten = {}\n\n\
         # For Prometheus: /metrics, /healthz and /readyz.\n# [metrics]\n# listen = \"127.0.0.1:7102\"\n",
        path(&node.data),
        path(&node.key),
        path(node.validator_key.as_deref().unwrap_or(Path::new(""))),
        quoted(&node.registry.as_deref().unwrap_or_default()),
        quoted(&peers.listen),
        path(&peers.certificate),
        path(&peers.tls_key),
        path(peers.revoked.as_deref().unwrap_or(Path::new(""))),
        quoted(&api.listen),
    );
    for PeerSection { key, address } in &peers.nodes {
        text += &format!("\n[[peers.nodes]]\nkey = {}\naddress = {}\n", quoted(key), quoted(address));
    }
    for ChainSection { genesis } in chains {
        text += &format!("\n[[chains]]\ngenesis = {}\n", path(genesis));
    }
    if let Some(router) = router {
        text += &format!(
            "\n# Several routers of one network do no harm: who has patience leaves packets to the others first.\n\
             [router]\norganisation = {}\naccount = {}\nkey = {}\npatience_ms = {}\n",
            quoted(&router.organisation),
            quoted(&router.account),
            path(&router.key),
            router.patience_ms
        );
    }
    text
}
