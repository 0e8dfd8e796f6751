//! Rules of accounts, references and money, block by block on a real state.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use catenary_apps::{
    admin::{AdminCall, CreateChain, DeclareReady, RecoverKeys, RemoveChain, SetKeys, SetValidators},
    asset::{AssetCall, AssetKey, Freeze},
};
use catenary_ledger::{
    Inadmissible, Reason, View,
    records::{AdminKey, Equivocation, ReadRecords},
    stores::ASSET,
};
use catenary_types::{
    DoubleVote, Genesis, Height, Message, Parameters, Readiness, Receipt, Timestamp, UnixSeconds, Validator,
    VoteKind, genesis::CONSENSUS_RAFT, time::NANOS_PER_SECOND,
};
use common::{
    Chain, START_S, admin, asset, create, czk, genesis, grant, key, mint, name, open, pay, ready, report,
    votes,
};

#[test]
fn a_failed_transaction_leaves_no_trace_and_does_not_use_up_its_reference() {
    let mut chain = Chain::new();
    let before = chain.state.app_hash();
    let failed = chain.run("A", Some("order-1"), vec![create(), pay(name("B", "7"), 5)]);
    assert_eq!(failed.reason, "INSUFFICIENT_BALANCE");
    assert!(failed.events.is_empty());
    assert_ne!(chain.state.app_hash(), before, "its id is in the replay window");
    let stores = |chain: &Chain| chain.state.stores().store_roots(chain.state.height().0).unwrap().to_vec();
    assert_eq!(stores(&chain)[..5], stores(&Chain::new())[..5], "and nothing else has changed");
    assert!(chain.run("A", Some("order-1"), vec![create(), mint(name("A", "operator"), 5)]).succeeded());
    let again = chain.run("A", Some("order-1"), vec![pay(name("B", "7"), 1)]);
    assert_eq!(again.reason, "REFERENCE_USED");
    assert!(again.detail.contains("height 2"), "{}", again.detail);
}

#[test]
fn only_its_organisation_sets_the_first_keys_of_an_account_that_a_credit_opened() {
    let mut chain = Chain::new();
    let to = name("B", "7");
    assert!(chain.run("A", None, vec![create(), mint(to.clone(), 5)]).succeeded());
    assert!(chain.state.account(&to.id()).unwrap().keys.is_empty());
    let signed = chain.sign(to.id(), &key(7), None, vec![pay(name("A", "thief"), 5)]);
    assert!(matches!(chain.check(&signed, chain.time()), Err(Inadmissible::UnknownKey(_))));
    assert!(chain.run("A", None, vec![open("7", 6)]).succeeded(), "that is account 7 of A");
    assert!(chain.state.account(&to.id()).unwrap().keys.is_empty());
    assert!(chain.run("B", None, vec![open("7", 7)]).succeeded());
    assert_eq!(chain.run("B", None, vec![open("7", 6)]).reason, "ALREADY_EXISTS");
    let payment = chain.sign(to.id(), &key(7), None, vec![pay(name("A", "8"), 5)]);
    assert!(chain.apply(payment).succeeded());
    let key = AssetKey::Balance { account: &name("A", "8").id(), asset: &czk() }.bytes();
    assert_eq!(chain.state.get(ASSET, &key), Some(5u128.to_be_bytes().to_vec()));
}

#[test]
fn validity_ends_with_the_last_fraction_of_its_second() {
    let mut chain = Chain::new();
    let signed = chain.operator("A", None, vec![create()]);
    let end = UnixSeconds(START_S + 100).start();
    assert_eq!(chain.check(&signed, Timestamp(end.0 + NANOS_PER_SECOND - 1)), Ok(()));
    let late = chain.check(&signed, Timestamp(end.0 + NANOS_PER_SECOND));
    assert!(matches!(late, Err(Inadmissible::Expired { .. })), "{late:?}");
    let early = UnixSeconds(START_S + 100 - 3_600).start();
    assert_eq!(chain.check(&signed, early), Ok(()));
    let too_early = chain.check(&signed, Timestamp(early.0 - 1));
    assert!(matches!(too_early, Err(Inadmissible::ValidTooLong { .. })), "{too_early:?}");
}

