//! Blocks and beginnings: a block that was altered is not the block that was built, and no genesis stops a node.

use crate::{alteration::altered, input::Input, world::World};
use catenary_apps::{
    admin::{self, Admin},
    asset::{self, Asset},
};
use catenary_ledger::{Apps, Ledger, records::ReadRecords};
use catenary_replica::{Done, Job, Tip};
use catenary_types::{Block, Genesis, Height, Message};
use std::{cell::RefCell, sync::Arc};

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

/// Alters the next block. Whoever builds it chooses its time and names himself, so another time or builder makes another
/// block, of which nobody can say that it is wrong; everything else follows from the chain.
pub fn altered_blocks(data: &[u8]) {
    WORLD.with_borrow_mut(|world| {
        let bytes = altered(&mut Input::new(data), &world.block.encode());
        let Ok(block) = Block::decode(&bytes) else { return };
        let job = Job::Check(Arc::new(block.clone()));
        let Done::Checked { result, .. } = world.worker.run(job) else { panic!("another job was done") };
        if result.is_ok() {
            let mut expected = world.block.clone();
            (expected.header.time, expected.header.proposer) = (block.header.time, block.header.proposer);
            assert_eq!(block, expected, "an altered block was taken");
        }
    });
}

/// Starts a chain from whatever is a genesis document.
pub fn chain_starts(data: &[u8]) {
    let Ok(genesis) = Genesis::decode(data) else { return };
    let ledger = Ledger::new(Apps::default().with(admin::KIND, Admin).with(asset::KIND, Asset));
    let (Ok(state), Ok(chain_id)) = (ledger.genesis(&genesis), genesis.chain_id()) else { return };
    assert_eq!(state.height(), Height(0));
    assert_eq!(state.parameters(), genesis.parameters);
    let tip = Tip::genesis(&genesis, chain_id, &state);
    let tip = tip.unwrap_or_else(|error| panic!("a chain that starts has no tip: {error}"));
    assert_eq!(tip.app_hash, state.app_hash());
    asset::audit(&state).unwrap_or_else(|error| panic!("{error}"));
}
