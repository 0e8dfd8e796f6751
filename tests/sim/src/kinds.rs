//! What the report calls each effect and each error, and which of them must really have occurred.

use catenary_consensus::{AbstainReason, Effect as ConsensusEffect};
use catenary_replica::{Admission, BlockError, Done, Effect as ReplicaEffect};
use catenary_relay::gateway::GatewayError;

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
        Done::Admitted(admitted) => {
            let refused = admitted.admissions.iter().filter_map(|admission| match admission {
                Admission::Refused(refusal) => Some(refusal.reason.name()),
                Admission::Fresh(_) | Admission::Known { .. } => None,
            });
            refused.collect()
        }
        Done::Checked { .. } | Done::Reviewed(_) | Done::Assembled { .. } | Done::Executed(_) => Vec::new(),
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
    what.starts_with("abstained") || what.chars().all(|letter| letter.is_uppercase() || letter == '_') || what.starts_with("block with") || what == "effect: fetched certificate refused"
}
