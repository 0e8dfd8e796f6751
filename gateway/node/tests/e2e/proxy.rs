//! A TCP proxy between every two nodes, which can hold back what goes in either direction.

use std::{
    io::{Read, Write},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

/// How long a held direction waits before it looks again.
const HOLD: Duration = Duration::from_millis(5);

/// The proxies of a network: each node reaches every other one through one of its own.
pub struct Proxies {
    targets: Vec<SocketAddr>,
    addresses: Vec<Vec<Option<SocketAddr>>>,
    /// `held[from][to]`: what `from` sends to `to` waits.
    held: Arc<Vec<Vec<AtomicBool>>>,
}

impl Proxies {
    pub fn start(targets: Vec<SocketAddr>) -> Self {
        let row = |_| targets.iter().map(|_| AtomicBool::new(false)).collect();
        let held: Arc<Vec<Vec<AtomicBool>>> = Arc::new(targets.iter().map(row).collect());
        let proxy = |node: usize, other: usize| {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let (address, target, held) = (listener.local_addr().unwrap(), targets[other], held.clone());
            thread::spawn(move || serve(&listener, target, &held, node, other));
            address
        };
        let nodes = targets.len();
        let addresses = (0..nodes)
            .map(|node| (0..nodes).map(|other| (node != other).then(|| proxy(node, other))).collect())
            .collect();
        Self { targets, addresses, held }
    }

    /// Where a node really listens.
    pub fn target(&self, node: usize) -> SocketAddr {
        self.targets[node]
    }

    /// Where `node` reaches `other`.
    pub fn address(&self, node: usize, other: usize) -> SocketAddr {
        self.addresses[node][other].expect("no node reaches itself")
    }

    /// Holds back what goes one way, or lets it go.
    pub fn hold(&self, from: usize, to: usize, held: bool) {
        self.held[from][to].store(held, Ordering::Relaxed);
    }

    /// Parts these nodes from all others, or joins them again.
    pub fn part(&self, nodes: &[usize], parted: bool) {
        for (from, row) in self.held.iter().enumerate() {
            for (to, held) in row.iter().enumerate() {
                if nodes.contains(&from) != nodes.contains(&to) {
                    held.store(parted, Ordering::Relaxed);
                }
            }
        }
    }
}

fn serve(
    listener: &TcpListener,
    target: SocketAddr,
    held: &Arc<Vec<Vec<AtomicBool>>>,
    node: usize,
    other: usize,
) {
    for client in listener.incoming().map_while(Result::ok) {
        let Ok(server) = TcpStream::connect(target) else { continue };
        let ways = [(&client, &server, node, other), (&server, &client, other, node)];
        for (from, to, source, destination) in ways {
            let (from, to, held) = (from.try_clone().unwrap(), to.try_clone().unwrap(), held.clone());
            thread::spawn(move || carry(from, to, &held[source][destination]));
        }
    }
}

fn carry(mut from: TcpStream, mut to: TcpStream, held: &AtomicBool) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer) {
        while held.load(Ordering::Relaxed) {
            thread::sleep(HOLD);
        }
        if to.write_all(&buffer[..read]).is_err() {
            break;
        }
    }
    let _ = from.shutdown(Shutdown::Both);
    let _ = to.shutdown(Shutdown::Both);
}
