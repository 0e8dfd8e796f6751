//! A signature is verified at the door or in a block, not at both. Alone in its program, whose signatures are counted.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

#[allow(dead_code, reason = "this test uses a part of it")]
#[path = "replica/node.rs"]
mod node;

use catenary_crypto::signatures_verified;
use catenary_replica::{Done, Job, Recovered, Worker};
use catenary_types::Block;
use node::{Node, genesis, worker};
use std::sync::Arc;

/// How many signatures a worker verifies to judge a block, which is valid.
fn cost(worker: &mut Worker, block: &Arc<Block>) -> u64 {
    let before = signatures_verified();
    let done = worker.run(Job::Check(block.clone()));
    assert!(matches!(done, Done::Checked { result: Ok(()), .. }), "{done:?}");
    signatures_verified() - before
}

#[test]
fn what_was_let_in_is_not_verified_again_in_its_block() {
    let mut node = Node::start(worker(&genesis(4, |_| {})), Recovered::default());
    let before = signatures_verified();
    node.submit_payments("ABC", 1);
    assert_eq!(signatures_verified() - before, 3);
    let block = node.build().unwrap();
    assert_eq!(cost(&mut node.worker, &block), 0);
    assert_eq!(
        cost(&mut worker(&genesis(4, |_| {})), &block),
        3,
        "who was not asked before looks for himself"
    );
}
