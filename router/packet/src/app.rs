//! The packet app: calls in, proofs verified, each packet handed to the law.
//!
//! A call of many packets has one header, one certificate and one proof. Only a bad one of these fails the call; what
//! is wrong with one packet is that packet's outcome. A header that proves misbehaviour is not bad: the call succeeds,
//! freezes the client, and every packet is refused.

use crate::{
    batch::{Batch, Step, is_redundant},
    bft::{self, Shown, require_active},
    commitment::{
        acknowledgement_commitment, acknowledgement_key, commitment_key, packet_commitment, receipt_key,
    },
    events,
    ids::ClientId,
    key::ClientsKey,
    law::{Lane, Outcome, Ports},
    messages::{
        Acknowledge, HeaderUpdate, Packet, PacketCall, Proof, Receive, RegisterCounterparty, RetryHeld,
        SetLane, SubmitMisbehaviour, Timeout, UpdateClient,
    },
    port::PortApp,
    proof::{Claim, verify},
    records::{ClientState, ConsensusState, Counterparty, LaneStatus, ReadClients, put},
};
use catenary_ledger::{Access, App, Caller, Checked, Ctx, Failure, Reason, View, records::committee_account};
use catenary_types::{Height, Message, WireError, genesis::Role, limits::PACKETS_PER_CALL_MAX};
use std::sync::Arc;

/// Kind of the app, for genesis instances.
pub const KIND: &str = "packet";

/// Weight of a call that touches a few records.
const WEIGHT_CALL: u64 = 100;
/// Weight of one packet: proof, keys, and the callback of its app.
const WEIGHT_PACKET: u64 = 100;
/// Bytes of a header update per unit of weight; a signature takes about 106 bytes and 50 microseconds.
const UPDATE_BYTES_PER_WEIGHT: usize = 2;
/// Bytes of proof, payload or acknowledgement per unit of weight: they are hashed.
const BYTES_PER_WEIGHT: usize = 64;

/// The packet law as an app of the ledger.
pub struct PacketApp {
    ports: Ports,
}

impl PacketApp {
    /// The app with these apps behind its ports; a port has one app.
    pub fn new(apps: Vec<Arc<dyn PortApp>>) -> Self {
        let mut ports = Ports::new();
        for app in apps {
            let before = ports.insert(app.port().into(), app);
            assert!(before.is_none(), "a port has one app");
        }
        Self { ports }
    }
}

impl App for PacketApp {
    type Message = PacketCall;

    fn decode(&self, bytes: &[u8]) -> Result<PacketCall, WireError> {
        PacketCall::decode(bytes)
    }

    fn weight(&self, message: &PacketCall) -> u64 {
        WEIGHT_CALL.saturating_add(match message {
            PacketCall::CreateClient(create) => {
                of_update(create.signed_header.len() + create.validators.len())
            }
            PacketCall::UpdateClient(update) => of_update(update.update.len()),
            PacketCall::SubmitMisbehaviour(evidence) => {
                of_update(evidence.first.len() + evidence.second.len())
            }
            PacketCall::Receive(receive) => {
                of_batch(&receive.update, &receive.proof, receive.packets.iter().map(of_packet))
            }
            PacketCall::Acknowledge(acknowledge) => {
                let packets = acknowledge.packets.iter();
                let of_answer =
                    packets.map(|one| of_packet(&one.packet) + of_bytes(one.acknowledgement.len()));
                of_batch(&acknowledge.update, &acknowledge.proof, of_answer)
            }
            PacketCall::Timeout(timeout) => {
                of_batch(&timeout.update, &timeout.proof, timeout.packets.iter().map(of_packet))
            }
            PacketCall::RetryHeld(retry) => of_packet(&retry.packet) + of_bytes(retry.acknowledgement.len()),
            PacketCall::RegisterCounterparty(_) | PacketCall::RecoverClient(_) | PacketCall::SetLane(_) => 0,
        })
    }

    fn admit(&self, message: &PacketCall, state: &dyn View) -> Result<(), Failure> {
        if is_redundant(state, message) {
            return Err(Failure::new(Reason::Redundant, "every packet of the batch was settled before"));
        }
        Ok(())
    }

    fn access(&self, _: &Caller, _: &PacketCall) -> Access {
        Access::Any
    }

    fn execute(&self, call: Checked<PacketCall>, ctx: &mut Ctx<'_, '_>) -> Result<(), Failure> {
        match call.into_inner() {
            PacketCall::CreateClient(create) => {
                ctx.caller().require(Role::Operator)?;
                bft::create(ctx, &create).map(|_| ())
            }
            PacketCall::RegisterCounterparty(register) => register_counterparty(ctx, &register),
            PacketCall::UpdateClient(update) => update_client(ctx, &update),
            PacketCall::SubmitMisbehaviour(evidence) => submit_misbehaviour(ctx, &evidence),
            PacketCall::Receive(receive) => self.receive(ctx, &receive),
            PacketCall::Acknowledge(acknowledge) => self.acknowledge(ctx, &acknowledge),
            PacketCall::Timeout(timeout) => self.timeout(ctx, &timeout),
            PacketCall::RecoverClient(recover) => {
                require_committee(ctx)?;
                bft::recover(ctx, &recover.client, &recover.substitute)
            }
            PacketCall::SetLane(set) => set_lane(ctx, &set),
            PacketCall::RetryHeld(retry) => self.retry_held(ctx, &retry),
        }
    }
}

