//! A node whose disk is nearly full: it takes no submissions, and votes and follows on; with room it takes them again.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_relay::gateway::{RefusalReason, SubmitOutcome};
use catenary_runtime::ChainMailbox;
use catenary_store::disk::Space;
use catenary_system::{
    DiskWatch,
    testing::{Bank, Group, run, settle, soon, until},
};
use catenary_types::Timestamp;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

const BOUND: u64 = 1 << 40;

async fn refusal(chain: &ChainMailbox, envelope: Vec<u8>) -> Option<RefusalReason> {
    match &soon(chain.submit(vec![envelope])).await.unwrap()[..] {
        [SubmitOutcome::Refused(refusal)] => Some(refusal.reason),
        _ => None,
    }
}

#[test]
fn a_node_without_room_refuses_submissions_and_votes_on() {
    run(async {
        let bank = Bank::with_validators(4, "roomless", Timestamp(1_700_000_000_000_000_000));
        let mut group = Group::start(std::slice::from_ref(&bank)).await;
        let free = Arc::new(AtomicU64::new(BOUND - 1));
        let told = free.clone();
        let probe = move |_: &Path| Ok(Space { free: told.load(Ordering::Relaxed), size: 2 * BOUND });
        let mut disk = DiskWatch::asking(group.folder(0), BOUND, Box::new(probe));
        disk.look(group.node(0).door()).unwrap();
        let full = &group.node(0).chains()[0];
        assert_eq!(refusal(full, bank.envelope(1)).await, Some(RefusalReason::DiskFull));
        let refused = RefusalReason::ALL.iter().position(|one| *one == RefusalReason::DiskFull).unwrap();
        assert_eq!(full.stats().refused[refused], 1);

        // With one of four gone every block needs the vote of the node without room.
        group.stop(3).await;
        let full = &group.node(0).chains()[0];
        let settled = settle(&group.node(1).chains()[0], bank.envelope(2)).await;
        until(async || full.status().await.unwrap().height >= settled.height).await;
        assert!(full.stats().transactions >= 1);

        free.store(BOUND + BOUND / 4 - 1, Ordering::Relaxed);
        disk.look(group.node(0).door()).unwrap();
        assert_eq!(refusal(full, bank.envelope(3)).await, Some(RefusalReason::DiskFull));
        free.store(BOUND + BOUND / 4, Ordering::Relaxed);
        disk.look(group.node(0).door()).unwrap();
        settle(full, bank.envelope(3)).await;
    });
}
