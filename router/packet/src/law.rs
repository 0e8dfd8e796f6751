//! The law of one packet: what a chain demands before a packet leaves, arrives, is answered or runs out of time.
//!
//! ```text
//!   source:  None ──send──► Committed ──acknowledge──► AckedOk | RefundedError
//!                               └──────timeout───────► RefundedTimeout
//!   target:  Absent ──receive──► Received(ok) | Received(error)          for ever
//! ```
//!
//! Proofs are verified for the whole call before any packet is looked at, see [`crate::PacketApp`]. A check that concerns one
//! packet gives that packet an [`Outcome`] and leaves the others alone.

use crate::{
    bft::require_active,
    commitment::{
        ERROR_ACKNOWLEDGEMENT, RECEIPT, acknowledgement_commitment, acknowledgement_key, commitment_key,
        packet_commitment, receipt_key,
    },
    events,
    ids::{ClientId, Sequence},
    key::ClientsKey,
    limits::{ACKNOWLEDGEMENT_BYTES_MAX, TIMEOUT_AHEAD_S_MAX},
    messages::{Packet, Payload},
    port::PortApp,
    records::{ConsensusState, Counterparty, Held, ReadClients, put, put_number},
};
use catenary_crypto::sha256;
use catenary_ledger::{Ctx, Failure, Reason, stores::IBC};
use catenary_mutant::{Mutant, is_active};
use catenary_types::UnixSeconds;
use std::{collections::BTreeMap, sync::Arc};

/// Weight that an app charges for each [`send`].
pub const SEND_WEIGHT: u64 = 40;

/// What became of one packet of a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The step was taken.
    Done,
    /// It had been taken before; nothing changed.
    Duplicate,
    /// The deadline is past; nothing changed, and absence is what the source can prove.
    Expired,
    /// The packet does not fit this lane or time; nothing changed.
    Refused(Failure),
}

/// The port apps of a chain by port.
pub(crate) type Ports = BTreeMap<String, Arc<dyn PortApp>>;

/// The lane of a call: a client on this chain and the far end that is registered for it.
pub(crate) struct Lane<'a> {
    pub(crate) client: &'a ClientId,
    pub(crate) counterparty: &'a Counterparty,
    pub(crate) ports: &'a Ports,
}

fn refused(reason: Reason, detail: impl Into<String>) -> Outcome {
    Outcome::Refused(Failure::new(reason, detail))
}

/// Sends a packet in the transaction that moves what it stands for. The caller has charged [`SEND_WEIGHT`] and moved
/// the money; if this fails, the call must fail.
///
/// The deadline must be later than this block and than the newest block that the client knows of the target, and at
/// most 24 hours ahead; the client active, the lane registered and open.
pub fn send(
    ctx: &mut Ctx<'_, '_>,
    source_client: &ClientId,
    payload: Payload,
    timeout: UnixSeconds,
) -> Result<Sequence, Failure> {
    let missing = |what: &str| Failure::new(Reason::NotFound, format!("client {source_client} {what}"));
    let state = ctx.client(source_client).ok_or_else(|| missing("does not exist"))?;
    let counterparty =
        ctx.counterparty(source_client).ok_or_else(|| missing("has no registered counterparty"))?;
    require_active(&state, ctx.header_time())?;
    counterparty.require_open()?;
    let (now, known) = (ctx.time(), state.latest_time.seconds());
    let latest = UnixSeconds(now.0.saturating_add(TIMEOUT_AHEAD_S_MAX));
    if timeout <= now || timeout <= known || timeout > latest {
        let earliest = now.max(known);
        let detail = format!("expected a timeout after second {earliest} and up to {latest}, got {timeout}");
        return Err(Failure::new(Reason::InvalidTimeout, detail));
    }
    let sequence = ctx.next_sequence(source_client);
    let packet = Packet {
        sequence,
        source_client: source_client.clone(),
        dest_client: counterparty.client,
        timeout_timestamp: timeout,
        payloads: vec![payload],
    };
    packet.check().map_err(|error| Failure::new(Reason::InvalidPacket, error.to_string()))?;
    put_number(ctx, &ClientsKey::NextSequence(source_client), sequence.0 + 1);
    ctx.put(IBC, commitment_key(source_client, sequence), packet_commitment(&packet).0.to_vec());
    events::send_packet(ctx, &packet);
    Ok(sequence)
}

