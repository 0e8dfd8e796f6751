//! Double votes that consensus saw become transactions: `admin.report_equivocation`.
//!
//! Every node of a group sees most double votes, and each reports what it saw. With one account for all, their reports have
//! one request id, so a block takes one of them. A double proposal is not reported: votes alone make a block final.

use crate::{interface::Ticket, replica::Replica};
use catenary_apps::admin::{self, AdminCall, ReportEquivocation};
use catenary_consensus::{Decision, Evidence, SignedVote};
use catenary_crypto::{SigningKey, sha256_parts};
use catenary_types::{
    AccountId, Address, Body, Call, ChainId, DoubleVote, Message, ReportedVote, RequestId, Timestamp,
    UnixSeconds,
};
use std::{collections::BTreeMap, sync::Arc};

/// The ticket of reports, whose outcome nobody waits for. Those of clients are counted from 1 on.
pub(crate) const REPORT_TICKET: Ticket = Ticket::MAX;
/// How long a report asks to be valid.
const VALID_FOR_S: u64 = 300;
/// How long a validator is left alone after it was reported. Otherwise a chain on which somebody votes twice in every
/// height would never rest: each report makes a block, and each block is another height.
const REST_MS: u64 = 600_000;
/// Reports of one decision.
const REPORTS_MAX: usize = 16;

/// Who signs a node's reports.
#[derive(Clone, Debug)]
pub struct Reporter {
    /// An account that the chain knows.
    pub account: AccountId,
    /// A key that signs for it alone.
    pub key: Arc<SigningKey>,
}

/// The reports of one chain on this node.
#[derive(Debug, Default)]
pub(crate) struct Reports {
    reporter: Option<Reporter>,
    /// Until when a validator is left alone.
    resting: BTreeMap<Address, Timestamp>,
}

impl Reports {
    /// The envelopes that report what a decision brought to light, signed at `now`.
    fn envelopes(
        &mut self,
        decision: &Decision,
        chain_id: &ChainId,
        now: Timestamp,
        valid_for_s: u64,
    ) -> Vec<Vec<u8>> {
        let Some(reporter) = &self.reporter else { return Vec::new() };
        self.resting.retain(|_, until| *until > now);
        let votes = decision.evidence.iter().filter_map(double_vote);
        let due = votes.filter(|votes| !self.resting.contains_key(&votes.validator));
        let due: Vec<_> = due.take(REPORTS_MAX).collect();
        self.resting.extend(due.iter().map(|votes| (votes.validator, now.plus_ms(REST_MS))));
        let envelope = |votes: DoubleVote| {
            let body = Body {
                chain_id: chain_id.clone(),
                sender: reporter.account,
                request_id: request_id(&votes),
                valid_until: UnixSeconds(now.seconds().0 + valid_for_s),
                reference: None,
                calls: vec![report(votes)],
            };
            body.sign(&[&reporter.key]).encode()
        };
        due.into_iter().map(envelope).collect()
    }
}

impl Replica {
    /// The same, reporting validators that vote twice.
    pub fn reporting(mut self, reporter: Option<Reporter>) -> Self {
        self.reports.reporter = reporter;
        self
    }

    /// Submits a report of every double vote that a decision brought to light.
    pub(crate) fn report(&mut self, decision: &Decision) {
        // A header that was decided long after it was built does not make its reports expire.
        let now = self.now.max(decision.value.time);
        // Half a window, as the clocks of those who judge it may be behind.
        let valid_for_s = VALID_FOR_S.min(self.tip.parameters.validity_window_s / 2);
        let envelopes = self.reports.envelopes(decision, &self.tip.chain_id, now, valid_for_s);
        if !envelopes.is_empty() {
            self.admit(Some(REPORT_TICKET), envelopes);
        }
    }
}

fn report(votes: DoubleVote) -> Call {
    Call {
        instance: admin::KIND.parse().expect("kinds are instance names"),
        message: AdminCall::ReportEquivocation(ReportEquivocation { votes }).encode(),
    }
}

fn double_vote(evidence: &Evidence) -> Option<DoubleVote> {
    let Evidence::DoubleVote { first, second, last_time } = evidence else { return None };
    let reported = |signed: &SignedVote| ReportedVote {
        block: signed.vote.value.map(|value| value.block),
        time: signed.vote.time(*last_time),
        signature: signed.signature,
    };
    let vote = &first.vote;
    let votes = DoubleVote {
        validator: vote.validator,
        height: vote.height,
        round: vote.round,
        kind: vote.kind,
        first: reported(first),
        second: reported(second),
    };
    Some(votes.ordered())
}

/// One id per validator and step, whatever was signed and whoever reports it: the pool takes one of them.
fn request_id(votes: &DoubleVote) -> RequestId {
    let DoubleVote { validator, height, round, kind, .. } = votes;
    let step = [&height.0.to_be_bytes()[..], &round.to_be_bytes(), &[kind.number()]].concat();
    let digest = sha256_parts(&[b"catenary/report/1", &validator.0, &step]);
    let mut id = RequestId([0; 16]);
    id.0.copy_from_slice(&digest.0[..16]);
    id
}
