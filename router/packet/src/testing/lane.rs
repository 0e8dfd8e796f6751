//! Two test chains and a lane between them, and a courier that does what a test tells it.

use super::{
    actor::{Actor, packet_call},
    apps::{ECHO_PORT, EchoCall, EchoSend},
    chain::TestChain,
};
use crate::{
    commitment::{acknowledgement_key, commitment_key, receipt_key},
    events::{PACKET_OUTCOME, RECEIVE_PACKET, SEND_PACKET},
    ids::{ClientId, Sequence},
    messages::{
        Acknowledge, AcknowledgedPacket, CreateClient, Packet, PacketCall, Payload, Receive,
        RegisterCounterparty, Timeout,
    },
};
use catenary_types::{Call, Height, Message, Receipt, Timestamp, UnixSeconds};

/// What [`TestLane::outcomes`] says of a packet whose step was taken.
pub const DONE: &str = "done";

/// A well-formed packet, the first of its lane.
pub fn packet(value: Vec<u8>) -> Packet {
    let payload = Payload {
        source_port: "transfer".into(),
        dest_port: "transfer".into(),
        version: "ics20-1".into(),
        encoding: "application/json".into(),
        value,
    };
    Packet {
        sequence: Sequence(1),
        source_client: ClientId::bft(0),
        dest_client: ClientId::bft(1),
        timeout_timestamp: UnixSeconds(1),
        payloads: vec![payload],
    }
}

/// A source and a target that follow each other.
pub struct TestLane {
    /// Where packets start.
    pub source: TestChain,
    /// Where packets go.
    pub target: TestChain,
    /// The client on the source that follows the target.
    pub source_client: ClientId,
    /// The client on the target that follows the source.
    pub target_client: ClientId,
}

impl TestLane {
    /// Two chains of so many validators, with clients at height 1 of each other and a registered lane.
    pub fn new(source_validators: usize, target_validators: usize) -> Self {
        let source = TestChain::new("north-bank", source_validators);
        let target = TestChain::new("south-bank", target_validators);
        Self::between(source, target)
    }

    /// Joins two chains. So that ids differ, the client on the target is its second one.
    pub fn between(mut source: TestChain, mut target: TestChain) -> Self {
        let (source_client, target_client) = (ClientId::bft(0), ClientId::bft(1));
        let (of_target, of_source) = (target.client_at(Height(1)), source.client_at(Height(1)));
        let create = |chain: &mut TestChain, create: &CreateClient| {
            let receipt = chain.call(Actor::Operator, &PacketCall::CreateClient(create.clone()));
            assert!(receipt.succeeded(), "{receipt:?}");
        };
        create(&mut source, &of_target);
        create(&mut target, &of_source);
        create(&mut target, &of_source);
        let register = |client: &ClientId, counterparty: &ClientId| {
            let (client, counterparty) = (client.clone(), counterparty.clone());
            PacketCall::RegisterCounterparty(RegisterCounterparty { client, counterparty })
        };
        let receipt = source.call(Actor::Operator, &register(&source_client, &target_client));
        assert!(receipt.succeeded(), "{receipt:?}");
        let receipt = target.call(Actor::Operator, &register(&target_client, &source_client));
        assert!(receipt.succeeded(), "{receipt:?}");
        Self { source, target, source_client, target_client }
    }

    /// A call that sends one packet.
    pub fn send_call(&self, value: &[u8], timeout: UnixSeconds) -> Call {
        let send = EchoSend {
            client: self.source_client.clone(),
            timeout,
            value: value.to_vec(),
            dest_port: ECHO_PORT.into(),
        };
        let instance = "echo".parse().expect("a valid instance name");
        Call { instance, message: EchoCall::Send(send).encode() }
    }

    /// The next second on both chains: their clocks agree.
    pub fn next_time(&self) -> Timestamp {
        self.source.time().max(self.target.time()).plus_ms(1_000)
    }

    /// Sends a packet per value in one block, seals it, and returns the packets.
    pub fn send(&mut self, values: &[&[u8]], timeout: UnixSeconds) -> Vec<Packet> {
        let calls = values.iter().map(|value| self.send_call(value, timeout)).collect();
        let receipt = self.source.transact_at(self.next_time(), Actor::User, calls);
        assert!(receipt.succeeded(), "{receipt:?}");
        self.source.seal();
        Self::sent(&receipt)
    }

