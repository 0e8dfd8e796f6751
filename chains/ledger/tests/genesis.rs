//! Which documents start a chain, and with what records.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_ledger::{
    GenesisError,
    records::{Account, ReadRecords, Roles, committee_account, consortium},
};
use catenary_types::{
    AccountKey, Genesis, Height, Parameters, Role, Trust, Validator,
    genesis::{CONSENSUS_BFT, CONSENSUS_RAFT},
};
use common::{account, account_key, genesis, genesis_account, ledger, signer};

/// What a test changes in a good document.
type Change = fn(&mut Genesis);

fn error(change: Change) -> GenesisError {
    let mut genesis = genesis();
    change(&mut genesis);
    ledger().genesis(&genesis).err().unwrap()
}

#[test]
fn a_document_becomes_its_records() {
    let document = genesis();
    let state = ledger().genesis(&document).unwrap();
    assert_eq!((state.height(), state.parameters()), (Height(0), document.parameters));
    assert_eq!(state.validators(), document.validators);
    for member in ["bank".parse().unwrap(), consortium()] {
        assert!(state.is_member(&member));
    }
    assert!(!state.is_member(&"shop".parse().unwrap()));
    let instance = state.instance(&"two".parse().unwrap()).unwrap();
    assert_eq!((instance.kind.as_str(), instance.version, instance.active), ("script", 1, true));
    let alice = state.account(&account("alice")).unwrap();
    assert_eq!((alice.threshold, alice.opened, alice.keys), (1, Height(0), vec![account_key(1)]));
    assert_eq!(alice.roles, Roles::default().with(Role::Operator));
    let committee = state.account(&committee_account()).unwrap();
    let Account { organisation, threshold, keys, roles, .. } = committee;
    assert_eq!((organisation, threshold, keys), (consortium(), 1, vec![account_key(8)]));
    assert_eq!(roles, Roles::default());
}

#[test]
fn a_document_that_contradicts_itself_starts_nothing() {
    assert!(matches!(error(|genesis| genesis.revision = 0), GenesisError::ChainId(_)));
    let unsupported = |what| GenesisError::Unsupported { what, expected: 1, actual: 2 };
    assert_eq!(error(|genesis| genesis.suite = 2), unsupported("suite"));
    let unknown = GenesisError::Unsupported { what: "consensus", expected: 1, actual: 3 };
    assert_eq!(error(|genesis| genesis.consensus = 3), unknown);
    let invalid: [(&str, Change); 8] = [
        ("validators: ", |genesis| genesis.validators.clear()),
        ("stands twice", |genesis| genesis.organisations.push("bank".parse().unwrap())),
        ("stands twice", |genesis| genesis.organisations.push(consortium())),
        ("stands twice", |genesis| genesis.instances.extend_from_within(..1)),
        ("stands twice", |genesis| genesis.accounts.extend_from_within(..1)),
        ("no app unheard-of", |genesis| genesis.instances[0].kind = "unheard-of".parse().unwrap()),
        ("shop is no organisation", |genesis| genesis.accounts[0].organisation = "shop".parse().unwrap()),
        ("account committee: its keys weigh 1, its threshold is 2", |genesis| {
            genesis.committee.threshold = 2
        }),
    ];
    for (expected, change) in invalid {
        let GenesisError::Invalid(detail) = error(change) else {
            panic!("{expected}: another kind of error")
        };
        assert!(detail.contains(expected), "expected {expected:?}, got {detail:?}");
    }
}

#[test]
fn every_account_can_sign_in_the_first_block() {
    let later = AccountKey { from: Height(2), ..account_key(2) };
    for (threshold, keys, good) in [
        (2, vec![account_key(2), account_key(3)], true),
        (3, vec![account_key(2), account_key(3)], false),
        (1, vec![], false),
        (0, vec![account_key(2)], false),
        (1, vec![later.clone()], false),
        (1, vec![AccountKey { from: Height(1), ..later }], true),
    ] {
        let mut document = genesis();
        document.accounts.push(genesis_account("new", threshold, keys));
        assert_eq!(ledger().genesis(&document).is_ok(), good, "{:?}", document.accounts.last());
    }
}

