//! The invariants of packets and transfers, each with one definition, over everything that is final on some chains.
//!
//! | | Function | What holds |
//! |---|---|---|
//! | 1 | [`supply_adds_up`] | per chain and asset, accounts and escrows hold exactly what was issued |
//! | 2 | [`escrow_covers_vouchers`] | per lane and asset, escrow = vouchers abroad + in flight |
//! | 3 | [`one_effect`] | a packet is received at most once, and credited iff its outcome is ok |
//! | 4 | [`one_end`] | at most one of acknowledged, refunded for an error, refunded for a timeout |
//! | 5 | [`deadlines_kept`] | received in blocks before the deadline; timed out with a header not before it |
//! | 6 | [`refunds_proven`] | a refund stands on an error that the target recorded, or on a packet it never received |
//! | 7 | [`received_was_sent`] | what a chain received was sent to it, byte for byte, over that lane |
//! | 8 | [`all_settled`] | nothing waits any more |
//! | 9 | [`balances`] | what accounts hold: equal after runs that differ only in who crashed |
//!
//! Tests, the demo's reconciliation and simulators share them. Nothing here is on a chain's path.

use crate::{
    PORT,
    denom::{came_over, hop},
    events,
    messages::FungibleTokenPacketData,
};
use catenary_apps::asset::{AssetKey, AuditError, Supply, audit};
use catenary_ledger::{State, stores::ASSET};
use catenary_packet::{
    ClientId, Packet, ReadClients, Sequence, commitment::commitment_key, events as packet_events,
};
use catenary_types::{AccountId, Amount, AssetId, Event, Height, Message, Receipt, Timestamp};
use std::collections::BTreeMap;

/// Final blocks of a chain, without gaps from height 1 on, and the state after the last.
pub struct ChainRecord<'a> {
    /// State after the last block.
    pub state: &'a State,
    /// The blocks.
    pub blocks: Vec<BlockRecord<'a>>,
}

/// What counts of a final block.
#[derive(Clone, Copy)]
pub struct BlockRecord<'a> {
    /// Its height.
    pub height: Height,
    /// Its header's time.
    pub time: Timestamp,
    /// What its transactions did.
    pub receipts: &'a [Receipt],
}

/// One end of a lane: the place of its chain in [`Network::chains`], and the client there.
pub type End = (usize, ClientId);

/// Chains and the lanes between them.
pub struct Network<'a> {
    /// The chains.
    pub chains: Vec<ChainRecord<'a>>,
    /// Both ends of every lane.
    pub lanes: Vec<[End; 2]>,
}

/// Events that speak of a packet's way.
const KINDS: [&str; 6] = [
    packet_events::SEND_PACKET,
    packet_events::RECEIVE_PACKET,
    packet_events::ACKNOWLEDGE_PACKET,
    packet_events::TIMEOUT_PACKET,
    events::kind::RECEIVED,
    events::kind::REFUNDED,
];

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invariant {invariant}: {detail}")]
pub struct Violation {
    /// Its number in the table above.
    pub invariant: u8,
    /// What was found.
    pub detail: String,
}

fn violation(invariant: u8, detail: String) -> Violation {
    Violation { invariant, detail }
}

/// Where something stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Spot {
    /// The block.
    pub height: Height,
    /// Its time.
    pub time: Timestamp,
}

/// How the source settled a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ending {
    /// Acknowledged.
    Ok,
    /// Acknowledged with the error.
    Error,
    /// Timed out.
    Timeout,
}

/// All that chains said of one packet.
#[derive(Clone, Debug, Default)]
pub struct PacketRecord {
    /// What was sent, and where.
    pub sent: Vec<(Packet, Spot)>,
    /// What was received, where, and whether the outcome was ok.
    pub received: Vec<(Packet, Spot, bool)>,
    /// How often the target credited.
    pub credited: usize,
    /// How it ended, and where.
    pub settled: Vec<(Ending, Spot)>,
    /// How often the source refunded.
    pub refunded: usize,
}

