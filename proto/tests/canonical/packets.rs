//! Calls and records of the packet app.

use super::{Sample, core::parameters, same};
use catenary_crypto::Hash;
use catenary_packet::{
    ClientId, Sequence,
    messages::{
        Acknowledge, AcknowledgedPacket, CreateClient, Fraction, HeaderUpdate, MerkleProofs, Packet,
        PacketCall, Payload, Proof, Receive, RecoverClient, RegisterCounterparty, RetryHeld, SetLane,
        SubmitMisbehaviour, Timeout, UpdateClient,
    },
    records::{ClientState, ConsensusState, Counterparty, Held, LaneStatus, Standing},
};
use catenary_proto::packet::{self as w, packet_call::Call, proof::Proof as WireProof};
use catenary_types::{AccountId, Height, Timestamp, UnixSeconds};

pub fn samples() -> Vec<Sample> {
    [clients(), packets(), governance(), records()].concat()
}

fn call(domain: PacketCall, wire: Call) -> Sample {
    same(domain, w::PacketCall { call: Some(wire) })
}

fn client() -> ClientId {
    ClientId::bft(1)
}

fn wire_client() -> String {
    "bft-client-1".into()
}

fn update(with_parameters: bool) -> (HeaderUpdate, w::HeaderUpdate) {
    let (domain, wire) = parameters();
    let update = HeaderUpdate {
        signed_header: vec![1],
        validators: vec![2],
        trusted_height: Height(3),
        trusted_validators: vec![4],
        parameters: with_parameters.then_some(domain),
    };
    let wire_update = w::HeaderUpdate {
        signed_header: vec![1],
        validators: vec![2],
        trusted_height: 3,
        trusted_validators: vec![4],
        parameters: with_parameters.then_some(wire),
    };
    (update, wire_update)
}

fn packet() -> (Packet, w::Packet) {
    let domain = Packet {
        sequence: Sequence(1),
        source_client: ClientId::bft(0),
        dest_client: ClientId::bft(7),
        timeout_timestamp: UnixSeconds(99),
        payloads: vec![Payload {
            source_port: "transfer".into(),
            dest_port: "other".into(),
            version: "ics20-1".into(),
            encoding: "application/x-protobuf".into(),
            value: vec![5, 6],
        }],
    };
    let wire = w::Packet {
        sequence: 1,
        source_client: "bft-client-0".into(),
        dest_client: "bft-client-7".into(),
        timeout_timestamp: 99,
        payloads: vec![w::Payload {
            source_port: "transfer".into(),
            dest_port: "other".into(),
            version: "ics20-1".into(),
            encoding: "application/x-protobuf".into(),
            value: vec![5, 6],
        }],
    };
    (domain, wire)
}

fn clients() -> Vec<Sample> {
    let (update, wire_update) = update(true);
    let (second, wire_second) = self::update(false);
    vec![
        call(
            PacketCall::CreateClient(CreateClient {
                chain_id: "cosmoshub-4".into(),
                trust_level: Fraction { numerator: 1, denominator: 3 },
                quorum: Fraction { numerator: 2, denominator: 5 },
                trusting_period_s: 3,
                clock_drift_ms: 4,
                update_bytes_max: 5,
                signed_header: vec![6],
                validators: vec![7],
            }),
            Call::CreateClient(w::CreateClient {
                chain_id: "cosmoshub-4".into(),
                trust_level: Some(w::Fraction { numerator: 1, denominator: 3 }),
                quorum: Some(w::Fraction { numerator: 2, denominator: 5 }),
                trusting_period_s: 3,
                clock_drift_ms: 4,
                update_bytes_max: 5,
                signed_header: vec![6],
                validators: vec![7],
            }),
        ),
        call(
            PacketCall::UpdateClient(UpdateClient { client: client(), update: update.clone() }),
            Call::UpdateClient(w::UpdateClient { client: wire_client(), update: Some(wire_update.clone()) }),
        ),
        call(
            PacketCall::RegisterCounterparty(RegisterCounterparty {
                client: client(),
                counterparty: ClientId::bft(2),
            }),
            Call::RegisterCounterparty(w::RegisterCounterparty {
                client: wire_client(),
                counterparty: "bft-client-2".into(),
            }),
        ),
        call(
            PacketCall::SubmitMisbehaviour(SubmitMisbehaviour { client: client(), first: update, second }),
            Call::SubmitMisbehaviour(w::SubmitMisbehaviour {
                client: wire_client(),
                first: Some(wire_update),
                second: Some(wire_second),
            }),
        ),
    ]
}

