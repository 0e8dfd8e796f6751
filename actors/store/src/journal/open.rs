//! Opens a journal: scan, repair, new segment, writer thread.

use super::writer::{Files, Writer};
use super::{Config, Journal, JournalWriter, Shared};
use crate::failpoint::{Failpoint, reached};
use crate::files::{self, Create};
use crate::{OpenError, threads};
use catenary_journal::journal::{JournalId, Record, Repair, Report, Scan, Scanner};
use catenary_platform::Platform;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::sync::Arc;

impl JournalWriter {
    /// Opens the journal in `dir`, creating it if need be. Also returns every record that is still there, oldest first, and
    /// what the scan found. A torn tail is cut off; the report says which chains must not vote.
    pub fn open(dir: &Path, config: Config) -> Result<(Self, Vec<Record>, Report), OpenError> {
        Self::open_with(dir, config, Box::new(files::create_new))
    }

    /// As [`Self::open`], on this platform. Before anything is written, `meanwhile` is told what is wrong with the
    /// journal, and the number of the first batch that it does not have, if it is there and whole.
    pub fn open_after<T>(
        platform: &Platform,
        dir: &Path,
        config: Config,
        meanwhile: impl FnOnce(&Report, Option<u64>) -> T,
    ) -> Result<(Self, Vec<Record>, Report, T), OpenError> {
        let mut outcome = None;
        let create = Box::new(files::create_new);
        let note = |report: &Report, end| outcome = Some(meanwhile(report, end));
        let (writer, records, report) = Self::open_noting(platform, dir, config, create, note)?;
        Ok((writer, records, report, outcome.expect("an opening that succeeds has come by there")))
    }

    pub(super) fn open_with(
        dir: &Path,
        config: Config,
        create: Create,
    ) -> Result<(Self, Vec<Record>, Report), OpenError> {
        Self::open_noting(&Platform::default(), dir, config, create, |_, _| ())
    }

    fn open_noting(
        platform: &Platform,
        dir: &Path,
        config: Config,
        create: Create,
        note: impl FnOnce(&Report, Option<u64>),
    ) -> Result<(Self, Vec<Record>, Report), OpenError> {
        files::create_dir(dir)?;
        let files = Files::new(dir, create);
        let scan = scan(&files)?;
        for step in &scan.repair {
            match *step {
                Repair::Truncate { segment, length } => files::truncate(&files.path(segment), length)?,
                Repair::Remove { segment } => files::remove(&files.path(segment))?,
            }
        }
        if !scan.repair.is_empty() {
            files::sync_dir(dir)?;
            reached(Failpoint::JournalRepaired);
        }

        note(&scan.report, end(&scan));
        let shared = Arc::new(Shared::default());
        let id = scan.next.journal.unwrap_or_else(draw_id);
        let platform = platform.clone();
        let mut writer =
            Writer::start((platform.clone(), shared.clone()), config, files, id, &scan.next, scan.segments)?;
        let (commands, queue) = crossbeam_channel::bounded(config.queue_appends.max(1));
        let (hurry, hurried) = crossbeam_channel::bounded(1);
        let running = threads::start(&platform, "journal", move |wait| writer.turn(wait, &queue, &hurried))?;
        let journal = Journal { platform, shared, commands, hurry };
        Ok((Self { journal, running: Some(running) }, scan.records, scan.report))
    }
}

/// Reads a journal that nobody writes, and changes nothing: every record that is there, what is wrong with it, and the number
/// of the first batch that it does not have, if it is there and whole.
pub fn read(dir: &Path) -> Result<(Vec<Record>, Report, Option<u64>), OpenError> {
    let scan = scan(&Files::new(dir, Box::new(files::create_new)))?;
    let end = end(&scan);
    Ok((scan.records, scan.report, end))
}

fn scan(files: &Files) -> Result<Scan, OpenError> {
    let numbers = files.list()?;
    let mut scanner = Scanner::new(numbers.iter().copied());
    for &number in &numbers {
        scanner.segment(number, &files::read(&files.path(number))?)?;
    }
    Ok(scanner.finish())
}

/// The first batch that a whole journal does not have. A journal that is empty is none: it may be all that is left of one.
fn end(scan: &Scan) -> Option<u64> {
    let whole = scan.report.is_clean() && scan.next.batch > 0;
    whole.then_some(scan.next.batch)
}

/// Sixteen bytes that no peer can guess and no other journal has: the standard library seeds its hashers from
/// the system's randomness.
fn draw_id() -> JournalId {
    let mut id = [0; 16];
    for half in id.chunks_exact_mut(8) {
        half.copy_from_slice(&RandomState::new().build_hasher().finish().to_be_bytes());
    }
    JournalId(id)
}
