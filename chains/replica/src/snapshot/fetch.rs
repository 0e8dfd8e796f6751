//! Fetching a snapshot: whom to ask, and how far the answers are.
//!
//! ```text
//!   no block here, others far ahead ─► FetchSnapshot(manifest) ─► judged ─► chunks, one after the other ─► judged ─► restore
//!          │                                  └──── none, no answer, or a bad one ─► the next peer
//!          └── nobody has one ─► blocks are fetched from the first on
//! ```
//!
//! One peer is asked at a time, and all of a snapshot comes from one: those of others are of other heights. Nothing is
//! written before all of it is judged.

use super::{Manifest, Snapshot, SnapshotError, SnapshotPart, VerifiedManifest};
use crate::limits::{SNAPSHOT_TIMEOUT_MS, SNAPSHOT_UNANSWERED_MAX, SNAPSHOT_WORTH_BLOCKS};
use crate::{interface::Effect, peer::PeerMessage, peer::Recipients, replica::Replica, worker::Job};
use catenary_consensus::Peer;
use catenary_types::{Height, Timestamp};
use std::{collections::BTreeSet, sync::Arc};

/// How far it is.
#[derive(Debug, Default)]
enum Stage {
    #[default]
    Idle,
    /// A manifest was asked for.
    Manifest { peer: Peer, deadline: Timestamp },
    /// The worker has the manifest.
    Judging { peer: Peer },
    /// The next chunk was asked for.
    Chunks { peer: Peer, deadline: Timestamp, manifest: Arc<VerifiedManifest>, chunks: Vec<Vec<u8>> },
    /// The worker has all of it.
    Opening { peer: Peer },
}

/// What is known of others' snapshots.
#[derive(Debug)]
pub(crate) struct SnapshotFetch {
    is_wanted: bool,
    stage: Stage,
    /// Who has none, or sent one that is none.
    without: BTreeSet<Peer>,
    /// Who was asked last: the next question goes to the one after.
    asked: Option<Peer>,
    /// Questions in a row that were not answered in time.
    unanswered: u32,
}

impl SnapshotFetch {
    /// Nobody has been asked, and nobody is if none is wanted.
    pub(crate) fn new(is_wanted: bool) -> Self {
        Self { is_wanted, stage: Stage::Idle, without: BTreeSet::new(), asked: None, unanswered: 0 }
    }

    /// Whether blocks need not be fetched meanwhile.
    pub(crate) fn is_under_way(&self) -> bool {
        !matches!(self.stage, Stage::Idle)
    }

    /// When to call [`Self::ask`] again.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match &self.stage {
            Stage::Manifest { deadline, .. } | Stage::Chunks { deadline, .. } => Some(*deadline),
            Stage::Idle | Stage::Judging { .. } | Stage::Opening { .. } => None,
        }
    }

    /// A peer is gone.
    pub(crate) fn leave(&mut self, peer: Peer) {
        self.without.remove(&peer);
        if self.peer() == Some(peer) {
            self.stage = Stage::Idle;
        }
    }

    /// Whom to ask for a manifest now, if anybody, given who claims which height.
    fn ask(&mut self, now: Timestamp, claims: impl Iterator<Item = (Peer, Height)>) -> Option<Peer> {
        if self.deadline().is_some_and(|deadline| deadline <= now) {
            self.stage = Stage::Idle;
            self.unanswered += 1;
        }
        if self.is_under_way() || self.unanswered >= SNAPSHOT_UNANSWERED_MAX {
            return None;
        }
        let far = claims.filter(|(_, height)| height.0 >= SNAPSHOT_WORTH_BLOCKS).map(|(peer, _)| peer);
        let far: Vec<_> = far.filter(|peer| !self.without.contains(peer)).collect();
        let after = far.iter().find(|peer| Some(**peer) > self.asked);
        let peer = *after.or_else(|| far.first())?;
        self.asked = Some(peer);
        self.stage = Stage::Manifest { peer, deadline: now.plus_ms(SNAPSHOT_TIMEOUT_MS) };
        Some(peer)
    }

    fn peer(&self) -> Option<Peer> {
        match &self.stage {
            Stage::Idle => None,
            Stage::Manifest { peer, .. }
            | Stage::Judging { peer }
            | Stage::Chunks { peer, .. }
            | Stage::Opening { peer } => Some(*peer),
        }
    }

    /// Asks this peer no more.
    fn give_up(&mut self, peer: Peer) {
        self.without.insert(peer);
        self.stage = Stage::Idle;
    }
}

