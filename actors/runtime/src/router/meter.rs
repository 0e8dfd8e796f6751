//! What a router saw in final blocks, and what it has to do.

use catenary_packet::events::{ACKNOWLEDGE_PACKET, RECEIVE_PACKET, SEND_PACKET, TIMEOUT_PACKET};
use catenary_relay::Input;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

/// The steps of a packet as events tell them, in the order of [`PacketStats`].
const STEPS: [&str; 4] = [SEND_PACKET, RECEIVE_PACKET, ACKNOWLEDGE_PACKET, TIMEOUT_PACKET];

/// Added to by a router's actor.
pub(super) struct RouterMeter {
    /// By chain.
    packets: Vec<[AtomicU64; STEPS.len()]>,
    waiting: AtomicUsize,
}

/// What a router saw since it was started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouterStats {
    /// By chain, in the order of the router's configuration.
    pub packets: Vec<PacketStats>,
    /// Packets heard of that are not settled.
    pub waiting: usize,
}

/// Packets in the final blocks of a chain, whoever carried them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketStats {
    /// Sent from here.
    pub sent: u64,
    /// Received here.
    pub received: u64,
    /// Sent from here and acknowledged.
    pub acknowledged: u64,
    /// Sent from here and timed out.
    pub timed_out: u64,
}

impl RouterMeter {
    pub(super) fn of(chains: usize) -> Self {
        Self { packets: (0..chains).map(|_| Default::default()).collect(), waiting: AtomicUsize::new(0) }
    }

    /// Counts the packets of a final block.
    pub(super) fn input(&self, input: &Input) {
        let Input::Final { chain, block } = input else { return };
        for (_, event) in block.events() {
            if let Some(step) = STEPS.iter().position(|step| *step == event.kind) {
                self.packets[chain.0][step].fetch_add(1, Ordering::Relaxed);
            }
        }
    }

    pub(super) fn waiting(&self, packets: usize) {
        self.waiting.store(packets, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> RouterStats {
        let packets = self.packets.iter().map(|steps| {
            let [sent, received, acknowledged, timed_out] =
                steps.each_ref().map(|counter| counter.load(Ordering::Relaxed));
            PacketStats { sent, received, acknowledged, timed_out }
        });
        RouterStats { packets: packets.collect(), waiting: self.waiting.load(Ordering::Relaxed) }
    }
}
