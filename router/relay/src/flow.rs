//! The packets of one lane in one direction, from the send to the end.
//!
//! ```text
//!   source says sent ──► to receive ──target says received──► to acknowledge ──source says settled──► forgotten
//!                            └── deadline past on the target: to time out ─────────────┘
//! ```

use crate::{
    interface::Ticket,
    limits::{CALL_PACKET_BYTES_MAX, EARLY_RECEIPTS_MAX, JOBS_PER_STEP_MAX, backoff_ms},
    work::Work,
};
use catenary_packet::{Packet, Sequence};
use catenary_types::{Height, Message, Timestamp, UnixSeconds};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What can be done for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Step {
    /// Deliver it to the target.
    Receive,
    /// Deliver the answer to the source.
    Acknowledge,
    /// Show the source that it was not received in time.
    Timeout,
}

impl Step {
    pub(crate) const ALL: [Self; 3] = [Self::Timeout, Self::Acknowledge, Self::Receive];
}

/// A packet on its way, and the answer if there is one.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) packet: Arc<Packet>,
    /// Empty if there is none yet.
    pub(crate) acknowledgement: Arc<[u8]>,
}

#[derive(Debug)]
struct Answer {
    height: Height,
    acknowledgement: Arc<[u8]>,
}

#[derive(Debug)]
struct Entry {
    packet: Arc<Packet>,
    bytes: usize,
    /// Where it was sent; none while only the target has spoken of it.
    sent: Option<Height>,
    answer: Option<Answer>,
    job: Option<Ticket>,
    attempts: u32,
    /// Not touched before this time.
    rest_until: Timestamp,
}

/// One direction of a lane.
#[derive(Debug)]
pub(crate) struct Flow {
    entries: BTreeMap<Sequence, Entry>,
    /// The highest sequence that the source spoke of: a receipt at or below it without entry is of a settled packet.
    heard: Sequence,
    /// Entries with an answer whose send was not heard yet.
    early: usize,
    /// Receipts were dropped for want of room: the target must be read again.
    pub(crate) overflowed: bool,
    /// Idle entries without answer.
    to_receive: BTreeSet<Sequence>,
    /// Idle entries with answer.
    to_acknowledge: BTreeSet<Sequence>,
    /// Idle entries that rest.
    resting: BTreeSet<(Timestamp, Sequence)>,
    /// Deadlines of entries without answer.
    deadlines: BTreeSet<(UnixSeconds, Sequence)>,
    works: [Work; 3],
}

impl Flow {
    pub(crate) fn new() -> Self {
        Self {
            entries: BTreeMap::new(),
            heard: Sequence(0),
            early: 0,
            overflowed: false,
            to_receive: BTreeSet::new(),
            to_acknowledge: BTreeSet::new(),
            resting: BTreeSet::new(),
            deadlines: BTreeSet::new(),
            works: [Work::new(JOBS_PER_STEP_MAX); 3],
        }
    }

