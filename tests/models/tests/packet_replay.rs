//! The model of packets says what the production code does: ways through it, carried out on real chains.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use catenary_models::packet::{
    Action, Answer, Law, Mutation, Outcome, PACKETS, Packets, Side, State, shortest_ways,
};
use catenary_packet::{
    ClientId, Packet, PacketCall,
    commitment::{ERROR_ACKNOWLEDGEMENT, acknowledgement_key, commitment_key, receipt_key},
    messages::{
        Acknowledge, AcknowledgedPacket, HeaderUpdate, Receive, RecoverClient, SubmitMisbehaviour, Timeout,
    },
    testing::{Actor, DONE, TestChain, TestLane, counter, packet_call},
};
use catenary_types::{Call, Height, Receipt, Timestamp};

/// Two real chains, brought to where the model starts.
struct Chains {
    lane: TestLane,
    /// Time of the model's second 0 and heights of the model's blocks 0.
    start: Timestamp,
    source_start: u64,
    target_start: u64,
    /// Heights that the clients on source and target trust.
    trusted: [Height; 2],
    packets: [Option<Packet>; PACKETS],
}

impl Chains {
    fn new() -> Self {
        let lane = TestLane::new(1, 1);
        Self {
            start: lane.source.time().max(lane.target.time()),
            source_start: lane.source.height().0,
            target_start: lane.target.height().0,
            lane,
            trusted: [Height(1); 2],
            packets: [const { None }; PACKETS],
        }
    }

    fn chain(&mut self, side: Side) -> &mut TestChain {
        match side {
            Side::Source => &mut self.lane.source,
            Side::Target => &mut self.lane.target,
        }
    }

    fn client(&self, side: Side) -> ClientId {
        match side {
            Side::Source => self.lane.source_client.clone(),
            Side::Target => self.lane.target_client.clone(),
        }
    }

    fn height(&self, side: Side, block: u8) -> Height {
        let start = if side == Side::Source { self.source_start } else { self.target_start };
        Height(start + u64::from(block))
    }

    fn time(&self, block: u8) -> Timestamp {
        self.start.plus_ms(1_000 * u64::from(block))
    }

    /// Makes the block that an action stands for, `state` being the model's before it.
    fn apply(&mut self, state: &State, action: Action) -> Outcome {
        let side = action.side();
        let time = self.time(state.height(side) + 1);
        let (actor, call, packet) = match action {
            Action::Send { packet, deadline, answer } => {
                let call = self.lane.send_call(value(answer), self.time(deadline).seconds());
                let receipt = self.lane.source.transact_at(time, Actor::User, vec![call]);
                self.packets[packet] = TestLane::sent(&receipt).pop();
                return outcome(&receipt, None);
            }
            Action::Idle(side) => {
                self.chain(side).append(time, &[]);
                return Outcome::Done;
            }
            Action::Recover(side) => return self.recover(time, side),
            Action::Freeze(side) => (Actor::Relayer, self.contradiction(side), None),
            Action::Receive { packet, header } => self.receive(packet, header),
            Action::Acknowledge { packet, header, answer } => self.acknowledge(packet, header, answer),
            Action::Timeout { packet, header } => self.timeout(packet, header),
        };
        let receipt = self.chain(side).transact_at(time, actor, vec![packet_call(&call)]);
        outcome(&receipt, packet.as_ref())
    }

    fn update(&mut self, side: Side, header: u8) -> (Option<HeaderUpdate>, Height) {
        let height = self.height(side.other(), header);
        let trusted = self.trusted[side as usize];
        let update = (height > trusted).then(|| self.chain(side.other()).update(trusted, height));
        (update, height)
    }

    fn receive(&mut self, packet: usize, header: u8) -> (Actor, PacketCall, Option<Packet>) {
        let packet = self.packets[packet].clone().unwrap();
        let (update, proof_height) = self.update(Side::Target, header);
        let key = commitment_key(&packet.source_client, packet.sequence);
        let call = Receive {
            client: self.client(Side::Target),
            update,
            proof_height,
            proof: self.lane.source.multiproof(proof_height, &[key]),
            packets: vec![packet.clone()],
        };
        (Actor::Relayer, PacketCall::Receive(call), Some(packet))
    }

    fn acknowledge(
        &mut self,
        packet: usize,
        header: u8,
        answer: Answer,
    ) -> (Actor, PacketCall, Option<Packet>) {
        let packet = self.packets[packet].clone().unwrap();
        let (update, proof_height) = self.update(Side::Source, header);
        let key = acknowledgement_key(&packet.dest_client, packet.sequence);
        let acknowledgement = match answer {
            Answer::Ok => value(answer).to_vec(),
            Answer::Error => ERROR_ACKNOWLEDGEMENT.to_vec(),
        };
        let call = Acknowledge {
            client: self.client(Side::Source),
            update,
            proof_height,
            proof: self.lane.target.multiproof(proof_height, &[key]),
            packets: vec![AcknowledgedPacket { packet: packet.clone(), acknowledgement }],
        };
        (Actor::Relayer, PacketCall::Acknowledge(call), Some(packet))
    }