impl Replica {
    /// Asks for a snapshot if that is worth it: only a chain that has no block yet begins with one.
    pub(crate) fn fetch_snapshot(&mut self) {
        if self.reached() != Height(0) || !self.snapshot.is_wanted {
            self.snapshot.stage = Stage::Idle;
            return;
        }
        if let Some(peer) = self.snapshot.ask(self.now, self.sync.claims()) {
            self.send(Recipients::One(peer), PeerMessage::FetchSnapshot(SnapshotPart::Manifest));
        }
    }

    /// A peer answers with its newest manifest, or that it has none.
    pub(crate) fn receive_manifest(&mut self, peer: Peer, manifest: Option<Arc<Manifest>>) {
        if !matches!(self.snapshot.stage, Stage::Manifest { peer: asked, .. } if asked == peer) {
            return;
        }
        self.snapshot.unanswered = 0;
        match manifest {
            None => self.snapshot.give_up(peer),
            Some(manifest) => {
                self.snapshot.stage = Stage::Judging { peer };
                let anchor = Box::new(super::Anchor::at(&self.tip));
                self.work(Job::CheckManifest { peer, manifest, anchor });
            }
        }
    }

    /// The worker has judged a manifest.
    pub(crate) fn manifest_checked(
        &mut self,
        peer: Peer,
        result: Result<Arc<VerifiedManifest>, SnapshotError>,
    ) {
        if !matches!(self.snapshot.stage, Stage::Judging { peer: asked } if asked == peer) {
            return;
        }
        match result {
            Ok(manifest) => self.next_chunk(peer, manifest, Vec::new()),
            Err(error) => self.refuse_snapshot(peer, error),
        }
    }

    /// A peer answers with a chunk, an empty one if it no longer has the snapshot.
    pub(crate) fn receive_chunk(&mut self, peer: Peer, (height, index): (Height, u32), bytes: Vec<u8>) {
        match std::mem::take(&mut self.snapshot.stage) {
            Stage::Chunks { peer: asked, manifest, mut chunks, .. }
                if asked == peer
                    && height == manifest.manifest().height()
                    && index as usize == chunks.len() =>
            {
                if bytes.is_empty() {
                    // It has a newer one by now.
                    self.snapshot.unanswered += 1;
                } else if let Err(error) = manifest.manifest().check_chunk(chunks.len(), &bytes) {
                    self.refuse_snapshot(peer, error);
                } else {
                    self.snapshot.unanswered = 0;
                    chunks.push(bytes);
                    self.next_chunk(peer, manifest, chunks);
                }
            }
            other => self.snapshot.stage = other,
        }
    }

    /// The worker has judged a whole snapshot.
    pub(crate) fn snapshot_checked(&mut self, peer: Peer, result: Result<Arc<Snapshot>, SnapshotError>) {
        if !matches!(self.snapshot.stage, Stage::Opening { peer: asked } if asked == peer) {
            return;
        }
        match result {
            // A block was decided meanwhile: the chain goes on from there.
            Ok(_) if self.reached() != Height(0) => self.snapshot.stage = Stage::Idle,
            Ok(snapshot) => {
                self.halt();
                self.step.effects.push(Effect::Restore(snapshot));
            }
            Err(error) => self.refuse_snapshot(peer, error),
        }
    }

    fn next_chunk(&mut self, peer: Peer, manifest: Arc<VerifiedManifest>, chunks: Vec<Vec<u8>>) {
        let height = manifest.manifest().height();
        if chunks.len() == manifest.manifest().chunks.len() {
            self.snapshot.stage = Stage::Opening { peer };
            return self.work(Job::CheckSnapshot { peer, manifest, chunks });
        }
        let index = u32::try_from(chunks.len()).expect("a snapshot has few chunks");
        let deadline = self.now.plus_ms(SNAPSHOT_TIMEOUT_MS);
        self.snapshot.stage = Stage::Chunks { peer, deadline, manifest, chunks };
        self.send(Recipients::One(peer), PeerMessage::FetchSnapshot(SnapshotPart::Chunk { height, index }));
    }

    fn refuse_snapshot(&mut self, peer: Peer, error: SnapshotError) {
        self.snapshot.give_up(peer);
        self.step.effects.push(Effect::SnapshotRefused { peer, error });
    }
}
