//! Records of accounts, and roles.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_ledger::{
    Caller, Failure, Reason,
    records::{Account, Roles, committee_account, consortium},
};
use catenary_types::{AccountKey, Height, Message, Role};
use common::{account, account_key};

#[test]
fn roles_are_a_set() {
    let two = Roles::default().with(Role::Issuer).with(Role::Relayer);
    assert_eq!(two.iter().collect::<Vec<_>>(), [Role::Issuer, Role::Relayer]);
    assert_eq!(two.with(Role::Relayer), two);
    assert_eq!(two.without(Role::Operator), two);
    assert_eq!(two.without(Role::Issuer), Roles::default().with(Role::Relayer));
    for role in Role::ALL {
        assert_eq!(two.has(role), role == Role::Issuer || role == Role::Relayer);
        let caller = Caller { account: account("alice"), organisation: consortium(), roles: two };
        let refused = Failure::new(
            Reason::NotAuthorised,
            format!("expected role {}, account {} lacks it", role.name(), caller.account),
        );
        assert_eq!(caller.require(role), if two.has(role) { Ok(()) } else { Err(refused) });
    }
}

fn record() -> Account {
    let key = |seed, weight, from, until| AccountKey {
        weight,
        from: Height(from),
        until: Height(until),
        ..account_key(seed)
    };
    Account {
        organisation: "bank".parse().unwrap(),
        number: "alice".parse().unwrap(),
        threshold: 2,
        keys: vec![key(1, 1, 0, 9), key(2, 20, 0, 0), key(3, 300, 10, 0)],
        roles: Roles::default().with(Role::Regulator),
        opened: Height(3),
    }
}

#[test]
fn a_record_reads_back_and_a_bit_without_role_is_refused() {
    let bytes = record().encode();
    assert_eq!(Account::decode(&bytes), Ok(record()));
    // Roles are field 5: one bit per role at its number, 4 for the regulator.
    let at = bytes.windows(2).position(|pair| pair == [0x28, 1 << 4]).unwrap();
    for bits in [1, 1 << 5, 1 << 6] {
        let mut other = bytes.clone();
        other[at + 1] = bits;
        assert!(Account::decode(&other).is_err(), "{bits:#b} was read as roles");
    }
}

#[test]
fn weight_is_that_of_keys_that_signed_and_count_at_the_height() {
    let account = record();
    assert_eq!([9, 10].map(|height| account.weight(Height(height), |_| true)), [21, 320]);
    assert_eq!(account.weight(Height(9), |key| key.key != account_key(1).key), 20);
    assert_eq!(account.weight(Height(9), |_| false), 0);
    let caller = Caller::of(committee_account(), &account);
    assert_eq!((caller.account, caller.roles), (committee_account(), account.roles));
    assert_eq!(caller.organisation, account.organisation);
}
