//! `flow.json`: packets through the message handlers of ibc-go, with a client of our chain.

use crate::{
    files::{Expect, Flow, Hex, PacketFile, Step, Time},
    story::{ANSWER, HOST_CLIENT, Story},
};
use catenary_packet::{
    Packet,
    commitment::{ERROR_ACKNOWLEDGEMENT, acknowledgement_key, commitment_key, receipt_key},
};
use catenary_types::{Height, Timestamp};

/// All flows.
pub(crate) fn flows(story: &Story) -> Vec<Flow> {
    let mut player =
        Player { story, now: story.chain.at(story.heights.start).signed.header.time, steps: Vec::new() };
    player.open();
    player.receive();
    player.acknowledge();
    player.time_out();
    player.receive_late();
    let client_type = "07-tendermint".into();
    vec![Flow { name: "packets both ways".into(), client_type, steps: player.steps }]
}

struct Player<'a> {
    story: &'a Story,
    now: Timestamp,
    steps: Vec<Step>,
}

impl Player<'_> {
    fn step(&mut self, what: &str, name: &str, expect: Expect) -> &mut Step {
        self.steps.push(Step {
            r#do: what.into(),
            name: name.into(),
            now: Time(self.now),
            height: None,
            trusted: None,
            counterparty_client: None,
            packet: None,
            acknowledgements: Vec::new(),
            proof: None,
            proof_height: None,
            expect,
        });
        self.steps.last_mut().expect("a step was pushed")
    }

    /// A step with a packet and what the `ibc` store holds under a key.
    fn prove(
        &mut self,
        what: &str,
        name: &str,
        packet: &Packet,
        (height, key): (Height, Vec<u8>),
        expect: Expect,
    ) {
        let proof = self.story.prove(height, &key);
        let step = self.step(what, name, expect);
        step.packet = Some(PacketFile::from(packet));
        step.proof = Some(Hex(proof));
        step.proof_height = Some(height.0);
    }

    fn update(&mut self, trusted: Height, height: Height) {
        self.now = self.now.max(self.story.chain.at(height).signed.header.time);
        let step = self.step("update", "", Expect::Accept);
        (step.trusted, step.height) = (Some(trusted.0), Some(height.0));
    }

    fn open(&mut self) {
        let Story { client, heights, theirs, .. } = self.story;
        self.step("create", "", Expect::Accept).height = Some(heights.start.0);
        self.step("register", "", Expect::Accept).counterparty_client = Some(client.to_string());
        for packet in [&theirs.good, &theirs.failing, &theirs.silent] {
            self.step("send", "", Expect::Accept).packet = Some(PacketFile::from(packet));
        }
    }

    fn receive(&mut self) {
        let Story { ours, heights, .. } = self.story;
        let key = |packet: &Packet| commitment_key(&packet.source_client, packet.sequence);
        let good = (heights.shown, key(&ours.good));
        self.prove(
            "recv",
            "a header that the client does not know",
            &ours.good,
            good.clone(),
            Expect::Reject,
        );
        self.update(heights.start, heights.sent);
        let early = (heights.sent, key(&ours.good));
        self.prove("recv", "the header of the packet's own block", &ours.good, early, Expect::Reject);
        self.update(heights.sent, heights.shown);
        self.prove("recv", "sent by us", &ours.good, good.clone(), Expect::Accept);
        self.prove("recv", "again", &ours.good, good.clone(), Expect::Noop);
        self.prove("recv", "proof of another packet", &ours.failing, good, Expect::Reject);
        let mut altered = ours.failing.clone();
        altered.payloads[0].value.push(0);
        let failing = (heights.shown, key(&ours.failing));
        self.prove("recv", "altered value", &altered, failing.clone(), Expect::Reject);
        altered = ours.failing.clone();
        altered.timeout_timestamp.0 += 1;
        self.prove("recv", "later deadline", &altered, failing.clone(), Expect::Reject);
        self.prove("recv", "second packet", &ours.failing, failing, Expect::Accept);
    }

    fn acknowledge(&mut self) {
        let Story { theirs, heights, .. } = self.story;
        let key =
            |packet: &Packet| (heights.shown, acknowledgement_key(&packet.dest_client, packet.sequence));
        let mut answer = |name: &str, packet: &Packet, answer: &[u8], key, expect| {
            self.prove("ack", name, packet, key, expect);
            let step = self.steps.last_mut().expect("a step was pushed");
            step.acknowledgements = vec![Hex(answer.to_vec())];
        };
        let (good, failing) = (&theirs.good, &theirs.failing);
        answer("another answer", good, b"no", key(good), Expect::Reject);
        answer("proof of another answer", good, ANSWER, key(failing), Expect::Reject);
        answer("answered by us", good, ANSWER, key(good), Expect::Accept);
        answer("again", good, ANSWER, key(good), Expect::Noop);
        answer("success for an error", failing, ANSWER, key(failing), Expect::Reject);
        answer("universal error", failing, &ERROR_ACKNOWLEDGEMENT, key(failing), Expect::Accept);
    }

    fn time_out(&mut self) {
        let Story { theirs, heights, .. } = self.story;
        let key = |packet: &Packet| receipt_key(&packet.dest_client, packet.sequence);
        let silent = &theirs.silent;
        self.update(heights.shown, heights.early);
        let early = (heights.early, key(silent));
        self.prove("timeout", "a nanosecond early", silent, early.clone(), Expect::Reject);
        self.update(heights.early, heights.deadline);
        let received = (heights.deadline, key(&theirs.good));
        self.prove("timeout", "proof of a receipt", silent, received, Expect::Reject);
        self.prove("timeout", "proof of an earlier header", silent, early, Expect::Reject);
        let at_deadline = (heights.deadline, key(silent));
        self.prove(
            "timeout",
            "header time equal to the deadline",
            silent,
            at_deadline.clone(),
            Expect::Accept,
        );
        self.prove("timeout", "again", silent, at_deadline, Expect::Noop);
        assert_eq!(silent.source_client.as_str(), HOST_CLIENT, "the host sent it");
    }

    /// The host's clock, not ours, says when a packet is too late for the host.
    fn receive_late(&mut self) {
        let Story { ours, heights, .. } = self.story;
        let key = (heights.deadline, commitment_key(&ours.silent.source_client, ours.silent.sequence));
        self.now = ours.silent.timeout_timestamp.start();
        self.prove("recv", "at its deadline", &ours.silent, key.clone(), Expect::Reject);
        self.now.0 -= 1;
        self.prove("recv", "a nanosecond before its deadline", &ours.silent, key, Expect::Accept);
    }
}
