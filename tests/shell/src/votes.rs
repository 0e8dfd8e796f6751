//! What validators say, against what is on their disks when their nodes end.

use crate::world::World;
use catenary_consensus::{Mark, Message, SignedStep};
use catenary_crypto::SigningKey;
use catenary_journal::{guard, journal::ChainTag};
use catenary_replica::PeerMessage;
use catenary_sim::setup::validator_seed;
use catenary_types::{Address, Height};
use std::{collections::BTreeMap, fs};

type Step = (Height, u32, SignedStep);

/// The highest own message that each node sent on each chain.
#[derive(Default)]
pub struct Said(BTreeMap<(usize, usize), Step>);

impl Said {
    /// A node has lost what it said.
    pub fn forget(&mut self, node: usize) {
        self.0.retain(|(of, _), _| *of != node);
    }
}

impl World {
    /// A node sends a message; it may be another one's that it passes on.
    pub(crate) fn hears(&self, node: usize, chain: usize, message: &PeerMessage) {
        let (validator, step) = match message {
            PeerMessage::Consensus(Message::Vote(signed)) => {
                let vote = &signed.vote;
                (vote.validator, (vote.height, vote.round, SignedStep::from(vote.kind)))
            }
            PeerMessage::Consensus(Message::Proposal(signed)) => {
                let proposal = &signed.proposal;
                (proposal.proposer, (proposal.height, proposal.round, SignedStep::Proposal))
            }
            _ => return,
        };
        let key = SigningKey::from_seed(&validator_seed(chain, node));
        if validator == Address::of(&key.public_key()) {
            let said = &mut self.said.borrow_mut().0;
            let highest = said.entry((node, chain)).or_insert(step);
            *highest = step.max(*highest);
        }
    }

    /// Whatever a node that ended has said is in its guard: durable before visible.
    pub(crate) fn expect_said_is_on_disk(&self, node: usize) {
        // A file that does not read holds nothing.
        let bytes = fs::read(self.folder(node).join("guard")).unwrap_or_default();
        let marks = guard::scan(&bytes, None).map(|scan| scan.marks).unwrap_or_default();
        for chain in 0..self.chains() {
            let Some(said) = self.said.borrow().0.get(&(node, chain)).copied() else { continue };
            let mark = marks.get(&ChainTag::of(self.setup.chains[chain].as_str())).and_then(Mark::decode);
            if mark.as_ref().is_none_or(|mark| (mark.height, mark.round, mark.step) < said) {
                let detail = format!("node {node}, chain {chain}: said {said:?}, on disk {mark:?}");
                self.fail("what is said is on disk", detail);
            }
        }
    }
}