    /// Delivers packets under the source's last header.
    pub fn receive_call(&self, packets: &[Packet]) -> Receive {
        let proof_height = self.source.height();
        let keys: Vec<_> =
            packets.iter().map(|one| commitment_key(&one.source_client, one.sequence)).collect();
        Receive {
            client: self.target_client.clone(),
            update: self.source.catch_up(&self.target, &self.target_client),
            proof_height,
            proof: self.source.multiproof(proof_height, &keys),
            packets: packets.to_vec(),
        }
    }

    /// Delivers packets, in the next second; the target seals.
    pub fn receive(&mut self, packets: &[Packet]) -> Receipt {
        let call = PacketCall::Receive(self.receive_call(packets));
        let receipt = self.target.transact_at(self.next_time(), Actor::Relayer, vec![packet_call(&call)]);
        self.target.seal();
        receipt
    }

    /// Delivers answers under the target's last header.
    pub fn acknowledge_call(&self, answers: &[(Packet, Vec<u8>)]) -> Acknowledge {
        let proof_height = self.target.height();
        let keys: Vec<_> =
            answers.iter().map(|(one, _)| acknowledgement_key(&one.dest_client, one.sequence)).collect();
        let packets = answers.iter().cloned();
        Acknowledge {
            client: self.source_client.clone(),
            update: self.target.catch_up(&self.source, &self.source_client),
            proof_height,
            proof: self.target.multiproof(proof_height, &keys),
            packets: packets
                .map(|(packet, acknowledgement)| AcknowledgedPacket { packet, acknowledgement })
                .collect(),
        }
    }

    /// Delivers answers, in the next second.
    pub fn acknowledge(&mut self, answers: &[(Packet, Vec<u8>)]) -> Receipt {
        let call = PacketCall::Acknowledge(self.acknowledge_call(answers));
        self.source.transact_at(self.next_time(), Actor::Relayer, vec![packet_call(&call)])
    }

    /// Shows under the target's last header that packets were not received.
    pub fn timeout_call(&self, packets: &[Packet]) -> Timeout {
        let proof_height = self.target.height();
        let keys: Vec<_> = packets.iter().map(|one| receipt_key(&one.dest_client, one.sequence)).collect();
        Timeout {
            client: self.source_client.clone(),
            update: self.target.catch_up(&self.source, &self.source_client),
            proof_height,
            proof: self.target.multiproof(proof_height, &keys),
            packets: packets.to_vec(),
        }
    }

    /// Times packets out, in the next second.
    pub fn timeout(&mut self, packets: &[Packet]) -> Receipt {
        let call = PacketCall::Timeout(self.timeout_call(packets));
        self.source.transact_at(self.next_time(), Actor::Relayer, vec![packet_call(&call)])
    }

    /// A transaction of the relayer on the target with several calls.
    pub fn receive_beside(&mut self, calls: &[PacketCall]) -> Receipt {
        self.target.transact_at(self.next_time(), Actor::Relayer, calls.iter().map(packet_call).collect())
    }

    /// Packets that a receipt of the source shows.
    pub fn sent(receipt: &Receipt) -> Vec<Packet> {
        let sent = receipt.events.iter().filter(|event| event.kind == SEND_PACKET);
        let packet = |event: &catenary_types::Event| Packet::decode(event.attribute("packet")?).ok();
        sent.map(packet).collect::<Option<_>>().expect("the event is complete")
    }

    /// Packets with their acknowledgements, as a receipt of the target shows them.
    pub fn answers(receipt: &Receipt) -> Vec<(Packet, Vec<u8>)> {
        let received = receipt.events.iter().filter(|event| event.kind == RECEIVE_PACKET);
        let answer = |event: &catenary_types::Event| {
            let packet = Packet::decode(event.attribute("packet")?).ok()?;
            Some((packet, event.attribute("acknowledgement")?.to_vec()))
        };
        received.map(answer).collect::<Option<_>>().expect("the event is complete")
    }

    /// What a receipt says of each of these packets.
    pub fn outcomes(receipt: &Receipt, packets: &[Packet]) -> Vec<String> {
        let outcome = |packet: &Packet| {
            let sequence = packet.sequence.to_string();
            let of_packet = |event: &&catenary_types::Event| {
                event.kind == PACKET_OUTCOME && event.text("sequence") == Some(&sequence)
            };
            let event = receipt.events.iter().find(of_packet);
            event.and_then(|event| event.text("outcome")).unwrap_or(DONE).to_owned()
        };
        packets.iter().map(outcome).collect()
    }
}
