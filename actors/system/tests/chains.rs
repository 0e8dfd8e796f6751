//! Chains of one node do not depend on each other, and an idle one does nothing.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_apps::{
    admin::{self, Admin, AdminCall},
    asset::{self, Asset},
};
use catenary_ledger::{Access, App, Apps, Caller, Checked, Ctx, Failure};
use catenary_relay::gateway::{GatewayError, SubmitOutcome};
use catenary_runtime::now;
use catenary_store::DataDir;
use catenary_system::OpenNodeError;
use catenary_system::testing::{
    Bank, copy,
    files::{first_blocks, flip},
    root, run, settle, soon, start, until,
};
use catenary_types::WireError;
use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

/// An idle chain gets this long to make a block that it must not make.
const IDLE: Duration = Duration::from_secs(2);

fn banks() -> [Bank; 2] {
    ["one", "two"].map(|name| Bank::new(name, now()))
}

#[test]
fn a_chain_that_does_not_open_is_named_and_takes_no_other_with_it() {
    let banks = banks();
    let folder = tempfile::tempdir().unwrap();
    let (left, before) = run(async {
        let (node, _) = start(folder.path(), &banks).await.unwrap();
        for (chain, bank) in node.chains().iter().zip(&banks) {
            settle(chain, bank.envelope(1)).await;
        }
        (copy(folder.path()), root(&node.chains()[0]).await)
    });
    let blocks = first_blocks(left.path(), &banks[0]);
    let whole = fs::read(&blocks).unwrap();
    flip(&blocks, 500);
    run(async {
        let (node, _) = start(left.path(), &banks).await.unwrap();
        let chains = node.chains();
        let [broken, sound] = &chains[..] else { panic!("two chains") };
        let down = node.down().borrow().clone();
        let reason = &down[broken.chain_id()];
        assert_eq!(down.len(), 1);
        assert!(reason.starts_with("block log of") && reason.contains("is damaged: segment 1"), "{reason}");
        assert_eq!(broken.status().await, Err(GatewayError::Unavailable(reason.clone())));
        settle(sound, banks[1].envelope(2)).await;

        fs::write(&blocks, &whole).unwrap();
        soon(node.supervisor().start(broken.chain_id())).await.unwrap();
        assert!(node.down().borrow().is_empty());
        assert_eq!(root(broken).await, before);
        settle(broken, banks[0].envelope(2)).await;
    });
}

#[test]
fn a_node_starts_all_of_many_chains() {
    let banks: Vec<_> = (0..20).map(|number| Bank::new(&format!("bank{number}"), now())).collect();
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let (node, _) = start(folder.path(), &banks).await.unwrap();
        assert_eq!(node.chains().len(), 20);
        for chain in node.chains() {
            assert!(chain.status().await.is_ok(), "{} does not run", chain.chain_id());
        }
    });
}

#[test]
fn a_key_signs_on_one_node_at_a_time() {
    let banks = banks();
    let folders = [(); 2].map(|()| tempfile::tempdir().unwrap());
    run(async {
        let (node, _) = start(folders[0].path(), &banks).await.unwrap();
        let refused = start(folders[1].path(), &banks[1..]).await.err().unwrap();
        assert!(
            matches!(&refused, OpenNodeError::KeyInUse { chain_id, .. } if chain_id == banks[1].chain_id())
        );
        node.stop().await;
        start(folders[1].path(), &banks[1..]).await.unwrap();
    });
}

/// The `admin` app with a defect that ends whatever runs it, once.
struct Panics(AtomicBool);

impl App for Panics {
    type Message = AdminCall;

    fn decode(&self, bytes: &[u8]) -> Result<AdminCall, WireError> {
        Admin.decode(bytes)
    }

    // Called where the ledger catches no panic.
    fn weight(&self, message: &AdminCall) -> u64 {
        assert!(!self.0.swap(false, Ordering::Relaxed), "expected by the test");
        Admin.weight(message)
    }

    fn access(&self, caller: &Caller, message: &AdminCall) -> Access {
        Admin.access(caller, message)
    }

