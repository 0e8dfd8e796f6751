//! What the packet app says, word by word: a router lives on it.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_crypto::Hash;
use catenary_packet::{
    ClientId, Packet, PacketCall,
    messages::{RecoverClient, RetryHeld, SetLane, UpdateClient},
    testing::{Actor, GovernanceCall, Mend, TestChain, TestLane, packet_call},
};
use catenary_types::{Attribute, Call, Event, Height, Message, Receipt, UnixSeconds};
use common::lane::later;

/// Events as text, those of the apps behind the ports left out. Packets stand with their sequence and payload.
fn said(receipt: &Receipt) -> Vec<String> {
    let attribute = |Attribute { name, value }: &Attribute| match name.as_str() {
        "packet" => {
            let packet = Packet::decode(value).unwrap();
            format!(" packet={}:{}", packet.sequence, String::from_utf8_lossy(&packet.payloads[0].value))
        }
        _ => match std::str::from_utf8(value) {
            Ok(text) => format!(" {name}={text}"),
            Err(_) => format!(" {name}={} bytes", value.len()),
        },
    };
    let line = |event: &Event| {
        let attributes: String = event.attributes.iter().map(attribute).collect();
        format!("{} {}{attributes}", event.instance, event.kind)
    };
    receipt.events.iter().filter(|event| event.kind != "echo_received").map(line).collect()
}

#[test]
fn a_lane_is_announced() {
    let lane = TestLane::new(1, 1);
    let events: Vec<_> = lane.target.blocks.iter().flat_map(|block| &block.receipts).flat_map(said).collect();
    let created = |number| {
        let chain_id = &lane.source.chain_id;
        format!("packet client_created client=bft-client-{number} chain_id={chain_id} height=1")
    };
    let registered = "packet counterparty_registered client=bft-client-1 counterparty=bft-client-0";
    assert_eq!(events, [created(0), created(1), registered.into()]);
}

#[test]
fn a_packet_is_followed_from_end_to_end() {
    let mut lane = TestLane::new(1, 1);
    let deadline = later(&lane);
    let calls = ["good", "fail"].map(|value| lane.send_call(value.as_bytes(), deadline));
    let sent = lane.source.transact(Actor::User, calls.to_vec());
    lane.source.seal();
    let line = |sequence, value| {
        format!(
            "echo send_packet client=bft-client-0 sequence={sequence} packet={sequence}:{value} timeout={deadline}"
        )
    };
    assert_eq!(said(&sent), [line(1, "good"), line(2, "fail")]);
    let packet = |event: &Event| Packet::decode(event.attribute("packet").unwrap()).unwrap();
    let packets: Vec<_> = sent.events.iter().map(packet).collect();

    let received = lane.receive(&packets);
    let of_height =
        |client: &str, height: Height| format!("packet client_updated client={client} height={height}");
    assert_eq!(
        said(&received),
        [
            of_height("bft-client-1", lane.source.height()).as_str(),
            "packet receive_packet client=bft-client-1 sequence=1 packet=1:good acknowledgement=good outcome=ok",
            "packet receive_packet client=bft-client-1 sequence=2 packet=2:fail acknowledgement=32 bytes \
             outcome=error reason=ACCOUNT_FROZEN: the callback was told to fail",
        ]
    );
    let settled = lane.acknowledge(&TestLane::answers(&received));
    assert_eq!(
        said(&settled),
        [
            of_height("bft-client-0", lane.target.height()).as_str(),
            "packet acknowledge_packet client=bft-client-0 sequence=1 packet=1:good outcome=ok",
            "packet acknowledge_packet client=bft-client-0 sequence=2 packet=2:fail outcome=error",
        ]
    );
}

#[test]
fn each_packet_of_a_call_that_was_not_taken_has_its_outcome() {
    let mut lane = TestLane::new(1, 1);
    let deadline = UnixSeconds(lane.next_time().seconds().0 + 60);
    let packets = lane.send(&[b"one", b"two"], deadline);
    lane.receive(&packets[..1]);
    let received = said(&lane.receive(&packets));
    let line = |client, sequence, rest| {
        format!("packet packet_outcome client=bft-client-{client} sequence={sequence} step={rest}")
    };
    assert_eq!(received[0], line(1, 1, "receive outcome=duplicate"));

    let packets = lane.send(&[b"three"], deadline);
    let late = packet_call(&PacketCall::Receive(lane.receive_call(&packets)));
    let early = lane.timeout(&packets);
    let second = lane.target.time().seconds();
    let detail = format!("the proof is of second {second}, the deadline is second {deadline}");
    let refused = format!("timeout outcome=refused reason=INVALID_TIMEOUT detail={detail}");
    assert_eq!(said(&early)[1..], [line(0, 3, &refused)]);
    let late = lane.target.transact_at(deadline.start(), Actor::Relayer, vec![late]);
    assert_eq!(said(&late)[1..], [line(1, 3, "receive outcome=expired")]);
    lane.target.seal();
    let twice = lane.timeout(&[packets[0].clone(), packets[0].clone()]);
    let timed_out = "packet timeout_packet client=bft-client-0 sequence=3 packet=3:three";
    assert_eq!(said(&twice)[1..], [timed_out.into(), line(0, 3, "timeout outcome=duplicate")]);
}

