//! What nodes tell each other of the transactions that wait.

use crate::node::{Node, from_peer, genesis, key, pay, worker};
use catenary_apps::{
    accounts::KeyGrant,
    admin::{self, AdminCall, SetKeys},
};
use catenary_consensus::Input as ConsensusInput;
use catenary_replica::{Effect, Input, Job, PeerMessage, Recovered};
use catenary_types::{Call, Message, UnixSeconds};

/// How long a transaction waits before it is told again, in milliseconds.
const AGAIN_MS: u64 = 2_000;

fn node() -> Node {
    Node::start(worker(&genesis(4, |_| {})), Recovered::default()).connected()
}

#[test]
fn what_is_admitted_from_a_client_is_told_at_once_and_what_a_peer_told_is_not() {
    let mut node = node();
    let [own, told] = [('A', 1), ('B', 2)].map(|(bank, request)| node.envelope(bank, request, vec![pay()]));
    node.submit(vec![own.clone()]);
    node.input(from_peer(PeerMessage::Transactions(vec![told])));
    assert_eq!((node.gossip, node.replica.pool_len()), (vec![own], 2));
}

#[test]
fn blocks_that_leave_a_transaction_out_do_not_put_off_that_it_is_told_again() {
    let (mut leader, mut node) = (node(), node());
    let lost = node.envelope('A', 1, vec![pay()]);
    node.submit(vec![lost.clone()]);
    let begun = node.now;
    node.gossip.clear();
    for request in 2.. {
        // The leader never heard of it, and its blocks are full of what the others hear of as well.
        let fresh = leader.envelope('B', request, vec![pay()]);
        leader.now = leader.now.plus_ms(300);
        leader.submit(vec![fresh.clone()]);
        let block = leader.build().unwrap();
        leader.decide(&block);
        node.now = leader.now;
        node.submit(vec![fresh.clone()]);
        node.body(block.clone());
        node.decide(&block);
        node.gossip.retain(|envelope| *envelope != fresh);
        if node.now >= begun.plus_ms(AGAIN_MS) {
            break;
        }
        assert!(node.gossip.is_empty(), "told again too early");
    }
    assert_eq!(node.gossip, std::slice::from_ref(&lost));
    node.now = node.now.plus_ms(AGAIN_MS - 1);
    node.input(Input::Fired);
    assert_eq!(node.gossip.len(), 1, "once in a while is enough");
    assert_eq!(node.replica.deadline(), Some(node.now.plus_ms(1)));
    node.now = node.now.plus_ms(1);
    node.input(Input::Fired);
    assert_eq!(node.gossip, [lost.clone(), lost]);
}

#[test]
fn what_waits_already_is_not_checked_again() {
    let mut node = node();
    let known = node.envelope('A', 1, vec![pay()]);
    let fresh = node.envelope('B', 2, vec![pay()]);
    node.submit(vec![known.clone()]);
    let mut checked = |envelopes: Vec<Vec<u8>>| {
        let step = node.replica.step(node.now, from_peer(PeerMessage::Transactions(envelopes)));
        let admitted = step.effects.into_iter().filter_map(|effect| match effect {
            Effect::Work(Job::Admit { envelopes, .. }) => Some(envelopes),
            _ => None,
        });
        admitted.collect::<Vec<_>>()
    };
    assert_eq!(checked(vec![known.clone()]), Vec::<Vec<Vec<u8>>>::new());
    assert_eq!(checked(vec![known, fresh.clone()]), [vec![fresh]]);
}

/// The sender signs with another key from the next block on.
fn new_key() -> Call {
    let set = SetKeys { threshold: 1, keys: vec![KeyGrant { key: key(b'Z').public_key(), weight: 1 }] };
    Call { instance: admin::KIND.parse().unwrap(), message: AdminCall::SetKeys(set).encode() }
}

#[test]
fn what_is_void_by_the_time_it_is_told_again_is_forgotten() {
    let (mut leader, mut node) = (node(), node());
    let lost = node.envelope('A', 1, vec![pay()]);
    node.submit(vec![lost]);
    let change = leader.envelope('A', 2, vec![new_key()]);
    leader.submit(vec![change]);
    let block = leader.build().unwrap();
    leader.decide(&block);
    node.body(block.clone());
    node.decide(&block);
    assert_eq!(node.replica.pool_len(), 1, "nobody has looked at it since");
    node.now = node.now.plus_ms(AGAIN_MS);
    node.input(Input::Fired);
    assert_eq!(node.replica.pool_len(), 0);
}

#[test]
fn a_height_that_a_transaction_woke_rests_when_its_time_is_over() {
    let mut node = node();
    let until = UnixSeconds(node.now.seconds().0 + 1);
    let short = node.envelope_until(until, 'A', 1, vec![pay()]);
    node.submit(vec![short]);
    assert!(node.replica.is_working());
    node.now = node.now.plus_ms(2_500);
    node.consensus.clear();
    node.input(Input::Fired);
    assert!(node.consensus.iter().any(|input| matches!(input, ConsensusInput::Rest)));
    assert_eq!((node.replica.pool_len(), node.replica.is_working()), (0, false));
}
