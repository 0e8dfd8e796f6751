//! Answers, receipts, and what becomes of a call.

use super::Relay;
use crate::{
    client::{Path, update},
    flow::{Item, Step},
    gateway::{GatewayError, RefusalReason, SubmitOutcome},
    interface::{Effect, Ticket},
    job::{Job, Phase, Task, carry_call},
    limits::{DOUBT_ATTEMPTS, RESUBMIT_MS_MIN, backoff_ms},
    work::Work,
};
use catenary_ledger::Reason;
use catenary_mutant::{Mutant, is_active};
use catenary_types::Receipt;

/// What became of a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It was executed; packets of it that did not move on have a reason of their own.
    Done,
    /// Everything in it had been done before.
    Redundant,
    /// It was dropped before it was submitted; nothing speaks against another one.
    Dropped,
    /// The chain or the client does not take anything now.
    NotNow,
    /// It failed as a whole for the sake of something in it.
    Failed,
}

impl Relay {
    pub(super) fn proof_ready(&mut self, ticket: Ticket, result: Result<Vec<u8>, GatewayError>) {
        let Some(Job { task, phase: Phase::Proving, .. }) = self.jobs.get(&ticket) else { return };
        let Task::Carry { flow, step, items, header, .. } = task else { return };
        let Ok(proof) = result else { return self.finish(ticket, Verdict::NotNow) };
        let client = &self.clients[Self::judge(*flow, *step)];
        let followed = &self.chains[client.follows.0];
        let update = match client.path(followed, header.height()) {
            Path::Known => None,
            Path::From(base) => update(followed, header, base),
            Path::Blocked => return self.finish(ticket, Verdict::Dropped),
        };
        let call = carry_call(*step, client.id.clone(), update, header.height(), proof, items);
        self.submit(ticket, call);
    }

    pub(super) fn submitted(&mut self, ticket: Ticket, result: Result<Vec<SubmitOutcome>, GatewayError>) {
        let now = self.now;
        let Some(job) = self.jobs.get_mut(&ticket) else { return };
        if job.phase != Phase::Submitted {
            return;
        }
        let refusal = match result.as_deref() {
            Ok([SubmitOutcome::Refused(refusal), ..]) => refusal,
            // It stands in a block that was heard before it was made here: an earlier life made the same one.
            Ok([SubmitOutcome::Known { height: Some(height), .. }, ..])
                if *height < self.chains[job.chain.0].next() =>
            {
                return self.finish(ticket, Verdict::Redundant);
            }
            Ok([SubmitOutcome::Accepted(_) | SubmitOutcome::Known { .. }, ..]) => return,
            // Whether it was taken is unknown, so the same envelope goes again.
            Ok([]) | Err(_) => {
                job.check_at = now.plus_ms(backoff_ms(job.resubmitted));
                return;
            }
        };
        let verdict = match refusal.reason {
            RefusalReason::Redundant => Verdict::Redundant,
            RefusalReason::Busy
            | RefusalReason::Halted
            | RefusalReason::DiskFull
            | RefusalReason::Expired
            | RefusalReason::ValidTooLong
            | RefusalReason::RequestIdReused
            | RefusalReason::WrongChain
            | RefusalReason::UnknownSender
            | RefusalReason::InvalidSignature => Verdict::NotNow,
            RefusalReason::MalformedEnvelope | RefusalReason::TooLarge | RefusalReason::TooHeavy => {
                Verdict::Failed
            }
        };
        self.finish(ticket, verdict);
    }

    /// A call stands in a final block.
    pub(super) fn receipt_heard(&mut self, ticket: Ticket, receipt: &Receipt) {
        let about_client = [
            Reason::ClientFrozen,
            Reason::ClientExpired,
            Reason::InvalidHeader,
            Reason::NotAuthorised,
            Reason::Denied,
            Reason::UnknownInstance,
            Reason::NotFound,
        ];
        let verdict = match receipt.reason.as_str() {
            _ if receipt.succeeded() => Verdict::Done,
            reason if reason == Reason::Redundant.name() => Verdict::Redundant,
            reason if about_client.iter().any(|about| about.name() == reason) => Verdict::NotNow,
            _ => Verdict::Failed,
        };
        self.finish(ticket, verdict);
    }

