//! A few seeds in every test run; hundreds are run by `.ci/run`, thousands by hand, see `docs/simulation.md`.

use catenary_sim::{Layout, Report, World, campaign};

/// Short runs, since tests are not optimised.
const SHORT: Layout = Layout { nodes: 4, chains: 2, seconds: 12, liars: 1, mutant: None };

#[test]
fn whatever_goes_wrong_the_chains_agree_and_everything_is_settled() {
    let mut all = Report::default();
    for seed in 0..6 {
        let (report, violation) = World::outcome(seed, SHORT, false);
        assert_eq!(violation, None, "seed {seed}");
        all.add(&report);
    }
    for fault in ["crash", "message lost", "message doubled", "effect: later round", "router killed"] {
        assert!(all.counted(fault) > 0, "no {fault} in any seed");
    }
}

#[test]
fn a_seed_names_one_run() {
    let digest = |seed| World::outcome(seed, Layout { seconds: 4, ..SHORT }, false).0.digest();
    assert_eq!(digest(7), digest(7));
    assert_ne!(digest(7), digest(8));
}

#[test]
fn more_liars_than_a_group_stands_are_found_out() {
    let layout = Layout { liars: 2, seconds: 30, ..SHORT };
    let (_, violation) = campaign::hunt(40, layout).expect("two of four break the agreement");
    assert_eq!(violation.invariant, "agreement");
}
