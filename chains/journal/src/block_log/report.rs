//! What a scan found besides blocks, and what to do about it. All of it is data.

use std::fmt;

/// The remains of writes that were never flushed. Their blocks still stand in the journal or with peers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// First height of the segment, always the last.
    pub segment: u64,
    /// Where the remains start.
    pub offset: u64,
    /// Bytes from there to the end of the file.
    pub length: u64,
    /// First height that they held.
    pub height: u64,
}

/// Flushed bytes that are not what was written. The blocks concerned are not served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// First height of the segment, which names the file.
    pub segment: u64,
    /// Where in the segment; 0 if the whole segment is concerned.
    pub offset: u64,
    /// First height concerned.
    pub first: u64,
    /// Last height concerned; below `first` if no block is, `None` if it cannot be told.
    pub last: Option<u64>,
    /// What is wrong.
    pub cause: Cause,
}

/// What is wrong with flushed bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A segment header, or one of its copies, does not fit its checksum.
    SegmentHeader,
    /// The segment belongs to another chain.
    Foreign,
    /// The segment's header names another first height: the file was renamed.
    Misnamed,
    /// Entries are missing before this place.
    MissingEntries,
    /// An entry's head does not read.
    Head,
    /// Block or certificate do not fit the entry's chain hash.
    Body,
    /// The entry does not follow its predecessor: intact, but of another history.
    Chain,
}

/// What a scan found besides blocks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The remains of unflushed writes, if there were any.
    pub torn: Option<TornTail>,
    /// Everything that was flushed and is not what was written, in order.
    pub damage: Vec<Damage>,
}

impl Report {
    /// No damage; a torn tail is no damage.
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.torn.is_none() && self.damage.is_empty() {
            return write!(f, "block log is intact");
        }
        if let Some(TornTail { segment, offset, length, height }) = self.torn {
            writeln!(
                f,
                "segment {segment}, offset {offset}: {length} unflushed bytes from height {height} on cut off"
            )?;
        }
        self.damage.iter().try_for_each(|damage| writeln!(f, "{damage}"))
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { segment, offset, first, last, cause } = self;
        write!(f, "segment {segment}, offset {offset}: {cause}; ")?;
        match last {
            Some(last) if last < first => write!(f, "no block lost"),
            Some(last) if last == first => write!(f, "lost height {first}"),
            Some(last) => write!(f, "lost heights {first} to {last}"),
            None => write!(f, "lost height {first} and maybe later ones"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SegmentHeader => "damaged segment header",
            Self::Foreign => "segment of another chain",
            Self::Misnamed => "header names another segment",
            Self::MissingEntries => "entries are missing",
            Self::Head => "damaged entry head",
            Self::Body => "damaged block or certificate",
            Self::Chain => "entry does not follow its predecessor",
        })
    }
}

/// What the owner of the files does before anything is appended, each made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Cut the segment to this length.
    Truncate {
        /// First height of the segment.
        segment: u64,
        /// Bytes that stay.
        length: u64,
    },
    /// Delete the segment: it was being created when the node stopped.
    Remove {
        /// First height of the segment.
        segment: u64,
    },
}
