//! What tests on a lane share.

use catenary_ledger::stores::IBC;
use catenary_packet::testing::{TestChain, TestLane, counter};
use catenary_types::{Receipt, UnixSeconds};

/// Far enough for every test that is not about deadlines.
pub fn later(lane: &TestLane) -> UnixSeconds {
    UnixSeconds(lane.next_time().seconds().0 + 600)
}

pub fn reason(receipt: &Receipt) -> &str {
    &receipt.reason
}

pub fn ibc(chain: &TestChain, key: &[u8]) -> Option<Vec<u8>> {
    chain.state.stores().get(IBC, key).unwrap().map(<[u8]>::to_vec)
}

/// Escrow, delivered, refunded on the source; received on the target.
pub fn counters(lane: &TestLane) -> [u128; 4] {
    let source = |name| counter(&lane.source.state, name);
    [source("escrow"), source("delivered"), source("refunded"), counter(&lane.target.state, "received")]
}

pub fn assert_ok(receipt: &Receipt) {
    assert!(receipt.succeeded(), "{receipt:?}");
}
