//! A group of one with its real consensus, stopped after every single write to its disk: it goes on from there, keeps what
//! it signed, and takes no transaction twice.

use crate::node::{Node, genesis, key, names, pay, value, worker};
use catenary_consensus::{
    Consensus, Effect, Input as ConsensusInput, LocalCache, Mark, Record, Signer, Step, ValueId,
    journal::Entry,
};
use catenary_crypto::Hash;
use catenary_replica::{Input, Recovered, SubmitOutcome, from_consensus};
use catenary_types::{Block, Certificate, Height, VoteKind};

/// What was written, in the order in which it was.
#[derive(Clone, Default)]
struct Disk {
    bodies: Vec<Block>,
    records: Vec<Record>,
    mark: Option<Mark>,
    log: Vec<(Block, Certificate)>,
}

impl Disk {
    /// The values that were signed to be final.
    fn precommits(&self) -> Vec<(Height, ValueId)> {
        let precommit = |record: &Record| match Entry::read(record) {
            Ok(Entry::Vote(signed)) if signed.vote.kind == VoteKind::Precommit => {
                signed.vote.value.map(|value| (record.height, value))
            }
            _ => None,
        };
        self.records.iter().filter_map(precommit).collect()
    }
}

struct Alone {
    node: Node,
    consensus: Option<Consensus>,
    disk: Disk,
    /// The disk after each write.
    history: Vec<Disk>,
}

impl Alone {
    fn start(disk: Disk) -> Self {
        let mut worker = worker(&genesis(1, |_| {}));
        for (block, certificate) in disk.log.clone() {
            worker.replay(block, certificate).unwrap();
        }
        let recovered = Recovered { bodies: disk.bodies.clone(), records: disk.records.clone() };
        let node = Node::start(worker, recovered);
        let mut alone = Self { node, consensus: None, history: vec![disk.clone()], disk };
        alone.run();
        alone
    }

    fn write(&mut self, write: impl FnOnce(&mut Disk)) {
        write(&mut self.disk);
        self.history.push(self.disk.clone());
    }

    /// Passes on what replica and consensus say to each other until both are silent.
    fn run(&mut self) {
        while !self.node.consensus.is_empty() {
            let input = self.node.consensus.remove(0);
            let step = self.step(input);
            step.journal.into_iter().for_each(|record| self.write(|disk| disk.records.push(record)));
            if let Some(mark) = step.mark {
                self.write(|disk| disk.mark = Some(mark));
            }
            for effect in step.now.into_iter().chain(step.durable) {
                match from_consensus(effect) {
                    Ok(input) => self.input(input),
                    Err(Effect::Publish(_) | Effect::RoundStarted { .. }) => {}
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
        let waits = self.consensus.as_ref().and_then(Consensus::deadline);
        assert_eq!((waits, self.node.replica.is_working()), (None, false), "there is nothing to wait for");
    }

    fn step(&mut self, input: ConsensusInput) -> Step {
        let now = self.node.now;
        match (&mut self.consensus, input) {
            (Some(consensus), input) => consensus.step(now, input),
            (consensus, ConsensusInput::StartHeight(start)) => {
                let chain_id = self.node.worker.tip().chain_id.clone();
                let signer = Some(Signer::new(key(1), self.disk.mark));
                let cache = Box::new(LocalCache::default());
                let (started, step) = Consensus::start(now, chain_id, signer, cache, start);
                *consensus = Some(started);
                step
            }
            (None, other) => panic!("{other:?} before the first height"),
        }
    }

    fn input(&mut self, input: Input) {
        self.node.input(input);
        for body in std::mem::take(&mut self.node.journal) {
            self.write(|disk| disk.bodies.push((*body).clone()));
        }
        for committed in std::mem::take(&mut self.node.committed) {
            let certificate = committed.executed.tip.block.unwrap().certificate;
            self.write(|disk| disk.log.push(((*committed.executed.block).clone(), certificate)));
        }
    }

    /// Submits the payments in blocks of their own, a second apart; those that were taken before are known.
    fn pay(&mut self) {
        for request in 1..=3 {
            self.node.now = self.node.now.plus_ms(1_000);
            let envelopes = vec![self.node.envelope('A', request, vec![pay()])];
            let outcome = self.node.submit(envelopes).remove(0);
            assert!(!matches!(outcome, SubmitOutcome::Refused(_)), "{outcome:?}");
            self.run();
        }
    }

    /// The transactions of all blocks, and the state that they led to.
    fn outcome(&self) -> (String, Hash) {
        let names: Vec<_> = self.disk.log.iter().map(|(block, _)| names(block)).collect();
        assert!(self.node.worker.tip().empty, "the last block is sealed");
        (names.concat(), self.node.worker.state().app_hash())
    }
}

#[test]
fn a_stop_after_any_write_loses_nothing_and_signs_nothing_else() {
    let mut whole = Alone::start(Disk::default());
    whole.pay();
    assert_eq!(whole.disk.log.len(), 6, "three blocks, each with its seal");
    assert_eq!(whole.outcome().0, "A1A2A3");
    assert_eq!(whole.disk.precommits().len(), 6);
    assert!(whole.history.len() > 30, "only {} writes", whole.history.len());
    for stopped in &whole.history {
        let mut again = Alone::start(stopped.clone());
        again.pay();
        assert_eq!(again.outcome(), whole.outcome());
        for (height, signed) in stopped.precommits() {
            let (block, _) = &again.disk.log[height.0 as usize - 1];
            assert_eq!(value(block), signed, "height {height}");
        }
    }
}