#[test]
fn no_key_counts_twice_at_one_height() {
    let mut document = genesis();
    document.committee.threshold = 2;
    document.committee.keys = vec![signer(8).public_key(); 2];
    let error = ledger().genesis(&document).err();
    let detail = "account committee: a key counts twice at one height";
    assert_eq!(error, Some(GenesisError::Invalid(detail.into())));
    // A key that comes again after it ended is history.
    for (ranges, good) in [
        ([(0, 9), (10, 0)], true),
        ([(10, 0), (0, 9)], true),
        ([(0, 9), (9, 0)], false),
        ([(9, 0), (0, 9)], false),
        ([(0, 0), (5, 6)], false),
    ] {
        let range = |(from, until)| AccountKey { from: Height(from), until: Height(until), ..account_key(2) };
        let mut keys = ranges.map(range).to_vec();
        keys.push(account_key(3));
        let mut document = genesis();
        document.accounts.push(genesis_account("new", 1, keys));
        assert_eq!(ledger().genesis(&document).is_ok(), good, "{ranges:?}");
    }
}

#[test]
fn the_root_depends_on_every_record() {
    let root = |change: Change| {
        let mut document = genesis();
        change(&mut document);
        ledger().genesis(&document).unwrap().app_hash()
    };
    let same = root(|_| {});
    assert_eq!(root(|_| {}), same);
    let changes: [Change; 7] = [
        |genesis| genesis.parameters.idle_interval_s += 1,
        |genesis| genesis.validators[0].power += 1,
        |genesis| genesis.committee.keys.push(signer(77).public_key()),
        |genesis| genesis.organisations.push("shop".parse().unwrap()),
        |genesis| genesis.accounts[0].keys.push(account_key(77)),
        |genesis| genesis.accounts[0].roles.clear(),
        |genesis| genesis.instances[0].version += 1,
    ];
    for change in changes {
        assert_ne!(root(change), same);
    }
}

#[test]
fn quorum_and_trust_are_those_of_the_kind_of_consensus() {
    let validators = |powers: &[u64]| -> Vec<Validator> {
        let validator = |(number, power): (usize, &u64)| Validator {
            public_key: signer(u8::try_from(number).unwrap() + 20).public_key(),
            power: *power,
        };
        powers.iter().enumerate().map(validator).collect()
    };
    let judge = |consensus, powers: &[u64], parameters: Parameters| {
        let genesis = Genesis { consensus, validators: validators(powers), parameters, ..genesis() };
        ledger().genesis(&genesis).map(|state| state.parameters().trust)
    };
    let equal = [10, 10, 10];
    assert_eq!(judge(CONSENSUS_BFT, &equal, Parameters::for_group_of(3)), Ok(Trust::Byzantine));
    assert_eq!(judge(CONSENSUS_BFT, &[10, 20, 10], Parameters::for_group_of(3)), Ok(Trust::Byzantine));
    assert_eq!(judge(CONSENSUS_RAFT, &equal, Parameters::for_raft_group_of(3)), Ok(Trust::Crash));
    assert_eq!(judge(CONSENSUS_RAFT, &[10], Parameters::for_raft_group_of(1)), Ok(Trust::Single));
    let lies = Parameters { trust: Trust::Byzantine, ..Parameters::for_raft_group_of(3) };
    let lax = Parameters { quorum_numerator: 1, quorum_denominator: 2, ..Parameters::for_group_of(3) };
    for (consensus, powers, parameters, expected) in [
        (
            CONSENSUS_BFT,
            &equal,
            Parameters::for_raft_group_of(3),
            "expected a quorum of 2/3 and trust byzantine, got",
        ),
        (CONSENSUS_BFT, &equal, lax, "got a quorum of 1/2 and trust byzantine"),
        (
            CONSENSUS_RAFT,
            &equal,
            Parameters::for_group_of(3),
            "expected a quorum of 1/2 and trust crash, got",
        ),
        (CONSENSUS_RAFT, &equal, lies, "got a quorum of 1/2 and trust byzantine"),
        (CONSENSUS_RAFT, &[10, 20, 10], Parameters::for_raft_group_of(3), "validators of equal power"),
    ] {
        let error = judge(consensus, powers, parameters).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
}
