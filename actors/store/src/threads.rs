//! Starts the named threads of this crate.

use crate::FileError;
use std::path::Path;
use std::thread::{Builder, JoinHandle};

pub(crate) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, FileError> {
    Builder::new()
        .name(name.to_owned())
        .spawn(run)
        .map_err(FileError::of("start the thread", Path::new(name)))
}