#[test]
fn an_id_is_taken_once_and_a_frozen_account_neither_pays_nor_is_paid() {
    let mut chain = Chain::new();
    let signed = chain.operator("A", None, vec![create(), mint(name("A", "operator"), 9)]);
    assert!(chain.apply(signed.clone()).succeeded());
    assert!(matches!(chain.check(&signed, chain.time()), Err(Inadmissible::Repeated(_))));
    let account = name("A", "operator").id();
    let stranger = chain.run("B", None, vec![asset(AssetCall::Freeze(Freeze { account }))]);
    assert_eq!(stranger.reason, "NOT_AUTHORISED");
    assert!(chain.run("A", None, vec![asset(AssetCall::Freeze(Freeze { account }))]).succeeded());
    assert_eq!(chain.run("A", None, vec![pay(name("B", "7"), 1)]).reason, "ACCOUNT_FROZEN");
    assert_eq!(chain.run("A", None, vec![mint(name("A", "operator"), 1)]).reason, "ACCOUNT_FROZEN");
}

#[test]
fn a_transaction_is_for_one_chain_even_if_an_earlier_one_had_its_name() {
    let mut earlier = Chain::from_genesis(&genesis(UnixSeconds(START_S - 1)));
    let mut chain = Chain::new();
    assert_eq!(earlier.chain_id.name(), chain.chain_id.name());
    let (signed, time) = (earlier.operator("A", None, vec![create()]), chain.time());
    assert_eq!(earlier.check(&signed, time), Ok(()));
    let expected =
        Inadmissible::WrongChain { expected: chain.chain_id.clone(), actual: earlier.chain_id.clone() };
    assert_eq!(chain.check(&signed, time), Err(expected));
    // Everything else about it is right: naming the chain is all that is missing.
    let own = chain.operator("A", None, vec![create()]);
    assert_eq!(chain.check(&own, time), Ok(()));
}

#[test]
fn the_last_keys_that_a_block_sets_are_the_only_ones() {
    let mut chain = Chain::new();
    assert!(chain.run("B", None, vec![open("7", 6)]).succeeded());
    let account = name("B", "7").id();
    let set = |seed: u8| admin(AdminCall::SetKeys(SetKeys { threshold: 1, keys: vec![grant(seed)] }));
    let thief = chain.sign(account, &key(6), None, vec![set(7)]);
    let recover = RecoverKeys { account, threshold: 1, keys: vec![grant(10)] };
    let recovery = chain.operator("B", None, vec![admin(AdminCall::RecoverKeys(recover))]);
    let executed = chain.block(&[thief, recovery]);
    assert!(executed.receipts.iter().all(Receipt::succeeded));
    for (seed, counts) in [(6, false), (7, false), (10, true)] {
        let signed = chain.sign(account, &key(seed), None, vec![create()]);
        assert_eq!(chain.check(&signed, chain.time()).is_ok(), counts, "key {seed}");
    }
}

/// A day in seconds: for so long votes can be reported.
const DAY_S: u64 = 24 * 3_600;

fn start() -> Timestamp {
    UnixSeconds(START_S).start()
}

/// What came of a report by the operator of B.
fn reported(chain: &mut Chain, votes: &DoubleVote) -> String {
    chain.run("B", None, vec![report(votes.clone())]).reason
}

#[test]
fn two_votes_for_one_step_are_reported_once_by_anybody() {
    let mut chain = Chain::new();
    let lie = votes(&chain.chain_id, 9, [(None, start()), (Some(1), start())]);
    let signed = chain.operator("B", None, vec![report(lie.clone())]);
    assert_eq!(chain.ledger.admit(&chain.state, &signed), Ok(()));
    let receipt = chain.apply(signed.clone());
    assert!(receipt.succeeded(), "{receipt:?}");
    let event = &receipt.events[0];
    let told = ["validator", "height", "round", "kind"].map(|name| event.text(name).unwrap());
    let validator = lie.validator.to_string();
    assert_eq!((event.kind.as_str(), told), ("equivocation_reported", [&*validator, "1", "0", "precommit"]));
    let record: Equivocation = chain.state.record(&AdminKey::equivocation(&lie)).unwrap();
    let reporter = name("B", "operator").id();
    assert_eq!(record, Equivocation { votes: lie.clone(), reporter, reported: Height(1) });
    // The step is reported, whatever else the validator signed in it; it costs no second place in a block.
    let other = votes(&chain.chain_id, 9, [(Some(2), start()), (Some(1), start())]);
    assert_eq!(reported(&mut chain, &other), "ALREADY_EXISTS");
    let refused = chain.ledger.admit(&chain.state, &signed).unwrap_err();
    assert_eq!(refused.reason, Reason::Redundant);
}