/// Packets by source end and sequence.
pub type Packets = BTreeMap<(End, Sequence), PacketRecord>;

impl Network<'_> {
    fn other_end(&self, end: &End) -> Option<End> {
        self.lanes.iter().find_map(|[first, second]| match end {
            _ if end == first => Some(second.clone()),
            _ if end == second => Some(first.clone()),
            _ => None,
        })
    }

    /// What the events of all final blocks say about packets of the lanes.
    pub fn packets(&self) -> Packets {
        let mut packets = Packets::new();
        for (chain, record) in self.chains.iter().enumerate() {
            for block in &record.blocks {
                let spot = Spot { height: block.height, time: block.time };
                for event in block.receipts.iter().flat_map(|receipt| &receipt.events) {
                    self.enter(&mut packets, chain, spot, event);
                }
            }
        }
        packets
    }

    fn enter(&self, packets: &mut Packets, chain: usize, spot: Spot, event: &Event) {
        let client = event.text("client").and_then(|text| text.parse().ok());
        let sequence = event.text("sequence").and_then(|text| text.parse().ok()).map(Sequence);
        let (Some(client), Some(sequence)) = (client, sequence) else { return };
        if !KINDS.contains(&event.kind.as_str()) {
            return;
        }
        let here: End = (chain, client);
        let Some(there) = self.other_end(&here) else { return };
        let packet = || {
            let bytes = event.attribute("packet").expect("packet events carry the packet");
            Packet::decode(bytes).expect("packet events carry a packet")
        };
        let ok = event.text("outcome") == Some("ok");
        let kind = event.kind.as_str();
        let on_target = [packet_events::RECEIVE_PACKET, events::kind::RECEIVED].contains(&kind);
        let source = if on_target { there } else { here };
        let record = packets.entry((source, sequence)).or_default();
        match kind {
            packet_events::SEND_PACKET => record.sent.push((packet(), spot)),
            packet_events::RECEIVE_PACKET => record.received.push((packet(), spot, ok)),
            packet_events::ACKNOWLEDGE_PACKET => {
                record.settled.push((if ok { Ending::Ok } else { Ending::Error }, spot));
            }
            packet_events::TIMEOUT_PACKET => record.settled.push((Ending::Timeout, spot)),
            events::kind::RECEIVED => record.credited += 1,
            events::kind::REFUNDED => record.refunded += 1,
            _ => {}
        }
    }

    /// Time of a chain's header.
    fn time_of(&self, chain: usize, height: Height) -> Option<Timestamp> {
        let blocks = &self.chains[chain].blocks;
        blocks.get(usize::try_from(height.0).ok()?.checked_sub(1)?).map(|block| block.time)
    }
}

/// Invariants 1 to 7, which hold at every moment.
pub fn check(network: &Network<'_>) -> Result<(), Violation> {
    let packets = network.packets();
    network.chains.iter().try_for_each(|chain| supply_adds_up(chain.state).map(|_| ()))?;
    escrow_covers_vouchers(network, &packets)?;
    one_effect(&packets)?;
    one_end(&packets)?;
    deadlines_kept(network, &packets)?;
    refunds_proven(&packets)?;
    received_was_sent(&packets)
}

/// Invariant 1: On each chain, free + escrowed supply = issued.
pub fn supply_adds_up(state: &State) -> Result<BTreeMap<AssetId, Supply>, Violation> {
    audit(state).map_err(|error: AuditError| violation(1, error.to_string()))
}

