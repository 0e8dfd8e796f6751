//! Deciding what to do now, and starting it.

use super::Relay;
use crate::{
    client::{Path, update},
    flow::{Item, Step},
    gateway::ProofRequest,
    interface::{ChainIndex, Effect, Ticket},
    job::{Job, Phase, Task, accuse_call, refresh_call, tick_call},
    limits::{ANSWER_MS_MAX, RESUBMIT_MS_MIN, TICK_MS_MIN},
};
use catenary_ledger::stores::IBC;
use catenary_packet::commitment::{acknowledgement_key, commitment_key, receipt_key};
use catenary_types::Call;

impl Relay {
    /// Looks at every flow for which something changed.
    pub(super) fn dispatch(&mut self) {
        for flow in std::mem::take(&mut self.dirty) {
            self.flows[flow].wake(self.now);
            self.refresh(flow);
            self.refresh(flow ^ 1);
            for step in Step::ALL {
                while self.start_carry(flow, step) {}
            }
            self.tick_if_due(flow);
        }
        self.submit_evidence();
    }

    /// Where a step's proof comes from, and where its call goes.
    fn route(&self, flow: usize, step: Step) -> (ChainIndex, ChainIndex) {
        match step {
            Step::Receive => (self.source(flow), self.target(flow)),
            Step::Acknowledge | Step::Timeout => (self.target(flow), self.source(flow)),
        }
    }

    /// The client that believes a step's proof.
    pub(super) fn judge(flow: usize, step: Step) -> usize {
        match step {
            Step::Receive => flow ^ 1,
            Step::Acknowledge | Step::Timeout => flow,
        }
    }

    /// Starts one call with the packets of a flow that wait for this step, if there are any.
    fn start_carry(&mut self, flow: usize, step: Step) -> bool {
        let (prover, submitter) = self.route(flow, step);
        let client = &self.clients[Self::judge(flow, step)];
        let live = self.chains[prover.0].is_live() && self.chains[submitter.0].is_live();
        if !live || client.frozen || !self.flows[flow].work(step).is_open(self.now) {
            return false;
        }
        let target = &self.chains[self.target(flow).0];
        let (Some(header), Some(target)) = (self.chains[prover.0].latest(), target.latest()) else {
            return false;
        };
        // Header H shows the state after H - 1.
        let Some(proven) = header.height().previous() else { return false };
        if client.path(&self.chains[prover.0], header.height()) == Path::Blocked {
            return false;
        }
        let target_second = target.time().seconds();
        let second = match step {
            // By the time the call gets there; an estimate costs at most a needless wait for the timeout.
            Step::Receive => target_second.max(self.now.seconds()),
            Step::Acknowledge | Step::Timeout => target_second,
        };
        let items = self.flows[flow].choose(step, proven, second);
        if items.is_empty() {
            return false;
        }
        let header = header.clone();
        let ticket = self.ticket();
        let request = ProofRequest { height: proven, store: IBC, keys: keys(step, &items) };
        self.effects.push(Effect::Prove { ticket, chain: prover, request });
        self.flows[flow].assign(&items, ticket);
        self.flows[flow].work_mut(step).jobs += 1;
        let live = items.len();
        let task = Task::Carry { flow, step, items, live, header };
        let check_at = self.now.plus_ms(ANSWER_MS_MAX);
        let job =
            Job { task, chain: submitter, phase: Phase::Proving, check_at, resubmitted: 0, sealed: None };
        self.jobs.insert(ticket, job);
        true
    }

    /// Updates a client for its own sake: at each change of the set it follows, and before half its trusting period.
    fn refresh(&mut self, end: usize) {
        let client = &self.clients[end];
        let (host, followed) = (&self.chains[client.host.0], &self.chains[client.follows.0]);
        if !host.is_live() || client.frozen || !client.refresh.is_open(self.now) {
            return;
        }
        let Some(header) = client.due(followed, self.now) else { return };
        let Path::From(base) = client.path(followed, header.height()) else { return };
        let Some(update) = update(followed, &header, base) else { return };
        let (id, chain) = (client.id.clone(), client.host);
        self.clients[end].refresh.jobs += 1;
        self.submit_new(chain, Task::Refresh { client: end }, refresh_call(id, update));
    }

    /// Asks an idle target for a block when only a later time is missing to prove that a packet's time is over.
    fn tick_if_due(&mut self, flow: usize) {
        let Some(deadline) = self.flows[flow].first_deadline() else { return };
        let target = self.target(flow);
        let view = &self.chains[target.0];
        let passed_there = view.latest().is_some_and(|latest| latest.time().seconds() >= deadline);
        if deadline > self.now.seconds() || passed_there || !view.is_live() || view.tick_at > self.now {
            return;
        }
        if !self.jobs.values().any(|job| job.chain == target && matches!(job.task, Task::Tick)) {
            self.chains[target.0].tick_at = self.now.plus_ms(TICK_MS_MIN);
            self.submit_new(target, Task::Tick, tick_call());
        }
    }

    /// Shows clients the contradictions that wait.
    fn submit_evidence(&mut self) {
        for at in 0..self.evidence.len() {
            let evidence = &self.evidence[at];
            let client = &self.clients[evidence.client];
            let followed = &self.chains[client.follows.0];
            if !evidence.work.is_open(self.now) || !self.chains[client.host.0].is_live() {
                continue;
            }
            let (known, other) = (&evidence.known, &evidence.other);
            let Some(base) = client.base_below(followed, known.height()) else { continue };
            let updates = (update(followed, known, base), update(followed, other, base));
            let (Some(first), Some(second)) = updates else { continue };
            let (chain, end) = (client.host, evidence.client);
            let call = accuse_call(client.id.clone(), first, second);
            self.evidence[at].work.jobs += 1;
            self.submit_new(chain, Task::Accuse { client: end }, call);
        }
    }

    /// Submits a call that needs no proof.
    fn submit_new(&mut self, chain: ChainIndex, task: Task, call: Call) {
        let ticket = self.ticket();
        let check_at = self.now;
        let job = Job { task, chain, phase: Phase::Proving, check_at, resubmitted: 0, sealed: None };
        self.jobs.insert(ticket, job);
        self.submit(ticket, call);
    }

    /// Seals a job's call and submits it.
    pub(super) fn submit(&mut self, ticket: Ticket, call: Call) {
        let job = self.jobs.get_mut(&ticket).expect("the caller holds the job");
        let sealed = self.sealer.seal(&self.chains[job.chain.0].config, self.now, call);
        let envelopes = vec![sealed.envelope.clone()];
        self.by_tx.insert((job.chain, sealed.tx_id), ticket);
        job.phase = Phase::Submitted;
        job.check_at = self.now.plus_ms(RESUBMIT_MS_MIN);
        job.sealed = Some(sealed);
        self.effects.push(Effect::Submit { ticket, chain: job.chain, envelopes });
    }
}

/// What the proof of a step must show, on the chain where it stands.
fn keys(step: Step, items: &[Item]) -> Vec<Vec<u8>> {
    let key = |item: &Item| {
        let packet = &item.packet;
        match step {
            Step::Receive => commitment_key(&packet.source_client, packet.sequence),
            Step::Acknowledge => acknowledgement_key(&packet.dest_client, packet.sequence),
            Step::Timeout => receipt_key(&packet.dest_client, packet.sequence),
        }
    };
    items.iter().map(key).collect()
}
