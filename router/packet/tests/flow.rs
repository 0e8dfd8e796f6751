//! The flow that ibc-go's own message handlers went through, step by step through ours: the same chain, proofs and
//! times, the same outcomes.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_ledger::{Reason, records::Roles};
use catenary_packet::{
    ClientId, PacketCall,
    messages::{
        Acknowledge, AcknowledgedPacket, MerkleProofs, Proof, Receive, RegisterCounterparty, Timeout,
        UpdateClient,
    },
};
use catenary_types::{Event, Height, Role};
use common::{Fixture, Hex, Host, PacketFixture, load, timestamp};
use serde::Deserialize;

#[derive(Deserialize)]
struct Flow {
    client_type: String,
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    r#do: String,
    #[serde(default)]
    name: String,
    now: String,
    expect: String,
    height: Option<u64>,
    trusted: Option<u64>,
    counterparty_client: Option<String>,
    packet: Option<PacketFixture>,
    proof: Option<Hex>,
    proof_height: Option<u64>,
    #[serde(default)]
    acknowledgements: Vec<Hex>,
}

fn call(fixture: &Fixture, client: &ClientId, step: &Step) -> PacketCall {
    let client = client.clone();
    let packet = || step.packet.as_ref().unwrap().packet();
    let proof = || Proof::Single(MerkleProofs { proofs: vec![step.proof.as_ref().unwrap().0.clone()] });
    let proof_height = Height(step.proof_height.unwrap_or_default());
    match step.r#do.as_str() {
        "register" => {
            let counterparty = step.counterparty_client.as_ref().unwrap().parse().unwrap();
            PacketCall::RegisterCounterparty(RegisterCounterparty { client, counterparty })
        }
        "update" => {
            let update = fixture.update(step.trusted.unwrap(), step.height.unwrap());
            PacketCall::UpdateClient(UpdateClient { client, update })
        }
        "recv" => {
            let packets = vec![packet()];
            PacketCall::Receive(Receive { client, update: None, proof_height, proof: proof(), packets })
        }
        "ack" => {
            let acknowledgement = step.acknowledgements[0].0.clone();
            let packets = vec![AcknowledgedPacket { packet: packet(), acknowledgement }];
            PacketCall::Acknowledge(Acknowledge {
                client,
                update: None,
                proof_height,
                proof: proof(),
                packets,
            })
        }
        "timeout" => {
            let packets = vec![packet()];
            PacketCall::Timeout(Timeout { client, update: None, proof_height, proof: proof(), packets })
        }
        other => panic!("unknown step {other}"),
    }
}

fn refused(events: &[Event]) -> bool {
    events.iter().any(|event| event.kind == "packet_outcome")
}

#[test]
fn a_flow_through_our_handlers_ends_as_through_those_of_ibc_go() {
    let fixture = Fixture::load("two-stores");
    let flows: Vec<Flow> = load("two-stores", "flow");
    let flow = flows.iter().find(|flow| flow.client_type == "07-tendermint").unwrap();
    let client: ClientId = "07-tendermint-0".parse().unwrap();
    let mut host = Host::default();
    for (index, step) in flow.steps.iter().enumerate() {
        let now = timestamp(&step.now);
        let result = match step.r#do.as_str() {
            "create" => {
                let create = PacketCall::CreateClient(fixture.create(step.height.unwrap()));
                let created = host.call(now, &create);
                host.rename(&ClientId::bft(0), &client);
                created
            }
            "send" => host.send(now, &step.packet.as_ref().unwrap().packet()),
            _ => host.call(now, &call(&fixture, &client, step)),
        };
        let actual = match &result {
            Ok(events) if refused(events) => "reject",
            Ok(_) => "accept",
            Err(failure) if failure.reason == Reason::Redundant => "noop",
            Err(_) => "reject",
        };
        assert_eq!(actual, step.expect, "step {} {} {}: {result:?}", index + 1, step.r#do, step.name);
    }
    assert_eq!(flow.steps.len(), 19);
}

#[test]
fn who_lost_the_role_registers_no_counterparty() {
    let fixture = Fixture::load("two-stores");
    let now = timestamp(&fixture.at(3).time);
    let mut host = Host::default();
    host.call(now, &PacketCall::CreateClient(fixture.create(3))).unwrap();
    let (client, counterparty) = (ClientId::bft(0), ClientId::bft(5));
    let register = PacketCall::RegisterCounterparty(RegisterCounterparty { client, counterparty });
    host.roles = Roles::default();
    assert_eq!(host.call(now, &register).unwrap_err().reason, Reason::NotAuthorised);
    host.roles = Roles::default().with(Role::Operator);
    assert!(host.call(now, &register).is_ok());
}
