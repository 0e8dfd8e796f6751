//! What the report calls each effect and each error, and which of them must really have occurred.

use crate::{Report, faults::FAILPOINTS, spoiled::Spoil};
use catenary_consensus::{AbstainReason, Effect as ConsensusEffect};
use catenary_relay::gateway::GatewayError;
use catenary_replica::{Admission, BlockError, Done, Effect as ReplicaEffect, SubmitOutcome};

/// What must have occurred in a thousand seeds, besides each failpoint, each spoiled block and each trick. Of the errors these
/// are left out: those that are a violation here (`halt`, `diverged`), and what only the shell of a real node says (that a
/// chain is halted or cannot be reached, that stored data is damaged), and the two refusals that stand behind others and that
/// nothing should get to (the guard refuses to sign, a replayed journal leads elsewhere).
pub const EXPECTED: &[&str] = &[
    // Faults.
    "message lost",
    "message doubled",
    "message late",
    "one-way cut",
    "partition",
    "flapping links",
    "clock jump",
    "crash",
    "blackout",
    "slow flush",
    "disk wiped",
    "journal and guard lost",
    "bit flipped",
    "sector of zeroes",
    "sector misplaced",
    "damaged guard",
    "damaged journal",
    "damaged log begun anew",
    "mark that was never sent",
    "votes forgotten",
    "votes above the guard's mark",
    "journal segment begun",
    "journal segment deleted",
    "router killed",
    "router's question lost",
    "transaction submitted again",
    "double vote reported on chain",
    "contradiction shown to a client",
    // Lies.
    "lie: message withheld",
    "lie: message held back",
    "lie: message corrupted",
    "lie: message contradicted",
    "lie: message for another step",
    "lie: message made up",
    "lie: message said again",
    "trick: call repeated",
    "trick: proof of something else",
    "trick: packet changed",
    "trick: answer turned round",
    "trick: another lane",
    "trick: timeout at once",
    "trick: forged header",
    "trick: old packets among new ones",
    // Effects.
    "effect: build",
    "effect: judge a fetched block",
    "effect: fetched certificate refused",
    "effect: a peer is ahead",
    "effect: first round",
    "effect: later round",
    "effect: publish",
    "effect: tell a peer",
    "effect: propose again",
    "effect: decide",
    "effect: work",
    "effect: feed consensus",
    "effect: reply",
    "effect: send",
    "effect: serve blocks",
    "effect: committed",
    "effect: block rejected",
    "effect: subscribe",
    "effect: prove",
    "effect: submit",
    // Errors.
    "abstained: the guard knows more than the journal",
    "abstained: an own vote was shown",
    "block refused: header",
    "block refused: body",
    "block refused: state",
    "block refused: time",
    "block refused: empty",
    "block refused: too large",
    "block refused: certificate",
    "block refused: envelope",
    "block refused: inadmissible",
    "block refused: signature",
    "question refused: busy",
    "question refused: height",
    "MALFORMED_ENVELOPE",
    "TOO_LARGE",
    "WRONG_CHAIN",
    "UNKNOWN_SENDER",
    "INVALID_SIGNATURE",
    "EXPIRED",
    "VALID_TOO_LONG",
    "REQUEST_ID_REUSED",
    "TOO_HEAVY",
    "REDUNDANT",
    "BUSY",
    "packet: done",
    "packet: duplicate",
    "packet: expired",
    "packet: refused",
];

/// What should have occurred and did not.
pub fn missing(report: &Report) -> Vec<&'static str> {
    let failpoints = FAILPOINTS.iter().map(|point| point.name());
    let blocks = Spoil::ALL.into_iter().map(Spoil::name);
    let expected = EXPECTED.iter().copied().chain(failpoints).chain(blocks);
    expected.filter(|what| report.counted(what) == 0).collect()
}

/// Of one packet of a call.
pub fn of_outcome(outcome: &str) -> Option<&'static str> {
    match outcome {
        "duplicate" => Some("packet: duplicate"),
        "expired" => Some("packet: expired"),
        "refused" => Some("packet: refused"),
        _ => None,
    }
}

