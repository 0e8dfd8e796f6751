//! What a link does to a message besides losing, doubling and delaying it.

use catenary_consensus::Message;
use catenary_replica::PeerMessage;
use rand::{Rng, rngs::StdRng};
use std::sync::Arc;

/// Changes a bit somewhere: no signature, hash or root that covers it fits any more.
pub fn corrupt(message: &mut PeerMessage, rng: &mut StdRng) {
    let bit = 1u8 << rng.random_range(0..8);
    match message {
        PeerMessage::Consensus(Message::Vote(signed)) => signed.signature.0[rng.random_range(0..64)] ^= bit,
        PeerMessage::Consensus(Message::Proposal(signed)) => {
            signed.proposal.value.block.0[rng.random_range(0..32)] ^= bit;
        }
        PeerMessage::Consensus(Message::Polka(certificate)) => drop(certificate.signatures.pop()),
        PeerMessage::Consensus(Message::Round(certificate)) => drop(certificate.signatures.pop()),
        PeerMessage::Body(block) => {
            let block = Arc::make_mut(block);
            match block.envelopes.first_mut().and_then(|envelope| envelope.last_mut()) {
                Some(byte) => *byte ^= bit,
                None => block.header.app_hash.0[0] ^= bit,
            }
        }
        PeerMessage::Transactions(envelopes) => {
            if let Some(byte) = envelopes.first_mut().and_then(|envelope| envelope.last_mut()) {
                *byte ^= bit;
            }
        }
        PeerMessage::Tip(tip) => tip.height.0 ^= u64::from(bit),
        PeerMessage::Fetch(height) => height.0 ^= u64::from(bit),
        PeerMessage::Blocks(blocks) => {
            if let Some(fetched) = blocks.first_mut() {
                fetched.certificate.round ^= u32::from(bit);
            }
        }
    }
}