#[test]
fn a_report_without_proof_is_refused() {
    let mut chain = Chain::new();
    let good = votes(&chain.chain_id, 9, [(None, start()), (Some(1), start())]);
    let with = |change: fn(&mut DoubleVote)| {
        let mut votes = good.clone();
        change(&mut votes);
        votes
    };
    let earlier = genesis(UnixSeconds(START_S - 1)).chain_id().unwrap();
    let (future, past) = (start().plus_ms(62_000), Timestamp(start().0 - DAY_S * NANOS_PER_SECOND));
    let stranger = votes(&chain.chain_id, 7, [(None, start()), (Some(1), start())]);
    let other = |change: fn(&mut DoubleVote)| ("INVALID_ARGUMENT", with(change));
    let signed = |signer, values| ("INVALID_ARGUMENT", votes(&chain.chain_id, signer, values));
    let cases = [
        ("one vote twice", other(|votes| votes.second = votes.first.clone())),
        ("out of order", other(|votes| std::mem::swap(&mut votes.first, &mut votes.second))),
        ("forged", other(|votes| votes.second.signature.0[0] ^= 1)),
        ("another kind than signed", other(|votes| votes.kind = VoteKind::Prevote)),
        ("another key's", ("INVALID_ARGUMENT", DoubleVote { validator: good.validator, ..stranger.clone() })),
        ("a stranger's", ("NOT_FOUND", stranger)),
        ("another chain's", ("INVALID_ARGUMENT", votes(&earlier, 9, [(None, start()), (Some(1), start())]))),
        ("of a height to come", other(|votes| votes.height = Height(100))),
        ("of no height", other(|votes| votes.height = Height(0))),
        ("of a round that no chain has", other(|votes| votes.round = 1 << 31)),
        ("too old", signed(9, [(None, past), (Some(1), past)])),
        ("of the future", signed(9, [(Some(2), future), (Some(1), future)])),
        ("too old and of the future", signed(9, [(None, past), (Some(1), future)])),
    ];
    for (what, (reason, votes)) in cases {
        assert_eq!(reported(&mut chain, &votes), reason, "{what}");
    }
    assert_eq!(reported(&mut chain, &good), "", "and nothing of it counted against the proof itself");
}

#[test]
fn one_vote_of_the_last_day_is_enough() {
    let old = Timestamp(start().0 - 30 * DAY_S * NANOS_PER_SECOND);
    for (other, what) in [(old, "nil after a quiet month"), (start().plus_ms(u64::MAX), "a time made up")] {
        let mut chain = Chain::new();
        let lie = votes(&chain.chain_id, 9, [(None, other), (Some(1), start())]);
        assert_eq!(reported(&mut chain, &lie), "", "{what}");
    }
    let mut chain = Chain::new();
    let nils = votes(&chain.chain_id, 9, [(None, start()), (None, start().plus_ms(1))]);
    assert_eq!(reported(&mut chain, &nils), "", "two votes for nil, signed over two last headers");
}

