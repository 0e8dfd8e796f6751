//! Whether this node's state is the one that the others have.
//!
//! The header after a block carries the root of its state, so a block that names another root than this node's is wrong,
//! or this node is. What enough others told of the same height decides which: more than can lie.

use crate::{
    interface::{Divergence, Effect},
    peer::PeerTip,
    replica::Replica,
};
use catenary_consensus::{Peer, ValueId, Verdict, journal::Origin};
use catenary_crypto::Hash;
use catenary_types::{Block, Height};
use std::{collections::BTreeMap, sync::Arc};

/// Heights of a peer that are remembered: it may be a few ahead.
const HEIGHTS_PER_PEER_MAX: usize = 8;
/// Blocks of a height that wait for the others' word; more than one is a lie.
const DISPUTED_MAX: usize = 4;

/// What others told of their states.
#[derive(Debug, Default)]
pub(crate) struct Roots {
    told: BTreeMap<Peer, BTreeMap<Height, Hash>>,
    /// Blocks of the next height that name another root, each with why it is refused if this node is right.
    disputed: Vec<(Arc<Block>, String)>,
}

/// What the others say of this node's root.
enum Opinion {
    /// Enough have the same.
    Same,
    /// Enough have this one.
    Other(Hash),
    /// Too few have said anything.
    None,
}

impl Roots {
    /// A peer tells of its newest state.
    pub(crate) fn hear(&mut self, peer: Peer, tip: PeerTip) {
        let told = self.told.entry(peer).or_default();
        told.insert(tip.height, tip.app_hash);
        if told.len() > HEIGHTS_PER_PEER_MAX {
            told.pop_first();
        }
    }

    /// A peer is gone.
    pub(crate) fn leave(&mut self, peer: Peer) {
        self.told.remove(&peer);
    }

    /// A block became final.
    pub(crate) fn advance(&mut self, tip: Height) {
        self.disputed.clear();
        for told in self.told.values_mut() {
            *told = told.split_off(&tip);
        }
    }

    /// What enough of `members` told of a height: a third of them, since fewer may lie.
    fn opinion(&self, members: usize, height: Height, own: Hash) -> Opinion {
        let mut counts = BTreeMap::<Hash, usize>::new();
        for root in self.told.values().filter_map(|told| told.get(&height)) {
            *counts.entry(*root).or_default() += 1;
        }
        let faulty = members.saturating_sub(1) / 3;
        let enough = |root: &Hash| counts.get(root).is_some_and(|count| *count > faulty);
        if enough(&own) {
            return Opinion::Same;
        }
        counts.keys().copied().find(enough).map_or(Opinion::None, Opinion::Other)
    }
}

impl Replica {
    /// Keeps a block that names another root than this node's until the others have said which is right.
    pub(crate) fn dispute(&mut self, block: Arc<Block>, reason: String) {
        if self.roots.disputed.len() < DISPUTED_MAX {
            self.roots.disputed.push((block, reason));
        }
        self.compare_roots();
    }

    /// Refuses disputed blocks if the others have this node's root, and stops if they have another.
    pub(crate) fn compare_roots(&mut self) {
        let (height, ours) = (self.tip.height, self.tip.app_hash);
        match self.roots.opinion(self.tip.next_validators.validators().len(), height, ours) {
            Opinion::Same => {
                for (block, reason) in std::mem::take(&mut self.roots.disputed) {
                    let value = ValueId { block: block.header.hash(), time: block.header.time };
                    self.reject(value, reason);
                    self.verdict(&block, Verdict::Invalid, Origin::Consensus);
                }
            }
            Opinion::Other(theirs) => self.diverge(Divergence::Root { height, ours, theirs }),
            Opinion::None => {}
        }
    }

    /// Stops: whatever this node said from here on would be wrong.
    pub(crate) fn diverge(&mut self, divergence: Divergence) {
        self.halt();
        self.step.effects.push(Effect::Diverged(divergence));
    }
}