impl Lane<'_> {
    /// Takes in one packet whose commitment on the source is proven.
    pub(crate) fn receive(&self, ctx: &mut Ctx<'_, '_>, packet: &Packet) -> Outcome {
        if packet.dest_client != *self.client || packet.source_client != self.counterparty.client {
            return self.other_lane(packet);
        }
        let payload = match packet.check() {
            Ok(payload) => payload,
            Err(error) => return refused(Reason::InvalidPacket, error.to_string()),
        };
        let in_time = ctx.time() < packet.timeout_timestamp
            || is_active(Mutant::ReceivedAtDeadline) && ctx.time() == packet.timeout_timestamp;
        if !in_time {
            return Outcome::Expired;
        }
        let receipt = receipt_key(self.client, packet.sequence);
        if ctx.get(IBC, &receipt).is_some() && !is_active(Mutant::ReceiptUnchecked) {
            return Outcome::Duplicate;
        }
        if let Err(failure) = self.counterparty.require_open() {
            return Outcome::Refused(failure);
        }
        // Before the app runs, so that the app cannot bring the same packet in again.
        ctx.put(IBC, receipt, RECEIPT.to_vec());
        let answer = ctx.sub_transaction(|ctx| self.deliver(ctx, packet, payload));
        let acknowledgement = answer.as_deref().unwrap_or(&ERROR_ACKNOWLEDGEMENT);
        let key = acknowledgement_key(self.client, packet.sequence);
        ctx.put(IBC, key, acknowledgement_commitment(acknowledgement).0.to_vec());
        events::receive_packet(ctx, packet, acknowledgement, answer.as_ref().err());
        Outcome::Done
    }

    fn deliver(&self, ctx: &mut Ctx<'_, '_>, packet: &Packet, payload: &Payload) -> Result<Vec<u8>, Failure> {
        let acknowledgement = self.port(&payload.dest_port)?.on_receive(ctx, packet, payload)?;
        let length_valid = (1..=ACKNOWLEDGEMENT_BYTES_MAX).contains(&acknowledgement.len());
        // The source would refund what this app keeps.
        if !length_valid || acknowledgement == ERROR_ACKNOWLEDGEMENT {
            let detail = format!("port {} gave an acknowledgement that is none", payload.dest_port);
            return Err(Failure::new(Reason::Internal, detail));
        }
        Ok(acknowledgement)
    }

    /// Settles one packet whose acknowledgement on the target is proven.
    pub(crate) fn acknowledge(
        &self,
        ctx: &mut Ctx<'_, '_>,
        packet: &Packet,
        acknowledgement: &[u8],
    ) -> Outcome {
        let payload = match self.committed(ctx, packet) {
            Ok(payload) => payload,
            Err(outcome) => return outcome,
        };
        self.settle(ctx, packet);
        let ok = acknowledgement != ERROR_ACKNOWLEDGEMENT;
        let callback = ctx.sub_transaction(|ctx| {
            self.port(&payload.source_port)?.on_acknowledge(ctx, packet, payload, acknowledgement)
        });
        self.hold_unless(ctx, packet, Some(acknowledgement), callback);
        events::acknowledge_packet(ctx, packet, ok);
        Outcome::Done
    }

    /// Settles one packet that the target, under a header of `consensus`, has not received.
    pub(crate) fn timeout(
        &self,
        ctx: &mut Ctx<'_, '_>,
        packet: &Packet,
        consensus: &ConsensusState,
    ) -> Outcome {
        let payload = match self.committed(ctx, packet) {
            Ok(payload) => payload,
            Err(outcome) => return outcome,
        };
        // Only the target's certified clock decides, never this chain's.
        let mut target_time = consensus.time.seconds();
        if is_active(Mutant::TimeoutByLocalClock) {
            target_time = ctx.time();
        }
        if is_active(Mutant::TimedOutEarly) {
            target_time.0 += 1;
        }
        if target_time < packet.timeout_timestamp {
            let timeout = packet.timeout_timestamp;
            let detail = format!("the proof is of second {target_time}, the deadline is second {timeout}");
            return refused(Reason::InvalidTimeout, detail);
        }
        self.settle(ctx, packet);
        let callback =
            ctx.sub_transaction(|ctx| self.port(&payload.source_port)?.on_timeout(ctx, packet, payload));
        self.hold_unless(ctx, packet, None, callback);
        events::timeout_packet(ctx, packet);
        Outcome::Done
    }

    /// Runs again a callback that failed; fails if it fails again.
    pub(crate) fn retry(
        &self,
        ctx: &mut Ctx<'_, '_>,
        packet: &Packet,
        acknowledgement: &[u8],
    ) -> Result<(), Failure> {
        let invalid = |detail: &str| Failure::new(Reason::InvalidPacket, detail);
        let held = ctx.held(&packet.source_client, packet.sequence);
        let held = held.ok_or_else(|| Failure::new(Reason::NotFound, "no such packet is held"))?;
        let expected = (!acknowledgement.is_empty()).then(|| sha256(acknowledgement));
        if held.commitment != packet_commitment(packet) || held.acknowledgement != expected {
            return Err(invalid("packet or acknowledgement is another than the one held"));
        }
        let payload = packet.check().map_err(|error| invalid(&error.to_string()))?;
        let port = self.port(&payload.source_port)?;
        let key = ClientsKey::Held { client: &packet.source_client, sequence: packet.sequence };
        crate::records::delete(ctx, &key);
        ctx.sub_transaction(|ctx| match expected {
            Some(_) => port.on_acknowledge(ctx, packet, payload, acknowledgement),
            None => port.on_timeout(ctx, packet, payload),
        })?;
        events::refund_released(ctx, packet);
        Ok(())
    }

    /// The payload of a packet that waits to be settled; an outcome instead if there is nothing to settle.
    fn committed<'p>(&self, ctx: &Ctx<'_, '_>, packet: &'p Packet) -> Result<&'p Payload, Outcome> {
        if packet.source_client != *self.client || packet.dest_client != self.counterparty.client {
            return Err(self.other_lane(packet));
        }
        let invalid = |detail: String| refused(Reason::InvalidPacket, detail);
        let payload = packet.check().map_err(|error| invalid(error.to_string()))?;
        let key = commitment_key(self.client, packet.sequence);
        let commitment = ctx.get(IBC, &key).ok_or(Outcome::Duplicate)?;
        if commitment != packet_commitment(packet).0 {
            return Err(invalid(format!("packet {} is another than the one that was sent", packet.sequence)));
        }
        Ok(payload)
    }

    /// Before the app's callback, so that no packet is settled twice.
    fn settle(&self, ctx: &mut Ctx<'_, '_>, packet: &Packet) {
        if !is_active(Mutant::CommitmentKept) {
            ctx.delete(IBC, &commitment_key(self.client, packet.sequence));
        }
    }

    /// Keeps a failed callback for governance: what the packet moved stays where it is, under the packet's name.
    fn hold_unless(
        &self,
        ctx: &mut Ctx<'_, '_>,
        packet: &Packet,
        acknowledgement: Option<&[u8]>,
        callback: Result<(), Failure>,
    ) {
        let Err(failure) = callback else { return };
        let reason = events::cut(&failure.to_string());
        let held = Held {
            commitment: packet_commitment(packet),
            acknowledgement: acknowledgement.map(sha256),
            reason: reason.clone(),
        };
        let key = ClientsKey::Held { client: &packet.source_client, sequence: packet.sequence };
        put(ctx, &key, &held);
        events::refund_held(ctx, packet, &reason);
    }

    fn port(&self, port: &str) -> Result<&dyn PortApp, Failure> {
        let app = self.ports.get(port).map(Arc::as_ref);
        app.ok_or_else(|| Failure::new(Reason::NotFound, format!("no app is behind port {port}")))
    }

    fn other_lane(&self, packet: &Packet) -> Outcome {
        let detail = format!(
            "packet of {} to {}: this lane is {} with {}",
            packet.source_client, packet.dest_client, self.client, self.counterparty.client
        );
        refused(Reason::InvalidPacket, detail)
    }
}
