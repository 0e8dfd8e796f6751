//! Clocks that stand still or run ahead, and the deadlines that depend on header times.

use crate::network::{Faults, World};
use crate::node::key;
use catenary_consensus::{TimelinessParameters, Timeouts};
use catenary_types::{Address, Height};

const DELAY_MS_MAX: u64 = 100;

/// Links as slow as a continent is wide, and the timeouts that nodes have.
fn world(seed: u64) -> World {
    let mut world = World::new(4, seed, Faults { delay_ms_max: DELAY_MS_MAX, ..Faults::NONE });
    world.group.timeouts = Timeouts::default();
    world
}

#[test]
fn a_leader_with_a_frozen_clock_loses_its_turn_and_delays_no_deadline_by_more_than_5_s() {
    for seed in 0..3 {
        let mut world = world(seed);
        world.start_all();
        world.run_to(Height(3), 60);
        let leader = world.leader_seed(0);
        let (frozen_at, frozen_from) = (world.now, world.tips()[leader].unwrap_or_default());
        world.node(leader).frozen = Some(frozen_at);
        // Long enough for the lead to come back to it.
        world.run_for(150);
        let address = Address::of(&key(leader).public_key());
        let other = (leader + 1) % 4;
        let builders: Vec<_> = world.chain(other).iter().map(|(_, block)| block.builder == address).collect();
        let after = &builders[frozen_from.0 as usize..];
        let turns = after.windows(2).filter(|pair| pair[0] && !pair[1]).count();
        assert!(turns >= 1, "it never lost its turn");
        assert!(after.iter().filter(|own| !**own).count() > after.len() / 2);
        assert!(world.lag_max_ns <= 5_000_000_000, "a header was {} ns behind", world.lag_max_ns);
        // Until a block beyond a deadline is decided, the round that its leader lost passes, too, and two heights on these
        // links: one whose proposal just made it, and the one that is decided.
        let TimelinessParameters { precision_ms, delay_ms } = TimelinessParameters::default();
        let bound_ms = precision_ms + delay_ms + Timeouts::default().precommit_ms + 2 * 5 * DELAY_MS_MAX;
        let overdue = world.deadline_delay_max_ns;
        assert!(overdue <= bound_ms * 1_000_000, "a deadline passed {overdue} ns late");
    }
}

#[test]
fn a_leader_whose_clock_runs_ahead_is_refused_however_little_it_gains() {
    for (ahead_ms, accepted) in [(300, true), (1_000, false)] {
        let mut world = World::new(4, 3, Faults::NONE);
        world.start_all();
        world.run_to(Height(2), 60);
        let leader = world.leader_seed(0);
        let from = world.tips()[leader].unwrap_or_default();
        world.node(leader).built_ahead_ms = ahead_ms;
        world.run_to(Height(from.0 + 10), 60);
        let address = Address::of(&key(leader).public_key());
        // One block may have been under way.
        let blocks = &world.chain((leader + 1) % 4)[from.0 as usize + 1..];
        assert!(
            blocks.iter().all(|(_, block)| (block.builder == address) == accepted),
            "{ahead_ms} ms ahead"
        );
    }
}
