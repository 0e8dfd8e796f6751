//! Threads and the clock of the machine: the only place that starts the ones and reads the other.

use crate::{Running, Wait};
use catenary_types::Timestamp;
use std::{
    io,
    ops::ControlFlow,
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

/// The machine's wall-clock time. A clock before 1970 reads as 0.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp(u64::try_from(since_epoch.as_nanos()).unwrap_or(u64::MAX))
}

pub(crate) fn start(
    name: &str,
    mut worker: impl FnMut(Wait) -> ControlFlow<()> + Send + 'static,
) -> io::Result<Running> {
    let run = move || while worker(Wait::ForWork).is_continue() {};
    thread::Builder::new().name(name.to_owned()).spawn(run).map(Running::Thread)
}

pub(crate) fn start_once(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work).map(drop)
}
