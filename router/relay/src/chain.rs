//! What the relay knows of one chain: how far it has read, the newest headers, and who signs.

use crate::{
    gateway::FinalBlock,
    interface::ChainConfig,
    limits::{ANSWER_MS_MAX, RECENT_HEADERS_MAX, backoff_ms},
    machine::NEVER,
};
use catenary_packet::ClientId;
use catenary_types::{Height, SignedHeader, Timestamp, ValidatorSet};
use std::{
    cmp::Ordering,
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

/// A header, its certificate, and the set that signed it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Certified {
    pub(crate) signed: SignedHeader,
    pub(crate) validators: Arc<ValidatorSet>,
}

impl Certified {
    pub(crate) fn height(&self) -> Height {
        self.signed.header.height
    }

    pub(crate) fn time(&self) -> Timestamp {
        self.signed.header.time
    }
}

/// How the stream of a chain stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// To be asked for at this time.
    Down { retry_at: Timestamp },
    /// Asked for; asked again if nothing comes until then.
    Asked { until: Timestamp },
    /// Running; blocks up to `tip` are history.
    Up { tip: Height },
}

/// What a block is to the relay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The next one: its events count.
    Next,
    /// One that was heard before.
    Repeated,
    /// One after a gap.
    Gap,
    /// One that contradicts a header of the same height: the chain certified both.
    Contradiction { known: Arc<Certified>, other: Arc<Certified> },
}

/// One chain.
#[derive(Debug)]
pub(crate) struct ChainView {
    pub(crate) config: ChainConfig,
    pub(crate) stream: Stream,
    stream_attempts: u32,
    /// The next height to hear.
    next: Height,
    /// The newest headers, newest last.
    recent: VecDeque<Arc<Certified>>,
    /// Sets by the first height that they sign.
    signers: BTreeMap<Height, Arc<ValidatorSet>>,
    /// Headers that announce another set than the one that signed them.
    changes: BTreeMap<Height, Arc<Certified>>,
    /// Newest height that each client on this chain knows of the chain it follows.
    pub(crate) client_heights: BTreeMap<ClientId, Height>,
    /// When the next tick may go out.
    pub(crate) tick_at: Timestamp,
    /// When the chain may be read from the start again.
    pub(crate) rescan_at: Timestamp,
}

impl ChainView {
    pub(crate) fn new(config: ChainConfig) -> Self {
        let next = config.from.max(Height(1));
        Self {
            config,
            stream: Stream::Down { retry_at: Timestamp(0) },
            stream_attempts: 0,
            next,
            recent: VecDeque::new(),
            signers: BTreeMap::new(),
            changes: BTreeMap::new(),
            client_heights: BTreeMap::new(),
            tick_at: Timestamp(0),
            rescan_at: Timestamp(0),
        }
    }

    /// The next height to hear.
    pub(crate) fn next(&self) -> Height {
        self.next
    }

    /// The newest header.
    pub(crate) fn latest(&self) -> Option<&Arc<Certified>> {
        self.recent.back()
    }

    /// Whether the stream runs and everything that was history when it began has been heard.
    pub(crate) fn is_live(&self) -> bool {
        matches!(self.stream, Stream::Up { tip } if self.next > tip)
    }

    /// Takes in a block's header and says what the block is.
    pub(crate) fn hear(&mut self, block: &FinalBlock) -> Heard {
        let height = block.height();
        if let Some(known) = self.recent_at(height)
            && known.signed.header != block.signed.header
        {
            let other = Arc::new(self.certified(block));
            return Heard::Contradiction { known: known.clone(), other };
        }
        match height.cmp(&self.next) {
            Ordering::Less => Heard::Repeated,
            Ordering::Greater => Heard::Gap,
            Ordering::Equal => {
                self.next = height.next();
                if self.latest().is_none_or(|latest| latest.height() < height) {
                    self.remember(block);
                }
                Heard::Next
            }
        }
    }

    fn certified(&self, block: &FinalBlock) -> Certified {
        let known = self.signers.values().next_back().filter(|set| ***set == block.validators);
        let validators = known.cloned().unwrap_or_else(|| Arc::new(block.validators.clone()));
        Certified { signed: block.signed.clone(), validators }
    }

    fn remember(&mut self, block: &FinalBlock) {
        let certified = Arc::new(self.certified(block));
        let height = certified.height();
        if self.signers.values().next_back() != Some(&certified.validators) {
            self.signers.insert(height, certified.validators.clone());
        }
        let header = &certified.signed.header;
        if header.next_validators_hash != header.validators_hash {
            self.changes.insert(height, certified.clone());
        }
        self.recent.push_back(certified);
        if self.recent.len() > RECENT_HEADERS_MAX {
            self.recent.pop_front();
        }
    }

    fn recent_at(&self, height: Height) -> Option<&Arc<Certified>> {
        let at = self.recent.binary_search_by_key(&height, |certified| certified.height());
        at.ok().map(|at| &self.recent[at])
    }