#[test]
fn a_replaced_set_can_be_reported_for_a_day() {
    let mut chain = Chain::new();
    let replace = |chain: &mut Chain, seeds: &[u8]| {
        let set = |seed: &u8| {
            let validators = vec![Validator { public_key: key(*seed).public_key(), power: 10 }];
            [ready(chain, *seed, chain.time()), AdminCall::SetValidators(SetValidators { validators })]
        };
        let calls = seeds.iter().flat_map(set).collect();
        let decided = chain.committee(calls);
        assert!(chain.apply(decided).succeeded());
    };
    let kept = |chain: &Chain| {
        let key =
            |members: Vec<Validator>| (1..50).find(|seed| key(*seed).public_key() == members[0].public_key);
        chain.state.past_validators().into_iter().filter_map(|set| key(set.validators)).collect::<Vec<_>>()
    };
    assert_eq!(kept(&chain), Vec::<u8>::new());
    let first_replaced = chain.time();
    // The set of key 30 is replaced in its own block: it never was one.
    replace(&mut chain, &[30, 31]);
    assert_eq!((kept(&chain), chain.state.past_validators()[0].replaced), (vec![9], first_replaced));
    replace(&mut chain, &[32]);
    assert_eq!(kept(&chain), [9, 31]);
    let reported_by = |chain: &mut Chain, signer| {
        let lie = votes(&chain.chain_id, signer, [(None, chain.time()), (Some(1), start())]);
        reported(chain, &lie)
    };
    assert_eq!(reported_by(&mut chain, 30), "NOT_FOUND");
    assert_eq!(reported_by(&mut chain, 32), "", "the present set");
    // The last second of the day, and the next.
    chain.passed_s += DAY_S - 1;
    assert_eq!(reported_by(&mut chain, 9), "");
    chain.passed_s += 1;
    assert_eq!(reported_by(&mut chain, 31), "NOT_FOUND", "although the set is still kept");
    assert_eq!(kept(&chain), [9, 31]);
    replace(&mut chain, &[33]);
    assert_eq!(kept(&chain), [32]);
}

#[test]
fn the_committee_creates_chains_and_none_twice() {
    let mut chain = Chain::new();
    let document =
        |start: Timestamp| Genesis { name: "b".parse().unwrap(), time: start, ..genesis(UnixSeconds(0)) };
    let first = document(chain.time());
    let id = |genesis: &Genesis| genesis.chain_id().unwrap();
    let create = |genesis: &Genesis| AdminCall::CreateChain(CreateChain { genesis: genesis.clone() });
    let remove = |genesis: &Genesis| AdminCall::RemoveChain(RemoveChain { chain_id: id(genesis) });
    let decide = |chain: &mut Chain, call: AdminCall| {
        let decided = chain.committee(vec![call]);
        chain.apply(decided).reason
    };
    let refused = chain.run("A", None, vec![admin(create(&first))]);
    assert_eq!(refused.reason, "NOT_AUTHORISED");
    let early = document(chain.time().plus_ms(1));
    assert_eq!(decide(&mut chain, create(&early)), "INVALID_ARGUMENT", "from the future");
    let nobody = Genesis { validators: Vec::new(), ..first.clone() };
    assert_eq!(decide(&mut chain, create(&nobody)), "INVALID_ARGUMENT", "no validator");
    assert_eq!(decide(&mut chain, create(&first)), "");
    let record = chain.state.created_chains()[&first.name].clone();
    assert_eq!((record.chain_id, record.created), (id(&first), chain.state.height()));
    assert_eq!(record.genesis, first.encode());
    let second = document(chain.time());
    assert_eq!(decide(&mut chain, create(&second)), "ALREADY_EXISTS", "the name is in use");
    assert_eq!(decide(&mut chain, remove(&second)), "NOT_FOUND");
    assert_eq!(decide(&mut chain, remove(&first)), "");
    let record = &chain.state.created_chains()[&first.name];
    assert!(record.is_removed() && record.genesis.is_empty());
    assert_eq!(decide(&mut chain, remove(&first)), "NOT_FOUND", "it is gone");
    for old in [&first, &second] {
        assert_eq!(decide(&mut chain, create(old)), "INVALID_ARGUMENT", "validators may have signed there");
    }
    let third = document(chain.time());
    assert_eq!(decide(&mut chain, create(&third)), "");
    assert_eq!(chain.state.created_chains()[&first.name].chain_id, id(&third));
}

