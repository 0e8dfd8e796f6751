//! The model of packets holds, and the checker notices every mistake.

use catenary_models::{
    check::{counterexample, explore},
    packet::{Law, Mutation, Packets},
};

fn model(mutation: Option<Mutation>) -> Packets {
    Packets { law: Law { mutation }, blocks_max: 5, deadlines: [3, 4], packets: 2 }
}

#[test]
fn the_law_holds_in_every_state() {
    let explored = explore(model(None));
    println!("{} states, {} steps deep", explored.states, explored.depth);
    assert!(explored.violated.is_empty(), "{:?}", explored.violated);
    assert!(explored.unreached.is_empty(), "{:?}", explored.unreached);
    assert!(explored.states >= 200_000, "only {} states", explored.states);
}

#[test]
fn every_mistake_is_found() {
    for (mutation, property) in Mutation::ALL {
        let found = counterexample(model(Some(mutation)), property);
        println!("{mutation:?} violates \"{property}\": {found:?}");
        assert!(found.is_some(), "{mutation:?} does not violate \"{property}\"");
    }
}
