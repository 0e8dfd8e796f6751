//! Links over loopback: who is let in, what passes, and how links end.

use super::{
    Authority, Identity, KnownNode, NewLink, NodeName, Peers, PeersConfig, Trust,
    pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer},
};
use crate::{Frame, WireEnd};
use catenary_crypto::{PublicKey, SigningKey, sha256};
use catenary_replica::PeerMessage;
use catenary_types::{ChainId, Height, Organisation};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType, SerialNumber, date_time_ymd,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    net::{SocketAddr, TcpListener},
    sync::Arc,
    time::Duration,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::mpsc,
    time::timeout,
};

/// Longest wait for what must come.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long nothing may come where nothing must.
const SILENCE: Duration = Duration::from_millis(1_500);

struct Ca {
    organisation: Organisation,
    certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

impl Ca {
    fn new(organisation: &str) -> Self {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { organisation: organisation.parse().unwrap(), certificate, issuer: Issuer::new(params, key) }
    }

    fn authority(&self) -> Authority {
        (self.organisation.clone(), sha256(&self.certificate))
    }

    fn name(&self, seed: u8) -> NodeName {
        NodeName { organisation: self.organisation.clone(), key: node_key(seed).public_key() }
    }

    /// A certificate and its TLS key.
    fn certify(
        &self,
        name: &str,
        change: impl FnOnce(&mut CertificateParams),
    ) -> (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>) {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.subject_alt_names = vec![SanType::URI(name.try_into().unwrap())];
        params.extended_key_usages =
            vec![ExtendedKeyUsagePurpose::ClientAuth, ExtendedKeyUsagePurpose::ServerAuth];
        change(&mut params);
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        (vec![certificate.der().clone(), self.certificate.clone()], key)
    }

    fn identity(&self, seed: u8, change: impl FnOnce(&mut CertificateParams)) -> Identity {
        let (certificates, tls_key) = self.certify(&self.name(seed).to_string(), change);
        Identity::new(Arc::new(node_key(seed)), certificates, &tls_key).unwrap()
    }

    fn revoke(&self, serial: u64) -> CertificateRevocationListDer<'static> {
        let revoked = RevokedCertParams {
            serial_number: SerialNumber::from(serial),
            revocation_time: date_time_ymd(2026, 1, 1),
            reason_code: None,
            invalidity_date: None,
        };
        let list = CertificateRevocationListParams {
            this_update: date_time_ymd(2026, 1, 1),
            next_update: date_time_ymd(2026, 1, 2),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![revoked],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        list.signed_by(&self.issuer).unwrap().der().clone()
    }
}

fn node_key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32])
}

fn chain(name: &str) -> ChainId {
    format!("{name}-0123456789abcdef-1").parse().unwrap()
}

/// Trusts these authorities on these chains.
fn trust(authorities: &[(&Ca, &[&str])]) -> Trust {
    let trust = Trust::default();
    let entry = |(ca, chains): &(&Ca, &[&str])| {
        let chains: BTreeSet<_> = chains.iter().map(|name| chain(name)).collect();
        (ca.authority(), chains)
    };
    trust.set_authorities(authorities.iter().map(entry).collect::<BTreeMap<_, _>>());
    trust
}

struct Node {
    key: PublicKey,
    address: SocketAddr,
    trust: Trust,
    links: mpsc::UnboundedReceiver<NewLink>,
    peers: Option<Peers>,
}

impl Node {
    fn start(identity: &Identity, trust: Trust, nodes: &[&Node]) -> Self {
        let known = |node: &&Node| KnownNode { key: node.key, address: node.address.to_string() };
        Self::listen(door(), identity, trust, nodes.iter().map(known).collect())
    }

    fn listen(listener: TcpListener, identity: &Identity, trust: Trust, nodes: Vec<KnownNode>) -> Self {
        let (key, address) = (identity.key().public_key(), listener.local_addr().unwrap());
        let (sender, links) = mpsc::unbounded_channel();
        let config = PeersConfig { listener, nodes, identity: identity.clone(), trust: trust.clone() };
        let peers = Peers::start(config, move |link| drop(sender.send(link))).unwrap();
        Self { key, address, trust, links, peers: Some(peers) }
    }

    async fn linked(&mut self) -> NewLink {
        timeout(PATIENCE, self.links.recv()).await.expect("a link comes up").unwrap()
    }

    async fn stays_alone(&mut self) {
        assert!(timeout(SILENCE, self.links.recv()).await.is_err(), "a link came up");
    }
}

/// A place to listen.
fn door() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

fn fetch(chain_name: &str, height: u64) -> Frame {
    Frame { chain: chain(chain_name), message: PeerMessage::Fetch(Height(height)) }
}

async fn heard(end: &mut WireEnd) -> (ChainId, u64) {
    let frame = timeout(PATIENCE, end.receiver.recv()).await.expect("a frame comes").expect("the link is up");
    match frame.message {
        PeerMessage::Fetch(height) => (frame.chain, height.0),
        other => panic!("{other:?}"),
    }
}

async fn ends(end: &mut WireEnd) {
    let over = async { while end.receiver.recv().await.is_some() {} };
    timeout(PATIENCE, over).await.expect("the link ends");
}

