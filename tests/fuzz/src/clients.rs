//! The light client and the packet law: an altered call does nothing that the honest one does not do.

use crate::{alteration::altered, input::Input};
use catenary_ledger::{
    BlockContext, Caller, Reason,
    conformance::{Case, Outcome, judge},
    records::Roles,
    stores::{CLIENTS, IBC},
};
use catenary_packet::{
    KIND, PacketCall,
    messages::{HeaderUpdate, Proof, SubmitMisbehaviour, UpdateClient},
    testing::{Actor, TestChain, TestLane, apps},
};
use catenary_state::Batch;
use catenary_types::{Height, Message, Role, SignedHeader, Timestamp, UnixSeconds};
use std::sync::LazyLock;

/// One step of a packet or of a client, and where and when it is taken.
struct Step {
    call: PacketCall,
    on_target: bool,
    time: Timestamp,
    /// What the step writes if nobody interferes.
    honest: Writes,
}

/// What a call wrote into the stores of clients and packets.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Writes {
    clients: Batch,
    packets: Batch,
}

/// A lane with packets in flight, and an honest call for each step.
struct Scene {
    lane: TestLane,
    /// Receive, acknowledge, time out: packets.
    packets: Vec<Step>,
    /// Update, misbehaviour: clients.
    clients: Vec<Step>,
}

// The chains hold trait objects, which are plain code here.
thread_local! {
    static SCENE: Scene = Scene::new();
}

static APPS: LazyLock<catenary_ledger::Apps> = LazyLock::new(apps);

impl Scene {
    fn new() -> Self {
        let mut lane = TestLane::new(4, 5);
        let deadline = UnixSeconds(lane.next_time().seconds().0 + 20);
        let packets = lane.send(&[b"one", b"two", b"three", b"four", b"five"], deadline);
        let answers = TestLane::answers(&lane.receive(&packets[..2]));
        lane.source.seal();
        let receive = PacketCall::Receive(lane.receive_call(&packets[2..4]));
        let acknowledge = PacketCall::Acknowledge(lane.acknowledge_call(&answers));
        lane.target.block(deadline.start(), Vec::new());
        let timeout = PacketCall::Timeout(lane.timeout_call(&packets[4..]));
        let [update, misbehaviour] = [update(&lane), misbehaviour(&lane)];
        let (early, late) = (Timestamp(deadline.start().0 - 1), deadline.start());
        let mut scene = Self { lane, packets: Vec::new(), clients: Vec::new() };
        let honest = |scene: &Self, call: PacketCall, on_target, time| {
            let step = Step { call, on_target, time, honest: Writes::default() };
            let outcome = scene.run(&step, step.call.encode());
            assert!(outcome.result.is_ok(), "{:?} fails: {:?}", step.call, outcome.result);
            Step { honest: writes(&outcome), ..step }
        };
        scene.packets = vec![
            honest(&scene, receive, true, early),
            honest(&scene, acknowledge, false, late),
            honest(&scene, timeout, false, late),
        ];
        scene.clients = vec![honest(&scene, update, false, late), honest(&scene, misbehaviour, false, late)];
        scene
    }

    fn chain(&self, step: &Step) -> &TestChain {
        if step.on_target { &self.lane.target } else { &self.lane.source }
    }

    /// Runs a call in the place of a step, without changing the chain.
    fn run(&self, step: &Step, message: Vec<u8>) -> Outcome {
        let chain = self.chain(step);
        let (chain_id, height) = (chain.chain_id.clone(), chain.height().next());
        let block = BlockContext { chain_id, height, time: step.time };
        let caller = Caller {
            account: Actor::Relayer.account(),
            organisation: "testers".parse().expect("an organisation"),
            roles: Roles::default().with(Role::Relayer),
        };
        let outcome = judge(&APPS, KIND, &chain.state, &block, &Case { caller, message });
        outcome.unwrap_or_else(|violation| panic!("{violation}"))
    }
}

/// The target's newest header for its client on the source.
fn update(lane: &TestLane) -> PacketCall {
    let update = lane.target.catch_up(&lane.source, &lane.source_client).expect("the client is behind");
    PacketCall::UpdateClient(UpdateClient { client: lane.source_client.clone(), update })
}