/// Invariant 2: escrow(lane, asset) = vouchers abroad + in flight, for every asset that left over a lane.
///
/// In flight is what was debited on one side and neither credited on the other nor refunded: amounts of packets that
/// are committed and not received with outcome ok, and of packets whose callback failed and waits for governance.
pub fn escrow_covers_vouchers(network: &Network<'_>, packets: &Packets) -> Result<(), Violation> {
    for [first, second] in &network.lanes {
        for (home, abroad) in [(first, second), (second, first)] {
            let mut held = BTreeMap::<String, [u128; 2]>::new();
            for (asset, escrow) in escrows(network.chains[home.0].state, &home.1) {
                held.entry(asset).or_default()[0] = escrow.0;
            }
            let hop = hop(&abroad.1);
            for (asset, supply) in supply_adds_up(network.chains[abroad.0].state)? {
                if let Some(name) = asset.as_str().strip_prefix(&hop) {
                    held.entry(name.into()).or_default()[1] += supply.issued.0;
                }
            }
            for ((end, sequence), record) in packets {
                let returning = end == abroad;
                if let Some((name, amount)) = in_flight(network, end, *sequence, record)
                    && (end == home || returning)
                    && came_over(&name, &end.1) == returning
                {
                    let name = name.strip_prefix(&hop).filter(|_| returning).unwrap_or(&name);
                    held.entry(name.into()).or_default()[1] += amount;
                }
            }
            for (asset, [escrow, owed]) in held {
                if escrow != owed {
                    let detail = format!(
                        "{} of chain {} holds {escrow} {asset}, vouchers and packets make {owed}",
                        home.1, home.0
                    );
                    return Err(violation(2, detail));
                }
            }
        }
    }
    Ok(())
}

/// What one end of a lane holds, by asset.
pub fn escrows(state: &State, client: &ClientId) -> BTreeMap<String, Amount> {
    let lane = crate::send::lane(client);
    let assets = supply_adds_up(state).unwrap_or_default();
    let held = assets.keys().filter_map(|asset| {
        let key = AssetKey::Escrow { lane: &lane, asset }.bytes();
        let value = state.stores().get(ASSET, &key).expect("the asset store is there")?;
        Some((asset.to_string(), Amount(u128::from_be_bytes(value.try_into().ok()?))))
    });
    held.collect()
}

/// Asset and amount that a packet keeps in flight, if it does.
fn in_flight(
    network: &Network<'_>,
    end: &End,
    sequence: Sequence,
    record: &PacketRecord,
) -> Option<(String, u128)> {
    let (packet, _) = record.sent.first()?;
    let payload = packet.payloads.first().filter(|payload| payload.source_port == PORT)?;
    let data = FungibleTokenPacketData::decode(&payload.value).ok()?;
    let amount: Amount = data.amount.parse().ok()?;
    let delivered = record.received.iter().any(|(_, _, ok)| *ok);
    let committed = is_committed(network, end, sequence);
    let held = network.chains[end.0].state.held(&end.1, sequence).is_some();
    (!delivered && (committed || held)).then_some((data.denom, amount.0))
}

fn is_committed(network: &Network<'_>, end: &End, sequence: Sequence) -> bool {
    let key = commitment_key(&end.1, sequence);
    let stores = network.chains[end.0].state.stores();
    stores.get(catenary_ledger::stores::IBC, &key).expect("the ibc store is there").is_some()
}

/// Invariant 3: A packet has at most one effect on the target; an effect exists iff its outcome is ok.
pub fn one_effect(packets: &Packets) -> Result<(), Violation> {
    for (key, record) in packets {
        let ok = record.received.iter().filter(|(packet, _, ok)| *ok && is_transfer(packet)).count();
        if record.received.len() > 1 || record.credited != ok {
            let detail =
                format!("{key:?}: received {} times, credited {}", record.received.len(), record.credited);
            return Err(violation(3, detail));
        }
    }
    Ok(())
}

fn is_transfer(packet: &Packet) -> bool {
    packet.payloads.iter().any(|payload| payload.dest_port == PORT)
}

