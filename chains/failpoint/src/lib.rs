//! The moments at which a node can be made to die: before a journal record, between two writes to a disk, before a
//! message is handed over.
//!
//! A failpoint is a name. The product says where it is, each in one place; a test build kills the process there, the
//! simulator its node. So a crash that the simulator knows has the same name with real processes and real files.
//!
//! "Written" means that the operating system has it, "flushed" that the disk has it.
//!
//! # Invariants
//!
//! - Names only: what happens at a failpoint is decided by whoever runs the node.
//! - A name belongs to one place of the product for ever; a place that goes takes its name with it.
//! - No dependencies, no IO, no state.

use std::{fmt, str::FromStr};

/// Defines the enum, the list of its variants and their names together, so that none is forgotten.
macro_rules! failpoints {
    ($($(#[$doc:meta])+ $variant:ident = $name:literal,)+) => {
        /// Where a node may be made to die. Each says what has and what has not happened by then.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Failpoint {
            $($(#[$doc])+ $variant,)+
        }

        impl Failpoint {
            /// Every failpoint, in the order of the list.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its name, as operators and tests write it.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}

failpoints! {
    // Records of the journal, one kind each.

    /// A body is about to be appended; consensus has not heard of it.
    AppendBody = "append-body",
    /// A step of consensus took in a proposal, own or received; no record of the step is queued, an own one is not sent.
    AppendProposal = "append-proposal",
    /// A step signed a vote; neither record nor mark is queued, nothing of the step is sent.
    AppendOwnVote = "append-own-vote",
    /// A step took in another validator's vote; no record of the step is queued.
    AppendReceivedVote = "append-received-vote",
    /// A step judged a proposed value; no record of the step is queued.
    AppendJudgement = "append-judgement",
    /// A step took in a quorum of prevotes as one certificate; no record of the step is queued.
    AppendPolka = "append-polka",
    /// A step saw a timer end; no record of the step is queued.
    AppendTimeout = "append-timeout",
    /// A chain was opened; how far its block log is flushed is not queued, the journal is not trimmed up to there.
    AppendFlushed = "append-flushed",

    /// Changes of a Raft log are made in memory; no record of them is queued, nobody has heard of them.
    AppendRaft = "append-raft",
    /// Changes of a Raft log are flushed; its engine has not been told, so they are neither acknowledged nor committed.
    RaftDurable = "raft-durable",

    // The journal's files.

    /// A batch is put together and the guard told to begin; nothing of the batch is in the journal's file.
    JournalBatchGathered = "journal-batch-gathered",
    /// A batch is written; it is not flushed, the guard may be.
    JournalBatchWritten = "journal-batch-written",
    /// A batch is flushed; the guard may not be, nobody has been told.
    JournalBatchFlushed = "journal-batch-flushed",
    /// Journal and guard are flushed; nobody has been told, so nothing that waits for it is sent.
    JournalBatchDurable = "journal-batch-durable",
    /// A segment has its name and first bytes; neither is flushed, the segment before it has ended.
    JournalSegmentWritten = "journal-segment-written",
    /// A segment is flushed with its name; it holds no record.
    JournalSegmentFlushed = "journal-segment-flushed",
    /// The inventory of live segments is flushed; a segment that it no longer names is not deleted.
    JournalSegmentTrimmed = "journal-segment-trimmed",
    /// A torn end was cut off while the journal was opened, or a segment deleted that no inventory names; nothing is begun.
    JournalRepaired = "journal-repaired",

    // The guard's file.

    /// Marks are gathered; nothing of them is in the guard's file, the journal may hold their records.
    GuardBatchGathered = "guard-batch-gathered",
    /// Marks are written; they are not flushed, the journal may be.
    GuardBatchWritten = "guard-batch-written",
    /// Marks are flushed; the journal may not be, nobody has been told.
    GuardBatchFlushed = "guard-batch-flushed",
    /// The guard's file was written anew with what it held, without marks that were never sent; nothing is added.
    GuardFileReplaced = "guard-file-replaced",

    // The block logs.

    /// The next block is a final one's; nothing of it is in its log's file. The journal has what led to it.
    BlockLogBlockTaken = "block-log-block-taken",
    /// A block is written; it is not flushed, others may read and serve it.
    BlockLogBlockWritten = "block-log-block-written",
    /// A log is flushed; nobody has been told, the journal is not trimmed.
    BlockLogFlushed = "block-log-flushed",
    /// A segment has its name and first bytes; neither is flushed, the segment before it is.
    BlockLogSegmentWritten = "block-log-segment-written",
    /// A segment is flushed with its name; it holds no block.
    BlockLogSegmentFlushed = "block-log-segment-flushed",
    /// A torn end was cut off while a log was opened; no block was read from it.
    BlockLogRepaired = "block-log-repaired",
    /// A damaged log got another name; the one that replaces it does not have its name yet.
    BlockLogSetAside = "block-log-set-aside",

    // The index.

    /// The mark that an opening is under way is there; the index is not open.
    IndexOpening = "index-opening",
    /// A checkpoint is put together; nothing of it is in the index.
    IndexCheckpointGathered = "index-checkpoint-gathered",
    /// A checkpoint is in the index, flushed or not; the chain has not been told.
    IndexCheckpointApplied = "index-checkpoint-applied",

    // The data folder.

    /// A small file's new content is flushed under another name; under its own name stands the old one, or nothing.
    FileDraftFlushed = "file-draft-flushed",
    /// The folder's format is written; there is nothing else in it.
    DataFormatWritten = "data-format-written",
    /// A chain's genesis document is stored; its block log is not open.
    GenesisStored = "genesis-stored",

    // Snapshots, those taken and those restored.

    /// All files of a snapshot are flushed; its folder does not have its name, and nothing counts on it.
    SnapshotFlushed = "snapshot-flushed",
    /// A snapshot has its name; nobody has been told, and no chain was opened on it.
    SnapshotNamed = "snapshot-named",

    // What becomes of a final block.

    /// Consensus decided; the chain has not been told. The certificate is in no file.
    DecisionTaken = "decision-taken",
    /// A final block is executed in memory; it is not queued for its log, and the index does not know of it.
    BlockExecuted = "block-executed",
    /// A final block is queued for its log; subscribers have not been told.
    BlockQueued = "block-queued",

    // Messages between nodes.

    /// A message of consensus is about to be sent to all; what had to be flushed for it is.
    ConsensusPublish = "consensus-publish",
    /// A message of consensus is about to be sent to one peer that lacks it.
    ConsensusTell = "consensus-tell",
    /// A body, transactions, a tip or a question for blocks is about to be sent.
    ReplicaSend = "replica-send",
    /// Blocks that a peer asked for are read; the answer is not sent.
    BlocksServed = "blocks-served",
    /// A link has room for a frame; the wire has not got it.
    FrameSent = "frame-sent",
    /// A frame of a peer came in; nobody has looked at it.
    FrameReceived = "frame-received",
    /// A peer's message of consensus went through the check of signatures; its group has not got it.
    MessageVerified = "message-verified",

    // Messages to and from clients and routers.

    /// A client's transactions came in; the chain has not looked at them.
    SubmissionTaken = "submission-taken",
    /// A chain knows what becomes of a client's transactions; the client has not been told.
    SubmissionReply = "submission-reply",
    /// A router is about to ask a chain for its final blocks.
    RelaySubscribe = "relay-subscribe",
    /// A final block reached a router; it has not looked at it.
    RelayBlock = "relay-block",
    /// A router is about to ask a chain for a proof.
    RelayProve = "relay-prove",
    /// A proof reached a router; it has not looked at it.
    RelayProof = "relay-proof",
    /// A router is about to submit packets, acknowledgements or timeouts to a chain.
    RelaySubmit = "relay-submit",
    /// A chain's answer to a submission reached a router; it has not looked at it. The chain may have a block of it.
    RelayAnswer = "relay-answer",
}

/// A name that no failpoint has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownFailpoint(pub String);

impl FromStr for Failpoint {
    type Err = UnknownFailpoint;

    fn from_str(name: &str) -> Result<Self, UnknownFailpoint> {
        let found = Self::ALL.iter().find(|point| point.name() == name);
        found.copied().ok_or_else(|| UnknownFailpoint(name.to_owned()))
    }
}

impl fmt::Display for Failpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl fmt::Display for UnknownFailpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = Failpoint::ALL.iter().map(|point| point.name()).collect();
        write!(f, "{:?} is no failpoint; there are {}", self.0, names.join(", "))
    }
}

impl std::error::Error for UnknownFailpoint {}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// `AppendOwnVote` as `append-own-vote`.
    fn kebab(variant: &str) -> String {
        let letter = |(at, letter): (usize, char)| {
            let dash = (at > 0 && letter.is_ascii_uppercase()).then_some('-');
            dash.into_iter().chain([letter.to_ascii_lowercase()])
        };
        variant.chars().enumerate().flat_map(letter).collect()
    }

    #[test]
    fn names_follow_the_variants_differ_and_read_back() {
        for point in Failpoint::ALL {
            assert_eq!(point.name(), kebab(&format!("{point:?}")));
            assert_eq!(point.name().parse(), Ok(*point));
        }
        let names: BTreeSet<_> = Failpoint::ALL.iter().map(|point| point.name()).collect();
        assert_eq!(names.len(), Failpoint::ALL.len());
    }

    #[test]
    fn an_unknown_name_is_refused_with_those_that_there_are() {
        let error = "journal-batch".parse::<Failpoint>().unwrap_err();
        assert_eq!(error, UnknownFailpoint("journal-batch".into()));
        assert!(error.to_string().contains("journal-batch-written"));
    }
}
