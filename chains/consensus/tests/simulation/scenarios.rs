//! The schedules.

use crate::network::{Faults, World};
use catenary_types::Height;

#[test]
fn groups_of_every_size_decide() {
    for members in 1..=16 {
        let mut world = World::new(members, members as u64, Faults::NONE);
        world.start_all();
        world.run_to(Height(5), 60);
        assert!(world.evidence.is_empty(), "nobody lied");
        assert_eq!(world.rounds.values().max(), Some(&0), "without faults every height takes one round");
    }
}
