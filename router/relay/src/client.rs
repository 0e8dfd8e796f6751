//! What the relay knows of one light client: which heights it trusts, and what must be shown to it.

use crate::{
    chain::{Certified, ChainView},
    interface::{ChainIndex, LaneEnd},
    limits::KNOWN_HEIGHTS_MAX,
    work::Work,
};
use catenary_packet::{ClientId, messages::HeaderUpdate};
use catenary_types::{Height, Timestamp};
use std::{collections::BTreeSet, sync::Arc};

/// A client and the chain it follows.
#[derive(Debug)]
pub(crate) struct ClientView {
    pub(crate) id: ClientId,
    /// The chain it stands on.
    pub(crate) host: ChainIndex,
    /// The chain it follows.
    pub(crate) follows: ChainIndex,
    trusting_period_s: u64,
    /// Heights that it knows, the newest ones.
    known: BTreeSet<Height>,
    /// Time of the newest of them, or a little later.
    trusted_time: Timestamp,
    /// The host's block in which the newest of them became known.
    pub(crate) learned_at: Height,
    pub(crate) frozen: bool,
    /// Updates of the client alone, without packets.
    pub(crate) refresh: Work,
}

/// How a header comes to be known to a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Path {
    /// The client knows it.
    Known,
    /// In one step from this height.
    From(Height),
    /// Not now: nothing is known of the client, or the set changed in between and that comes first.
    Blocked,
}

impl ClientView {
    pub(crate) fn new(end: &LaneEnd, follows: ChainIndex) -> Self {
        Self {
            id: end.client.clone(),
            host: end.chain,
            follows,
            trusting_period_s: end.trusting_period_s,
            known: BTreeSet::new(),
            trusted_time: Timestamp(0),
            learned_at: Height(0),
            frozen: false,
            refresh: Work::new(1),
        }
    }

    /// The client knows `height` since the host's block `at`. `time` is the header's, or the host's block's.
    pub(crate) fn learn(&mut self, height: Height, time: Timestamp, at: Height) {
        if self.newest().is_none_or(|newest| newest < height) {
            (self.trusted_time, self.learned_at) = (time, at);
        }
        self.known.insert(height);
        if self.known.len() > KNOWN_HEIGHTS_MAX {
            self.known.pop_first();
        }
    }

    /// Governance put the client on another's state: what it knew before is gone.
    pub(crate) fn recovered(&mut self, height: Option<Height>, time: Timestamp, at: Height) {
        self.known.clear();
        self.frozen = false;
        if let Some(height) = height {
            self.learn(height, time, at);
        }
    }

    /// The newest height that it knows.
    pub(crate) fn newest(&self) -> Option<Height> {
        self.known.last().copied()
    }

    /// How `target`, a height of the chain it follows, comes to be known. A set is trusted because the one before it
    /// announced it, so every change of the set is shown by itself first.
    pub(crate) fn path(&self, followed: &ChainView, target: Height) -> Path {
        if self.known.contains(&target) {
            return Path::Known;
        }
        self.base_below(followed, target).map_or(Path::Blocked, Path::From)
    }

    /// The newest known height below `target` whose set still signs `target`.
    pub(crate) fn base_below(&self, followed: &ChainView, target: Height) -> Option<Height> {
        let &base = self.known.range(..target).next_back()?;
        followed.change_after(base).is_none_or(|change| change.height() >= target).then_some(base)
    }

    /// Forgets what was heard.
    pub(crate) fn forget(&mut self) {
        self.known.clear();
        (self.trusted_time, self.learned_at) = (Timestamp(0), Height(0));
        self.frozen = false;
        self.refresh = Work::new(1);
    }

    /// The header that the client must be shown for its own sake, if one is due.
    pub(crate) fn due(&self, followed: &ChainView, now: Timestamp) -> Option<Arc<Certified>> {
        let newest = self.newest()?;
        if let Some(change) = followed.change_after(newest) {
            return Some(change.clone());
        }
        let latest = followed.latest()?;
        (now >= self.half_time() && latest.height() > newest).then(|| latest.clone())
    }

    /// When half of the trusting period is over.
    pub(crate) fn half_time(&self) -> Timestamp {
        self.trusted_time.plus_ms(self.trusting_period_s.saturating_mul(500))
    }
}

/// The update that shows `header` to a client that knows `base`.
pub(crate) fn update(followed: &ChainView, header: &Certified, base: Height) -> Option<HeaderUpdate> {
    let trusted = followed.signers_of(base.next())?;
    Some(HeaderUpdate::new(&header.signed, &header.validators, base, trusted))
}
