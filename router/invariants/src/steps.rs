//! Nobody signs two messages for one step.

use crate::Violation;
use catenary_consensus::{Message, SignedStep};
use catenary_types::{Address, Height};
use std::collections::{BTreeMap, BTreeSet};

type Slot = (Address, Height, u32, SignedStep);

/// All that validators of one chain were seen to sign.
#[derive(Clone, Debug, Default)]
pub struct SignedSteps {
    signed: BTreeMap<Slot, Vec<u8>>,
    liars: BTreeSet<Address>,
}

impl SignedSteps {
    /// Of this validator nothing is expected.
    pub fn expect_lies(&mut self, validator: Address) {
        self.liars.insert(validator);
    }

    /// A message was sent by whoever signed it.
    pub fn sent(&mut self, message: &Message) -> Result<(), Violation> {
        let (slot, said) = match message {
            Message::Vote(signed) => {
                let vote = &signed.vote;
                let said = vote.value.map(|value| [&value.block.0[..], &value.time.0.to_be_bytes()].concat());
                ((vote.validator, vote.height, vote.round, vote.kind.into()), said.unwrap_or_default())
            }
            Message::Proposal(signed) => {
                let proposal = &signed.proposal;
                let slot = (proposal.proposer, proposal.height, proposal.round, SignedStep::Proposal);
                (slot, [&proposal.value.block.0[..], &proposal.value.time.0.to_be_bytes()].concat())
            }
            // Certificates hold votes that were sent before.
            Message::Polka(_) | Message::Round(_) => return Ok(()),
        };
        if self.liars.contains(&slot.0) {
            return Ok(());
        }
        let first = self.signed.entry(slot).or_insert_with(|| said.clone());
        if *first == said {
            return Ok(());
        }
        let (validator, height, round, step) = slot;
        let detail = format!("validator {validator}, height {height}, round {round}, {step:?}");
        Err(Violation::new("one message a step", detail))
    }
}
