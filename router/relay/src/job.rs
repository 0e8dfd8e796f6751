//! Calls under way: what each is for, and how its envelope is made.

use crate::{
    chain::Certified,
    flow::{Item, Step},
    interface::{ChainConfig, ChainIndex},
    limits::VALID_FOR_S,
};
use catenary_apps::admin::{self, AdminCall, Tick};
use catenary_crypto::{sha256, sha256_parts};
use catenary_packet::{
    ClientId, PacketCall,
    messages::{
        Acknowledge, AcknowledgedPacket, HeaderUpdate, Proof, Receive, SubmitMisbehaviour, Timeout,
        UpdateClient,
    },
};
use catenary_types::{Body, Call, Height, InstanceName, Message, RequestId, Timestamp, TxId, UnixSeconds};
use std::sync::Arc;

/// What a call is for. Flows and clients go by their places in the relay.
#[derive(Debug)]
pub(crate) enum Task {
    /// Packets of one flow, one step on.
    Carry {
        flow: usize,
        step: Step,
        items: Vec<Item>,
        /// How many of the items nobody else has taken this step for.
        live: usize,
        /// Under which the proof is made.
        header: Arc<Certified>,
    },
    /// A header for a client.
    Refresh { client: usize },
    /// Two headers that contradict each other, for a client.
    Accuse { client: usize },
    /// A block, so that the chain's clock goes on.
    Tick,
}

/// How far a call has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The proof was asked for.
    Proving,
    /// The envelope was submitted.
    Submitted,
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) task: Task,
    /// Where the call goes.
    pub(crate) chain: ChainIndex,
    pub(crate) phase: Phase,
    /// When to look after it again.
    pub(crate) check_at: Timestamp,
    /// How often the envelope was submitted again.
    pub(crate) resubmitted: u32,
    /// None while the proof is awaited.
    pub(crate) sealed: Option<Sealed>,
}

/// A signed call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sealed {
    pub(crate) envelope: Vec<u8>,
    pub(crate) tx_id: TxId,
    pub(crate) valid_until: UnixSeconds,
}

/// Makes envelopes, each with a request id of its own.
#[derive(Debug)]
pub(crate) struct Sealer {
    seed: [u8; 32],
    counter: u64,
}

impl Sealer {
    const TAG: &[u8] = b"catenary/relay/1";

    pub(crate) fn new(seed: [u8; 32]) -> Self {
        Self { seed, counter: 0 }
    }

    /// Signs one call. The request id covers seed, counter and content: an earlier life of this relay may have used
    /// the same counter, but then for the same transaction.
    pub(crate) fn seal(&mut self, chain: &ChainConfig, now: Timestamp, call: Call) -> Sealed {
        let valid_until = UnixSeconds(now.seconds().0.saturating_add(VALID_FOR_S));
        self.counter += 1;
        let digest = sha256_parts(&[
            Self::TAG,
            &self.seed,
            &self.counter.to_be_bytes(),
            chain.chain_id.as_str().as_bytes(),
            &valid_until.0.to_be_bytes(),
            &call.encode(),
        ]);
        let mut request_id = RequestId([0; 16]);
        request_id.0.copy_from_slice(&digest.0[..16]);
        let body = Body {
            chain_id: chain.chain_id.clone(),
            sender: chain.account,
            request_id,
            valid_until,
            reference: None,
            calls: vec![call],
        };
        let envelope = body.sign(&[&chain.key]);
        Sealed { tx_id: TxId(sha256(&envelope.body)), envelope: envelope.encode(), valid_until }
    }
}

fn instance(name: &str) -> InstanceName {
    name.parse().expect("a valid instance name")
}

fn packet_call(call: &PacketCall) -> Call {
    Call { instance: instance(catenary_packet::KIND), message: call.encode() }
}

/// The call that takes `step` for all items. `client` is the one on the chain that the call goes to.
pub(crate) fn carry_call(
    step: Step,
    client: ClientId,
    update: Option<HeaderUpdate>,
    proof_height: Height,
    proof: Vec<u8>,
    items: &[Item],
) -> Call {
    let proof = Proof::multi(proof);
    let packets = || items.iter().map(|item| (*item.packet).clone());
    packet_call(&match step {
        Step::Receive => {
            PacketCall::Receive(Receive { client, update, proof_height, proof, packets: packets().collect() })
        }
        Step::Timeout => {
            PacketCall::Timeout(Timeout { client, update, proof_height, proof, packets: packets().collect() })
        }
        Step::Acknowledge => {
            let packets = items.iter().map(|item| AcknowledgedPacket {
                packet: (*item.packet).clone(),
                acknowledgement: item.acknowledgement.to_vec(),
            });
            let packets = packets.collect();
            PacketCall::Acknowledge(Acknowledge { client, update, proof_height, proof, packets })
        }
    })
}

/// The call that shows a client a header.
pub(crate) fn refresh_call(client: ClientId, update: HeaderUpdate) -> Call {
    packet_call(&PacketCall::UpdateClient(UpdateClient { client, update }))
}

/// The call that shows a client a contradiction.
pub(crate) fn accuse_call(client: ClientId, first: HeaderUpdate, second: HeaderUpdate) -> Call {
    packet_call(&PacketCall::SubmitMisbehaviour(SubmitMisbehaviour { client, first, second }))
}

/// The call that asks for a block.
pub(crate) fn tick_call() -> Call {
    Call { instance: instance(admin::KIND), message: AdminCall::Tick(Tick {}).encode() }
}
