//! The model of votes holds, and the checker notices every mistake.

use catenary_models::{
    check::{counterexample, explore},
    votes::{Limit, Mutation, ONE_VOTE, Votes},
};

fn assert_holds(model: Votes, states_min: usize) {
    let explored = explore(model);
    println!("{} states, {} steps deep: {model:?}", explored.states, explored.depth);
    assert!(explored.violated.is_empty(), "{:?} in {model:?}", explored.violated);
    assert!(explored.unreached.is_empty(), "{:?} in {model:?}", explored.unreached);
    assert!(explored.states >= states_min, "only {} states of {model:?}", explored.states);
}

#[test]
fn no_lock_is_forgotten() {
    assert_holds(Votes::LOCKS, 250_000);
}

#[test]
fn no_vote_is_contradicted_whatever_the_disk_loses() {
    assert_holds(Votes::DAMAGE, 30_000);
    assert_holds(Votes::HEIGHTS, 100_000);
    assert_holds(Votes::MEMORY, 70_000);
}

#[test]
fn every_mistake_is_found() {
    for (mutation, model, property) in Mutation::ALL {
        let found = counterexample(Votes { mutation: Some(mutation), ..model }, property);
        println!("{mutation:?} violates \"{property}\": {found:?}");
        assert!(found.is_some(), "{mutation:?} does not violate \"{property}\"");
    }
}

#[test]
fn the_limits_are_where_they_are_said_to_be() {
    let limits = [(Limit::DamageBeforeHealed, Votes::MEMORY), (Limit::SilentLoss, Votes::DAMAGE)];
    for (limit, model) in limits {
        let found = counterexample(Votes { limit: Some(limit), ..model }, ONE_VOTE);
        println!("{limit:?}: {found:?}");
        assert!(found.is_some(), "{limit:?} is none any more: say so and take it away");
    }
}
