//! Starts the named workers of this crate.

use crate::FileError;
use catenary_platform::{Platform, Running, Wait};
use std::ops::ControlFlow;
use std::path::Path;

pub(crate) fn start(
    platform: &Platform,
    name: &str,
    worker: impl FnMut(Wait) -> ControlFlow<()> + Send + 'static,
) -> Result<Running, FileError> {
    platform.start(name, worker).map_err(FileError::of("start the thread", Path::new(name)))
}
