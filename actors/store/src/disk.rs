//! The room on the disk of a data folder, and a reserve of it that is given up when there is no other.

use crate::FileError;
use std::fs::File;
use std::path::{Path, PathBuf};

/// Room on a disk, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// What this process may still fill.
    pub free: u64,
    /// All of it.
    pub size: u64,
}

/// The room on the disk that holds a folder. May wait for the disk, so it is not for actors.
pub fn space(folder: &Path) -> Result<Space, FileError> {
    let stat = nix::sys::statvfs::statvfs(folder);
    let stat = stat.map_err(|error| FileError::of("ask for the free space of", folder)(error.into()))?;
    #[allow(clippy::useless_conversion, reason = "the width of these differs between systems")]
    let blocks = |count| u64::from(count).saturating_mul(u64::from(stat.fragment_size()));
    Ok(Space { free: blocks(stat.blocks_available()), size: blocks(stat.blocks()) })
}

/// A file of real blocks that holds nothing. Removing it makes the room with which a node whose disk is full can end in order and
/// start again.
#[derive(Clone, Debug)]
pub struct Reserve {
    path: PathBuf,
}

impl Reserve {
    /// Its size. A start writes the guard anew (1 MiB), a segment of the journal and the engine's files of the index; the rest is
    /// for the blocks of some hours of others.
    pub const BYTES: u64 = 32 << 20;

    /// The reserve of a data folder.
    pub fn of(data: &Path) -> Self {
        Self { path: data.join("reserve") }
    }

    /// Whether it is there.
    pub fn is_held(&self) -> bool {
        self.path.is_file()
    }

    /// Takes the room; one that is not to be had is left as it is.
    pub fn hold(&self) -> Result<(), FileError> {
        let held = File::create(&self.path).and_then(|file| {
            fill(&file)?;
            file.sync_all()
        });
        if held.is_err() {
            crate::files::remove(&self.path)?;
        }
        held.map_err(FileError::of("reserve room in", &self.path))
    }

    /// Gives the room up; false if there is none.
    pub fn release(&self) -> Result<bool, FileError> {
        let held = self.is_held();
        crate::files::remove(&self.path)?;
        Ok(held)
    }
}

#[cfg(target_os = "linux")]
fn fill(file: &File) -> std::io::Result<()> {
    let bytes = i64::try_from(Reserve::BYTES).expect("a small constant");
    Ok(nix::fcntl::posix_fallocate(file, 0, bytes)?)
}

#[cfg(not(target_os = "linux"))]
fn fill(mut file: &File) -> std::io::Result<()> {
    let zeros = vec![0; 1 << 20];
    (0..Reserve::BYTES >> 20).try_for_each(|_| std::io::Write::write_all(&mut file, &zeros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reserve_takes_room_and_gives_it_back() {
        let folder = tempfile::tempdir().unwrap();
        let reserve = Reserve::of(folder.path());
        assert!(!reserve.is_held() && !reserve.release().unwrap());
        reserve.hold().unwrap();
        #[cfg(target_os = "linux")]
        {
            use std::os::unix::fs::MetadataExt;
            let blocks = std::fs::metadata(folder.path().join("reserve")).unwrap().blocks();
            assert!(512 * blocks >= Reserve::BYTES, "{blocks} blocks are there for certain");
        }
        assert!(reserve.is_held() && reserve.release().unwrap() && !reserve.is_held());
        let space = space(folder.path()).unwrap();
        assert!(0 < space.free && space.free <= space.size);
    }

    #[test]
    fn room_that_is_not_there_is_not_half_taken() {
        let gone = tempfile::tempdir().unwrap().path().join("gone");
        assert!(Reserve::of(&gone).hold().is_err());
        assert!(space(&gone).unwrap_err().to_string().contains("gone"));
    }
}
