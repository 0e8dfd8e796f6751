//! Whatever bytes come, verifiers give a value or an error: altered calls never panic, and none has another effect than
//! the honest one. A panic inside a call is caught by the ledger and shows as `INTERNAL`.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use catenary_ledger::{
    BlockContext, Caller, Reason, State,
    conformance::{Case, Outcome, judge},
    records::Roles,
    stores::IBC,
};
use catenary_packet::{
    KIND, PacketCall,
    bft::{LightBlock, Members},
    messages::{HeaderUpdate, Proof},
    testing::{Actor, TestChain, TestLane, apps},
};
use catenary_state::Batch;
use catenary_types::{Message, Role, UnixSeconds};
use proptest::prelude::*;
use std::sync::LazyLock;

/// A lane with packets in flight, and an honest call for each step.
struct Scene {
    lane: TestLane,
    receive: PacketCall,
    acknowledge: PacketCall,
    timeout: PacketCall,
}

static SCENE: LazyLock<Scene> = LazyLock::new(|| {
    let mut lane = TestLane::new(4, 5);
    let deadline = UnixSeconds(lane.next_time().seconds().0 + 20);
    let packets = lane.send(&[b"one", b"two", b"three", b"four", b"five"], deadline);
    let answers = TestLane::answers(&lane.receive(&packets[..2]));
    lane.source.seal();
    let receive = PacketCall::Receive(lane.receive_call(&packets[2..4]));
    let acknowledge = PacketCall::Acknowledge(lane.acknowledge_call(&answers));
    let before = lane.source.state.height();
    lane.target.block(deadline.start(), Vec::new());
    let timeout = PacketCall::Timeout(lane.timeout_call(&packets[4..]));
    assert_eq!(before, lane.source.state.height());
    Scene { lane, receive, acknowledge, timeout }
});

impl Scene {
    fn call(&self, step: usize) -> (&PacketCall, &TestChain) {
        [
            (&self.receive, &self.lane.target),
            (&self.acknowledge, &self.lane.source),
            (&self.timeout, &self.lane.source),
        ][step]
    }
}

/// Runs a call on a chain's state without changing it, a second before the deadline of the scene for receives.
fn run(chain: &TestChain, step: usize, message: Vec<u8>) -> Outcome {
    let state: &State = &chain.state;
    let deadline = SCENE.lane.target.time();
    let time = if step == 0 { catenary_types::Timestamp(deadline.0 - 1) } else { deadline };
    let block = BlockContext { chain_id: chain.chain_id.clone(), height: chain.height().next(), time };
    let caller = Caller {
        account: Actor::Relayer.account(),
        organisation: "testers".parse().unwrap(),
        roles: Roles::default().with(Role::Relayer),
    };
    judge(&apps(), KIND, state, &block, &Case { caller, message }).unwrap()
}

fn packet_writes(outcome: &Outcome) -> Batch {
    outcome.writes.get(&IBC).cloned().unwrap_or_default()
}

/// One alteration of some bytes, never none.
#[derive(Clone, Debug)]
enum Alteration {
    Flip { at: prop::sample::Index, bits: u8 },
    Cut { at: prop::sample::Index },
    Insert { at: prop::sample::Index, bytes: Vec<u8> },
    Drop { at: prop::sample::Index, count: usize },
}

fn alteration() -> impl Strategy<Value = Alteration> {
    let at = || any::<prop::sample::Index>();
    prop_oneof![
        4 => (at(), 1u8..).prop_map(|(at, bits)| Alteration::Flip { at, bits }),
        1 => at().prop_map(|at| Alteration::Cut { at }),
        1 => (at(), prop::collection::vec(any::<u8>(), 1..40))
            .prop_map(|(at, bytes)| Alteration::Insert { at, bytes }),
        1 => (at(), 1usize..40).prop_map(|(at, count)| Alteration::Drop { at, count }),
    ]
}

