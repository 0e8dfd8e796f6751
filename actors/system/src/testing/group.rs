//! Several nodes of one process, each with a validator of every chain.

use super::{Bank, open_as, soon, until};
use crate::Node;
use catenary_consensus::Peer;
use catenary_links::pair;
use catenary_store::DataDir;
use std::{cell::RefCell, path::Path};
use tempfile::TempDir;

/// Nodes that run the same chains, joined by links. Single ones can be stopped and started again.
pub struct Group {
    banks: Vec<Bank>,
    folders: Vec<TempDir>,
    nodes: Vec<Option<Node>>,
}

impl Group {
    /// As many nodes as the banks have validators.
    pub async fn start(banks: &[Bank]) -> Self {
        Self::start_on(banks, |_, _| ()).await
    }

    /// The same on folders that are prepared first.
    pub async fn start_on(banks: &[Bank], prepare: impl Fn(usize, &Path)) -> Self {
        let size = banks.iter().map(|bank| bank.genesis.validators.len()).max().unwrap_or_default();
        let folder = |_| tempfile::tempdir().expect("a temporary folder");
        let folders = (0..size).map(folder).collect();
        let mut group = Self { banks: banks.to_vec(), folders, nodes: (0..size).map(|_| None).collect() };
        for number in 0..size {
            prepare(number, group.folder(number));
            group.run(number, true).await;
        }
        group
    }

    /// A node that runs.
    pub fn node(&self, number: usize) -> &Node {
        self.nodes[number].as_ref().expect("the test has not stopped it")
    }

    /// Where a node keeps its data.
    pub fn folder(&self, number: usize) -> &Path {
        self.folders[number].path()
    }

    /// Stops a node; the others go on.
    pub async fn stop(&mut self, number: usize) {
        let node = self.nodes[number].take().expect("the test has not stopped it");
        soon(node.stop()).await;
    }

    /// Starts a stopped node on what its folder holds now. Gives what it tells the operator.
    pub async fn restart(&mut self, number: usize) -> Vec<String> {
        self.run(number, false).await
    }

    /// The folder of a stopped node, held as the node would hold it.
    pub async fn data(&self, number: usize) -> DataDir {
        // The last thread of a stopped node lets go of the folder a moment later.
        let free = RefCell::new(None);
        until(async || {
            *free.borrow_mut() = DataDir::open(self.folder(number)).ok();
            free.borrow().is_some()
        })
        .await;
        free.into_inner().expect("until says so")
    }

    async fn run(&mut self, number: usize, is_new: bool) -> Vec<String> {
        let data = self.data(number).await;
        let started = open_as(number, data, &self.banks, is_new).await;
        let (node, notices) = started.expect("a node opens on any folder");
        for (other, running) in self.nodes.iter().enumerate() {
            if let Some(running) = running {
                let (end, far_end) = pair();
                node.connect(Peer(other as u64), end);
                running.connect(Peer(number as u64), far_end);
            }
        }
        self.nodes[number] = Some(node);
        notices
    }
}
