//! Running a model to its end, and what came out.

use stateright::{Checker, HasDiscoveries, Model};
use std::{collections::BTreeSet, hash::Hash};

/// Threads of one search.
const THREADS: usize = 2;

/// What a search through all reachable states found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explored {
    /// Different states.
    pub states: usize,
    /// Steps from the start to the farthest of them.
    pub depth: usize,
    /// Properties that do not hold, of those that must hold always.
    pub violated: BTreeSet<&'static str>,
    /// Situations that must be reachable and are not.
    pub unreached: BTreeSet<&'static str>,
}

/// Looks at every reachable state.
pub fn explore<M>(model: M) -> Explored
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + PartialEq + Hash + Send + Sync + 'static,
    M::Action: Clone + PartialEq,
{
    let checker =
        model.checker().threads(THREADS).finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let found = checker.discoveries();
    let (mut violated, mut unreached) = (BTreeSet::new(), BTreeSet::new());
    for property in checker.model().properties() {
        let is_found = found.contains_key(property.name);
        match property.expectation {
            stateright::Expectation::Sometimes if !is_found => unreached.insert(property.name),
            stateright::Expectation::Always | stateright::Expectation::Eventually if is_found => {
                violated.insert(property.name)
            }
            _ => false,
        };
    }
    Explored { states: checker.unique_state_count(), depth: checker.max_depth(), violated, unreached }
}

/// A way to a state in which a property does not hold, as the actions that lead there; none if there is no such state.
pub fn counterexample<M>(model: M, property: &'static str) -> Option<Vec<M::Action>>
where
    M: Model + Send + Sync + 'static,
    M::State: Clone + PartialEq + Hash + Send + Sync + 'static,
    M::Action: Clone + PartialEq,
{
    let goal = HasDiscoveries::AllOf([property].into());
    let checker = model.checker().finish_when(goal).spawn_bfs().join();
    checker.discovery(property).map(|path| path.into_actions())
}
