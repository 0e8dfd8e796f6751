//! One chain's life, long enough to show everything: sends, receives, answers, silence, and a change of validators.

use crate::{
    files::{ChainFile, HeaderFile, Hex, ProofCase},
    proofs,
};
use catenary_ledger::stores::IBC;
use catenary_packet::{
    ClientId, Packet, PacketCall, Payload, Sequence,
    commitment::{commitment_key, packet_commitment},
    messages::{Proof, Receive, RegisterCounterparty},
    testing::{
        Actor, ECHO_PORT, EchoCall, EchoSend, GovernanceCall, START, SetValidators, TestChain, validator,
    },
};
use catenary_state::{Changes, Multistore, StoreKind, encode_merkle_proof, encode_spec, iavl_spec};
use catenary_types::{Call, Height, Message, Receipt, Timestamp, UnixSeconds};

/// What ibc-go calls its first client of ours.
pub(crate) const HOST_CLIENT: &str = "07-tendermint-0";
/// The port that the host of `go/` routes.
pub(crate) const HOST_PORT: &str = "transfer";
/// What the host's app and ours agree to answer.
pub(crate) const ANSWER: &[u8] = br#"{"result":"AQ=="}"#;
/// Deadline of the packet that nobody receives, in seconds after the start.
const SILENT_FOR_S: u64 = 60;

/// Packets of one direction.
#[derive(Clone, Debug)]
pub(crate) struct Packets {
    /// It is received, and answered with [`ANSWER`] where we receive it.
    pub good: Packet,
    /// Its receipt fails: the answer is the error acknowledgement.
    pub failing: Packet,
    /// Nobody receives it.
    pub silent: Packet,
}

/// Heights at which something can be shown.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Heights {
    /// A client starts here; there are no packets yet.
    pub start: Height,
    /// The block with our packets; its header does not show them yet.
    pub sent: Height,
    /// The first header that shows packets, receipts and acknowledgements.
    pub shown: Height,
    /// The last header before the deadline, a nanosecond too early.
    pub early: Height,
    /// The first header that is not before the deadline.
    pub deadline: Height,
    /// The last header.
    pub last: Height,
}

/// A chain with everything that happened on it.
pub struct Story {
    pub(crate) chain: TestChain,
    pub(crate) client: ClientId,
    /// What we sent to the host.
    pub(crate) ours: Packets,
    /// What the host sent to us.
    pub(crate) theirs: Packets,
    pub(crate) heights: Heights,
}

impl Story {
    /// A chain of so many validators. If there are several, one leaves and two come on the way.
    pub fn new(name: &str, validators: usize) -> Self {
        let mut chain = TestChain::new(name, validators);
        let client = ClientId::bft(0);
        let host = Host::new(&client);
        must(&chain.call(Actor::Operator, &PacketCall::CreateClient(host.chain.client_at(Height(1)))));
        let counterparty = host_client();
        let register = RegisterCounterparty { client: client.clone(), counterparty };
        must(&chain.call(Actor::Operator, &PacketCall::RegisterCounterparty(register)));
        let start = chain.height();
        absent(&mut chain, validators);
        let ours = send(&mut chain, &client);
        let sent = chain.height();
        decided_late(&mut chain);
        if validators > 1 {
            change_validators(&mut chain, validators);
        }
        receive(&mut chain, &host);
        absent(&mut chain, validators);
        let time = Timestamp(chain.time().0 + 1);
        chain.block(time, Vec::new());
        let shown = chain.height();
        let theirs = host.packets;
        let deadline = theirs.silent.timeout_timestamp.start();
        chain.block(Timestamp(deadline.0 - 1), Vec::new());
        let early = chain.height();
        chain.block(deadline, Vec::new());
        absent(&mut chain, validators);
        let at_deadline = chain.height();
        chain.seal();
        chain.seal();
        let last = chain.height();
        let heights = Heights { start, sent, shown, early, deadline: at_deadline, last };
        Self { chain, client, ours, theirs, heights }
    }

    /// The client's parameters.
    pub fn chain_file(&self) -> ChainFile {
        ChainFile {
            chain_id: self.chain.chain_id.to_string(),
            trust_level: [1, 3],
            trusting_period_seconds: 864_000,
            unbonding_period_seconds: 1_814_400,
            max_clock_drift_seconds: 10,
            proof_specs: vec![Hex(encode_spec(&iavl_spec())), Hex(encode_spec(&ics23::tendermint_spec()))],
            merkle_prefix: vec![Hex(b"ibc".to_vec()), Hex(Vec::new())],
        }
    }

    /// Every header.
    pub fn headers(&self) -> Vec<HeaderFile> {
        let set = |set: &catenary_types::ValidatorSet| {
            Hex(set.encode().expect("a set that exists has an encoding"))
        };
        let blocks = self.chain.blocks.iter();
        let header = |block: &catenary_packet::testing::TestBlock| HeaderFile {
            height: block.signed.header.height.0,
            hash: Hex(block.signed.header.hash().0.to_vec()),
            app_hash: Hex(block.signed.header.app_hash.0.to_vec()),
            signed_header: Hex(block.signed.encode()),
            validators: set(&block.validators),
            next_validators: set(&block.next_validators),
            txs: block.envelopes.iter().cloned().map(Hex).collect(),
        };
        blocks.map(header).collect()
    }

    /// Every case of `proofs.json`.
    pub fn proofs(&self) -> Vec<ProofCase> {
        proofs::cases(self)
    }