/// Invariant 4: At most one of ack-ok, error refund, timeout refund.
pub fn one_end(packets: &Packets) -> Result<(), Violation> {
    for (key, record) in packets {
        if record.settled.len() > 1 || record.refunded > 1 {
            return Err(violation(4, format!("{key:?}: {:?}, {} refunds", record.settled, record.refunded)));
        }
    }
    Ok(())
}

/// Invariant 5: Received only if target time < timeout; timed out only with a header of the target at time >= timeout.
pub fn deadlines_kept(network: &Network<'_>, packets: &Packets) -> Result<(), Violation> {
    for ((end, sequence), record) in packets {
        for (packet, spot, _) in &record.received {
            if spot.time.seconds() >= packet.timeout_timestamp {
                return Err(violation(5, format!("{end:?} {sequence}: received at {spot:?}, too late")));
            }
        }
        let ended = record.settled.iter().find(|(ending, _)| *ending == Ending::Timeout);
        let (Some((_, spot)), Some((packet, _))) = (ended, record.sent.first()) else { continue };
        let shown = newest_shown(network, end, spot.height);
        if shown.is_none_or(|time| time.seconds() < packet.timeout_timestamp) {
            return Err(violation(
                5,
                format!("{end:?} {sequence}: timed out, but the target was at {shown:?}"),
            ));
        }
    }
    Ok(())
}

/// Time of the newest header of the other chain that a client was shown up to a block.
fn newest_shown(network: &Network<'_>, end: &End, until: Height) -> Option<Timestamp> {
    let other = network.other_end(end)?;
    let blocks = network.chains[end.0].blocks.iter().take_while(|block| block.height <= until);
    let events = blocks.flat_map(|block| block.receipts).flat_map(|receipt| &receipt.events);
    let heights = events.filter(|event| {
        let shows =
            [packet_events::CLIENT_CREATED, packet_events::CLIENT_UPDATED].contains(&event.kind.as_str());
        shows && event.text("client") == Some(end.1.as_str())
    });
    let newest = heights.filter_map(|event| event.text("height")?.parse().ok()).max()?;
    network.time_of(other.0, Height(newest))
}

/// Invariant 6: No refund without a transition of the deciding ledger: the target recorded an error, or never received.
pub fn refunds_proven(packets: &Packets) -> Result<(), Violation> {
    for (key, record) in packets {
        let Some((ending, _)) = record.settled.first() else {
            if record.refunded > 0 {
                return Err(violation(6, format!("{key:?}: refunded, never settled")));
            }
            continue;
        };
        let outcome = record.received.first().map(|(_, _, ok)| *ok);
        let proven = match ending {
            Ending::Ok => outcome == Some(true) && record.refunded == 0,
            Ending::Error => outcome == Some(false),
            Ending::Timeout => outcome.is_none(),
        };
        if !proven {
            return Err(violation(6, format!("{key:?}: ended {ending:?}, the target says {outcome:?}")));
        }
    }
    Ok(())
}

/// Invariant 7: Nothing made for another chain, lane or client had an effect: what was received was sent, byte for byte.
pub fn received_was_sent(packets: &Packets) -> Result<(), Violation> {
    for (key, record) in packets {
        let sent = record.sent.first().map(|(packet, _)| packet);
        if record.received.iter().any(|(packet, ..)| Some(packet) != sent) || record.sent.len() > 1 {
            return Err(violation(7, format!("{key:?}: received is not what was sent")));
        }
    }
    Ok(())
}

/// Invariant 8: Every packet has ended, and the ledgers hold no commitment any more.
pub fn all_settled(network: &Network<'_>) -> Result<(), Violation> {
    for ((end, sequence), record) in network.packets() {
        if record.settled.is_empty() || is_committed(network, &end, sequence) {
            return Err(violation(8, format!("{end:?} {sequence} is not settled")));
        }
    }
    Ok(())
}

