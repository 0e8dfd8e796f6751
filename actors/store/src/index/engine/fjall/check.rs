//! What fjall 3.1 trusts in its files without a look. A wrong number there ends the whole process, which no guard
//! prevents: by a panic in the clean-up after another, or by asking for memory that nobody has.
//!
//! - The file `v<number>` of a tree, which names its tables: its checksum stands in the file `current`.
//! - The number of entries in the table of contents of every table.

use super::Fault;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use xxhash_rust::xxh3::xxh3_128;

/// Length and beginning of the trailer of a table; the place of the table of contents stands in it.
const TRAILER: u64 = 38;
const TRAILER_MAGIC: &[u8] = b"SFA!\x01";
const CONTENTS_PLACE: usize = 22;
const CONTENTS_MAGIC: &[u8] = b"TOC!";

/// Checks the trees of a database that nobody has open.
pub(super) fn check(dir: &Path) -> Result<(), Fault> {
    for tree in dir.join("keyspaces").read_dir()? {
        let tree = tree?.path();
        match fs::read(tree.join("current")) {
            Ok(current) => check_version(&tree, &current)?,
            // A tree that was never finished; fjall deletes it.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        }
        for table in tree.join("tables").read_dir()? {
            check_contents(&table?.path())?;
        }
    }
    Ok(())
}

/// `current` is the number of the version, the checksum of its file, and the kind of the checksum.
fn check_version(tree: &Path, current: &[u8]) -> Result<(), Fault> {
    let damaged = || Fault::Damage(format!("{} does not fit its version", tree.display()));
    let (number, rest) = current.split_first_chunk().ok_or_else(damaged)?;
    let checksum = rest.first_chunk().ok_or_else(damaged)?;
    let version = fs::read(tree.join(format!("v{}", u64::from_le_bytes(*number))))?;
    if xxh3_128(&version) == u128::from_le_bytes(*checksum) { Ok(()) } else { Err(damaged()) }
}

/// A table without a trailer is the rest of a crash or will be refused; what must not be is one that promises more entries
/// than it has bytes.
fn check_contents(table: &Path) -> Result<(), Fault> {
    let mut file = File::open(table)?;
    let length = file.metadata()?.len();
    let mut trailer = [0; TRAILER as usize];
    if length < TRAILER || !read_at(&mut file, length - TRAILER, &mut trailer)?.starts_with(TRAILER_MAGIC) {
        return Ok(());
    }
    let place = trailer[CONTENTS_PLACE..].first_chunk().map_or(u64::MAX, |place| u64::from_le_bytes(*place));
    let mut contents = [0; 8];
    if place > length - TRAILER || !read_at(&mut file, place, &mut contents)?.starts_with(CONTENTS_MAGIC) {
        return Ok(());
    }
    let entries = contents[4..].first_chunk().map_or(u32::MAX, |entries| u32::from_le_bytes(*entries));
    if u64::from(entries) <= length {
        Ok(())
    } else {
        Err(Fault::Damage(format!("{} promises {entries} sections", table.display())))
    }
}

fn read_at<'a>(file: &mut File, place: u64, bytes: &'a mut [u8]) -> io::Result<&'a [u8]> {
    file.seek(SeekFrom::Start(place))?;
    file.read_exact(bytes)?;
    Ok(bytes)
}
