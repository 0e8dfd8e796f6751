//! A validator that votes twice: two processes sign with its key, and neither knows of the other.

use crate::{
    load::Load,
    net::{Net, until},
};
use catenary_types::Height;
use std::time::Duration;
use tokio::time::sleep;

/// How long blocks are counted before the twin comes and after.
const COUNTED: Duration = Duration::from_secs(5);

#[tokio::test]
async fn a_validator_that_votes_twice_is_reported_and_stops_nothing() {
    let mut net = Net::start(4).await;
    let load = Load::start(&net);
    let before = net.heights().await;
    net.progress(&before).await;
    let honest = blocks(&net).await;

    // The one that leads: both of it propose, and so both of it vote, each for its own block.
    let tip = net.client(0, 0).header(None).await.unwrap();
    net.join_as_twin(net.node_of(tip.header().proposer)).await;
    let from = net.height(0).await;
    until("somebody reports it", async || is_reported(&net, from).await).await;
    let lying = blocks(&net).await;
    println!("blocks in {COUNTED:?}: {honest} before, {lying} with a validator that votes twice");
    assert!(lying > 0);
    net.leave();

    let loaded = load.stop().await;
    net.judge(&loaded).await;
}

async fn blocks(net: &Net) -> u64 {
    let sum = async || net.heights().await.iter().map(|height| height.0).sum::<u64>();
    let before = sum().await;
    sleep(COUNTED).await;
    sum().await - before
}

/// Whether a block from a height on records two votes of a validator.
async fn is_reported(net: &Net, from: Height) -> bool {
    let client = net.client(0, 0);
    for height in from.0.max(1)..=net.height(0).await.0 {
        let Ok(Some(view)) = client.block(Height(height)).await else { continue };
        let mut events = view.receipts.iter().flat_map(|receipt| &receipt.events);
        if events.any(|event| event.kind.as_str() == "equivocation_reported") {
            return true;
        }
    }
    false
}