    fn timeout(&mut self, packet: usize, header: u8) -> (Actor, PacketCall, Option<Packet>) {
        let packet = self.packets[packet].clone().unwrap();
        let (update, proof_height) = self.update(Side::Source, header);
        let key = receipt_key(&packet.dest_client, packet.sequence);
        let call = Timeout {
            client: self.client(Side::Source),
            update,
            proof_height,
            proof: self.lane.target.multiproof(proof_height, &[key]),
            packets: vec![packet.clone()],
        };
        (Actor::Relayer, PacketCall::Timeout(call), Some(packet))
    }

    /// Two certified headers of the other chain's newest height.
    fn contradiction(&mut self, side: Side) -> PacketCall {
        let (client, trusted) = (self.client(side), self.trusted[side as usize]);
        let other = self.chain(side.other());
        let height = other.height();
        let forged = other.forge(height, |header| header.app_hash = catenary_crypto::Hash([7; 32]));
        let first = other.update_with(trusted, &forged);
        let second = other.update(trusted, height);
        PacketCall::SubmitMisbehaviour(SubmitMisbehaviour { client, first, second })
    }

    fn recover(&mut self, time: Timestamp, side: Side) -> Outcome {
        let height = self.chain(side.other()).height();
        let create = PacketCall::CreateClient(self.chain(side.other()).client_at(height));
        // The first client that is made after those of the lane.
        let substitute = ClientId::bft(if side == Side::Source { 1 } else { 2 });
        let recover = PacketCall::RecoverClient(RecoverClient { client: self.client(side), substitute });
        let calls: Vec<(Actor, Vec<Call>)> = vec![
            (Actor::Operator, vec![packet_call(&create)]),
            (Actor::Committee, vec![packet_call(&recover)]),
        ];
        let receipts = self.chain(side).block(time, calls);
        assert!(receipts.iter().all(Receipt::succeeded), "{receipts:?}");
        self.trusted[side as usize] = height;
        Outcome::Done
    }

    /// Escrow, delivered, refunded on the source; received on the target.
    fn money(&self) -> [u128; 4] {
        let source = |name| counter(&self.lane.source.state, name);
        [
            source("escrow"),
            source("delivered"),
            source("refunded"),
            counter(&self.lane.target.state, "received"),
        ]
    }
}

/// A payload that gets this answer.
fn value(answer: Answer) -> &'static [u8] {
    match answer {
        Answer::Ok => b"ok",
        Answer::Error => b"fail",
    }
}

fn outcome(receipt: &Receipt, packet: Option<&Packet>) -> Outcome {
    if !receipt.succeeded() {
        return match receipt.reason.as_str() {
            "REDUNDANT" => Outcome::Duplicate,
            "CLIENT_FROZEN" => Outcome::Frozen,
            "INVALID_HEADER" | "INVALID_PROOF" => Outcome::Unproven,
            "INVALID_TIMEOUT" => Outcome::Untimely,
            other => panic!("{other} is no outcome of the model: {receipt:?}"),
        };
    }
    let Some(packet) = packet else { return Outcome::Done };
    match TestLane::outcomes(receipt, std::slice::from_ref(packet))[0].as_str() {
        DONE => Outcome::Done,
        "expired" => Outcome::Expired,
        "refused" => Outcome::Untimely,
        other => panic!("{other} is no outcome of the model: {receipt:?}"),
    }
}

/// Carries out a way; gives the first step where model and chains disagree.
fn disagreement(law: Law, way: &[Action]) -> Option<String> {
    let mut chains = Chains::new();
    let mut state = State::default();
    for (index, action) in way.iter().enumerate() {
        let (next, expected) = law.apply(&state, *action);
        let actual = chains.apply(&state, *action);
        let money = &next.money;
        let expected_money = [money.escrow, money.delivered, money.refunded, money.received];
        let is_same = chains
            .money()
            .iter()
            .zip(expected_money)
            .all(|(real, own)| i128::try_from(*real) == Ok(own.into()));
        if actual != expected || !is_same {
            let money = chains.money();
            return Some(format!(
                "step {index} of {way:?}: expected {expected:?} and {expected_money:?}, got {actual:?} and {money:?}"
            ));
        }
        state = next;
    }
    None
}

#[test]
fn real_chains_do_what_the_model_says() {
    let law = Law::default();
    let ways = shortest_ways(&Packets { law, blocks_max: 4, deadlines: [3, 3], packets: 1 });
    println!("{} ways, {} blocks", ways.len(), ways.iter().map(Vec::len).sum::<usize>());
    assert!(ways.len() > 100, "only {} ways", ways.len());
    for way in ways {
        assert_eq!(disagreement(law, &way), None);
    }
}

#[test]
fn a_model_with_a_mistake_disagrees_with_real_chains() {
    let law = Law { mutation: Some(Mutation::ReceiveAtDeadline) };
    let ways = shortest_ways(&Packets { law, blocks_max: 3, deadlines: [2, 3], packets: 1 });
    assert!(ways.iter().any(|way| disagreement(law, way).is_some()));
}