/// Of consensus.
pub fn of_consensus(effect: &ConsensusEffect) -> &'static str {
    match effect {
        ConsensusEffect::Build { .. } => "effect: build",
        ConsensusEffect::JudgeSynced { .. } => "effect: judge a fetched block",
        ConsensusEffect::SyncRefused { .. } => "effect: fetched certificate refused",
        ConsensusEffect::Ahead { .. } => "effect: a peer is ahead",
        ConsensusEffect::RoundStarted { round: 0, .. } => "effect: first round",
        ConsensusEffect::RoundStarted { .. } => "effect: later round",
        ConsensusEffect::Publish(_) => "effect: publish",
        ConsensusEffect::Tell { .. } => "effect: tell a peer",
        ConsensusEffect::Restream { .. } => "effect: propose again",
        ConsensusEffect::Decide(_) => "effect: decide",
        ConsensusEffect::Abstain { reason, .. } => match reason {
            AbstainReason::Refused(_) => "abstained: the guard refused",
            AbstainReason::Diverged => "abstained: the journal led elsewhere",
            AbstainReason::Unremembered(_) => "abstained: the guard knows more than the journal",
            AbstainReason::Forgotten(_) => "abstained: an own vote was shown",
        },
        ConsensusEffect::Halt(_) => "effect: halt",
    }
}

/// Of the replica.
pub fn of_replica(effect: &ReplicaEffect) -> &'static str {
    match effect {
        ReplicaEffect::Work(_) => "effect: work",
        ReplicaEffect::Consensus(_) => "effect: feed consensus",
        ReplicaEffect::Reply { .. } => "effect: reply",
        ReplicaEffect::Send { .. } => "effect: send",
        ReplicaEffect::Serve { .. } => "effect: serve blocks",
        ReplicaEffect::ServeSnapshot { .. } => "effect: serve a snapshot",
        ReplicaEffect::SnapshotRefused { .. } => "effect: snapshot refused",
        ReplicaEffect::Restore(_) => "effect: begin with a snapshot",
        ReplicaEffect::Committed(_) => "effect: committed",
        ReplicaEffect::Rejected { .. } => "effect: block rejected",
        ReplicaEffect::Diverged(_) => "effect: diverged",
    }
}

/// Of a block that was judged.
pub fn of_block(error: &BlockError) -> &'static str {
    match error {
        BlockError::Header => "block refused: header",
        BlockError::Body => "block refused: body",
        BlockError::State { .. } => "block refused: state",
        BlockError::Time { .. } => "block refused: time",
        BlockError::Empty => "block refused: empty",
        BlockError::TooLarge { .. } => "block refused: too large",
        BlockError::Certificate(_) => "block refused: certificate",
        BlockError::Envelope { .. } => "block refused: envelope",
        BlockError::Inadmissible { .. } => "block refused: inadmissible",
        BlockError::Signature { .. } => "block refused: signature",
    }
}

/// What was refused by a worker.
pub fn of_done(done: &Done) -> Vec<&'static str> {
    match done {
        Done::Checked { result: Err(error), .. } => vec![of_block(error)],
        // What gossip brought; of what was submitted the reply tells.
        Done::Admitted(admitted) if admitted.ticket.is_none() => {
            let refused = admitted.admissions.iter().filter_map(|admission| match admission {
                Admission::Refused(refusal) => Some(refusal.reason.name()),
                Admission::Fresh(_) | Admission::Known { .. } => None,
            });
            refused.collect()
        }
        Done::Admitted(_)
        | Done::Checked { .. }
        | Done::Reviewed(_)
        | Done::Assembled { .. }
        | Done::ManifestChecked { .. }
        | Done::SnapshotChecked { .. }
        | Done::Executed(_) => Vec::new(),
    }
}

/// Of a submission.
pub fn of_submission(outcome: &SubmitOutcome) -> Option<&'static str> {
    match outcome {
        SubmitOutcome::Accepted(_) => Some("submission accepted"),
        SubmitOutcome::Known { .. } => Some("submission known"),
        SubmitOutcome::Refused(refusal) => Some(refusal.reason.name()),
    }
}

/// Of a question to a chain.
pub fn of_gateway(error: &GatewayError) -> &'static str {
    match error {
        GatewayError::Busy => "question refused: busy",
        GatewayError::Unavailable(_) => "question refused: unavailable",
        GatewayError::Height { .. } => "question refused: height",
        GatewayError::Damaged(_) => "question refused: damaged",
    }
}

/// Whether a reader of a trace wants to see it.
pub fn is_notable(what: &str) -> bool {
    what.starts_with("abstained")
        || what.chars().all(|letter| letter.is_uppercase() || letter == '_')
        || what.starts_with("block with")
        || what == "effect: fetched certificate refused"
}
