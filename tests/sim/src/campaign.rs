//! Many seeds on all cores, and the search for the first one that fails.

use crate::{Layout, Report, Violation, World};
use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// A seed that fails, and how.
pub type Failure = (u64, Violation);

/// Runs `seeds` seeds from `first` on. Reports are added in the order of the seeds, so that the digest is the same on any
/// machine.
pub fn run(first: u64, seeds: u64, layout: Layout, traced: bool) -> (Report, Vec<Failure>) {
    let done = Mutex::new(Vec::new());
    on_all_cores(first, |seed| {
        if seed < first + seeds {
            let outcome = World::outcome(seed, layout, traced);
            done.lock().unwrap_or_else(PoisonError::into_inner).push((seed, outcome));
        }
        seed + 1 < first + seeds
    });
    let mut done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.sort_by_key(|(seed, _)| *seed);
    let mut all = Report::default();
    done.iter().for_each(|(_, (report, _))| all.add(report));
    let failed = done.into_iter().filter_map(|(seed, (_, violation))| Some((seed, violation?)));
    (all, failed.collect())
}

/// The first seed from 0 on that fails, among so many.
pub fn hunt(seeds: u64, layout: Layout) -> Option<Failure> {
    let found: Mutex<Option<Failure>> = Mutex::new(None);
    on_all_cores(0, |seed| {
        let mut violation = None;
        if seed < seeds {
            violation = World::outcome(seed, layout, false).1;
        }
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(violation) = violation
            && found.as_ref().is_none_or(|(first, _)| seed < *first)
        {
            *found = Some((seed, violation));
        }
        seed + 1 < seeds && found.is_none()
    });
    found.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Gives seeds in order to as many threads as there are cores, until one says that there is nothing more to do.
fn on_all_cores(first: u64, run: impl Fn(u64) -> bool + Sync) {
    let next = AtomicU64::new(first);
    let threads = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| while run(next.fetch_add(1, Ordering::Relaxed)) {});
        }
    });
}