    /// Packets that are not settled.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn work(&self, step: Step) -> &Work {
        &self.works[step as usize]
    }

    pub(crate) fn work_mut(&mut self, step: Step) -> &mut Work {
        &mut self.works[step as usize]
    }

    /// The source sent a packet.
    pub(crate) fn sent(&mut self, packet: Packet, height: Height, rest_until: Timestamp) {
        let (sequence, timeout) = (packet.sequence, packet.timeout_timestamp);
        self.drop_early_below(sequence);
        match self.entries.get_mut(&sequence) {
            Some(entry) if entry.sent.is_none() => {
                entry.sent = Some(height);
                entry.rest_until = rest_until;
                self.early -= 1;
                self.enqueue(sequence);
            }
            // Heard before, or settled before: this is a second reading of the chain.
            Some(_) => {}
            None if sequence <= self.heard => {}
            None => {
                let bytes = packet.encode().len();
                let packet = Arc::new(packet);
                let sent = Some(height);
                let entry = Entry { packet, bytes, sent, answer: None, job: None, attempts: 0, rest_until };
                self.entries.insert(sequence, entry);
                self.deadlines.insert((timeout, sequence));
                self.enqueue(sequence);
            }
        }
        self.heard = self.heard.max(sequence);
    }

    /// Sends come in order: a receipt below one that is heard now is of a packet from before the reading began, and
    /// that one is settled.
    fn drop_early_below(&mut self, sequence: Sequence) {
        while let Some(first) = self.entries.first_entry()
            && *first.key() < sequence
            && first.get().sent.is_none()
        {
            first.remove();
            self.early -= 1;
        }
    }

    /// The target received a packet. Returns the job that this makes needless.
    pub(crate) fn received(
        &mut self,
        packet: Packet,
        height: Height,
        acknowledgement: Vec<u8>,
        rest_until: Timestamp,
    ) -> Option<Ticket> {
        let (sequence, timeout) = (packet.sequence, packet.timeout_timestamp);
        let answer = Some(Answer { height, acknowledgement: acknowledgement.into() });
        if let Some(entry) = self.entries.get_mut(&sequence) {
            if entry.answer.is_some() {
                return None;
            }
            entry.answer = answer;
            let job = entry.job.take();
            self.dequeue(sequence);
            self.deadlines.remove(&(timeout, sequence));
            let entry = self.entries.get_mut(&sequence).expect("it was there a moment ago");
            (entry.attempts, entry.rest_until) = (0, rest_until);
            self.enqueue(sequence);
            return job;
        }
        if sequence <= self.heard {
            return None;
        }
        if self.early == EARLY_RECEIPTS_MAX {
            self.overflowed = true;
            return None;
        }
        let bytes = packet.encode().len();
        let packet = Arc::new(packet);
        let entry = Entry { packet, bytes, sent: None, answer, job: None, attempts: 0, rest_until };
        self.entries.insert(sequence, entry);
        self.early += 1;
        None
    }

    /// The source settled a packet. Returns the job that this makes needless.
    pub(crate) fn settled(&mut self, sequence: Sequence) -> Option<Ticket> {
        self.heard = self.heard.max(sequence);
        self.dequeue(sequence);
        let entry = self.entries.remove(&sequence)?;
        self.deadlines.remove(&(entry.packet.timeout_timestamp, sequence));
        if entry.sent.is_none() {
            self.early -= 1;
        }
        entry.job
    }

    /// Puts entries whose rest is over back to work.
    pub(crate) fn wake(&mut self, now: Timestamp) {
        while let Some(&(until, sequence)) = self.resting.first()
            && until <= now
        {
            self.resting.pop_first();
            self.entries.get_mut(&sequence).expect("resting entries exist").rest_until = Timestamp(0);
            self.enqueue(sequence);
        }
    }

    fn enqueue(&mut self, sequence: Sequence) {
        let entry = &self.entries[&sequence];
        if entry.job.is_some() || entry.sent.is_none() {
            return;
        }
        if entry.rest_until > Timestamp(0) {
            self.resting.insert((entry.rest_until, sequence));
        } else if entry.answer.is_some() {
            self.to_acknowledge.insert(sequence);
        } else {
            self.to_receive.insert(sequence);
        }
    }

    fn dequeue(&mut self, sequence: Sequence) {
        self.to_receive.remove(&sequence);
        self.to_acknowledge.remove(&sequence);
        if let Some(entry) = self.entries.get(&sequence) {
            self.resting.remove(&(entry.rest_until, sequence));
        }
    }

    /// Packets for one call. `proven` is the last block whose state the newest header shows; `second` is how late it
    /// is on the target.
    pub(crate) fn choose(&self, step: Step, proven: Height, second: UnixSeconds) -> Vec<Item> {
        let limit = self.work(step).batch;
        match step {
            Step::Receive => {
                let entries = self.to_receive.iter().map(|sequence| &self.entries[sequence]);
                let ready = entries
                    .take_while(|entry| entry.sent.is_some_and(|sent| sent <= proven))
                    .filter(|entry| entry.packet.timeout_timestamp > second);
                take(ready, limit)
            }
            Step::Acknowledge => {
                let entries = self.to_acknowledge.iter().map(|sequence| &self.entries[sequence]);
                let ready = entries
                    .filter(|entry| entry.answer.as_ref().is_some_and(|answer| answer.height <= proven));
                take(ready, limit)
            }
            Step::Timeout => {
                let due = self.deadlines.iter().take_while(|(timeout, _)| *timeout <= second);
                let entries = due.map(|(_, sequence)| &self.entries[sequence]);
                let idle = entries.filter(|entry| entry.job.is_none() && entry.rest_until == Timestamp(0));
                take(idle, limit)
            }
        }
    }

    /// Gives packets to a job.
    pub(crate) fn assign(&mut self, items: &[Item], ticket: Ticket) {
        for item in items {
            self.dequeue(item.packet.sequence);
            let entry = self.entries.get_mut(&item.packet.sequence).expect("chosen entries exist");
            assert!(entry.job.is_none(), "a packet is in one job at a time");
            entry.job = Some(ticket);
        }
    }

    /// Takes what is left of a job's packets back; with a time, they rest from then on.
    pub(crate) fn release(&mut self, items: &[Item], ticket: Ticket, rest_from: Option<Timestamp>) {
        for item in items {
            let sequence = item.packet.sequence;
            let Some(entry) = self.entries.get_mut(&sequence) else { continue };
            if entry.job != Some(ticket) {
                continue;
            }
            entry.job = None;
            if let Some(now) = rest_from {
                entry.rest_until = now.plus_ms(backoff_ms(entry.attempts));
                entry.attempts = entry.attempts.saturating_add(1);
            }
            self.enqueue(sequence);
        }
    }

    /// Whether an entry still rests whose rest is over.
    pub(crate) fn oversleeps(&self, now: Timestamp) -> bool {
        self.resting.first().is_some_and(|(until, _)| *until <= now)
    }

    /// How often a packet was tried in vain since it last moved on.
    pub(crate) fn attempts(&self, sequence: Sequence) -> u32 {
        self.entries.get(&sequence).map_or(0, |entry| entry.attempts)
    }

    /// The earliest deadline of a packet without answer.
    pub(crate) fn first_deadline(&self) -> Option<UnixSeconds> {
        self.deadlines.first().map(|(timeout, _)| *timeout)
    }

    /// Times at which this flow may have something to do that it cannot do now.
    pub(crate) fn times(&self) -> impl Iterator<Item = Timestamp> + '_ {
        let rests = self.resting.first().map(|(until, _)| *until);
        let retries = self.works.iter().map(|work| work.retry_at);
        rests.into_iter().chain(retries)
    }

    /// The lowest heights that a fresh relay must read, on source and target, to find what is not settled here.
    pub(crate) fn oldest(&self) -> (Option<Height>, Option<Height>) {
        let sent = self.entries.values().filter_map(|entry| entry.sent).min();
        let answered = self.entries.values().filter_map(|entry| Some(entry.answer.as_ref()?.height)).min();
        (sent, answered)
    }

    /// Asserts the invariants; `jobs` counts the packets that each job believes are still its own.
    pub(crate) fn check_invariants(&self, jobs: &mut BTreeMap<Ticket, usize>) {
        let mut early = 0;
        for (sequence, entry) in &self.entries {
            let idle = entry.job.is_none() && entry.sent.is_some();
            let rests = entry.rest_until > Timestamp(0);
            let expected = [
                idle && !rests && entry.answer.is_none(),
                idle && !rests && entry.answer.is_some(),
                idle && rests,
                entry.answer.is_none(),
            ];
            let actual = [
                self.to_receive.contains(sequence),
                self.to_acknowledge.contains(sequence),
                self.resting.contains(&(entry.rest_until, *sequence)),
                self.deadlines.contains(&(entry.packet.timeout_timestamp, *sequence)),
            ];
            assert_eq!(expected, actual, "queues of packet {sequence}");
            assert!(entry.sent.is_none() || *sequence <= self.heard, "what was sent was heard");
            early += usize::from(entry.sent.is_none());
            if let Some(job) = entry.job {
                let left = jobs.get_mut(&job).expect("a packet's job exists");
                *left = left.checked_sub(1).expect("a job counts its packets");
            }
        }
        let queued = self.to_receive.len() + self.to_acknowledge.len() + self.resting.len();
        let idle = self.entries.values().filter(|entry| entry.job.is_none() && entry.sent.is_some()).count();
        assert_eq!(queued, idle, "only idle packets are queued");
        assert_eq!(self.early, early, "early receipts are counted");
    }
}