#[test]
fn nobody_joins_a_set_unasked_and_none_leaves_but_a_quorum_is_ready() {
    let mut chain = Chain::new();
    let set = |seeds: &[u8]| {
        let member = |seed: &u8| Validator { public_key: key(*seed).public_key(), power: 10 };
        AdminCall::SetValidators(SetValidators { validators: seeds.iter().map(member).collect() })
    };
    let decide = |chain: &mut Chain, calls: Vec<AdminCall>| {
        let decided = chain.committee(calls);
        chain.apply(decided).detail
    };
    let all_ready = |chain: &Chain, seeds: &[u8]| -> Vec<AdminCall> {
        seeds.iter().map(|seed| ready(chain, *seed, chain.time())).collect()
    };
    let refused = decide(&mut chain, vec![set(&[9, 30])]);
    assert!(refused.contains("has not said that it is ready"), "{refused}");
    let joined = [all_ready(&chain, &[30, 31, 32]), vec![set(&[9, 30, 31, 32])]].concat();
    assert_eq!(decide(&mut chain, joined), "", "whoever is in need say nothing while nobody leaves");
    // Two of three are no quorum of what is left; somebody who is ready may take the place of one who is silent.
    let refused = decide(&mut chain, vec![set(&[30, 31, 9])]);
    assert!(refused.contains("got 20 of 30"), "{refused}");
    let replaced = [all_ready(&chain, &[33]), vec![set(&[30, 31, 32, 33])]].concat();
    assert_eq!(decide(&mut chain, replaced), "");
    // A minute later none of these words counts.
    chain.passed_s += 61;
    let refused = decide(&mut chain, vec![set(&[30, 31, 32])]);
    assert!(refused.contains("got 0 of 30"), "{refused}");
    let left = [all_ready(&chain, &[30, 31, 32]), vec![set(&[30, 31, 32])]].concat();
    assert_eq!(decide(&mut chain, left), "");
}

#[test]
fn a_word_of_readiness_is_recent_and_the_validators_own() {
    let mut chain = Chain::new();
    let say = |chain: &mut Chain, call: AdminCall| chain.run("A", None, vec![admin(call)]).reason;
    chain.run("A", None, vec![create()]);
    let now = chain.time();
    let word = ready(&chain, 30, now);
    assert_eq!(say(&mut chain, word.clone()), "", "whoever brings it");
    let AdminCall::DeclareReady(DeclareReady { readiness }) = word else { panic!("a word") };
    let altered = |readiness: Readiness| AdminCall::DeclareReady(DeclareReady { readiness });
    let later = Readiness { time: now.plus_ms(1), ..readiness.clone() };
    assert_eq!(say(&mut chain, altered(later)), "INVALID_ARGUMENT", "not what was signed");
    let ahead = ready(&chain, 30, now.plus_ms(11_000));
    assert_eq!(say(&mut chain, ahead), "INVALID_ARGUMENT", "a clock far ahead");
    let (id, height) = (chain.chain_id.clone(), chain.state.height().next());
    let unseen = Readiness::sign(&id, &key(30), (height, chain.state.app_hash()), now);
    assert_eq!(say(&mut chain, altered(unseen)), "INVALID_ARGUMENT", "a block that is not there");
    chain.passed_s += 62;
    assert_eq!(say(&mut chain, altered(readiness)), "INVALID_ARGUMENT", "too old");
}

#[test]
fn a_chain_that_counts_heads_takes_no_validators_of_different_power() {
    let set = |powers: [u64; 2]| {
        let validator = |(seed, power)| Validator { public_key: key(seed).public_key(), power };
        AdminCall::SetValidators(SetValidators { validators: (40..).zip(powers).map(validator).collect() })
    };
    let decide = |genesis: Genesis, powers| {
        let mut chain = Chain::from_genesis(&genesis);
        let [one, other] = [40, 41].map(|seed| ready(&chain, seed, chain.time()));
        let decided = chain.committee(vec![one, other, set(powers)]);
        chain.apply(decided).reason
    };
    let votes = || genesis(UnixSeconds(START_S));
    let logs =
        || Genesis { consensus: CONSENSUS_RAFT, parameters: Parameters::for_raft_group_of(1), ..votes() };
    assert_eq!(decide(votes(), [10, 20]), "");
    assert_eq!(decide(logs(), [10, 10]), "");
    assert_eq!(decide(logs(), [10, 20]), "INVALID_ARGUMENT");
}