    /// What a plain relayer carries: one key of the `ibc` store, present or absent, under the header of a height.
    pub(crate) fn prove(&self, height: Height, key: &[u8]) -> Vec<u8> {
        let proofs = self.chain.state.stores().prove(height.0 - 1, IBC, key);
        encode_merkle_proof(&proofs.expect("a story is shorter than the history that is kept"))
    }
}

pub(crate) fn host_client() -> ClientId {
    HOST_CLIENT.parse().expect("ibc-go's client ids are client ids")
}

fn must(receipt: &Receipt) {
    assert!(receipt.succeeded(), "{receipt:?}");
}

fn echo(send: EchoSend) -> Call {
    Call {
        instance: ECHO_PORT.parse().expect("a valid instance name"),
        message: EchoCall::Send(send).encode(),
    }
}

/// Takes one signature out of the last block's certificate, if the others suffice.
fn absent(chain: &mut TestChain, validators: usize) {
    if validators > 3 {
        recertify(chain, 0, &[1]);
    }
}

/// The last block was decided in round 2.
fn decided_late(chain: &mut TestChain) {
    recertify(chain, 2, &[]);
}

fn recertify(chain: &mut TestChain, round: u32, absent: &[usize]) {
    let last = chain.at(chain.height());
    let signed = chain.certify(last.signed.header.clone(), &last.validators, round, absent);
    let last = chain.blocks.last_mut().expect("a chain has its first block");
    last.signed = signed;
}

fn change_validators(chain: &mut TestChain, validators: usize) {
    let stay = 1..validators;
    let come = validators..validators + 2;
    let set = stay.chain(come).map(|index| validator(&chain.name, index, 10)).collect();
    let call = GovernanceCall::SetValidators(SetValidators { validators: set });
    let instance = "governance".parse().expect("a valid instance name");
    must(&chain.transact(Actor::User, vec![Call { instance, message: call.encode() }]));
}

/// Sends three packets in one block.
fn send(chain: &mut TestChain, client: &ClientId) -> Packets {
    let timeout = UnixSeconds(START.0 + 3_600);
    let of = |value: &[u8]| {
        echo(EchoSend { client: client.clone(), timeout, value: value.to_vec(), dest_port: HOST_PORT.into() })
    };
    let time = Timestamp(chain.time().0 + 500_000_001);
    let receipt = chain.transact_at(time, Actor::User, vec![of(b"first"), of(b"second"), of(b"third")]);
    must(&receipt);
    let sent = receipt.events.iter().filter(|event| event.kind == catenary_packet::events::SEND_PACKET);
    let packet = |event: &catenary_types::Event| Packet::decode(event.attribute("packet")?).ok();
    let mut packets = sent.map(|event| packet(event).expect("the event holds the packet"));
    let mut next = || packets.next().expect("three packets were sent");
    Packets { good: next(), failing: next(), silent: next() }
}

/// Receives two of the host's packets.
fn receive(chain: &mut TestChain, host: &Host) {
    let packets = vec![host.packets.good.clone(), host.packets.failing.clone()];
    let (update, proof) = host.proof(&packets);
    let receive =
        Receive { client: ClientId::bft(0), update: Some(update), proof_height: Height(2), proof, packets };
    must(&chain.call(Actor::Relayer, &PacketCall::Receive(receive)));
}

/// Stands in for ibc-go: a chain whose second header carries the packets that the host of `go/` sends too.
struct Host {
    chain: TestChain,
    store: Multistore,
    packets: Packets,
}

impl Host {
    fn new(client: &ClientId) -> Self {
        let mut chain = TestChain::new("host", 1);
        chain.seal();
        let packet = |sequence: u64, value: &[u8]| Packet {
            sequence: Sequence(sequence),
            source_client: host_client(),
            dest_client: client.clone(),
            timeout_timestamp: UnixSeconds(START.0 + SILENT_FOR_S),
            payloads: vec![Payload {
                source_port: HOST_PORT.into(),
                dest_port: ECHO_PORT.into(),
                version: "echo-1".into(),
                encoding: "application/octet-stream".into(),
                value: value.to_vec(),
            }],
        };
        let packets =
            Packets { good: packet(1, ANSWER), failing: packet(2, b"fail"), silent: packet(3, b"third") };
        let mut store = Multistore::new(&[(IBC, StoreKind::CritBit)]).expect("a valid store");
        let mut changes = Changes::default();
        for packet in [&packets.good, &packets.failing, &packets.silent] {
            let key = commitment_key(&packet.source_client, packet.sequence);
            changes.put(IBC, key, packet_commitment(packet).0);
        }
        store.commit(1, &changes).expect("packet keys are well formed");
        Self { chain, store, packets }
    }

    fn proof(&self, packets: &[Packet]) -> (catenary_packet::messages::HeaderUpdate, Proof) {
        let root = self.store.root(1).expect("the version is kept");
        let signed = self.chain.forge(Height(2), |header| header.app_hash = root);
        let prove = |packet: &Packet| {
            let key = commitment_key(&packet.source_client, packet.sequence);
            encode_merkle_proof(&self.store.prove(1, IBC, &key).expect("the version is kept"))
        };
        let proofs = catenary_packet::messages::MerkleProofs { proofs: packets.iter().map(prove).collect() };
        (self.chain.update_with(Height(1), &signed), Proof::Single(proofs))
    }
}