    fn execute(&self, call: Checked<AdminCall>, ctx: &mut Ctx<'_, '_>) -> Result<(), Failure> {
        Admin.execute(call, ctx)
    }
}

#[test]
fn a_chain_that_panics_is_rebuilt_and_the_others_never_notice() {
    let [one, two] = banks();
    let one =
        one.running(|_| Apps::default().with(admin::KIND, Panics(true.into())).with(asset::KIND, Asset));
    let banks = [one, two];
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let (node, _) = start(folder.path(), &banks).await.unwrap();
        let chains = node.chains();
        let [broken, sound] = &chains[..] else { panic!("two chains") };
        let mut rebuilt = node.rebuilt();
        assert!(broken.submit(vec![banks[0].envelope(1)]).await.is_err(), "the answer went with the chain");
        let reasons = soon(rebuilt.wait_for(|reasons| !reasons.is_empty())).await.unwrap().clone();
        assert_eq!(reasons[broken.chain_id()], "a task of the chain panicked");
        assert_eq!(reasons.len(), 1);
        settle(sound, banks[1].envelope(1)).await;
        until(async || broken.submit(vec![]).await.is_ok()).await;
        settle(broken, banks[0].envelope(1)).await;
        assert!(node.down().borrow().is_empty());
    });
}

#[test]
fn a_chain_whose_block_log_fails_stops_alone() {
    let banks = banks();
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let (node, _) = start(folder.path(), &banks).await.unwrap();
        // The log creates its first file with its first block, and cannot.
        fs::create_dir(first_blocks(folder.path(), &banks[0])).unwrap();
        let chains = node.chains();
        let [broken, sound] = &chains[..] else { panic!("two chains") };
        let mut down = node.down();
        let submitted = broken.submit(vec![banks[0].envelope(1)]).await.unwrap();
        assert!(matches!(submitted[..], [SubmitOutcome::Accepted(_)]), "{submitted:?}");
        let down = soon(down.wait_for(|down| !down.is_empty())).await.unwrap().clone();
        let reason = &down[broken.chain_id()];
        assert!(reason.starts_with("cannot create") && reason.contains("00000001.blocks"), "{reason}");
        assert_eq!((down.len(), node.failure()), (1, None));
        settle(sound, banks[1].envelope(1)).await;
    });
}

#[test]
fn a_transaction_is_known_after_a_restart_too() {
    let [bank, _] = banks();
    let folder = tempfile::tempdir().unwrap();
    let envelope = bank.envelope(1);
    let (left, settled) = run(async {
        let (node, _) = start(folder.path(), std::slice::from_ref(&bank)).await.unwrap();
        let settled = settle(&node.chains()[0], envelope.clone()).await;
        (copy(folder.path()), settled)
    });
    for _ in 0..2 {
        run(async {
            let (node, _) = start(left.path(), std::slice::from_ref(&bank)).await.unwrap();
            let chain = &node.chains()[0];
            // What the block log lacks comes from the journal.
            soon(chain.final_block(settled.height.next())).await.unwrap();
            let before = root(chain).await;
            let again = chain.submit(vec![envelope.clone()]).await.unwrap();
            let known = SubmitOutcome::Known { tx_id: settled.tx_id, height: Some(settled.height) };
            assert_eq!((again, root(chain).await), (vec![known], before));
        });
        // The second time without the index.
        let data = DataDir::open(left.path()).unwrap();
        fs::remove_dir_all(data.index()).unwrap();
    }
}

#[test]
fn an_idle_chain_makes_no_block() {
    let banks = banks();
    let folder = tempfile::tempdir().unwrap();
    run(async {
        let (node, _) = start(folder.path(), &banks).await.unwrap();
        let chains = node.chains();
        let [used, unused] = &chains[..] else { panic!("two chains") };
        let sealed = settle(used, banks[0].envelope(1)).await.height.next();
        let more = tokio::time::timeout(IDLE, async {
            tokio::select! {
                block = used.final_block(sealed.next()) => block,
                block = unused.final_block(catenary_types::Height(1)) => block,
            }
        });
        assert!(more.await.is_err(), "an idle chain made a block");
    });
}