fn of_update(bytes: usize) -> u64 {
    (bytes / UPDATE_BYTES_PER_WEIGHT) as u64
}

fn of_bytes(bytes: usize) -> u64 {
    (bytes / BYTES_PER_WEIGHT) as u64
}

fn of_packet(packet: &Packet) -> u64 {
    let bytes = packet.payloads.iter().map(|payload| payload.value.len()).sum();
    WEIGHT_PACKET + of_bytes(bytes)
}

fn of_batch(update: &Option<HeaderUpdate>, proof: &Proof, packets: impl Iterator<Item = u64>) -> u64 {
    let update = update.as_ref().map_or(0, |update| of_update(update.len()));
    packets.fold(update + of_bytes(proof.len()), u64::saturating_add)
}

fn require_committee(ctx: &Ctx<'_, '_>) -> Result<(), Failure> {
    if ctx.caller().account == committee_account() {
        return Ok(());
    }
    Err(Failure::new(Reason::NotAuthorised, "only the committee governs clients and lanes"))
}

fn client(ctx: &Ctx<'_, '_>, id: &ClientId) -> Result<ClientState, Failure> {
    ctx.client(id).ok_or_else(|| Failure::new(Reason::NotFound, format!("there is no client {id}")))
}

fn counterparty(ctx: &Ctx<'_, '_>, id: &ClientId) -> Result<Counterparty, Failure> {
    let missing = || Failure::new(Reason::NotFound, format!("client {id} has no registered counterparty"));
    ctx.counterparty(id).ok_or_else(missing)
}

fn register_counterparty(ctx: &mut Ctx<'_, '_>, message: &RegisterCounterparty) -> Result<(), Failure> {
    ctx.caller().require(Role::Operator)?;
    let state = client(ctx, &message.client)?;
    if state.creator != ctx.caller().account {
        let detail = "only who created a client registers its counterparty";
        return Err(Failure::new(Reason::NotAuthorised, detail));
    }
    if ctx.counterparty(&message.client).is_some() {
        return Err(Failure::new(Reason::AlreadyExists, "the counterparty is registered and stays"));
    }
    let record = Counterparty { client: message.counterparty.clone(), status: LaneStatus::Open };
    put(ctx, &ClientsKey::Counterparty(&message.client), &record);
    events::counterparty_registered(ctx, &message.client, &message.counterparty);
    Ok(())
}

fn set_lane(ctx: &mut Ctx<'_, '_>, message: &SetLane) -> Result<(), Failure> {
    require_committee(ctx)?;
    let mut record = counterparty(ctx, &message.client)?;
    record.status = if message.paused { LaneStatus::Paused } else { LaneStatus::Open };
    put(ctx, &ClientsKey::Counterparty(&message.client), &record);
    events::lane_set(ctx, &message.client, record.status);
    Ok(())
}

fn update_client(ctx: &mut Ctx<'_, '_>, message: &UpdateClient) -> Result<(), Failure> {
    ctx.caller().require(Role::Relayer)?;
    let mut state = client(ctx, &message.client)?;
    require_active(&state, ctx.header_time())?;
    match bft::update(ctx, &message.client, &mut state, &message.update)? {
        Shown::Stored | Shown::Frozen => Ok(()),
        Shown::Known => Err(Failure::new(Reason::Redundant, "the client knows this header")),
    }
}

fn submit_misbehaviour(ctx: &mut Ctx<'_, '_>, message: &SubmitMisbehaviour) -> Result<(), Failure> {
    ctx.caller().require(Role::Relayer)?;
    let mut state = client(ctx, &message.client)?;
    require_active(&state, ctx.header_time())?;
    match bft::misbehaviour(ctx, &message.client, &mut state, &message.first, &message.second)? {
        Shown::Frozen => Ok(()),
        Shown::Stored | Shown::Known => {
            Err(Failure::new(Reason::InvalidArgument, "the two headers do not contradict each other"))
        }
    }
}

/// What a call of many packets leads to once its header is judged.
enum Shows {
    /// The proof is to be verified under this.
    State(ConsensusState),
    /// The header froze the client.
    Frozen,
}

/// Judges the header of a call of many packets.
fn show(
    ctx: &mut Ctx<'_, '_>,
    id: &ClientId,
    update: &Option<HeaderUpdate>,
    proof_height: Height,
) -> Result<Shows, Failure> {
    let mut state = client(ctx, id)?;
    require_active(&state, ctx.header_time())?;
    if let Some(update) = update
        && bft::update(ctx, id, &mut state, update)? == Shown::Frozen
    {
        return Ok(Shows::Frozen);
    }
    let unknown = || {
        let detail = format!("client {id} knows no header of height {proof_height}");
        Failure::new(Reason::InvalidHeader, detail)
    };
    ctx.consensus(id, &state, proof_height).map(Shows::State).ok_or_else(unknown)
}

