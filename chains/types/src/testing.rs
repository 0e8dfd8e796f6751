//! Small chains for tests: a genesis to fill in, and the certificates that its validators would make.

use crate::{
    AccountKey, Certificate, CommitSignature, Committee, Genesis, GenesisAccount, GenesisInstance, Header,
    InstanceName, Parameters, Role, Timestamp, Validator, ValidatorSet, VoteKind,
    genesis::{CONSENSUS_BFT, GenesisRole, SUITE_ED25519_SHA256},
    sign_bytes,
};
use catenary_crypto::SigningKey;
use std::collections::BTreeMap;

/// The first revision of a chain of these validators, with nobody on it yet: whoever calls adds what the chain is for.
pub fn genesis(name: &str, time: Timestamp, validators: Vec<Validator>) -> Genesis {
    Genesis {
        name: name.parse().expect("a chain name"),
        revision: 1,
        suite: SUITE_ED25519_SHA256,
        consensus: CONSENSUS_BFT,
        time,
        parameters: Parameters::for_group_of(validators.len()),
        validators,
        committee: Committee { threshold: 0, keys: Vec::new() },
        organisations: Vec::new(),
        accounts: Vec::new(),
        instances: Vec::new(),
        roots: Vec::new(),
    }
}

/// An account that one key signs for.
pub fn account(organisation: &str, number: &str, key: &SigningKey, roles: &[Role]) -> GenesisAccount {
    GenesisAccount {
        organisation: organisation.parse().expect("an organisation"),
        number: number.parse().expect("an account number"),
        threshold: 1,
        keys: vec![AccountKey::ed25519(key.public_key())],
        roles: roles.iter().map(|role| GenesisRole { role: *role }).collect(),
    }
}

/// Version 1 of an app, under the name of its kind.
pub fn instance(kind: &str) -> GenesisInstance {
    let name: InstanceName = kind.parse().expect("kinds are instance names");
    GenesisInstance { name: name.clone(), kind: name, version: 1 }
}

/// The certificate of a header by all members of a set but the `absent` ones, each at the header's time. Theirs must be
/// among the keys.
pub fn certify(
    header: &Header,
    set: &ValidatorSet,
    round: u32,
    absent: &[usize],
    keys: impl IntoIterator<Item = SigningKey>,
) -> Certificate {
    let keys: BTreeMap<_, _> = keys.into_iter().map(|key| (key.public_key(), key)).collect();
    let (kind, block, time) = (VoteKind::Precommit, header.hash(), header.time);
    let message = sign_bytes::vote(&header.chain_id, kind, header.height, round, Some(block), time);
    let entry = |(index, member): (usize, &Validator)| {
        if absent.contains(&index) {
            return CommitSignature::Absent;
        }
        let signature = keys[&member.public_key].sign(&message);
        CommitSignature::Commit { address: member.address(), time, signature }
    };
    let signatures = set.validators().iter().enumerate().map(entry).collect();
    Certificate { height: header.height, round, block, signatures }
}