/// The first entries that fit one call; at least one if there is any.
fn take<'a>(entries: impl Iterator<Item = &'a Entry>, limit: usize) -> Vec<Item> {
    let mut bytes = 0;
    let mut items = Vec::new();
    for entry in entries.take(limit) {
        let acknowledgement = entry.answer.as_ref().map(|answer| answer.acknowledgement.clone());
        let acknowledgement = acknowledgement.unwrap_or_else(|| Arc::from([]));
        bytes += entry.bytes + acknowledgement.len();
        if bytes > CALL_PACKET_BYTES_MAX && !items.is_empty() {
            break;
        }
        items.push(Item { packet: entry.packet.clone(), acknowledgement });
    }
    items
}

#[cfg(test)]
mod tests {
    use super::*;
    use catenary_packet::testing;
    use proptest::prelude::*;

    const NOW: Timestamp = Timestamp(1_000_000_000);

    fn packet(sequence: u64) -> Packet {
        Packet {
            sequence: Sequence(sequence),
            timeout_timestamp: UnixSeconds(sequence * 10),
            ..testing::packet(vec![1; 200_000])
        }
    }

    fn sequences(items: &[Item]) -> Vec<u64> {
        items.iter().map(|item| item.packet.sequence.0).collect()
    }

    fn choose(flow: &Flow, step: Step, proven: u64, second: u64) -> Vec<u64> {
        sequences(&flow.choose(step, Height(proven), UnixSeconds(second)))
    }

