//! A malicious relayer: it has an account with the role, hears all that routers submit, and makes calls of its own from
//! true and forged parts. Whatever it does, the ledgers' law must hold.

use crate::{
    chain::Chain,
    router::prove,
    setup::{Setup, validator_seed},
};
use catenary_crypto::SigningKey;
use catenary_ledger::stores::IBC;
use catenary_packet::{
    ClientId, Packet, PacketCall, ReadClients,
    commitment::{ERROR_ACKNOWLEDGEMENT, receipt_key},
    events,
    messages::{HeaderUpdate, Proof, Receive, SubmitMisbehaviour, Timeout},
    records::Standing,
};
use catenary_relay::gateway::{FinalBlock, ProofRequest};
use catenary_replica::Executed;
use catenary_types::{
    Height, Message, SignedHeader, Timestamp, UnixSeconds, envelope::Transaction, testing::certify,
};
use rand::{Rng, rngs::StdRng};
use std::{
    collections::{BTreeMap, VecDeque},
    ops::Range,
};

/// How many calls and packets it remembers.
const REMEMBERED_MAX: usize = 64;

/// What it knows.
#[derive(Default)]
pub struct Rogue {
    calls: VecDeque<(usize, PacketCall)>,
    /// Packets that were sent, each with the chain that it left.
    packets: VecDeque<(usize, Packet)>,
    heard: BTreeMap<usize, Height>,
    made: u64,
}

fn remember<T>(queue: &mut VecDeque<T>, one: T) {
    if queue.len() >= REMEMBERED_MAX {
        queue.pop_front();
    }
    queue.push_back(one);
}

fn pick<'a, T>(queue: &'a VecDeque<T>, rng: &mut StdRng) -> Option<&'a T> {
    (!queue.is_empty()).then(|| &queue[rng.random_range(0..queue.len())])
}

impl Rogue {
    /// A number that no other call of it has.
    pub fn next_number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    /// A router submits this.
    pub fn overhear(&mut self, chain: usize, envelopes: &[Vec<u8>]) {
        let transactions = envelopes.iter().filter_map(|bytes| Transaction::decode(bytes).ok());
        for call in transactions.flat_map(|transaction| transaction.body.calls) {
            if let Ok(call) = PacketCall::decode(&call.message) {
                remember(&mut self.calls, (chain, call));
            }
        }
    }

    /// A block is final somewhere.
    pub fn hear(&mut self, chain: usize, executed: &Executed) {
        let heard = self.heard.entry(chain).or_default();
        if executed.tip.height <= *heard {
            return;
        }
        *heard = executed.tip.height;
        for event in executed.receipts.iter().flat_map(|receipt| &receipt.events) {
            if event.kind == events::SEND_PACKET
                && let Some(Ok(packet)) = event.attribute("packet").map(Packet::decode)
            {
                remember(&mut self.packets, (chain, packet));
            }
        }
    }

    /// Something to try, if it knows enough: what the report calls it, on which chain, and the call. `chains` are those of
    /// one node.
    pub fn act(
        &self,
        setup: &Setup,
        chains: &[Chain],
        rng: &mut StdRng,
    ) -> Option<(&'static str, usize, PacketCall)> {
        let (chain, call) = pick(&self.calls, rng)?.clone();
        let made = |name, call| Some((name, chain, call));
        match rng.random_range(0..9) {
            0 => made("trick: call repeated", call),
            1 => made("trick: proof of something else", self.with_other_proof(call, rng)?),
            2 => made("trick: packet changed", with_other_packet(call)?),
            3 => made("trick: answer turned round", with_error(call)?),
            4 => made("trick: another lane", with_other_client(call)),
            5 | 6 => self.timeout(setup, chains, rng, false),
            7 => self.timeout(setup, chains, rng, true),
            _ => self.receive_again(call, chain, rng),
        }
    }

    fn with_other_proof(&self, mut call: PacketCall, rng: &mut StdRng) -> Option<PacketCall> {
        let (_, mut other) = pick(&self.calls, rng)?.clone();
        *proof_of(&mut call)? = proof_of(&mut other)?.clone();
        Some(call)
    }

    /// A packet that was received long ago, among others.
    fn receive_again(
        &self,
        call: PacketCall,
        chain: usize,
        rng: &mut StdRng,
    ) -> Option<(&'static str, usize, PacketCall)> {
        let PacketCall::Receive(mut fresh) = call else { return None };
        let (_, other) = pick(&self.calls, rng)?;
        let PacketCall::Receive(Receive { client, packets, .. }) = other else { return None };
        let fits = *client == fresh.client;
        fresh.packets.extend(packets.iter().filter(|_| fits).cloned());
        Some(("trick: old packets among new ones", chain, PacketCall::Receive(fresh)))
    }

