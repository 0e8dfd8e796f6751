//! A few seeds in every test run; hundreds are run by hand, see `docs/simulation.md`.

use catenary_shell::{Defect, Layout, Report, Violation, run};

/// Short runs, since tests are not optimised.
const SHORT: Layout = Layout { nodes: 4, chains: 2, seconds: 10, traced: false, defect: None };

#[test]
fn whatever_goes_wrong_the_actors_answer_agree_settle_and_end() {
    let mut all = Report::default();
    for seed in 0..8 {
        let (report, violation) = run(seed, SHORT);
        assert_eq!(violation, None, "seed {seed}");
        all.add(&report);
    }
    let faults = [
        "node stopped",
        "node killed",
        "task panicked",
        "chain halted",
        "link cut",
        "link replaced",
        "frame lost",
        "frame dropped for a full queue",
        "busy",
    ];
    for fault in faults {
        assert!(all.counted(fault) > 0, "no {fault} in any seed");
    }
}

#[test]
fn a_seed_names_one_run() {
    let digest = |seed| run(seed, Layout { seconds: 5, ..SHORT }).0.digest();
    assert_eq!(digest(7), digest(7));
    assert_ne!(digest(7), digest(8));
}

/// What is noticed first in a world that must go wrong.
fn noticed(defect: Defect) -> Option<&'static str> {
    let layout = Layout { seconds: 20, defect: Some(defect), ..SHORT };
    let found = (0..20).find_map(|seed| run(seed, layout).1);
    found.map(|Violation { invariant, .. }| invariant)
}

#[test]
fn a_validator_that_forgets_its_votes_is_noticed() {
    assert_eq!(noticed(Defect::VotesForgotten), Some("one message a step"));
}

#[test]
fn actors_that_outlive_their_node_are_noticed() {
    assert_eq!(noticed(Defect::ActorsStay), Some("nothing is left of a node that ended"));
}