    #[test]
    fn a_packet_is_ready_once_a_header_shows_it() {
        let mut flow = Flow::new();
        flow.sent(packet(1), Height(4), Timestamp(0));
        flow.sent(packet(2), Height(5), Timestamp(0));
        assert_eq!(choose(&flow, Step::Receive, 3, 0), Vec::<u64>::new());
        assert_eq!(choose(&flow, Step::Receive, 4, 0), [1]);
        flow.received(packet(1), Height(9), vec![7], Timestamp(0));
        assert_eq!(choose(&flow, Step::Acknowledge, 8, 0), Vec::<u64>::new());
        assert_eq!(choose(&flow, Step::Acknowledge, 9, 0), [1]);
    }

    #[test]
    fn the_deadline_divides_receiving_from_timing_out() {
        let mut flow = Flow::new();
        flow.sent(packet(1), Height(1), Timestamp(0));
        let both = |second| {
            (choose(&flow, Step::Receive, 1, second).len(), choose(&flow, Step::Timeout, 1, second).len())
        };
        assert_eq!([both(9), both(10), both(11)], [(1, 0), (0, 1), (0, 1)]);
    }

    #[test]
    fn a_call_is_bounded_in_bytes_and_never_empty() {
        let mut flow = Flow::new();
        (1..=6).for_each(|sequence| flow.sent(packet(sequence), Height(1), Timestamp(0)));
        assert_eq!(choose(&flow, Step::Receive, 1, 0), [1, 2], "524,288 bytes hold two of 200,000");
        flow.work_mut(Step::Receive).batch = 1;
        assert_eq!(choose(&flow, Step::Receive, 1, 0), [1]);
    }

    #[test]
    fn what_was_settled_before_is_not_taken_up_by_a_second_reading() {
        let mut flow = Flow::new();
        flow.sent(packet(1), Height(1), Timestamp(0));
        flow.received(packet(1), Height(1), vec![7], Timestamp(0));
        flow.settled(Sequence(1));
        flow.sent(packet(1), Height(1), Timestamp(0));
        flow.received(packet(1), Height(1), vec![7], Timestamp(0));
        assert_eq!(flow.len(), 0);
    }

