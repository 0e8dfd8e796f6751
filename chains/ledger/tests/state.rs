//! State between blocks: what is kept, what a checkpoint restores, and the window of ids.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_ledger::{ReplayChange, ReplayWindow, State, VERSIONS_KEPT, stores::ASSET};
use catenary_types::{AccountId, Height, RequestId, Timestamp, UnixSeconds};
use common::{Chain, call};
use proptest::prelude::*;
use std::collections::BTreeMap;

#[test]
fn a_checkpoint_restores_the_state_with_its_root() {
    let mut chain = Chain::default();
    for number in 0..3 {
        assert!(chain.run(vec![call("one", &format!("put key-{number} 1;delete key-0"))]).succeeded());
    }
    let entered: Vec<_> = chain.state.replay().entries().collect();
    assert_eq!(entered.len(), 3);
    let mut replay = ReplayWindow::default();
    replay.apply(&ReplayChange { drop_below: 0, entered });
    let restored = State::restore(chain.state.height(), chain.state.content(), replay);
    assert_eq!((restored.height(), restored.app_hash()), (Height(3), chain.state.app_hash()));
    assert_eq!(restored.content(), chain.state.content());
    let mut other = State::restore(Height(3), chain.state.content(), ReplayWindow::default());
    assert_ne!(other.app_hash(), chain.state.app_hash(), "the window of ids is under the root");

    // It goes on as the original does.
    let next = chain.transaction(vec![call("two", "put key-9 1")]);
    let executed = chain.execute(&[next]);
    assert_eq!(other.apply(&executed), other.app_hash());
    let root = chain.state.apply(&executed);
    chain.state = restored;
    assert_eq!(chain.state.apply(&executed), root);
}

#[test]
fn a_state_restored_after_its_seal_is_also_that_of_the_height_before() {
    let mut chain = Chain::default();
    assert!(chain.run(vec![call("one", "put key 1")]).succeeded());
    let content = chain.state.content();
    let restored = State::restore_sealed(Height(2), content, chain.state.replay().clone());
    assert_eq!((restored.height(), restored.app_hash()), (Height(2), chain.state.app_hash()));
    assert!(restored.stores().versions().eq([1, 2]), "the newest header shows the state after height 1");
}

#[test]
fn recent_versions_stay_readable() {
    let mut chain = Chain::default();
    for _ in 0..VERSIONS_KEPT + 3 {
        chain.run(vec![call("one", "add n 1")]);
    }
    let kept = |version: u64| chain.state.stores().prove(version, ASSET, b"n").is_ok();
    assert_eq!([2, 3, VERSIONS_KEPT + 3].map(kept), [false, true, true]);
}

#[test]
#[should_panic(expected = "blocks are applied in order")]
fn no_block_is_left_out() {
    let mut chain = Chain::default();
    let mut executed = chain.execute(&[]);
    executed.height = Height(2);
    chain.state.apply(&executed);
}

fn id(byte: u8) -> (AccountId, RequestId) {
    (AccountId([byte % 3; 20]), RequestId([byte; 16]))
}

proptest! {
    #[test]
    fn the_window_holds_exactly_the_ids_of_minutes_that_are_not_past(
        blocks in prop::collection::vec((0u64..3, prop::collection::vec((0u64..4, 0u8..12), 0..5)), 1..12),
    ) {
        let (mut window, mut model, mut now) = (ReplayWindow::default(), BTreeMap::new(), 0);
        for (passed, wanted) in blocks {
            now += passed;
            for byte in 0..12 {
                let used = model.get(&id(byte)).is_some_and(|minute| *minute >= now);
                prop_assert_eq!(window.contains(&id(byte), now), used);
            }
            model.retain(|_, minute| *minute >= now);
            let mut change = ReplayChange::at(UnixSeconds(now * 60 + 59).start());
            prop_assert_eq!(change.drop_below, now);
            for (ahead, byte) in wanted {
                model.entry(id(byte)).or_insert_with(|| {
                    change.entered.push((now + ahead, id(byte)));
                    now + ahead
                });
            }
            window.apply(&change);
            prop_assert_eq!((window.len(), window.is_empty()), (model.len(), model.is_empty()));
            let mut entries: Vec<_> = window.entries().collect();
            prop_assert!(entries.is_sorted_by_key(|(minute, _)| *minute));
            entries.sort();
            let mut expected: Vec<_> = model.iter().map(|(id, minute)| (*minute, *id)).collect();
            expected.sort();
            prop_assert_eq!(entries, expected);
        }
        prop_assert_eq!(ReplayChange::at(Timestamp(0)), ReplayChange::default());
    }
}
