//! Room on the disk: opening a node when there is none, and watching while it runs.

use super::config::NodeFile;
use anyhow::Result;
use catenary_runtime::Door;
use catenary_store::{
    FileError, OpenDirError,
    disk::{Reserve, Space},
};
use catenary_system::{DiskWatch, Look, OpenNodeError};
use std::{cell::Cell, time::Duration};
use tokio::time::{MissedTickBehavior, interval, sleep};

/// How often the disk is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(1);

/// The watch that a configuration asks for.
pub fn disk(file: &NodeFile) -> DiskWatch {
    DiskWatch::new(&file.node.data, file.node.disk_reserve_mib << 20)
}

/// Opens a node; where the disk is full, with the room of the reserve. Where that is gone too, the node waits: it votes for
/// nothing, follows nothing and serves nothing before there is room for its journal.
pub async fn open<T>(disk: &DiskWatch, open: impl Fn() -> Result<T>) -> Result<T> {
    let mut told = false;
    loop {
        disk.make_room()?.into_iter().for_each(|notice| eprintln!("{notice}"));
        match open() {
            Err(error) if is_disk_full(&error) => {
                if !told {
                    eprintln!(
                        "{error:#}. There is no reserve left either: this node abstains, it neither votes nor follows nor serves, until \
                         there is room. Make some; it goes on by itself"
                    );
                    told = true;
                }
                sleep(LOOK_INTERVAL).await;
            }
            opened => return opened,
        }
    }
}

fn is_disk_full(error: &anyhow::Error) -> bool {
    let node = error.downcast_ref::<OpenNodeError>().is_some_and(OpenNodeError::is_disk_full);
    let folder = error.downcast_ref::<OpenDirError>();
    let file = error.downcast_ref::<FileError>().is_some_and(FileError::is_disk_full);
    file || node
        || folder.is_some_and(|error| matches!(error, OpenDirError::File(error) if error.is_disk_full()))
}

/// Looks at the disk, and says what the operator should know.
pub fn look(disk: &mut DiskWatch, door: &Door) -> Option<Space> {
    match disk.look(door) {
        Ok(Look { space, notice }) => {
            notice.into_iter().for_each(|notice| eprintln!("{notice}"));
            Some(space)
        }
        Err(error) => {
            tracing::error!(%error, "the disk cannot be watched");
            None
        }
    }
}

/// Looks at the disk again and again.
pub async fn watch(disk: DiskWatch, door: &Door, space: &Cell<Option<Space>>) {
    let mut ticks = interval(LOOK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut disk = disk;
    loop {
        ticks.tick().await;
        let door = door.clone();
        // A disk that does not answer holds up nobody else.
        let looked = tokio::task::spawn_blocking(move || {
            let seen = look(&mut disk, &door);
            (disk, seen)
        });
        let Ok((watch, seen)) = looked.await else { return std::future::pending().await };
        disk = watch;
        space.set(seen);
    }
}

/// After the journal found no room: gives the reserve up, so that what is left to write can be written.
pub fn give_up(file: &NodeFile) {
    match Reserve::of(&file.node.data).release() {
        Ok(true) => eprintln!(
            "the disk is full: the reserve of {} MiB is released so that block logs are flushed and the node can start again",
            Reserve::BYTES >> 20
        ),
        Ok(false) => {}
        Err(error) => eprintln!("the reserve cannot be released: {error}"),
    }
}
