//! Watches the room on a node's disk: submissions are refused before anything else has to stop.
//!
//! ```text
//!  free space   above the bound          below the bound                       none left
//!               everything goes on ──►   submissions are refused,        ──►   the journal fails: every chain stops;
//!                    ▲                   voting and following go on            the reserve is released for the next start
//!                    └── a quarter more than the bound ──┘
//! ```
//!
//! Between the two bounds nothing changes, so that a node at the edge does not open and close its door every second.

use catenary_relay::gateway::RefusalReason;
use catenary_runtime::Door;
use catenary_store::{
    FileError,
    disk::{Reserve, Space, space},
};
use std::path::{Path, PathBuf};

/// Tells how much room the disk of a folder has.
pub type Probe = Box<dyn Fn(&Path) -> Result<Space, FileError> + Send>;

/// Watches one data folder. Its methods ask the disk, so they are not for actors.
pub struct DiskWatch {
    data: PathBuf,
    /// Free space below which submissions are refused, in bytes; 0 watches nothing.
    bound: u64,
    reserve: Reserve,
    probe: Probe,
    closed: bool,
    /// Whether the reserve could not be had.
    unreserved: bool,
}

/// What a look at the disk showed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Look {
    /// The room.
    pub space: Space,
    /// What the operator should know, if anything changed.
    pub notice: Option<String>,
}

impl DiskWatch {
    /// Watches this folder.
    pub fn new(data: &Path, bound: u64) -> Self {
        Self::asking(data, bound, Box::new(space))
    }

    /// The same, told by somebody else how much room there is.
    pub fn asking(data: &Path, bound: u64, probe: Probe) -> Self {
        Self {
            data: data.to_owned(),
            bound,
            reserve: Reserve::of(data),
            probe,
            closed: false,
            unreserved: false,
        }
    }

    /// Before the node opens: gives the reserve up if there is no room to open with. Says so.
    pub fn make_room(&self) -> Result<Option<String>, FileError> {
        // A folder that is not there yet has no reserve either.
        if !self.reserve.is_held() || (self.probe)(&self.data)?.free >= Reserve::BYTES {
            return Ok(None);
        }
        self.reserve.release()?;
        let size = Reserve::BYTES >> 20;
        Ok(Some(format!(
            "the disk is full: the reserve of {size} MiB is released so that the node can start"
        )))
    }

    /// Looks, closes or opens the door, and takes the reserve when there is room for it.
    pub fn look(&mut self, door: &Door) -> Result<Look, FileError> {
        let mut space = (self.probe)(&self.data)?;
        let was_closed = self.closed;
        self.closed =
            space.free < if was_closed { self.bound.saturating_add(self.bound / 4) } else { self.bound };
        let (free, bound) = (space.free >> 20, self.bound >> 20);
        let notice = match (was_closed, self.closed) {
            (false, true) => {
                let detail = format!(
                    "{free} MiB are free on the node's disk, less than {bound}: use another node, or wait"
                );
                door.close(RefusalReason::DiskFull, detail);
                Some(format!(
                    "the disk is nearly full: {free} MiB are free, less than the {bound} of node.disk_reserve_mib. No submission is \
                     taken any more; voting and following go on. Make room"
                ))
            }
            (true, false) => {
                door.open();
                Some(format!("the disk has room again, {free} MiB: submissions are taken"))
            }
            (true, true) | (false, false) => None,
        };
        let mut notice = notice;
        if !self.closed
            && self.bound > 0
            && !self.reserve.is_held()
            && space.free >= self.bound + Reserve::BYTES
        {
            match self.reserve.hold() {
                Ok(()) => space.free -= Reserve::BYTES,
                // Said once: it is tried again at every look.
                Err(error) if !std::mem::replace(&mut self.unreserved, true) => {
                    notice.get_or_insert(format!("no room can be reserved for a full disk: {error}"));
                }
                Err(_) => {}
            }
        }
        Ok(Look { space, notice })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]
mod tests {
    use super::*;
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    const MIB: u64 = 1 << 20;

    /// A watch of this folder with a bound of 100 MiB, and what decides how much is free.
    fn watch(data: &Path) -> (DiskWatch, Arc<AtomicU64>) {
        let free = Arc::new(AtomicU64::new(0));
        let told = free.clone();
        let probe = move |_: &Path| Ok(Space { free: told.load(Ordering::Relaxed), size: 1_000 * MIB });
        (DiskWatch::asking(data, 100 * MIB, Box::new(probe)), free)
    }

    #[test]
    fn the_door_closes_below_the_bound_and_opens_a_quarter_above_it() {
        let folder = tempfile::tempdir().unwrap();
        let (mut watch, free) = watch(folder.path());
        let door = Door::default();
        // Free MiB, whether the door is closed then, whether something is said.
        let looks = [
            (131, false, false),
            (100, false, false),
            (99, true, true),
            (99, true, false),
            (124, true, false),
            (125, false, true),
            (125, false, false),
            (0, true, true),
        ];
        for (mib, closed, told) in looks {
            free.store(mib * MIB, Ordering::Relaxed);
            let look = watch.look(&door).unwrap();
            assert_eq!((door.refusal().is_some(), look.notice.is_some()), (closed, told), "{mib}: {look:?}");
            assert!(door.refusal().is_none_or(|refusal| refusal.reason == RefusalReason::DiskFull));
        }
        assert!(!Reserve::of(folder.path()).is_held(), "there was never room for it");
    }

    #[test]
    fn a_reserve_is_taken_where_there_is_room_and_given_up_where_there_is_none() {
        let folder = tempfile::tempdir().unwrap();
        let (mut watch, free) = watch(folder.path());
        let (door, reserve) = (Door::default(), Reserve::of(folder.path()));
        free.store(200 * MIB, Ordering::Relaxed);
        assert_eq!(watch.look(&door).unwrap().space.free, 200 * MIB - Reserve::BYTES);
        assert!(reserve.is_held());
        free.store(Reserve::BYTES, Ordering::Relaxed);
        assert_eq!((watch.make_room().unwrap(), reserve.is_held()), (None, true));
        free.store(Reserve::BYTES - 1, Ordering::Relaxed);
        assert!(watch.make_room().unwrap().unwrap().contains("released"));
        assert!(!reserve.is_held());
        // Not before there is room for both.
        for (mib, held) in [(131, false), (132, true)] {
            free.store(mib * MIB, Ordering::Relaxed);
            watch.look(&door).unwrap();
            assert_eq!(reserve.is_held(), held, "{mib}");
        }
    }

    #[test]
    fn a_bound_of_nothing_watches_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let probe = |_: &Path| Ok(Space { free: 0, size: 1 });
        let mut watch = DiskWatch::asking(folder.path(), 0, Box::new(probe));
        let door = Door::default();
        assert_eq!(watch.look(&door).unwrap().notice, None);
        assert!(door.refusal().is_none() && !Reserve::of(folder.path()).is_held());
    }
}