    /// The time of a header, if it is still remembered.
    pub(crate) fn time_of(&self, height: Height) -> Option<Timestamp> {
        let certified = self.recent_at(height).or_else(|| self.changes.get(&height));
        certified.map(|certified| certified.time())
    }

    /// The set that signs a height; before the first one heard, the first one known.
    pub(crate) fn signers_of(&self, height: Height) -> Option<&Arc<ValidatorSet>> {
        let at = self.signers.range(..=height).next_back().or_else(|| self.signers.first_key_value());
        at.map(|(_, set)| set)
    }

    /// The first header after `after` that announces another set.
    pub(crate) fn change_after(&self, after: Height) -> Option<&Arc<Certified>> {
        self.changes.range(after.next()..).next().map(|(_, certified)| certified)
    }

    /// Forgets changes of the set that every follower knows.
    pub(crate) fn forget_changes_below(&mut self, height: Height) {
        self.changes = self.changes.split_off(&height);
        if let Some(&first) = self.signers.range(..=height).next_back().map(|(first, _)| first) {
            self.signers = self.signers.split_off(&first);
        }
    }

    /// What to do about the stream now: the height to subscribe from, if it is time to.
    pub(crate) fn tend(&mut self, now: Timestamp) -> Option<Height> {
        if let Stream::Asked { until } = self.stream
            && until <= now
        {
            self.disconnected(now);
        }
        match self.stream {
            Stream::Down { retry_at } if retry_at <= now => {
                self.stream = Stream::Asked { until: now.plus_ms(ANSWER_MS_MAX) };
                Some(self.next)
            }
            Stream::Down { .. } | Stream::Asked { .. } | Stream::Up { .. } => None,
        }
    }

    /// When [`Self::tend`] is needed next.
    pub(crate) fn stream_deadline(&self) -> Timestamp {
        match self.stream {
            Stream::Down { retry_at } => retry_at,
            Stream::Asked { until } => until,
            Stream::Up { .. } => NEVER,
        }
    }

    pub(crate) fn subscribed(&mut self, tip: Height) {
        self.stream = Stream::Up { tip };
        self.stream_attempts = 0;
    }

    pub(crate) fn disconnected(&mut self, now: Timestamp) {
        self.stream = Stream::Down { retry_at: now.plus_ms(backoff_ms(self.stream_attempts)) };
        self.stream_attempts += 1;
    }

    /// A gap: the running stream is of no use; one that was just asked for may still begin.
    pub(crate) fn missed(&mut self, now: Timestamp) {
        if matches!(self.stream, Stream::Up { .. }) {
            self.stream = Stream::Down { retry_at: now };
        }
    }

    /// There is nothing to hear below a height.
    pub(crate) fn begins(&mut self, now: Timestamp, oldest: Height) {
        if oldest <= self.next {
            // Nothing new, so asking at once would go on for ever.
            return self.disconnected(now);
        }
        self.next = oldest;
        self.stream = Stream::Down { retry_at: now };
    }

    /// Reads the chain again from the start; what is known stays, since hearing an event twice does no harm.
    pub(crate) fn rescan(&mut self, now: Timestamp) {
        self.next = Height(1);
        self.stream = Stream::Down { retry_at: now };
    }

    /// Forgets what was heard, and reads from where the configuration says.
    pub(crate) fn forget(&mut self) {
        self.stream = Stream::Down { retry_at: Timestamp(0) };
        self.next = self.config.from.max(Height(1));
        self.recent.clear();
        self.signers.clear();
        self.changes.clear();
        self.client_heights.clear();
        (self.tick_at, self.rescan_at, self.stream_attempts) = (Timestamp(0), Timestamp(0), 0);
    }

    pub(crate) fn check_invariants(&self) {
        assert!(self.recent.len() <= RECENT_HEADERS_MAX, "headers are bounded");
        assert!(
            self.recent.iter().zip(self.recent.iter().skip(1)).all(|(a, b)| a.height() < b.height()),
            "recent headers are in order"
        );
        assert!(self.next >= Height(1), "heights start at 1");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_crypto::SigningKey;
    use catenary_types::AccountId;

    #[test]
    fn what_is_not_there_is_not_asked_for_again() {
        let mut view = ChainView::new(ChainConfig {
            chain_id: "berka-0123456789abcdef-1".parse().unwrap(),
            account: AccountId([1; 20]),
            key: Arc::new(SigningKey::from_seed(&[1; 32])),
            from: Height(1),
        });
        let now = Timestamp(1_000);
        assert_eq!(view.tend(now), Some(Height(1)));
        view.begins(now, Height(8));
        assert_eq!(view.tend(now), Some(Height(8)));
        // The same answer to that is none: it waits a while.
        view.begins(now, Height(8));
        assert_eq!(view.tend(now), None);
        assert_eq!(view.tend(view.stream_deadline()), Some(Height(8)));
        view.subscribed(Height(9));
        view.rescan(now);
        assert_eq!(view.tend(now), Some(Height(1)));
        view.begins(now, Height(8));
        assert_eq!(view.tend(now), Some(Height(8)));
        view.check_invariants();
    }
}
