//! Which validator keys are in use on this machine: a key that two processes sign with contradicts itself.
//!
//! All processes of a user share one empty file in one folder. A key stands for one byte of it, far
//! beyond its end, and whoever locks that byte has the key until he is gone, however he goes. Keys on other machines or of
//! other users are not seen, nor any on systems that lack such locks; a validator notices those by own votes that it does
//! not remember.

use crate::FileError;
use catenary_crypto::sha256;
use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
};

/// Keys that are in use as long as this lives.
#[derive(Debug)]
pub struct KeyLocks {
    path: PathBuf,
    file: File,
}

impl KeyLocks {
    /// No keys yet; whoever takes some shares this folder.
    pub fn new(folder: &Path) -> Result<Self, FileError> {
        let path = folder.join(format!("catenary-keys-{}.lock", nix::unistd::Uid::current()));
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let file = file.map_err(FileError::of("open", &path))?;
        Ok(Self { path, file })
    }

    /// Takes a key by its name; false if another process, or another owner in this one, has it.
    #[cfg(target_os = "linux")]
    pub fn take(&self, name: &str) -> Result<bool, FileError> {
        use nix::{
            errno::Errno,
            fcntl::{FcntlArg, fcntl},
            libc,
        };
        match fcntl(&self.file, FcntlArg::F_OFD_SETLK(&lock(name, libc::F_WRLCK as i16))) {
            Ok(_) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(error) => Err(FileError::of("lock", &self.path)(error.into())),
        }
    }

    /// Gives a key back.
    #[cfg(target_os = "linux")]
    pub fn release(&self, name: &str) -> Result<(), FileError> {
        use nix::{
            fcntl::{FcntlArg, fcntl},
            libc,
        };
        let unlocked = fcntl(&self.file, FcntlArg::F_OFD_SETLK(&lock(name, libc::F_UNLCK as i16)));
        unlocked.map(drop).map_err(|error| FileError::of("unlock", &self.path)(error.into()))
    }

    /// Takes a key by its name; here it is never in use.
    #[cfg(not(target_os = "linux"))]
    pub fn take(&self, _name: &str) -> Result<bool, FileError> {
        Ok(true)
    }

    /// Gives a key back.
    #[cfg(not(target_os = "linux"))]
    pub fn release(&self, _name: &str) -> Result<(), FileError> {
        Ok(())
    }
}

/// A lock of the byte that stands for a key.
#[cfg(target_os = "linux")]
fn lock(name: &str, kind: i16) -> nix::libc::flock {
    let place = sha256(name.as_bytes()).0.first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes) >> 2);
    nix::libc::flock {
        l_type: kind,
        l_whence: nix::libc::SEEK_SET as i16,
        l_start: place as i64,
        l_len: 1,
        l_pid: 0,
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_one_owner_until_he_is_gone() {
        let name = |key: &str| format!("{key} of process {}", std::process::id());
        let folder = std::env::temp_dir();
        let [first, second] = [(); 2].map(|()| KeyLocks::new(&folder).unwrap());
        assert!(first.take(&name("one")).unwrap());
        assert!(second.take(&name("two")).unwrap());
        assert!(!second.take(&name("one")).unwrap());
        first.release(&name("one")).unwrap();
        assert!(second.take(&name("one")).unwrap());
        assert!(first.take(&name("three")).unwrap());
        drop(first);
        assert!(second.take(&name("three")).unwrap());
    }
}