/// Two nodes of two organisations, the second connects to the first, with the names of the chains that each trusts.
fn pair(cas: &[Ca; 2], trusts: [Trust; 2]) -> (Node, Node) {
    let [first_trust, second_trust] = trusts;
    let first = Node::start(&cas[0].identity(1, |_| {}), first_trust, &[]);
    let second = Node::start(&cas[1].identity(2, |_| {}), second_trust, &[&first]);
    (first, second)
}

#[tokio::test]
async fn frames_pass_both_ways_on_chains_that_both_may_know() {
    let cas = [Ca::new("A"), Ca::new("B")];
    let all: &[&str] = &["both", "first"];
    let trusts = [trust(&[(&cas[1], &["both"])]), trust(&[(&cas[0], all)])];
    let (mut first, mut second) = pair(&cas, trusts);
    let (mut one, mut other) = (first.linked().await, second.linked().await);
    assert_eq!((&one.node, &other.node), (&cas[1].name(2), &cas[0].name(1)));
    // The first does not know the second's organisation on its chain `first`: nothing of it leaves or enters.
    for height in 1..=100 {
        one.end.sender.send(fetch("first", height)).await.unwrap();
        one.end.sender.send(fetch("both", height)).await.unwrap();
        other.end.sender.send(fetch("first", height)).await.unwrap();
        other.end.sender.send(fetch("both", height)).await.unwrap();
        assert_eq!(heard(&mut other.end).await, (chain("both"), height));
        assert_eq!(heard(&mut one.end).await, (chain("both"), height));
    }
}

#[tokio::test]
async fn two_nodes_that_connect_to_each_other_keep_one_link() {
    let ca = Ca::new("A");
    let doors = [door(), door()];
    let known = doors.iter().zip([1, 2]).map(|(door, seed)| KnownNode {
        key: node_key(seed).public_key(),
        address: door.local_addr().unwrap().to_string(),
    });
    let known: Vec<_> = known.collect();
    let nodes = doors.into_iter().zip([1, 2]).map(|(door, seed)| {
        Node::listen(door, &ca.identity(seed, |_| {}), trust(&[(&ca, &["one"])]), known.clone())
    });
    let [mut first, mut second] = nodes.collect::<Vec<_>>().try_into().ok().unwrap();
    let (mut one, mut other) = (first.linked().await, second.linked().await);
    // A link that lost its place is closed; the newest carries frames both ways.
    while let Ok(Some(newer)) = timeout(SILENCE, first.links.recv()).await {
        one = newer;
    }
    while let Ok(newer) = second.links.try_recv() {
        other = newer;
    }
    one.end.sender.send(fetch("one", 1)).await.unwrap();
    assert_eq!(heard(&mut other.end).await, (chain("one"), 1));
    other.end.sender.send(fetch("one", 2)).await.unwrap();
    assert_eq!(heard(&mut one.end).await, (chain("one"), 2));
}

#[tokio::test]
async fn a_node_that_comes_back_is_linked_again() {
    let cas = [Ca::new("A"), Ca::new("B")];
    let both = trust(&[(&cas[0], &["one"]), (&cas[1], &["one"])]);
    let (mut first, mut second) = pair(&cas, [both.clone(), both.clone()]);
    let (mut one, _) = (first.linked().await, second.linked().await);
    drop(second.peers.take());
    ends(&mut one.end).await;
    let mut back = Node::start(&cas[1].identity(2, |_| {}), both, &[&first]);
    let (one, mut other) = (first.linked().await, back.linked().await);
    one.end.sender.send(fetch("one", 3)).await.unwrap();
    assert_eq!(heard(&mut other.end).await, (chain("one"), 3));
}

#[tokio::test]
async fn strangers_are_not_let_in() {
    let [ours, other] = [Ca::new("A"), Ca::new("A")];
    let identities = [
        ("another authority of the same name", other.identity(2, |_| {})),
        ("of an organisation that is no member", Ca::new("B").identity(2, |_| {})),
        ("out of date", ours.identity(2, |params| params.not_after = date_time_ymd(2026, 1, 1))),
        ("not valid yet", ours.identity(2, |params| params.not_before = date_time_ymd(2200, 1, 1))),
        (
            "for servers only",
            ours.identity(2, |params| params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]),
        ),
        ("revoked", ours.identity(2, |params| params.serial_number = Some(SerialNumber::from(77_u64)))),
    ];
    let own = ours.identity(1, |_| {});
    let mut first = Node::start(&own, trust(&[(&ours, &["one"])]), &[]);
    first.trust.set_revoked(&[ours.revoke(77)]).unwrap();
    // All at once: each tries again and again.
    let strangers: Vec<_> = identities
        .iter()
        .map(|(_, identity)| Node::start(identity, trust(&[(&ours, &["one"])]), &[&first]))
        .collect();
    first.stays_alone().await;
    drop(strangers);
    let mut good = Node::start(&ours.identity(3, |_| {}), trust(&[(&ours, &["one"])]), &[&first]);
    assert_eq!((first.linked().await.node, good.linked().await.node), (ours.name(3), ours.name(1)));
}