fn check_count(packets: usize) -> Result<(), Failure> {
    if (1..=PACKETS_PER_CALL_MAX).contains(&packets) {
        return Ok(());
    }
    let detail = format!("expected 1 to {PACKETS_PER_CALL_MAX} packets, got {packets}");
    Err(Failure::new(Reason::InvalidArgument, detail))
}

impl PacketApp {
    fn receive(&self, ctx: &mut Ctx<'_, '_>, call: &Receive) -> Result<(), Failure> {
        let claim = |packet: &Packet| Claim {
            key: commitment_key(&packet.source_client, packet.sequence),
            value: Some(packet_commitment(packet).0.to_vec()),
        };
        let packets: Vec<_> = call.packets.iter().map(|packet| (packet, claim(packet))).collect();
        let batch = Batch { step: Step::Receive, client: &call.client, packets };
        self.run(ctx, &batch, &call.update, (call.proof_height, &call.proof), |lane, ctx, index, _| {
            lane.receive(ctx, &call.packets[index])
        })
    }

    fn acknowledge(&self, ctx: &mut Ctx<'_, '_>, call: &Acknowledge) -> Result<(), Failure> {
        if call.packets.iter().any(|one| one.acknowledgement.is_empty()) {
            return Err(Failure::new(Reason::InvalidArgument, "an acknowledgement is never empty"));
        }
        let packets = call.packets.iter().map(|one| {
            let key = acknowledgement_key(&one.packet.dest_client, one.packet.sequence);
            let value = acknowledgement_commitment(&one.acknowledgement);
            (&one.packet, Claim { key, value: Some(value.0.to_vec()) })
        });
        let batch = Batch { step: Step::Acknowledge, client: &call.client, packets: packets.collect() };
        self.run(ctx, &batch, &call.update, (call.proof_height, &call.proof), |lane, ctx, index, _| {
            let one = &call.packets[index];
            lane.acknowledge(ctx, &one.packet, &one.acknowledgement)
        })
    }

    fn timeout(&self, ctx: &mut Ctx<'_, '_>, call: &Timeout) -> Result<(), Failure> {
        let claim =
            |packet: &Packet| Claim { key: receipt_key(&packet.dest_client, packet.sequence), value: None };
        let packets: Vec<_> = call.packets.iter().map(|packet| (packet, claim(packet))).collect();
        let batch = Batch { step: Step::Timeout, client: &call.client, packets };
        self.run(ctx, &batch, &call.update, (call.proof_height, &call.proof), |lane, ctx, index, state| {
            lane.timeout(ctx, &call.packets[index], state)
        })
    }

    fn retry_held(&self, ctx: &mut Ctx<'_, '_>, call: &RetryHeld) -> Result<(), Failure> {
        require_committee(ctx)?;
        let client = &call.packet.source_client;
        let counterparty = counterparty(ctx, client)?;
        let lane = Lane { client, counterparty: &counterparty, ports: &self.ports };
        lane.retry(ctx, &call.packet, &call.acknowledgement)
    }

    /// Judges header and proof of a call of many packets, then each packet by itself.
    fn run(
        &self,
        ctx: &mut Ctx<'_, '_>,
        batch: &Batch<'_>,
        update: &Option<HeaderUpdate>,
        (proof_height, proof): (Height, &Proof),
        step: impl Fn(&Lane<'_>, &mut Ctx<'_, '_>, usize, &ConsensusState) -> Outcome,
    ) -> Result<(), Failure> {
        ctx.caller().require(Role::Relayer)?;
        check_count(batch.packets.len())?;
        let counterparty = counterparty(ctx, batch.client)?;
        if batch.is_redundant(ctx) {
            return Err(Failure::new(Reason::Redundant, "every packet of the call was settled before"));
        }
        let consensus = match show(ctx, batch.client, update, proof_height)? {
            Shows::State(consensus) => consensus,
            Shows::Frozen => {
                let frozen = Failure::new(Reason::ClientFrozen, "the header of this call froze the client");
                let outcome = Outcome::Refused(frozen);
                batch.packets.iter().for_each(|(packet, _)| batch.emit(ctx, packet, &outcome));
                return Ok(());
            }
        };
        let claims: Vec<_> = batch.packets.iter().map(|(_, claim)| claim.clone()).collect();
        verify(proof, &consensus.app_hash, &claims)?;
        let lane = Lane { client: batch.client, counterparty: &counterparty, ports: &self.ports };
        for (index, (packet, _)) in batch.packets.iter().enumerate() {
            let outcome = step(&lane, ctx, index, &consensus);
            batch.emit(ctx, packet, &outcome);
        }
        Ok(())
    }
}
