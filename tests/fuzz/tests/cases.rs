//! Every target over its seeds, over random bytes and over altered seeds.

use catenary_fuzz::{TARGETS, Target};
use std::collections::BTreeSet;

/// Random cases of a target, and altered seeds of it.
const CASES: usize = 200;

fn check_group(group: &str) {
    let targets: Vec<&Target> = TARGETS.iter().filter(|target| target.group == group).collect();
    assert!(!targets.is_empty(), "no target is in {group}");
    targets.iter().for_each(|target| target.run(CASES));
}

macro_rules! run {
    ($($group:ident),+ $(,)?) => {
        const GROUPS: &[&str] = &[$(stringify!($group)),+];

        $(
            #[test]
            fn $group() {
                check_group(stringify!($group));
            }
        )+
    };
}

run! {
    decoding,
    names,
    conversions,
    certificates,
    proofs,
    clients,
    transactions,
    blocks,
    groups,
    nodes,
    journals,
    block_logs,
    guards,
    evidence,
}

#[test]
fn every_target_is_run_and_has_a_name_of_its_own() {
    let names: BTreeSet<_> = TARGETS.iter().map(|target| target.name).collect();
    assert_eq!(names.len(), TARGETS.len());
    assert!(TARGETS.iter().all(|target| GROUPS.contains(&target.group)));
    assert!(TARGETS.iter().all(|target| !(target.seeds)().is_empty()));
}
