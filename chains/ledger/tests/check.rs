//! Which transactions may stand in a block, each rule to its last second, unit of weight and height.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_crypto::PublicKey;
use catenary_ledger::{
    Inadmissible, State, check_state,
    records::{Account, AdminKey, ReadRecords},
    stores::ADMIN,
};
use catenary_types::{AccountKey, Body, Height, Message, Timestamp, UnixSeconds, time::NANOS_PER_SECOND};
use common::{Chain, START_S, account, account_key, call, genesis, genesis_account, ledger, signed, signer};

/// Judges alice's body, signed with these keys, for a block of this height in this second.
fn verdict(chain: &Chain, body: &Body, seeds: &[u8], height: u64, second: u64) -> Result<(), Inadmissible> {
    let at = (Height(height), Timestamp((second + 1) * NANOS_PER_SECOND - 1));
    let (state, parameters) = (&chain.state, chain.state.parameters());
    check_state(state, state.replay(), &parameters, &chain.chain_id, &signed(body, seeds), at)
}

fn public(seed: u8) -> PublicKey {
    signer(seed).public_key()
}

#[test]
fn a_transaction_is_for_this_chain_and_of_a_known_sender() {
    let mut chain = Chain::default();
    let good = chain.body(vec![call("one", "emit e")]);
    assert_eq!(verdict(&chain, &good, &[1], 1, START_S), Ok(()));
    // The same name and revision, started another time.
    let mut other = genesis();
    other.time = UnixSeconds(START_S + 1).start();
    let (expected, actual) = (chain.chain_id.clone(), other.chain_id().unwrap());
    let foreign = Body { chain_id: actual.clone(), ..good.clone() };
    let wrong = Inadmissible::WrongChain { expected, actual };
    assert_eq!(verdict(&chain, &foreign, &[1], 1, START_S), Err(wrong));
    let unknown = Body { sender: account("nobody"), ..good };
    let verdict = verdict(&chain, &unknown, &[1], 1, START_S);
    assert_eq!(verdict, Err(Inadmissible::UnknownSender(account("nobody"))));
}

#[test]
fn validity_reaches_from_now_to_the_end_of_the_window() {
    let mut chain = Chain::default();
    let good = chain.body(vec![call("one", "emit e")]);
    let window = chain.state.parameters().validity_window_s;
    let until = good.valid_until;
    assert_eq!(verdict(&chain, &good, &[1], 1, until.0), Ok(()), "the last nanosecond of the last second");
    let late = verdict(&chain, &good, &[1], 1, until.0 + 1);
    assert_eq!(late, Err(Inadmissible::Expired { valid_until: until, time: UnixSeconds(until.0 + 1) }));
    assert_eq!(verdict(&chain, &good, &[1], 1, until.0 - window), Ok(()));
    let early = verdict(&chain, &good, &[1], 1, until.0 - window - 1);
    assert_eq!(
        early,
        Err(Inadmissible::ValidTooLong { valid_until: until, limit: UnixSeconds(until.0 - 1) })
    );
}

#[test]
fn an_id_is_used_once_per_sender_while_its_minute_is_kept() {
    let mut chain = Chain::default();
    let body = chain.body(vec![call("one", "fail")]);
    chain.block(&[signed(&body, &[1])]);
    let repeated = Err(Inadmissible::Repeated(body.request_id));
    let again = Body { calls: vec![call("one", "emit e")], ..body.clone() };
    assert_eq!(verdict(&chain, &again, &[1], 2, START_S + 2), repeated);
    let of_another = Body { sender: account("both"), ..again.clone() };
    assert_eq!(verdict(&chain, &of_another, &[2, 3], 2, START_S + 2), Ok(()));
    // The minute after that of `valid_until`: the block that drops it may take the id again.
    let longer = Body { valid_until: UnixSeconds(START_S + 200), ..again };
    assert_eq!(verdict(&chain, &longer, &[1], 2, START_S + 119), repeated);
    assert_eq!(verdict(&chain, &longer, &[1], 2, START_S + 120), Ok(()));
}

#[test]
fn every_signature_is_of_a_key_that_counts_at_the_height_and_together_they_reach_the_threshold() {
    let key = |seed, weight, from, until| AccountKey {
        weight,
        from: Height(from),
        until: Height(until),
        ..account_key(seed)
    };
    let mut genesis = genesis();
    // Key 4 always, key 5 up to height 5, key 6 from height 6 on, key 7 of a scheme that no signature has yet.
    let keys =
        vec![key(4, 2, 0, 0), key(5, 1, 0, 5), key(6, 1, 6, 0), AccountKey { scheme: 2, ..key(7, 9, 0, 0) }];
    genesis.accounts.push(genesis_account("joint", 3, keys));
    let mut chain = Chain::new(ledger(), &genesis);
    let body = Body { sender: account("joint"), ..chain.body(vec![call("one", "emit e")]) };
    let at = |height, seeds: &[u8]| verdict(&chain, &body, seeds, height, START_S);
    for (height, seeds) in [(5, [4, 5]), (6, [4, 6])] {
        assert_eq!(at(height, &seeds), Ok(()));
    }
    for (height, seeds, stranger) in
        [(6, &[4, 5][..], 5), (5, &[4, 6], 6), (5, &[1, 4, 5], 1), (5, &[4, 5, 7], 7)]
    {
        assert_eq!(at(height, seeds), Err(Inadmissible::UnknownKey(public(stranger))));
    }
    let little = |actual| Err(Inadmissible::TooLittleWeight { threshold: 3, actual });
    assert_eq!((at(5, &[4]), at(5, &[5])), (little(2), little(1)));
}

#[test]
fn nobody_signs_for_an_account_without_a_threshold() {
    let mut chain = Chain::default();
    let id = account("alice");
    let record = Account { threshold: 0, ..chain.state.account(&id).unwrap() };
    let mut content = chain.state.content();
    content.get_mut(&ADMIN).unwrap().insert(AdminKey::Account(&id).bytes(), Some(record.encode()));
    chain.state = State::restore(Height(0), content, Default::default());
    let body = chain.body(vec![call("one", "emit e")]);
    let expected = Inadmissible::TooLittleWeight { threshold: 1, actual: 1 };
    assert_eq!(verdict(&chain, &body, &[1], 1, START_S), Err(expected));
}
