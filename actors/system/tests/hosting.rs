//! Chains that come to a running node and go again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_relay::gateway::GatewayError;
use catenary_runtime::now;
use catenary_system::testing::{Bank, root, run, settle, soon, start};
use std::{collections::BTreeSet, fs, path::Path};

/// How many chains come and go in a row.
const CHAINS: usize = 50;

fn bank(name: &str) -> Bank {
    Bank::new(name, now())
}

/// Every file below a folder.
fn files(folder: &Path) -> BTreeSet<String> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries
        .flat_map(|path| if path.is_dir() { files(&path) } else { [path.display().to_string()].into() })
        .collect()
}

/// Open files and all else that has a descriptor, but for the files that the index holds open: they have a limit of their own.
fn descriptors() -> usize {
    let entries = fs::read_dir("/proc/self/fd").unwrap().map(|entry| fs::read_link(entry.unwrap().path()));
    entries
        .filter(|target| !target.as_ref().is_ok_and(|path| path.display().to_string().contains("/index/")))
        .count()
}

#[test]
fn a_chain_comes_to_a_running_node_and_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["one", "two"].map(bank);
    let before = run(async {
        let (node, _) = start(folder.path(), std::slice::from_ref(&first)).await.unwrap();
        settle(&node.chains()[0], first.envelope(1)).await;
        assert_eq!(
            soon(node.add(second.definition(0, true), || Ok(()))).await.unwrap(),
            Vec::<String>::new()
        );
        let [old, new] = &node.chains()[..] else { panic!("two chains") };
        settle(new, second.envelope(1)).await;
        settle(old, first.envelope(2)).await;
        let before = root(new).await;
        soon(node.stop()).await;
        before
    });
    run(async {
        let (node, notices) = start(folder.path(), &[first, second.clone()]).await.unwrap();
        assert_eq!(notices, Vec::<String>::new());
        assert_eq!(root(&node.chains()[1]).await, before);
        settle(&node.chains()[1], second.envelope(2)).await;
    });
}

#[test]
fn a_chain_that_goes_leaves_nothing_and_the_others_go_on() {
    let folder = tempfile::tempdir().unwrap();
    let stays = bank("stays");
    run(async {
        let (node, _) = start(folder.path(), std::slice::from_ref(&stays)).await.unwrap();
        let staying = node.chains()[0].clone();
        settle(&staying, stays.envelope(1)).await;
        let mut open = Vec::new();
        for number in 0..CHAINS {
            let bank = bank(&format!("guest{number}"));
            soon(node.add(bank.definition(0, true), || Ok(()))).await.unwrap();
            let chain = node.chains()[1].clone();
            settle(&chain, bank.envelope(1)).await;
            let reader = chain.final_block(chain.status().await.unwrap().height.next());
            soon(node.remove(bank.chain_id())).await.unwrap();
            assert!(matches!(soon(reader).await, Err(GatewayError::Unavailable(_))), "whoever reads is told");
            assert!(matches!(chain.status().await, Err(GatewayError::Unavailable(_))));
            open.push(descriptors());
        }
        settle(&staying, stays.envelope(2)).await;
        assert_eq!(node.chains().len(), 1);
        assert!(open[CHAINS - 1] <= open[1], "descriptors after each: {open:?}");
        soon(node.stop()).await;
    });
    let left: Vec<_> = files(folder.path()).into_iter().filter(|path| path.contains("guest")).collect();
    assert_eq!(left, Vec::<String>::new());
    run(async {
        // The index forgets at the next start what it kept of them.
        let (node, _) = start(folder.path(), std::slice::from_ref(&stays)).await.unwrap();
        settle(&node.chains()[0], stays.envelope(3)).await;
        assert!(files(folder.path()).len() < CHAINS, "{:?}", files(folder.path()));
    });
}

#[test]
fn a_validator_that_may_have_forgotten_does_not_vote_on_a_chain_that_comes() {
    let folder = tempfile::tempdir().unwrap();
    let [first, second] = ["one", "two"].map(bank);
    run(async {
        let (node, _) = start(folder.path(), std::slice::from_ref(&first)).await.unwrap();
        soon(node.add(second.definition(0, false), || Ok(()))).await.unwrap();
        let down = node.down().borrow().clone();
        assert!(down[second.chain_id()].contains("there is no other to ask"), "{down:?}");
        assert!(!node.remembers(second.chain_id()) && node.remembers(first.chain_id()));
        settle(&node.chains()[0], first.envelope(1)).await;
    });
}