/// What stands in an acknowledge of a packet whose answer is proven and whose port is this one.
fn detail_of_port(port: &str) -> String {
    let mut lane = TestLane::new(1, 1);
    let deadline = later(&lane);
    let packets = lane.send(&[b"one"], deadline);
    let mut answers = TestLane::answers(&lane.receive(&packets));
    answers[0].0.payloads[0].dest_port = port.into();
    let receipt = lane.acknowledge(&answers);
    let event = receipt.events.iter().find(|event| event.kind == "packet_outcome").unwrap();
    let text = |name| event.text(name).unwrap();
    assert_eq!((text("step"), text("outcome"), text("reason")), ("acknowledge", "refused", "INVALID_PACKET"));
    text("detail").into()
}

#[test]
fn text_for_people_ends_within_200_bytes_and_between_characters() {
    let start = "expected a port of 2 to 128 characters, got \"";
    assert_eq!(start.len(), 45);
    let twos = "é".repeat(77);
    for (port, detail) in [
        ("!".into(), format!("{start}!\"")),
        (twos.clone(), format!("{start}{twos}\"")),
        (format!("{twos}aéé"), format!("{start}{twos}a")),
        ("😀".repeat(80), format!("{start}{}", "😀".repeat(38))),
    ] {
        assert_eq!(detail_of_port(&port), detail);
        assert!(detail.len() <= 200);
    }
}

#[test]
fn governance_is_heard() {
    let mut lane = TestLane::new(1, 4);
    let deadline = later(&lane);
    let packets = lane.send(&[b"late-fail"], deadline);
    let answers = TestLane::answers(&lane.receive(&packets));
    let held = said(&lane.acknowledge(&answers));
    assert_eq!(
        held[1],
        "packet refund_held client=bft-client-0 sequence=1 packet=1:late-fail \
         reason=OVERFLOW: the callback was told to fail"
    );
    let mend =
        Call { instance: "governance".parse().unwrap(), message: GovernanceCall::Mend(Mend {}).encode() };
    lane.source.transact(Actor::User, vec![mend]);
    let [(packet, acknowledgement)] = answers.try_into().unwrap();
    let call = |chain: &mut TestChain, actor, call| said(&chain.call(actor, &call));
    let retry = PacketCall::RetryHeld(RetryHeld { packet, acknowledgement });
    let released = call(&mut lane.source, Actor::Committee, retry);
    assert_eq!(released, ["packet refund_released client=bft-client-0 sequence=1"]);

    let client = lane.source_client.clone();
    for (paused, status) in [(true, "paused"), (false, "open")] {
        let set = PacketCall::SetLane(SetLane { client: client.clone(), paused });
        let heard = call(&mut lane.source, Actor::Committee, set);
        assert_eq!(heard, [format!("packet lane_set client=bft-client-0 status={status}")]);
    }
    // The acknowledgement came under this header.
    let known = lane.target.height();
    let forged = lane.target.forge(known, |header| header.app_hash = Hash([7; 32]));
    let update = lane.target.update_with(Height(1), &forged);
    let update = PacketCall::UpdateClient(UpdateClient { client: client.clone(), update });
    let frozen = call(&mut lane.source, Actor::Relayer, update);
    let facts =
        format!("height={known} header_hash={} reason=two headers of one height", forged.header.hash());
    assert_eq!(frozen, [format!("packet client_frozen client=bft-client-0 {facts}")]);
    let create = packet_call(&PacketCall::CreateClient(lane.target.client_at(Height(1))));
    lane.source.transact(Actor::Operator, vec![create]);
    let substitute = ClientId::bft(1);
    let recover = PacketCall::RecoverClient(RecoverClient { client, substitute });
    let heard = call(&mut lane.source, Actor::Committee, recover);
    assert_eq!(heard, ["packet client_recovered client=bft-client-0 substitute=bft-client-1"]);
}
