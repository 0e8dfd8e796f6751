//! Long chains at once: blocks that all validators sign, without a node that runs.

use catenary_consensus::{Decision, ValueId};
use catenary_crypto::SigningKey;
use catenary_ledger::Ledger;
use catenary_platform::Platform;
use catenary_replica::{Admission, Done, Job, Tip};
use catenary_runtime::{Host, OpenedChain, Others, open_chain};
use catenary_store::{
    DataDir,
    block_log::{self, BlockLogWriter},
    index::{Engine, Index},
};
use catenary_types::{Block, Genesis, Height, Timestamp, testing};
use std::sync::Arc;

/// Between two header times: so short that a chain of many blocks does not end in the future.
const STEP_NS: u64 = 100_000;
/// Blocks between two checkpoints.
const CHECKPOINT_BLOCKS: u64 = 5_000;

/// Writes a chain with one of these envelopes in each block and a seal at its end into a data folder, as a node that ran it
/// would leave it. The seeds are those of the validators' keys. Gives the height of the seal.
pub fn grow(
    data: &DataDir,
    (genesis, ledger): (&Genesis, &Ledger),
    seeds: &[[u8; 32]],
    envelopes: impl Iterator<Item = Vec<u8>>,
) -> Height {
    let chain_id = genesis.chain_id().expect("a genesis of a chain");
    let dir = data.chain(chain_id.as_str()).expect("the folder can be used");
    let logs = BlockLogWriter::start(block_log::Config::default(), |_| ()).expect("a thread");
    let (index, _) = Index::open_or_recreate(&data.index(), Engine::default()).expect("an index");
    let disk = (&Platform::default(), &index, &logs);
    let opened = open_chain(genesis, ledger, &dir, disk, Others::None).expect("a chain that opens");
    let OpenedChain { mut host, mut tip, .. } = opened;
    for envelope in envelopes.map(Some).chain([None]) {
        tip = extend(&mut host, &tip, seeds, envelope);
        if tip.height.0.is_multiple_of(CHECKPOINT_BLOCKS) {
            checkpoint(&mut host);
        }
    }
    checkpoint(&mut host);
    index.flush().expect("the index can be written");
    logs.flush();
    tip.height
}

fn checkpoint(host: &mut Host) {
    if let Some(batch) = host.checkpoint().expect("a checkpoint") {
        host.space().apply(batch).expect("the index can be written");
        host.checkpoint_written();
    }
}

/// Adds a block with one envelope, or an empty one.
fn extend(host: &mut Host, tip: &Tip, seeds: &[[u8; 32]], envelope: Option<Vec<u8>>) -> Tip {
    let candidates = envelope.map(|envelope| {
        let admit = Job::Admit { ticket: None, envelopes: vec![envelope], now: tip.time };
        let Ok(Done::Admitted(mut admitted)) = host.run(admit) else { panic!("a job has one outcome") };
        match admitted.admissions.pop() {
            Some(Admission::Fresh(waiting)) => waiting,
            other => panic!("not admitted: {other:?}"),
        }
    });
    let assemble = Job::Assemble {
        height: tip.height.next(),
        round: 0,
        time: Timestamp(tip.time.0 + STEP_NS),
        proposer: tip.next_validators.addresses()[tip.next_leader()],
        candidates: candidates.into_iter().collect(),
    };
    let Ok(Done::Assembled { block: Some(block), .. }) = host.run(assemble) else {
        panic!("nothing to build")
    };
    let decision = decide(tip, &block, seeds);
    let Ok(Done::Executed(executed)) = host.run(Job::Execute { block, decision }) else {
        panic!("the block is not executed")
    };
    assert!(executed.receipts.iter().all(catenary_types::Receipt::succeeded), "{:?}", executed.receipts);
    executed.tip
}

fn decide(tip: &Tip, block: &Arc<Block>, seeds: &[[u8; 32]]) -> Decision {
    let value = ValueId { block: block.header.hash(), time: block.header.time };
    let keys = seeds.iter().map(SigningKey::from_seed);
    let certificate = testing::certify(&block.header, &tip.next_validators, 0, &[], keys);
    Decision { certificate, value, evidence: Vec::new() }
}
