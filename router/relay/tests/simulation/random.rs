//! Random schedules: customers pay in all directions while everything around them fails.

use crate::{
    chain::{CUSTOMERS, SimChain, account, instance_call},
    world::{Faults, Layout, World},
};
use catenary_apps::asset::{AssetCall, Freeze, Unfreeze};
use catenary_relay::ChainIndex;
use catenary_transfer::audit;
use catenary_types::{AssetId, Height, Message, Timestamp, UnixSeconds};
use rand::Rng;

/// Seeds of every run; more come from the environment.
fn seeds() -> impl Iterator<Item = u64> {
    let more = std::env::var("SIMULATION_SEEDS").ok().and_then(|text| text.parse().ok());
    0..more.unwrap_or(6u64)
}

/// Something a customer does; returns the deadline if it sends.
fn act(world: &mut World) -> Option<UnixSeconds> {
    let lane = world.rng.random_range(0..world.lanes.len());
    let side = world.rng.random_range(0..2);
    let end = world.lanes[lane][side].clone();
    let customer = world.rng.random_range(0..CUSTOMERS);
    let amount = world.rng.random_range(1..50);
    let receiver = match world.rng.random_range(0..10) {
        0 => "new-account".into(),
        1 => format!("frozen-{customer}"),
        _ => format!("customer-{}", world.rng.random_range(0..CUSTOMERS)),
    };
    let lifetime_s = if world.rng.random_range(0..4) == 0 { 1 } else { world.rng.random_range(2..60) };
    let timeout = world.seconds_from_now(lifetime_s);
    match world.rng.random_range(0..20) {
        // The sender is frozen right after; what comes back goes into the frozen account.
        0 => {
            world.pay(&end, customer, &receiver, amount, timeout);
            set_frozen(&mut world.chains[end.0], &format!("customer-{customer}"), true, world.now);
        }
        frozen @ 1..4 => {
            set_frozen(&mut world.chains[end.0], &receiver, frozen == 1, world.now);
            return None;
        }
        // Anything that the customer holds: vouchers go home, or on to a third chain.
        4..9 => {
            let id = account(&format!("customer-{customer}")).id();
            let held: Vec<AssetId> = audit::balances(&world.chains[end.0].real.state)
                .into_keys()
                .filter_map(|(holder, asset)| (holder == id).then_some(asset))
                .collect();
            let asset = held.get(world.rng.random_range(0..held.len().max(1)))?.clone();
            world.pay_in(&end, customer, &receiver, &asset, amount, timeout);
        }
        _ => world.pay(&end, customer, &receiver, amount, timeout),
    }
    Some(timeout)
}

fn set_frozen(chain: &mut SimChain, number: &str, frozen: bool, now: Timestamp) {
    let account = account(number).id();
    if !chain.account(&account) {
        return;
    }
    let freeze = AssetCall::Freeze(Freeze { account });
    let call = if frozen { freeze } else { AssetCall::Unfreeze(Unfreeze { account }) };
    let call = instance_call("asset", call.encode());
    let envelope = chain.sign("operator", vec![call], now);
    chain.submit(&envelope, now);
}

fn run(seed: u64, layout: Layout, payments: usize) {
    println!("seed {seed}, {layout:?}");
    let mut world = World::new(seed, layout);
    world.faults = Faults::ROUGH;
    let mut last = UnixSeconds(0);
    for payment in 0..payments {
        last = last.max(act(&mut world).unwrap_or_default());
        for _ in 0..world.rng.random_range(0..4) {
            world.tick();
        }
        if payment % 64 == 0 {
            audit::check(&world.network()).unwrap();
        }
    }
    world.faults = Faults::default();
    world.settle(last);
    let record = world.network().packets();
    let refunds = record.values().map(|record| record.refunded).sum::<usize>();
    println!("seed {seed}: {} packets, {refunds} refunded", record.len());
    assert!(record.len() > payments / 10, "the run sends packets");
    // Nobody remembers what is settled, and the cursors say so.
    world.run_ms(40_000);
    for courier in &world.couriers {
        assert_eq!(courier.relay.backlog(), 0, "settled packets are forgotten");
        assert!(courier.relay.position(ChainIndex(0)) > Height(1));
    }
}

#[test]
fn one_courier_settles_everything() {
    seeds().for_each(|seed| run(seed, Layout::default(), 150));
}

#[test]
fn two_couriers_on_three_chains_settle_everything() {
    let layout = Layout { chains: 3, couriers: 2, validators: 4, ..Layout::default() };
    seeds().for_each(|seed| run(1_000 + seed, layout, 150));
}

#[test]
fn a_standby_courier_settles_everything() {
    let layout = Layout { chains: 2, couriers: 2, patience_ms: [0, 500], ..Layout::default() };
    seeds().for_each(|seed| run(2_000 + seed, layout, 100));
}
