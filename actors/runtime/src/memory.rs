//! What a node remembers of its own signatures on a chain: whether it may vote, and from which height on.
//!
//! A group of one has nobody to ask: where it may not vote at once, the chain stays down until its operator vouches for it by
//! writing a mark.

use crate::{
    journal::chain_tag,
    supervisor::{ChainDefinition, NodeParts},
};
use catenary_consensus::Mark;
use catenary_replica::{Copies, Memory, Tip};

/// What this node knows of its signatures, by its two copies.
pub(crate) fn recall(
    parts: &NodeParts,
    definition: &ChainDefinition,
    tip: &Tip,
) -> Result<(Memory, Option<Mark>), String> {
    let tag = chain_tag(&definition.chain_id);
    let stored = parts.guard.newest(tag).and_then(|bytes| Mark::decode(&bytes));
    let suspect = parts.report.is_suspect(tag, tip.height.0);
    // A chain that was made in this run and fell has lost nothing with a journal that is as new.
    let journal_whole = (parts.journal_existed || definition.is_new) && !suspect;
    let (memory, mark) = Copies { mark: stored, guard_whole: parts.guard_whole, journal_whole }.recall();
    let alone = tip.next_validators.validators().len() == 1 && definition.validator_seed.is_some();
    if alone && !memory.allows(tip.height.next()) {
        // Signing without knowing what was signed could certify two blocks of one height.
        let lost = if parts.report.is_clean() { "it is gone".into() } else { parts.report.to_string() };
        return Err(format!(
            "the journal lost records of a height above {}, maybe own signatures, and there is no other to ask: {lost}",
            tip.height
        ));
    }
    Ok((memory, mark))
}