    /// Looks after calls of which nothing was heard.
    pub(super) fn tend_jobs(&mut self) {
        if is_active(Mutant::RouterGivesUp) {
            return;
        }
        let due = self.jobs.iter().filter(|(_, job)| job.check_at <= self.now || is_overtaken(job));
        let due: Vec<_> = due.map(|(ticket, _)| *ticket).collect();
        for ticket in due {
            let job = self.jobs.get_mut(&ticket).expect("it was there a moment ago");
            if is_overtaken(job) {
                self.finish(ticket, Verdict::Dropped);
                continue;
            }
            match &job.sealed {
                Some(sealed) if sealed.valid_until >= self.now.seconds() => {
                    let envelopes = vec![sealed.envelope.clone()];
                    job.resubmitted = job.resubmitted.saturating_add(1);
                    let pause_ms = backoff_ms(job.resubmitted).max(RESUBMIT_MS_MIN);
                    job.check_at = self.now.plus_ms(pause_ms);
                    self.effects.push(Effect::Submit { ticket, chain: job.chain, envelopes });
                }
                Some(_) | None => self.finish(ticket, Verdict::NotNow),
            }
        }
    }

    /// Ends a call: its packets go back to their flow, and the verdict decides when the next call may start.
    fn finish(&mut self, ticket: Ticket, verdict: Verdict) {
        let job = self.jobs.remove(&ticket).expect("the caller holds the ticket");
        if let Some(sealed) = &job.sealed {
            self.by_tx.remove(&(job.chain, sealed.tx_id));
        }
        match &job.task {
            Task::Carry { flow, step, items, .. } => {
                self.finish_carry(ticket, *flow, *step, items, verdict);
                if verdict == Verdict::Redundant && self.is_doubtful(*flow, items) {
                    self.doubt(job.chain);
                }
            }
            Task::Refresh { client } => {
                self.clients[*client].refresh.jobs -= 1;
                judge(&mut self.clients[*client].refresh, verdict, self.now);
                self.dirty.insert(*client);
            }
            Task::Accuse { client } => {
                let at = self.evidence.iter().position(|one| one.client == *client && one.work.jobs > 0);
                match (at, verdict) {
                    (Some(at), Verdict::NotNow) => {
                        self.evidence[at].work.jobs -= 1;
                        self.evidence[at].work.back_off(self.now);
                    }
                    // Accepted; or the chain looked at it and saw nothing wrong.
                    (Some(at), _) => drop(self.evidence.remove(at)),
                    (None, _) => {}
                }
            }
            Task::Tick => self.mark_chain(job.chain),
        }
    }

    fn finish_carry(&mut self, ticket: Ticket, flow: usize, step: Step, items: &[Item], verdict: Verdict) {
        let now = self.now;
        let lone = items.len() == 1;
        let rest_from = match verdict {
            Verdict::Done | Verdict::Redundant => Some(now),
            Verdict::Failed if lone => Some(now),
            Verdict::Failed | Verdict::Dropped | Verdict::NotNow => None,
        };
        let view = &mut self.flows[flow];
        view.release(items, ticket, rest_from);
        let work = view.work_mut(step);
        work.jobs -= 1;
        match verdict {
            Verdict::Failed => work.split(now, items.len()),
            _ => judge(work, verdict, now),
        }
        self.dirty.insert(flow);
    }

    /// Whether the relay has tried a packet in vain so often that its own view must be wrong.
    fn is_doubtful(&self, flow: usize, items: &[Item]) -> bool {
        items.iter().any(|item| self.flows[flow].attempts(item.packet.sequence) >= DOUBT_ATTEMPTS)
    }
}

fn is_overtaken(job: &Job) -> bool {
    matches!(job.task, Task::Carry { live: 0, .. })
}

fn judge(work: &mut Work, verdict: Verdict, now: catenary_types::Timestamp) {
    match verdict {
        Verdict::Done | Verdict::Redundant => work.succeeded(),
        Verdict::Dropped => {}
        Verdict::NotNow | Verdict::Failed => work.back_off(now),
    }
}