/// Two headers of one height of the target.
fn misbehaviour(lane: &TestLane) -> PacketCall {
    let height = lane.target.height();
    let forged = lane.target.forge(height, |header| header.app_hash.0[0] ^= 1);
    PacketCall::SubmitMisbehaviour(SubmitMisbehaviour {
        client: lane.source_client.clone(),
        first: lane.target.update(Height(1), height),
        second: lane.target.update_with(Height(1), &forged),
    })
}

fn writes(outcome: &Outcome) -> Writes {
    let of = |store| outcome.writes.get(&store).cloned().unwrap_or_default();
    Writes { clients: of(CLIENTS), packets: of(IBC) }
}

fn refuse_internal(outcome: &Outcome) {
    let reason = outcome.result.as_ref().err().map(|failure| failure.reason);
    assert_ne!(reason, Some(Reason::Internal), "{:?}", outcome.result);
}

/// Alters headers, certificates, sets and heights that are shown to a client.
///
/// Some bytes prove nothing: the proposer of a set, signatures after the quorum. So an altered call may be taken, and
/// then leaves the client as the honest one does.
pub fn altered_updates(data: &[u8]) {
    SCENE.with(|scene| {
        let mut input = Input::new(data);
        let step = &scene.clients[input.below(scene.clients.len())];
        let mut call = step.call.clone();
        match &mut call {
            PacketCall::UpdateClient(call) => alter_update(&mut input, &mut call.update),
            PacketCall::SubmitMisbehaviour(call) if input.one_in(2) => {
                alter_update(&mut input, &mut call.first);
            }
            PacketCall::SubmitMisbehaviour(call) => alter_update(&mut input, &mut call.second),
            other => panic!("{other:?} shows no header"),
        }
        let outcome = scene.run(step, call.encode());
        refuse_internal(&outcome);
        // Two headers that agree after all are no evidence, and no fault either.
        assert!(
            outcome.result.is_err() || [&step.honest, &Writes::default()].contains(&&writes(&outcome)),
            "an altered header had an effect of its own: {:02x?}",
            call.encode()
        );
    });
}

fn alter_update(input: &mut Input<'_>, update: &mut HeaderUpdate) {
    let part = match input.byte() % 6 {
        4 => {
            forge(input, &mut update.signed_header);
            return;
        }
        0 | 1 => &mut update.signed_header,
        2 => &mut update.validators,
        3 => &mut update.trusted_validators,
        _ => {
            update.trusted_height = Height(input.number());
            return;
        }
    };
    *part = altered(input, part);
}

/// Another header under the signatures of the real one: all of it fits, but nobody signed it.
fn forge(input: &mut Input<'_>, signed_header: &mut Vec<u8>) {
    let mut signed = SignedHeader::decode(signed_header).expect("the scene's headers are ours");
    let (header, change) = (&mut signed.header, input.array());
    match input.byte() % 4 {
        0 => header.app_hash.0 = change,
        1 => header.next_validators_hash.0 = change,
        2 => header.time.0 += u64::from(change[0]),
        _ => header.height.0 += u64::from(change[0]),
    }
    signed.certificate.height = signed.header.height;
    signed.certificate.block = signed.header.hash();
    *signed_header = signed.encode();
}

/// Alters whole calls about packets, or the proof inside: no packet is settled otherwise than by the honest call.
pub fn altered_packet_calls(data: &[u8]) {
    SCENE.with(|scene| {
        let mut input = Input::new(data);
        let step = &scene.packets[input.below(scene.packets.len())];
        let mut call = step.call.clone();
        let proof = match &mut call {
            PacketCall::Receive(call) => &mut call.proof,
            PacketCall::Acknowledge(call) => &mut call.proof,
            PacketCall::Timeout(call) => &mut call.proof,
            other => panic!("{other:?} carries no packets"),
        };
        let bytes = if input.one_in(3) {
            let Proof::Multi(multi) = proof else { panic!("the scene has multiproofs") };
            multi.bytes = altered(&mut input, &multi.bytes);
            let same = call == step.call;
            let outcome = scene.run(step, call.encode());
            assert!(outcome.result.is_err() || same, "an altered proof was taken");
            call.encode()
        } else {
            altered(&mut input, &call.encode())
        };
        let outcome = scene.run(step, bytes);
        refuse_internal(&outcome);
        let honest = &step.honest.packets;
        let known = |(key, value): (&Vec<u8>, &Option<Vec<u8>>)| honest.get(key) == Some(value);
        assert!(writes(&outcome).packets.iter().all(known), "a packet was settled in another way");
    });
}