    /// Times out a packet that has not been received, whatever its deadline; or shows a header with a forged time first.
    fn timeout(
        &self,
        setup: &Setup,
        chains: &[Chain],
        rng: &mut StdRng,
        forged: bool,
    ) -> Option<(&'static str, usize, PacketCall)> {
        let (source, packet) = pick(&self.packets, rng)?;
        let target = setup.other_end(*source, &packet.source_client)?;
        let mut shown = Shown::newest(&chains[*source], &chains[target], &packet.source_client)?;
        if forged {
            shown.forge(packet.timeout_timestamp)?;
        }
        let keys = vec![receipt_key(&packet.dest_client, packet.sequence)];
        let request = ProofRequest { height: Height(shown.height.0.checked_sub(1)?), store: IBC, keys };
        let call = PacketCall::Timeout(Timeout {
            client: packet.source_client.clone(),
            update: shown.update,
            proof_height: shown.height,
            proof: Proof::multi(prove(&chains[target], &request).ok()?),
            packets: vec![packet.clone()],
        });
        Some((if forged { "trick: forged header" } else { "trick: timeout at once" }, *source, call))
    }
}

fn proof_of(call: &mut PacketCall) -> Option<&mut Proof> {
    match call {
        PacketCall::Receive(receive) => Some(&mut receive.proof),
        PacketCall::Acknowledge(acknowledge) => Some(&mut acknowledge.proof),
        PacketCall::Timeout(timeout) => Some(&mut timeout.proof),
        _ => None,
    }
}

/// Another amount than was sent.
fn with_other_packet(mut call: PacketCall) -> Option<PacketCall> {
    let PacketCall::Receive(receive) = &mut call else { return None };
    let value = &mut receive.packets.first_mut()?.payloads.first_mut()?.value;
    let digit = value.iter_mut().rev().find(|byte| byte.is_ascii_digit())?;
    *digit = if *digit == b'9' { b'8' } else { *digit + 1 };
    Some(call)
}

/// What was credited is to be refunded.
fn with_error(mut call: PacketCall) -> Option<PacketCall> {
    let PacketCall::Acknowledge(acknowledge) = &mut call else { return None };
    acknowledge.packets.first_mut()?.acknowledgement = ERROR_ACKNOWLEDGEMENT.to_vec();
    Some(call)
}

fn with_other_client(mut call: PacketCall) -> PacketCall {
    let other = |client: &mut ClientId| {
        *client = if *client == ClientId::bft(0) { ClientId::bft(1) } else { ClientId::bft(0) };
    };
    match &mut call {
        PacketCall::Receive(receive) => other(&mut receive.client),
        PacketCall::Acknowledge(acknowledge) => other(&mut acknowledge.client),
        PacketCall::Timeout(timeout) => other(&mut timeout.client),
        _ => {}
    }
    call
}

/// A header for a client.
struct Shown {
    height: Height,
    /// None if the client knows it.
    update: Option<HeaderUpdate>,
    block: FinalBlock,
    trusted: Height,
}

impl Shown {
    /// The newest header of `target` that a client on `source` can be shown.
    fn newest(source: &Chain, target: &Chain, client: &ClientId) -> Option<Self> {
        let state = source.worker().state().client(client)?;
        let height = target.height().max(state.latest_height);
        let block = (**target.final_block(height)?).clone();
        let trusted = state.latest_height;
        let update = (height > trusted).then(|| update(&block, trusted));
        Some(Self { height, update, block, trusted })
    }

    /// Says that it was made after a deadline. None if there is nobody to show it to.
    fn forge(&mut self, deadline: UnixSeconds) -> Option<()> {
        self.update.as_ref()?;
        let SignedHeader { header, certificate } = &mut self.block.signed;
        header.time = header.time.max(Timestamp(deadline.start().0 + 1));
        certificate.block = header.hash();
        self.update = Some(update(&self.block, self.trusted));
        Some(())
    }
}

fn update(block: &FinalBlock, trusted: Height) -> HeaderUpdate {
    HeaderUpdate::new(&block.signed, &block.validators, trusted, &block.validators)
}

/// Two headers of one height of the chain that a client follows, both signed by all its validators.
pub fn contradiction(
    [here, there]: [&Chain; 2],
    client: &ClientId,
    index: usize,
    validators: Range<usize>,
) -> Option<PacketCall> {
    let state = here.worker().state().client(client)?;
    let block = (**there.final_block(there.height())?).clone();
    let mut other = block.clone();
    let header = &mut other.signed.header;
    header.time.0 += 1;
    let keys = validators.map(|number| SigningKey::from_seed(&validator_seed(index, number)));
    other.signed.certificate = certify(header, &block.validators, 0, &[], keys);
    let trusted = state.oldest_height;
    let (first, second) = (update(&block, trusted), update(&other, trusted));
    let misbehaviour = SubmitMisbehaviour { client: client.clone(), first, second };
    (trusted < block.height()).then_some(PacketCall::SubmitMisbehaviour(misbehaviour))
}

/// Whether a client believes nothing any more.
pub fn is_frozen(chain: &Chain, client: &ClientId) -> bool {
    chain.worker().state().client(client).is_some_and(|state| state.standing == Standing::Frozen)
}