    #[test]
    fn a_receipt_may_be_heard_before_the_send() {
        let mut flow = Flow::new();
        flow.received(packet(2), Height(1), vec![7], Timestamp(0));
        assert_eq!(choose(&flow, Step::Acknowledge, 9, 0), Vec::<u64>::new());
        flow.sent(packet(1), Height(1), Timestamp(0));
        flow.sent(packet(2), Height(1), Timestamp(0));
        assert_eq!(choose(&flow, Step::Acknowledge, 9, 0), [2]);
        assert_eq!(choose(&flow, Step::Receive, 9, 0), [1]);
        // One whose send was before the reading began is of a settled packet.
        let mut flow = Flow::new();
        flow.received(packet(2), Height(1), vec![7], Timestamp(0));
        flow.sent(packet(3), Height(1), Timestamp(0));
        assert_eq!((flow.len(), flow.early), (1, 0));
    }

    #[test]
    fn a_packet_that_was_tried_in_vain_rests_ever_longer() {
        let mut flow = Flow::new();
        flow.sent(packet(1), Height(1), Timestamp(0));
        let mut now = NOW;
        for pause_ms in [200, 400, 800] {
            let items = flow.choose(Step::Receive, Height(1), UnixSeconds(0));
            flow.assign(&items, Ticket(1));
            flow.release(&items, Ticket(1), Some(now));
            flow.wake(now.plus_ms(pause_ms - 1));
            assert_eq!(choose(&flow, Step::Receive, 1, 0).len(), 0);
            now = now.plus_ms(pause_ms);
            flow.wake(now);
            assert_eq!(choose(&flow, Step::Receive, 1, 0).len(), 1);
        }
    }

    #[derive(Clone, Debug)]
    enum Move {
        Sent(u64),
        Received(u64),
        Settled(u64),
        Start(u8),
        End(prop::sample::Index, bool),
        Wake(u64),
    }

    fn moves() -> impl Strategy<Value = Vec<Move>> {
        let one = prop_oneof![
            (1..8u64).prop_map(Move::Sent),
            (1..8u64).prop_map(Move::Received),
            (1..8u64).prop_map(Move::Settled),
            (0..3u8).prop_map(Move::Start),
            (any::<prop::sample::Index>(), any::<bool>()).prop_map(|(at, rests)| Move::End(at, rests)),
            (0..5_000u64).prop_map(Move::Wake),
        ];
        proptest::collection::vec(one, 0..60)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(256))]

        #[test]
        fn queues_agree_with_packets_after_any_news(moves in moves()) {
            let mut flow = Flow::new();
            let mut jobs: Vec<(Ticket, Vec<Item>, usize)> = Vec::new();
            let mut next = 0;
            for one in moves {
                let overtaken = match one {
                    Move::Sent(sequence) => {
                        flow.sent(packet(sequence), Height(sequence), Timestamp(0));
                        None
                    }
                    Move::Received(sequence) => {
                        flow.received(packet(sequence), Height(1), vec![1], Timestamp(0))
                    }
                    Move::Settled(sequence) => flow.settled(Sequence(sequence)),
                    Move::Start(step) => {
                        let step = Step::ALL[usize::from(step)];
                        let items = flow.choose(step, Height(9), UnixSeconds(35));
                        next += 1;
                        flow.assign(&items, Ticket(next));
                        let live = items.len();
                        jobs.push((Ticket(next), items, live));
                        None
                    }
                    Move::End(at, rests) if !jobs.is_empty() => {
                        let (ticket, items, _) = jobs.remove(at.index(jobs.len()));
                        flow.release(&items, ticket, rests.then_some(NOW));
                        None
                    }
                    Move::End(..) => None,
                    Move::Wake(ms) => {
                        flow.wake(NOW.plus_ms(ms));
                        None
                    }
                };
                if let Some(job) = jobs.iter_mut().find(|(ticket, ..)| Some(*ticket) == overtaken) {
                    job.2 -= 1;
                }
                let mut live: BTreeMap<_, _> = jobs.iter().map(|(ticket, _, live)| (*ticket, *live)).collect();
                flow.check_invariants(&mut live);
                prop_assert!(live.values().all(|left| *left == 0));
            }
        }
    }
}
