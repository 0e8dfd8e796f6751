//! What an app may do while it executes: state, counters, weight, parts that fail alone.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_ledger::{BlockContext, Caller, Ctx, Failure, Overlay, Reason, records::Roles, stores::ASSET};
use catenary_types::{Amount, Height, Timestamp, UnixSeconds};
use common::{Chain, account};

/// Runs `test` in a transaction on the state of a fresh chain, at height 7 and a fraction after second 1,000, with
/// this much weight; gives what it left.
fn within(weight: u64, test: impl FnOnce(&mut Ctx<'_, '_>)) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
    let chain = Chain::default();
    let time = Timestamp(UnixSeconds(1_000).start().0 + 999_999_999);
    let block = BlockContext { chain_id: chain.chain_id.clone(), height: Height(7), time };
    let caller =
        Caller { account: account("alice"), organisation: "bank".parse().unwrap(), roles: Roles::default() };
    let mut overlay = Overlay::new(&chain.state);
    let mut ctx = Ctx::new(&mut overlay, &block, &[], caller.clone(), weight, false);
    assert_eq!((ctx.caller(), ctx.chain_id()), (&caller, &chain.chain_id));
    assert_eq!((ctx.height(), ctx.header_time(), ctx.time()), (Height(7), time, UnixSeconds(1_000)));
    assert!(!ctx.is_single_call());
    test(&mut ctx);
    overlay.into_changes().remove(&ASSET).unwrap_or_default().into_iter().collect()
}

fn counter(key: &[u8], value: u128) -> (Vec<u8>, Option<Vec<u8>>) {
    (key.to_vec(), Some(value.to_be_bytes().to_vec()))
}

#[test]
fn counters_start_at_nothing_and_never_wrap() {
    let left = within(0, |ctx| {
        assert_eq!(ctx.counter(ASSET, b"n"), Amount::ZERO);
        for amount in [2, 3] {
            assert_eq!(ctx.add(ASSET, b"n".to_vec(), Amount(amount)), Ok(()));
        }
        assert_eq!(ctx.counter(ASSET, b"n"), Amount(5));
        ctx.set_counter(ASSET, b"m".to_vec(), Amount(u128::MAX));
        let overflow = ctx.add(ASSET, b"m".to_vec(), Amount(1)).unwrap_err();
        assert_eq!(overflow.reason, Reason::Overflow);
        ctx.set_counter(ASSET, b"gone".to_vec(), Amount(1));
        ctx.set_counter(ASSET, b"gone".to_vec(), Amount::ZERO);
        assert_eq!(ctx.get(ASSET, b"gone"), None, "an empty counter leaves no key");
    });
    assert_eq!(left, [counter(b"m", u128::MAX), counter(b"n", 5)]);
}

#[test]
fn weight_is_used_up_to_the_last_unit() {
    within(10, |ctx| {
        assert_eq!(ctx.charge(7), Ok(()));
        let refused = ctx.charge(4).unwrap_err();
        assert_eq!(refused.reason, Reason::OutOfWeight);
        assert_eq!(refused.detail, "the call needs weight 4, the transaction has 3 left");
        assert_eq!((ctx.charge(3), ctx.charge(0)), (Ok(()), Ok(())));
        assert!(ctx.charge(1).is_err());
    });
}

#[test]
fn a_part_that_fails_or_panics_is_undone_and_the_rest_stays() {
    let left = within(0, |ctx| {
        ctx.put(ASSET, b"before".to_vec(), b"1".to_vec());
        let failure = Failure::new(Reason::NotFound, "as told");
        let failed: Result<(), _> = ctx.sub_transaction(|ctx| {
            ctx.put(ASSET, b"before".to_vec(), b"2".to_vec());
            assert_eq!(ctx.sub_transaction(|ctx| ctx.add(ASSET, b"inner".to_vec(), Amount(1))), Ok(()));
            Err(failure.clone())
        });
        assert_eq!(failed, Err(failure));
        let panicked: Result<(), _> = ctx.sub_transaction(|ctx| {
            ctx.delete(ASSET, b"before");
            panic!("as told")
        });
        assert_eq!(panicked.unwrap_err().reason, Reason::Internal);
        let done = ctx.sub_transaction(|ctx| {
            ctx.put(ASSET, b"after".to_vec(), b"3".to_vec());
            Ok(4)
        });
        assert_eq!(done, Ok(4));
    });
    let expected =
        [("after", "3"), ("before", "1")].map(|(key, value)| (key.into(), Some(value.as_bytes().to_vec())));
    assert_eq!(left, expected);
}

#[test]
#[should_panic(expected = "keys are never empty")]
fn no_key_is_empty() {
    within(0, |ctx| ctx.put(ASSET, Vec::new(), b"1".to_vec()));
}

#[test]
#[should_panic(expected = "values are never empty")]
fn no_value_is_empty() {
    within(0, |ctx| ctx.put(ASSET, b"key".to_vec(), Vec::new()));
}