/// Invariant 9: What every account of a chain holds. Two runs of the same orders that differ only in crashes end in the same
/// balances.
pub fn balances(state: &State) -> BTreeMap<(AccountId, AssetId), Amount> {
    let entries = state.stores().iter_store(state.height().0, ASSET).expect("the latest version is there");
    let balance = |(key, value): (&[u8], &[u8])| {
        let (account, rest) = key.strip_prefix(&[2])?.split_first_chunk::<20>()?;
        let asset = std::str::from_utf8(rest.get(1..)?).ok()?.parse().ok()?;
        let amount = u128::from_be_bytes(value.try_into().ok()?);
        Some(((AccountId(*account), asset), Amount(amount)))
    };
    entries.filter_map(balance).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_types::UnixSeconds;

    const SPOT: Spot = Spot { height: Height(5), time: Timestamp(7_000_000_000) };

    fn packet() -> Packet {
        let data = FungibleTokenPacketData {
            denom: "coin".into(),
            amount: "1".into(),
            sender: "AB/1".into(),
            receiver: "YZ/1".into(),
            memo: String::new(),
        };
        Packet {
            sequence: Sequence(1),
            source_client: ClientId::bft(0),
            dest_client: ClientId::bft(1),
            timeout_timestamp: UnixSeconds(8),
            payloads: vec![crate::data::payload(&data)],
        }
    }

    /// A packet that was received and settled well, changed.
    fn packets(change: impl FnOnce(&mut PacketRecord)) -> Packets {
        let mut record = PacketRecord {
            sent: vec![(packet(), SPOT)],
            received: vec![(packet(), SPOT, true)],
            credited: 1,
            settled: vec![(Ending::Ok, SPOT)],
            refunded: 0,
        };
        change(&mut record);
        Packets::from([(((0, ClientId::bft(0)), Sequence(1)), record)])
    }

    /// The number of the first invariant of those over packets alone that does not hold.
    fn broken(change: impl FnOnce(&mut PacketRecord)) -> Option<u8> {
        let packets = packets(change);
        let network = Network { chains: Vec::new(), lanes: Vec::new() };
        let checks = [
            one_effect(&packets),
            one_end(&packets),
            deadlines_kept(&network, &packets),
            refunds_proven(&packets),
            received_was_sent(&packets),
        ];
        checks.into_iter().find_map(|check| check.err().map(|violation| violation.invariant))
    }

    #[test]
    fn each_invariant_notices_what_breaks_it() {
        assert_eq!(broken(|_| ()), None);
        assert_eq!(broken(|record| record.received.push((packet(), SPOT, true))), Some(3));
        assert_eq!(broken(|record| record.credited = 0), Some(3));
        assert_eq!(broken(|record| record.credited = 2), Some(3));
        assert_eq!(broken(|record| record.received[0].2 = false), Some(3));
        assert_eq!(broken(|record| record.settled.push((Ending::Timeout, SPOT))), Some(4));
        assert_eq!(broken(|record| record.refunded = 2), Some(4));
        // Time equal to the deadline is too late.
        assert_eq!(broken(|record| record.received[0].1.time = Timestamp(8_000_000_000)), Some(5));
        assert_eq!(broken(|record| record.received[0].1.time = Timestamp(7_999_999_999)), None);
        assert_eq!(broken(|record| record.refunded = 1), Some(6));
        assert_eq!(broken(|record| record.settled[0].0 = Ending::Error), Some(6));
        assert_eq!(broken(|record| record.received[0].0.timeout_timestamp = UnixSeconds(9)), Some(7));
        assert_eq!(broken(|record| record.sent.clear()), Some(7));
    }

    #[test]
    fn a_timeout_needs_a_header_of_its_time() {
        let timed_out = |record: &mut PacketRecord| {
            (record.received, record.credited) = (Vec::new(), 0);
            (record.settled, record.refunded) = (vec![(Ending::Timeout, SPOT)], 1);
        };
        assert_eq!(broken(timed_out), Some(5));
    }
}
