//! The replica's door: what is submitted goes to the worker to be admitted, and what it admits into the pool.

use crate::{
    interface::{Effect, Ticket},
    limits::{GOSSIP_ENVELOPES_MAX, SUBMISSIONS_WAITING_MAX, TICK_INTERVAL_MS},
    pool::{Inserted, Waiting},
    replica::Replica,
    report::REPORT_TICKET,
    submission::{Refusal, RefusalReason, SubmitOutcome},
    worker::{Admission, Admitted, Job},
};
use catenary_apps::admin::{self, AdminCall};
use catenary_types::{Message, envelope::Transaction};

impl Replica {
    pub(crate) fn submit(&mut self, ticket: Ticket, envelopes: Vec<Vec<u8>>) {
        if self.submissions >= SUBMISSIONS_WAITING_MAX {
            let refusal = || busy("too many submissions wait for admission");
            let outcomes = envelopes.iter().map(|_| refusal()).collect();
            self.step.effects.push(Effect::Reply { ticket, outcomes });
            return;
        }
        self.admit(Some(ticket), envelopes);
    }

    pub(crate) fn admit(&mut self, ticket: Option<Ticket>, envelopes: Vec<Vec<u8>>) {
        self.submissions += 1;
        self.work(Job::Admit { ticket, envelopes, now: self.now });
    }

    /// Takes transactions that another node admitted. What is refused here is lost here: that node tells of it again.
    pub(crate) fn receive_transactions(&mut self, envelopes: Vec<Vec<u8>>) {
        if self.submissions >= SUBMISSIONS_WAITING_MAX || envelopes.len() > GOSSIP_ENVELOPES_MAX {
            return;
        }
        let mut envelopes = envelopes;
        envelopes.retain(|bytes| !self.pool.holds_envelope(bytes));
        if !envelopes.is_empty() {
            self.admit(None, envelopes);
        }
    }

    pub(crate) fn admitted(&mut self, admitted: Admitted) {
        self.submissions -= 1;
        let Admitted { ticket, admissions } = admitted;
        let outcomes = admissions.into_iter().map(|admission| match admission {
            Admission::Fresh(waiting) => {
                let transaction = waiting.transaction.clone();
                let outcome = self.insert(waiting);
                if ticket.is_some() && matches!(outcome, SubmitOutcome::Accepted(_)) {
                    self.peers.tell(transaction);
                }
                outcome
            }
            Admission::Known { tx_id, height } => SubmitOutcome::Known { tx_id, height: Some(height) },
            Admission::Refused(refusal) => SubmitOutcome::Refused(refusal),
        });
        let outcomes = outcomes.collect();
        if let Some(ticket) = ticket.filter(|ticket| *ticket != REPORT_TICKET) {
            self.step.effects.push(Effect::Reply { ticket, outcomes });
        }
    }

    fn insert(&mut self, waiting: Waiting) -> SubmitOutcome {
        let tx_id = waiting.transaction.id;
        let request_id = waiting.transaction.body.request_id;
        let tick = is_tick(&waiting.transaction);
        // A tick that waits already is known, and costs nobody his turn.
        if tick && !self.pool.holds(&waiting) && self.now < self.last_tick.plus_ms(TICK_INTERVAL_MS) {
            return busy("a chain admits one tick a second");
        }
        match self.pool.insert(self.now, waiting) {
            Inserted::New => {
                if tick {
                    self.last_tick = self.now;
                }
                SubmitOutcome::Accepted(tx_id)
            }
            Inserted::Known => SubmitOutcome::Known { tx_id, height: None },
            Inserted::IdReused => {
                let detail = format!("request id {request_id} waits with another body");
                SubmitOutcome::Refused(Refusal::new(RefusalReason::RequestIdReused, detail))
            }
            Inserted::Full => busy("the pool is full"),
        }
    }
}

fn busy(detail: &str) -> SubmitOutcome {
    SubmitOutcome::Refused(Refusal::new(RefusalReason::Busy, detail))
}

/// A transaction that asks for a block and nothing else.
fn is_tick(transaction: &Transaction) -> bool {
    transaction.body.calls.iter().all(|call| {
        call.instance.as_str() == admin::KIND
            && matches!(AdminCall::decode(&call.message), Ok(AdminCall::Tick(_)))
    })
}
