//! A few seeds in every test run; thousands are run by hand, see `docs/simulation.md`.

use catenary_sim::{Layout, Report, Violation, World};

/// Short runs, since tests are not optimised.
const SHORT: Layout = Layout { nodes: 4, chains: 2, seconds: 12, forgetful: false };

fn run(seed: u64, layout: Layout) -> (Report, Option<Violation>) {
    World::new(seed, layout, false).run()
}

#[test]
fn whatever_goes_wrong_the_chains_agree_and_everything_is_settled() {
    let mut all = Report::default();
    for seed in 0..6 {
        let (report, violation) = run(seed, SHORT);
        assert_eq!(violation, None, "seed {seed}");
        all.add(&report);
    }
    for fault in ["crash", "message lost", "message corrupted", "message doubled", "later round"] {
        assert!(all.counted(fault) > 0, "no {fault} in any seed");
    }
}

#[test]
fn a_seed_names_one_run() {
    let digest = |seed| run(seed, Layout { seconds: 4, ..SHORT }).0.digest();
    assert_eq!(digest(7), digest(7));
    assert_ne!(digest(7), digest(8));
}

#[test]
fn a_validator_that_goes_on_after_losing_its_votes_is_found_out() {
    let layout = Layout { chains: 2, seconds: 30, forgetful: true, ..SHORT };
    let found = (0..40).find_map(|seed| run(seed, layout).1);
    assert_eq!(found.map(|violation| violation.invariant), Some("one message a step"));
}
