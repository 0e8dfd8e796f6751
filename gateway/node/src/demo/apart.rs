//! The demo's chains on the nodes of a consortium.

use crate::{
    consensus::Consensus,
    network::{self, Bank},
    processes::free_doors,
    testnet::{Consortium, Testnet},
};
use anyhow::Result;
use catenary_types::ChainName;
use std::path::Path;

/// Writes the network: the banks' accounts are the sandbox's, nodes and routers have keys of their own.
pub fn write(folder: &Path, nodes: usize) -> Result<()> {
    let now = catenary_runtime::now();
    let testnet = Testnet {
        out: folder.to_owned(),
        doors: free_doors(nodes)?,
        organisations: nodes,
        chains: Bank::all().map(Bank::chain).collect(),
        consensus: Consensus::default(),
    };
    testnet.write(|chain: &ChainName, consortium: &Consortium| {
        let bank = Bank::all().find(|bank| bank.chain() == *chain).expect("the chains are the banks'");
        let mut genesis = network::genesis(bank, now, consortium.validators());
        genesis.organisations.extend(consortium.organisations());
        genesis.accounts.extend(consortium.accounts());
        genesis.roots = consortium.roots();
        genesis
    })
}