fn alter(bytes: &mut Vec<u8>, alteration: &Alteration) {
    if bytes.is_empty() {
        bytes.push(1);
        return;
    }
    match alteration {
        Alteration::Flip { at, bits } => {
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
        }
        Alteration::Cut { at } => bytes.truncate(at.index(bytes.len())),
        Alteration::Insert { at, bytes: inserted } => {
            let at = at.index(bytes.len());
            bytes.splice(at..at, inserted.iter().copied());
        }
        Alteration::Drop { at, count } => {
            let at = at.index(bytes.len());
            bytes.drain(at..(at + count).min(bytes.len()));
        }
    }
}

fn parts(call: &mut PacketCall) -> (&mut HeaderUpdate, &mut Proof) {
    let (update, proof) = match call {
        PacketCall::Receive(call) => (&mut call.update, &mut call.proof),
        PacketCall::Acknowledge(call) => (&mut call.update, &mut call.proof),
        PacketCall::Timeout(call) => (&mut call.update, &mut call.proof),
        _ => panic!("a call of packets"),
    };
    (update.as_mut().expect("the scene's calls bring a header"), proof)
}

#[test]
fn the_honest_calls_of_the_scene_have_an_effect() {
    for step in 0..3 {
        let (call, chain) = SCENE.call(step);
        let outcome = run(chain, step, call.encode());
        assert!(outcome.result.is_ok(), "{step}: {:?}", outcome.result);
        assert!(!packet_writes(&outcome).is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn an_altered_call_has_no_effect_that_the_honest_one_lacks(step in 0usize..3, alteration in alteration()) {
        let (call, chain) = SCENE.call(step);
        let (honest, mut bytes) = (call.encode(), call.encode());
        alter(&mut bytes, &alteration);
        prop_assume!(bytes != honest);
        let outcome = run(chain, step, bytes);
        prop_assert_ne!(outcome.result.as_ref().err().map(|failure| failure.reason), Some(Reason::Internal));
        let writes = packet_writes(&outcome);
        // Some bytes prove nothing: signatures after the quorum, the proposer in a set. And a packet that is another
        // than the one sent is refused while its neighbours are settled.
        let honest = packet_writes(&run(chain, step, honest));
        prop_assert!(writes.iter().all(|(key, value)| honest.get(key) == Some(value)));
    }

    #[test]
    fn an_altered_header_set_or_proof_never_passes(
        step in 0usize..3,
        part in 0usize..4,
        alteration in alteration(),
    ) {
        let (call, chain) = SCENE.call(step);
        let mut call = call.clone();
        let (update, proof) = parts(&mut call);
        let (changed, header) = match part {
            // The header is the first field; the certificate after it has signatures that nobody needs.
            0 => (&mut update.signed_header, true),
            1 => (&mut update.validators, false),
            2 => (&mut update.trusted_validators, false),
            _ => match proof {
                Proof::Multi(multi) => (&mut multi.bytes, true),
                Proof::Single(_) => panic!("the scene has multiproofs"),
            },
        };
        let before = changed.clone();
        if part == 0 {
            let mut head = changed.drain(..300).collect();
            alter(&mut head, &alteration);
            changed.splice(0..0, head);
        } else {
            alter(changed, &alteration);
        }
        prop_assume!(*changed != before);
        let outcome = run(chain, step, call.encode());
        prop_assert_ne!(outcome.result.as_ref().err().map(|failure| failure.reason), Some(Reason::Internal));
        prop_assert!(!header || outcome.result.is_err(), "an altered header or proof was taken");
        if outcome.result.is_ok() {
            let (honest, _) = SCENE.call(step);
            prop_assert_eq!(packet_writes(&outcome), packet_writes(&run(chain, step, honest.encode())));
        }
    }

    #[test]
    fn decoders_take_any_bytes(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(LightBlock::decode(&bytes).is_err());
        prop_assert!(Members::decode(&bytes).is_err());
        if let Ok(call) = PacketCall::decode(&bytes) {
            prop_assert_eq!(call.encode(), bytes);
        }
    }
}
