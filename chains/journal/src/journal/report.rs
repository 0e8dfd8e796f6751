//! What a scan found besides records, and what to do about it. All of it is data.

use super::record::ChainTag;
use std::fmt;

/// An incomplete last write: never acknowledged, so cutting it off loses nothing that was promised.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TornTail {
    /// Segment, always the last.
    pub segment: u64,
    /// Where the incomplete write starts.
    pub offset: u64,
    /// Bytes from there to the end of the file.
    pub length: u64,
}

/// Durable bytes that are not what was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Segment.
    pub segment: u64,
    /// Where in the segment; 0 if the whole segment is concerned.
    pub offset: u64,
    /// What is wrong.
    pub cause: Cause,
    /// What it cost.
    pub lost: Lost,
}

/// What is wrong with durable bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// A copy of the segment header does not fit its checksum.
    SegmentHeader,
    /// The segment's header names another segment: the file was renamed.
    Misnamed,
    /// The segment belongs to another journal.
    Foreign,
    /// The segment should exist and does not.
    MissingSegment,
    /// The batches of two neighbouring segments, or within one, are not consecutive.
    MissingBatches,
    /// A batch ends without its commit, or holds fewer records than its commit says.
    MissingFrames,
    /// A frame's header does not read.
    FrameHeader,
    /// A frame's payload does not fit its checksum.
    Payload,
}

/// Which records a damage took away.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// None: only the journal's own bookkeeping was hit.
    Nothing,
    /// Records of these chains, up to these heights.
    Records(Vec<(ChainTag, u64)>),
    /// Nobody can tell: any chain may have lost a record.
    Unknown,
}

/// What a scan found besides records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// The incomplete last write, if there was one.
    pub torn: Option<TornTail>,
    /// Everything that was durable and is not what was written, in order.
    pub damage: Vec<Damage>,
}

impl Report {
    /// No damage; a torn tail is no damage.
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty()
    }

    /// Whether `chain`, whose blocks up to height `decided` are safe elsewhere, may have lost a record that it
    /// still needs. Such a chain must not vote until the next height is decided.
    ///
    /// Where not even the chain of a lost record can be told, every chain is suspect: a chain that left no
    /// other trace in that segment may be the one.
    pub fn is_suspect(&self, chain: ChainTag, decided: u64) -> bool {
        self.damage.iter().any(|damage| match &damage.lost {
            Lost::Nothing => false,
            Lost::Records(records) => records.iter().any(|&(of, height)| of == chain && height > decided),
            Lost::Unknown => true,
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.torn.is_none() && self.damage.is_empty() {
            return write!(f, "journal is intact");
        }
        if let Some(TornTail { segment, offset, length }) = self.torn {
            writeln!(
                f,
                "segment {segment}, offset {offset}: incomplete last write of {length} bytes cut off"
            )?;
        }
        self.damage.iter().try_for_each(|damage| writeln!(f, "{damage}"))
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "segment {}, offset {}: {}; ", self.segment, self.offset, self.cause)?;
        match &self.lost {
            Lost::Nothing => write!(f, "no record lost"),
            Lost::Records(records) => {
                write!(f, "lost records of")?;
                records.iter().try_for_each(|(chain, height)| write!(f, " {chain} up to height {height}"))
            }
            Lost::Unknown => write!(f, "any chain may have lost a record"),
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SegmentHeader => "damaged segment header",
            Self::Misnamed => "header names another segment",
            Self::Foreign => "segment of another journal",
            Self::MissingSegment => "segment is missing",
            Self::MissingBatches => "batches are missing",
            Self::MissingFrames => "frames are missing",
            Self::FrameHeader => "damaged frame header",
            Self::Payload => "damaged payload",
        })
    }
}

/// What the owner of the files does before anything is appended, in this order, each made durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repair {
    /// Cut the segment to this length.
    Truncate {
        /// Segment.
        segment: u64,
        /// Bytes that stay.
        length: u64,
    },
    /// Delete the segment: it was being created, or trimmed, when the node stopped.
    Remove {
        /// Segment.
        segment: u64,
    },
}