fn packets() -> Vec<Sample> {
    let (update, wire_update) = update(false);
    let (packet, wire_packet) = packet();
    let proof_height = Height(8);
    let single = Proof::Single(MerkleProofs { proofs: vec![vec![1], vec![]] });
    let wire_single = || WireProof::Single(w::MerkleProofs { proofs: vec![vec![1], vec![]] });
    let wire_multi = |bytes: Vec<u8>| WireProof::Multi(w::MultiproofBytes { bytes });
    let proof = |proof: WireProof| Some(w::Proof { proof: Some(proof) });
    vec![
        call(
            PacketCall::Receive(Receive {
                client: client(),
                update: Some(update.clone()),
                proof_height,
                proof: Proof::multi(vec![3]),
                packets: vec![packet.clone(), packet.clone()],
            }),
            Call::Receive(w::Receive {
                client: wire_client(),
                update: Some(wire_update.clone()),
                proof_height: 8,
                proof: proof(wire_multi(vec![3])),
                packets: vec![wire_packet.clone(), wire_packet.clone()],
            }),
        ),
        call(
            PacketCall::Acknowledge(Acknowledge {
                client: client(),
                update: Some(update.clone()),
                proof_height,
                proof: single,
                packets: vec![AcknowledgedPacket { packet: packet.clone(), acknowledgement: vec![9] }],
            }),
            Call::Acknowledge(w::Acknowledge {
                client: wire_client(),
                update: Some(wire_update.clone()),
                proof_height: 8,
                proof: proof(wire_single()),
                packets: vec![w::AcknowledgedPacket {
                    packet: Some(wire_packet.clone()),
                    acknowledgement: vec![9],
                }],
            }),
        ),
        call(
            PacketCall::Timeout(Timeout {
                client: client(),
                update: Some(update),
                proof_height,
                proof: Proof::multi(Vec::new()),
                packets: vec![packet],
            }),
            Call::Timeout(w::Timeout {
                client: wire_client(),
                update: Some(wire_update),
                proof_height: 8,
                proof: proof(wire_multi(Vec::new())),
                packets: vec![wire_packet],
            }),
        ),
    ]
}

fn governance() -> Vec<Sample> {
    let (packet, wire_packet) = packet();
    vec![
        call(
            PacketCall::RecoverClient(RecoverClient { client: client(), substitute: ClientId::bft(9) }),
            Call::RecoverClient(w::RecoverClient {
                client: wire_client(),
                substitute: "bft-client-9".into(),
            }),
        ),
        call(
            PacketCall::SetLane(SetLane { client: client(), paused: true }),
            Call::SetLane(w::SetLane { client: wire_client(), paused: true }),
        ),
        call(
            PacketCall::RetryHeld(RetryHeld { packet, acknowledgement: vec![1] }),
            Call::RetryHeld(w::RetryHeld { packet: Some(wire_packet), acknowledgement: vec![1] }),
        ),
    ]
}

fn client_state(standing: Standing, wire_standing: w::Standing) -> Sample {
    same(
        ClientState {
            chain_id: "ab-0123456789abcdef-1".into(),
            trust_level: Fraction { numerator: 1, denominator: 3 },
            quorum: Fraction { numerator: 2, denominator: 3 },
            trusting_period_s: 4,
            clock_drift_ms: 5,
            update_bytes_max: 6,
            standing,
            latest_height: Height(8),
            latest_time: Timestamp(9),
            oldest_height: Height(10),
            quorum_height: Height(11),
            generation: 12,
            creator: AccountId([13; 20]),
        },
        w::ClientState {
            chain_id: "ab-0123456789abcdef-1".into(),
            trust_level: Some(w::Fraction { numerator: 1, denominator: 3 }),
            quorum: Some(w::Fraction { numerator: 2, denominator: 3 }),
            trusting_period_s: 4,
            clock_drift_ms: 5,
            update_bytes_max: 6,
            standing: wire_standing.into(),
            latest_height: 8,
            latest_time: 9,
            oldest_height: 10,
            quorum_height: 11,
            generation: 12,
            creator: vec![13; 20],
        },
    )
}

fn records() -> Vec<Sample> {
    vec![
        client_state(Standing::Sound, w::Standing::Sound),
        client_state(Standing::Frozen, w::Standing::Frozen),
        same(
            ConsensusState {
                time: Timestamp(1),
                app_hash: Hash([2; 32]),
                next_validators_hash: Hash([3; 32]),
                header_hash: Hash([4; 32]),
                next: Height(5),
            },
            w::ConsensusState {
                time: 1,
                app_hash: vec![2; 32],
                next_validators_hash: vec![3; 32],
                header_hash: vec![4; 32],
                next: 5,
            },
        ),
        same(
            Counterparty { client: client(), status: LaneStatus::Open },
            w::Counterparty { client: wire_client(), status: w::LaneStatus::Open.into() },
        ),
        same(
            Counterparty { client: client(), status: LaneStatus::Paused },
            w::Counterparty { client: wire_client(), status: w::LaneStatus::Paused.into() },
        ),
        same(
            Held { commitment: Hash([1; 32]), acknowledgement: None, reason: "frozen".into() },
            w::Held { commitment: vec![1; 32], acknowledgement: Vec::new(), reason: "frozen".into() },
        ),
        same(
            Held { commitment: Hash([1; 32]), acknowledgement: Some(Hash([2; 32])), reason: "frozen".into() },
            w::Held { commitment: vec![1; 32], acknowledgement: vec![2; 32], reason: "frozen".into() },
        ),
    ]
}