#[test]
fn a_certificate_names_one_node_and_its_key() {
    let ca = Ca::new("A");
    let names = ["catenary:client:A:7", "catenary:node:A:zz", "https://a.example", "catenary:node:A"];
    for name in names {
        let (certificates, tls_key) = ca.certify(name, |_| {});
        let error = Identity::new(Arc::new(node_key(1)), certificates, &tls_key).err().unwrap().to_string();
        assert!(error.starts_with("expected one URI catenary:node:"), "{error}");
    }
    let (certificates, tls_key) = ca.certify(&ca.name(2).to_string(), |_| {});
    let error = Identity::new(Arc::new(node_key(1)), certificates.clone(), &tls_key).err().unwrap();
    assert!(error.to_string().starts_with("the certificate is of catenary:node:A:"), "{error}");
    let (_, other_key) = ca.certify(&ca.name(2).to_string(), |_| {});
    let error = Identity::new(Arc::new(node_key(2)), certificates, &other_key).err().unwrap();
    assert!(error.to_string().starts_with("TLS key: "), "{error}");
}

#[tokio::test]
async fn a_revoked_certificate_or_a_dropped_authority_ends_a_link_that_is_up() {
    let ca = Ca::new("A");
    let case = async |revoke: bool| {
        let mut first = Node::start(&ca.identity(1, |_| {}), trust(&[(&ca, &["one"])]), &[]);
        let identity = ca.identity(2, |params| params.serial_number = Some(SerialNumber::from(77_u64)));
        let mut second = Node::start(&identity, trust(&[(&ca, &["one"])]), &[&first]);
        let (mut one, mut other) = (first.linked().await, second.linked().await);
        if revoke {
            first.trust.set_revoked(&[ca.revoke(77)]).unwrap();
        } else {
            first.trust.set_authorities(BTreeMap::new());
        }
        ends(&mut one.end).await;
        ends(&mut other.end).await;
        first.stays_alone().await;
    };
    tokio::join!(case(true), case(false));
}

#[tokio::test]
async fn a_certificate_without_the_node_key_in_it_is_worth_nothing() {
    let ca = Ca::new("A");
    // Whoever holds the TLS key, or an authority that made itself a certificate of a node of its organisation.
    let stolen = ca.identity(2, |_| {}).with_key(node_key(3));
    let mut first = Node::start(&ca.identity(1, |_| {}), trust(&[(&ca, &["one"])]), &[]);
    let mut thief = Node::start(&stolen, trust(&[(&ca, &["one"])]), &[&first]);
    first.stays_alone().await;
    assert!(
        thief.links.try_recv().is_ok(),
        "it is let in by nobody, and knows that only from the end of the link"
    );
}

#[tokio::test]
async fn a_renewed_certificate_serves_the_next_link_and_ends_none() {
    let ca = Ca::new("A");
    let trust = trust(&[(&ca, &["one"])]);
    let identity = ca.identity(2, |params| params.not_after = date_time_ymd(2300, 1, 1));
    let mut first = Node::start(&ca.identity(1, |_| {}), trust.clone(), &[]);
    let mut second = Node::start(&identity, trust, &[&first]);
    let (one, mut other) = (first.linked().await, second.linked().await);
    let (certificates, tls_key) = ca.certify(&ca.name(2).to_string(), |_| {});
    identity.renew(certificates, &tls_key).unwrap();
    one.end.sender.send(fetch("one", 1)).await.unwrap();
    assert_eq!(heard(&mut other.end).await, (chain("one"), 1), "the link is up");
    let (foreign, foreign_key) = Ca::new("A").certify(&ca.name(9).to_string(), |_| {});
    assert!(identity.renew(foreign, &foreign_key).is_err(), "another node's");
}

#[tokio::test]
async fn silence_and_garbage_at_the_door_keep_nobody_out() {
    let cas = [Ca::new("A"), Ca::new("B")];
    let both = trust(&[(&cas[0], &["one"]), (&cas[1], &["one"])]);
    let mut first = Node::start(&cas[0].identity(1, |_| {}), both.clone(), &[]);
    let mut silent = Vec::new();
    for number in 0..300 {
        let mut stream = TcpStream::connect(first.address).await.unwrap();
        if number % 3 == 0 {
            let _ = stream.write_all(&[number as u8; 600]).await;
        }
        silent.push(stream);
    }
    let mut second = Node::start(&cas[1].identity(2, |_| {}), both, &[&first]);
    first.linked().await;
    second.linked().await;
    // The oldest were turned away to make room, and the others are when their time is over.
    let mut byte = [0; 1];
    let closed = timeout(PATIENCE, async {
        for stream in &mut silent {
            while stream.read(&mut byte).await.is_ok_and(|read| read > 0) {}
        }
    });
    closed.await.expect("no connection stays open without a handshake");
}

#[tokio::test]
async fn a_list_of_revoked_certificates_that_does_not_read_changes_nothing() {
    let trust = Trust::default();
    assert!(trust.set_revoked(&[CertificateRevocationListDer::from(vec![1, 2, 3])]).is_err());
}
