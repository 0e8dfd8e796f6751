//! Opens one chain's log: scan, repair, and the file to go on with.

use super::log::{EXTENSION, Found, Log, Output};
use super::{BlockLog, BlockLogError, BlockLogWriter};
use crate::failpoint::{Failpoint, reached};
use crate::files::{self, Create};
use crate::{FileError, OpenError};
use catenary_journal::block_log::{Identity, Repair, Report, Scan, Scanner, SegmentWriter};
use catenary_platform::Platform;
use std::fs::OpenOptions;
use std::path::Path;
use std::sync::Arc;

impl BlockLogWriter {
    /// Opens the log of the chain with this identity in `dir`, creating it if need be, and verifies all of it: checksums, places
    /// and hash chain. A torn tail is cut off. What is damaged is in the report and refused by [`BlockLog::read`]. One log
    /// must be open once only.
    pub fn open(&self, dir: &Path, identity: Identity) -> Result<(BlockLog, Report), OpenError> {
        self.open_with(dir, identity, Box::new(files::create_new))
    }

    pub(super) fn open_with(
        &self,
        dir: &Path,
        identity: Identity,
        create: Create,
    ) -> Result<(BlockLog, Report), OpenError> {
        files::create_dir(dir)?;
        let mut scan = scan(dir, &identity)?;
        repair(dir, &scan.repair)?;
        let end = scan.end.take();
        let (mut found, report) = found(scan, &identity, create);
        if let Some(end) = end {
            found.next_height = end.next_height;
            found.failure = None;
            found.output.start = end.chain_hash;
            if let Some(segment) = SegmentWriter::resume(identity.clone(), &end) {
                let path = files::numbered(dir, segment.first_height(), EXTENSION);
                let file = OpenOptions::new().append(true).open(&path);
                let file = file.map_err(FileError::of("open", &path))?;
                // What was written before a crash may still be unflushed.
                file.sync_all().map_err(FileError::of("flush", &path))?;
                found.output.open = Some((segment, file));
            }
        }
        let log = Arc::new(Log::new(identity, dir, self.config.segment_bytes, found));
        let (platform, commands) = (self.platform.clone(), self.commands.clone());
        Ok((BlockLog { platform, log, commands }, report))
    }
}

impl BlockLog {
    /// Opens the log of a chain that nobody writes, verifies all of it, and changes nothing: a torn tail is left as it is, and
    /// appends are refused.
    pub fn read_only(dir: &Path, identity: Identity) -> Result<(Self, Report), OpenError> {
        let mut scan = scan(dir, &identity)?;
        let end = scan.end.take();
        let (mut found, report) = found(scan, &identity, Box::new(files::create_new));
        found.next_height = end.map_or(found.next_height, |end| end.next_height);
        found.failure = Some(BlockLogError::Closed);
        let log = Arc::new(Log::new(identity, dir, 0, found));
        // Nobody takes commands from it.
        let (commands, _) = crossbeam_channel::bounded(1);
        Ok((Self { platform: Platform::default(), log, commands }, report))
    }
}

/// What a scan found of a log whose end is not known.
fn found(scan: Scan, identity: &Identity, create: Create) -> (Found, Report) {
    let last = scan.blocks.last().map_or(identity.first_height() - 1, |block| block.height);
    let lost = scan.report.damage.iter().map(|damage| damage.last.unwrap_or(damage.first)).max();
    let found = Found {
        blocks: scan.blocks,
        damage: scan.report.damage.clone(),
        next_height: last.max(lost.unwrap_or(0)) + 1,
        output: Output { create, open: None, start: identity.first_chain_hash(), buffer: Vec::new() },
        failure: Some(BlockLogError::EndUnknown),
    };
    (found, scan.report)
}

fn scan(dir: &Path, identity: &Identity) -> Result<Scan, OpenError> {
    let first_heights = if dir.is_dir() { files::list_numbered(dir, EXTENSION)? } else { Vec::new() };
    let mut scanner = Scanner::new(identity.clone(), first_heights.iter().copied());
    for &first in &first_heights {
        scanner.segment(first, &files::read(&files::numbered(dir, first, EXTENSION))?)?;
    }
    Ok(scanner.finish())
}

fn repair(dir: &Path, plan: &[Repair]) -> Result<(), FileError> {
    for step in plan {
        match *step {
            Repair::Truncate { segment, length } => {
                files::truncate(&files::numbered(dir, segment, EXTENSION), length)?;
            }
            Repair::Remove { segment } => files::remove(&files::numbered(dir, segment, EXTENSION))?,
        }
    }
    if !plan.is_empty() {
        files::sync_dir(dir)?;
        reached(Failpoint::BlockLogRepaired);
    }
    Ok(())
}
