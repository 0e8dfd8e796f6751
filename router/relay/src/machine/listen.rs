//! Listening: streams of final blocks, and the news in them.

use super::{Evidence, Relay};
use crate::{
    chain::{Certified, Heard, Stream},
    flow::Flow,
    gateway::SharedBlock,
    hear::{self, News},
    interface::{ChainIndex, Effect, Ticket},
    job::Task,
    limits::{EVIDENCE_MAX, RESCAN_MS_MIN},
    work::Work,
};
use catenary_packet::{ClientId, Packet};
use catenary_types::{Height, Timestamp};
use std::sync::Arc;

impl Relay {
    /// Subscribes where a stream is missing.
    pub(super) fn tend_streams(&mut self) {
        for (index, chain) in self.chains.iter_mut().enumerate() {
            if let Some(from) = chain.tend(self.now) {
                self.effects.push(Effect::Subscribe { chain: ChainIndex(index), from });
            }
        }
    }

    pub(super) fn hear(&mut self, chain: ChainIndex, block: &SharedBlock) {
        match self.chains[chain.0].hear(block) {
            Heard::Next => {}
            Heard::Repeated => return,
            Heard::Gap => return self.chains[chain.0].missed(self.now),
            Heard::Contradiction { known, other } => return self.accuse(chain, &known, &other),
        }
        let (height, time) = (block.height(), block.signed.header.time);
        for (_, event) in block.events() {
            if let Some(news) = hear::read(event) {
                self.take_news(chain, (height, time), news);
            }
        }
        for receipt in &block.receipts {
            if let Some(&ticket) = self.by_tx.get(&(chain, receipt.tx_id)) {
                self.receipt_heard(ticket, receipt);
            }
        }
        self.recover_overflow(chain);
        self.mark_chain(chain);
    }

    fn take_news(&mut self, chain: ChainIndex, (height, time): (Height, Timestamp), news: News) {
        match news {
            News::Sent(packet) => {
                let rest_until = self.rest_until();
                if let Some(flow) = self.flow_of(chain, &packet.source_client, &packet.dest_client) {
                    self.flows[flow].sent(packet, height, rest_until);
                }
            }
            News::Received { packet, acknowledgement } => {
                self.take_receipt(chain, height, packet, acknowledgement)
            }
            News::Settled { client, sequence } => {
                if let Some(&flow) = self.ends.get(&(chain, client)) {
                    let job = self.flows[flow].settled(sequence);
                    self.overtaken(job);
                }
            }
            News::Trusts { client, height: trusted } => {
                let heights = &mut self.chains[chain.0].client_heights;
                let newest = heights.get(&client).copied().unwrap_or_default().max(trusted);
                heights.insert(client.clone(), newest);
                if let Some(&end) = self.ends.get(&(chain, client)) {
                    let followed = &self.chains[self.clients[end].follows.0];
                    let header_time = followed.time_of(trusted).unwrap_or(time);
                    self.clients[end].learn(trusted, header_time, height);
                    self.forget_changes(self.clients[end].follows);
                }
            }
            News::Frozen { client } => {
                if let Some(&end) = self.ends.get(&(chain, client)) {
                    self.clients[end].frozen = true;
                }
            }
            News::Recovered { client, substitute } => {
                let heights = &mut self.chains[chain.0].client_heights;
                let trusted = heights.get(&substitute).copied();
                heights.extend(trusted.map(|trusted| (client.clone(), trusted)));
                if let Some(&end) = self.ends.get(&(chain, client)) {
                    self.clients[end].recovered(trusted, time, height);
                }
            }
        }
    }

    fn take_receipt(&mut self, chain: ChainIndex, height: Height, packet: Packet, acknowledgement: Vec<u8>) {
        let rest_until = self.rest_until();
        if let Some(target) = self.flow_of(chain, &packet.dest_client, &packet.source_client) {
            let job = self.flows[target ^ 1].received(packet, height, acknowledgement, rest_until);
            self.overtaken(job);
        }
    }

    /// The end of a lane whose clients are `near` on this chain and `far` on the other.
    fn flow_of(&self, chain: ChainIndex, near: &ClientId, far: &ClientId) -> Option<usize> {
        let end = *self.ends.get(&(chain, near.clone()))?;
        (self.clients[end ^ 1].id == *far).then_some(end)
    }

    fn rest_until(&self) -> Timestamp {
        if self.patience_ms == 0 { Timestamp(0) } else { self.now.plus_ms(self.patience_ms) }
    }

    /// A packet of a call has moved on. A call without live packets is of no use any more.
    fn overtaken(&mut self, ticket: Option<Ticket>) {
        let Some(ticket) = ticket else { return };
        let job = self.jobs.get_mut(&ticket).expect("a packet's call exists");
        if let Task::Carry { live, .. } = &mut job.task {
            *live -= 1;
        }
    }

    /// Receipts that found no room are heard again once the sends they belong to are known.
    fn recover_overflow(&mut self, chain: ChainIndex) {
        if !self.chains[chain.0].is_live() {
            return;
        }
        for flow in 0..self.flows.len() {
            if self.flows[flow].overflowed && self.source(flow) == chain {
                self.flows[flow].overflowed = false;
                let target = self.target(flow);
                self.chains[target.0].rescan(self.now);
            }
        }
    }

    /// The ledger says otherwise than the relay believes: read it again, but not all the time.
    pub(super) fn doubt(&mut self, chain: ChainIndex) {
        let now = self.now;
        let view = &mut self.chains[chain.0];
        if view.rescan_at <= now && matches!(view.stream, Stream::Up { .. }) {
            view.rescan_at = now.plus_ms(RESCAN_MS_MIN);
            view.rescan(now);
        }
    }

    /// Forgets changes of a chain's set that all its followers know.
    fn forget_changes(&mut self, chain: ChainIndex) {
        let followers = self.clients.iter().filter(|client| client.follows == chain);
        let oldest = followers.map(|client| client.newest().unwrap_or(Height(0))).min();
        if let Some(oldest) = oldest.filter(|oldest| *oldest > Height(0)) {
            self.chains[chain.0].forget_changes_below(oldest);
        }
    }

    /// A chain certified two headers of one height: every client that follows it must see both.
    fn accuse(&mut self, chain: ChainIndex, known: &Arc<Certified>, other: &Arc<Certified>) {
        for (client, view) in self.clients.iter().enumerate() {
            let same = |evidence: &Evidence| evidence.client == client && evidence.other == *other;
            if view.follows != chain || view.frozen || self.evidence.iter().any(same) {
                continue;
            }
            if self.evidence.len() == EVIDENCE_MAX {
                self.evidence.pop_front();
            }
            let (known, other) = (known.clone(), other.clone());
            self.evidence.push_back(Evidence { client, known, other, work: Work::new(1) });
            self.dirty.insert(client);
        }
    }

    /// Forgets everything but the tickets: an answer to an old question must not pass for one to a new question.
    pub(super) fn reset(&mut self) {
        self.jobs.clear();
        self.by_tx.clear();
        self.evidence.clear();
        self.flows.iter_mut().for_each(|flow| *flow = Flow::new());
        self.clients.iter_mut().for_each(super::ClientView::forget);
        self.chains.iter_mut().for_each(super::ChainView::forget);
    }
}
