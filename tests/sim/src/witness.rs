//! What must hold, whatever happens.
//!
//! | Invariant | When it is checked |
//! |---|---|
//! | agreement: one block per chain and height | at every final block |
//! | one state per chain and height | at every final block |
//! | nobody signs two messages for one step | at every message that is sent |
//! | what was final stays final | at every start, and at the end |
//! | packets and supply, see [`audit`] | at the end |
//! | after the faults everything goes on and is settled | at the end |

use catenary_consensus::{Message, SignedVote};
use catenary_crypto::Hash;
use catenary_replica::{Executed, PeerMessage};
use catenary_transfer::audit;
use catenary_types::{Address, Height, VoteKind};
use std::collections::{BTreeMap, BTreeSet};

/// An invariant that does not hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: &'static str,
    /// What was seen.
    pub detail: String,
}

type Step = (usize, Address, Height, u32, u8);

/// Everything that was seen.
#[derive(Default)]
pub struct Witness {
    blocks: BTreeMap<(usize, Height), Hash>,
    states: BTreeMap<(usize, Height), Hash>,
    signed: BTreeMap<Step, Vec<u8>>,
    highest: BTreeMap<usize, Height>,
    /// Whose votes are not looked at.
    liars: BTreeSet<Address>,
    violation: Option<Violation>,
}

impl Witness {
    /// The first thing that went wrong.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Notes what went wrong.
    pub fn fail(&mut self, invariant: &'static str, detail: String) {
        self.violation.get_or_insert(Violation { invariant, detail });
    }

    /// The highest block of a chain that any node called final.
    pub fn highest(&self, chain: usize) -> Height {
        self.highest.get(&chain).copied().unwrap_or_default()
    }

    /// A block is final on some node, and executed.
    pub fn executed(&mut self, node: usize, chain: usize, executed: &Executed) {
        let tip = &executed.tip;
        self.block(node, chain, (tip.height, executed.block.header.hash()));
        self.state(node, chain, (tip.height, tip.app_hash));
    }

    /// A block is final on some node.
    pub fn block(&mut self, node: usize, chain: usize, (height, found): (Height, Hash)) {
        let first = *self.blocks.entry((chain, height)).or_insert(found);
        if first != found {
            let detail = format!("node {node}, chain {chain}, height {height}: {found} and {first}");
            self.fail("agreement", detail);
        }
        let highest = self.highest.entry(chain).or_default();
        *highest = height.max(*highest);
    }

    /// A node has this state after a block.
    pub fn state(&mut self, node: usize, chain: usize, (height, found): (Height, Hash)) {
        if *self.states.entry((chain, height)).or_insert(found) != found {
            self.fail("one state", format!("node {node}, chain {chain}, height {height}"));
        }
    }

    /// A node that starts has a chain up to there.
    pub fn started(&mut self, node: usize, chain: usize, blocks: impl Iterator<Item = (Height, Hash)>) {
        for (height, hash) in blocks {
            if self.blocks.get(&(chain, height)).is_none_or(|known| *known != hash) {
                self.fail(
                    "what was final stays final",
                    format!("node {node}, chain {chain}, height {height}"),
                );
            }
        }
    }

    /// A message is sent.
    pub fn sent(&mut self, chain: usize, message: &PeerMessage) {
        let PeerMessage::Consensus(message) = message else { return };
        match message {
            Message::Vote(SignedVote { vote, .. }) => {
                let kind = if vote.kind == VoteKind::Prevote { 1 } else { 2 };
                let said = vote.value.map(|value| [&value.block.0[..], &value.time.0.to_be_bytes()].concat());
                self.sign((chain, vote.validator, vote.height, vote.round, kind), said.unwrap_or_default());
            }
            Message::Proposal(signed) => {
                let proposal = &signed.proposal;
                let said = proposal.value.block.0.to_vec();
                self.sign((chain, proposal.proposer, proposal.height, proposal.round, 0), said);
            }
            Message::Polka(_) | Message::Round(_) => {}
        }
    }

    /// Of this validator nothing is expected.
    pub fn expect_lies(&mut self, validator: Address) {
        self.liars.insert(validator);
    }

    fn sign(&mut self, step: Step, said: Vec<u8>) {
        if self.liars.contains(&step.1) {
            return;
        }
        let first = self.signed.entry(step).or_insert_with(|| said.clone());
        if *first != said {
            let (chain, validator, height, round, kind) = step;
            let detail =
                format!("chain {chain}, validator {validator}, height {height}, round {round}, step {kind}");
            self.fail("one message a step", detail);
        }
    }

    /// Checks packets and supply over the final blocks of all chains.
    pub fn audit(&mut self, network: &audit::Network<'_>) {
        if let Err(violation) = audit::check(network) {
            self.fail("packets", violation.to_string());
        }
    }
}
