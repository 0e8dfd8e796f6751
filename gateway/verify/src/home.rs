//! The home chain: who sent which packet under which reference, and what became of it.

use crate::{
    evidence::{Answer, BlockRecord, EvidenceError, Frames, HOME_FILE, Record},
    follow::{ChainError, Follower, runs},
};
use catenary_orders::HOME;
use catenary_packet::{
    ClientId, Packet, Sequence,
    events::{CLIENT_CREATED, COUNTERPARTY_REGISTERED, SEND_PACKET},
};
use catenary_transfer::{
    Send, TransferCall,
    events::{RefundReason, kind},
};
use catenary_types::{
    AccountId, Block, ChainId, Event, Genesis, Height, Message, Receipt, Reference, envelope::Transaction,
};
use std::{collections::BTreeMap, path::Path};

/// The far end of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Far {
    /// The chain.
    pub(crate) chain_id: String,
    /// The client there; none until it is registered.
    pub(crate) client: Option<ClientId>,
}

/// What the chain's events say of lanes and of what became of packets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// By client on the home chain.
    pub(crate) lanes: BTreeMap<ClientId, Far>,
    /// By client on the home chain and sequence.
    pub(crate) settled: BTreeMap<(ClientId, Sequence), Answer>,
    /// Whether a packet was settled twice.
    pub(crate) twice: bool,
}

/// A transfer that the chain sent.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    /// The call.
    pub(crate) call: Send,
    /// The packet it made.
    pub(crate) packet: Packet,
}

/// The home chain, verified.
pub(crate) struct Home {
    /// Its id.
    pub(crate) chain_id: ChainId,
    /// Lanes and outcomes.
    pub(crate) said: Said,
    /// Transfers by sender and reference.
    pub(crate) sent: BTreeMap<(AccountId, Reference), Sent>,
}

impl Home {
    /// Reads and verifies the home chain's file.
    pub(crate) fn read(dir: &Path) -> Result<Self, EvidenceError> {
        let mut frames = Frames::open(dir, HOME_FILE)?;
        let Some(Record::Genesis(genesis)) = frames.next()? else {
            return Err(frames.damaged("expected the genesis"));
        };
        let fault =
            |frames: &Frames, height, error| EvidenceError::Chain { file: frames.file(), height, error };
        let started = Follower::new(&genesis).and_then(|follower| is_home(&genesis).map(|()| follower));
        let mut follower = started.map_err(|error| fault(&frames, Height(0), error))?;
        let chain_id = follower.chain_id().clone();
        let mut home = Self { chain_id, said: Said::default(), sent: BTreeMap::new() };
        let mut last: Option<BlockRecord> = None;
        loop {
            let (certified, block) = match frames.next()? {
                Some(Record::Block(block)) => (block.certified.clone(), Some(block)),
                Some(Record::Head(certified)) => (certified, None),
                Some(_) => return Err(frames.damaged("expected a block or the head")),
                None => return Err(frames.damaged("the file ends without a head")),
            };
            let header = &certified.signed.header;
            let followed = follower.next(&certified).and_then(|()| {
                let receipts = last.as_ref().map_or(&[][..], |last| &last.receipts);
                if header.last_results_hash != Receipt::results_hash(receipts) {
                    return Err(ChainError::Results);
                }
                last.take().map_or(Ok(()), |last| home.absorb(&last))?;
                block.as_ref().map_or(Ok(()), check_data)
            });
            followed.map_err(|error| fault(&frames, header.height, error))?;
            match block {
                Some(block) => last = Some(block),
                None if frames.next()?.is_none() => return Ok(home),
                None => return Err(frames.damaged("expected nothing after the head")),
            }
        }
    }

    /// Takes in a block whose transactions and receipts are proven.
    fn absorb(&mut self, block: &BlockRecord) -> Result<(), ChainError> {
        if block.envelopes.len() != block.receipts.len() {
            return Err(ChainError::Content("a block has one receipt for each of its transactions"));
        }
        for (envelope, receipt) in block.envelopes.iter().zip(&block.receipts) {
            let transaction = Transaction::decode(envelope);
            let transaction = transaction.map_err(|_| ChainError::Content("an envelope does not decode"))?;
            if transaction.id != receipt.tx_id {
                return Err(ChainError::Content("a receipt is of another transaction"));
            }
            heard(&mut self.said, receipt);
            if self.said.twice {
                return Err(ChainError::Content("a packet was settled twice"));
            }
            if let Some((name, sent)) = sent(&transaction, receipt)
                && self.sent.insert(name, sent).is_some()
            {
                return Err(ChainError::Content("a reference was used twice"));
            }
        }
        Ok(())
    }
}

/// Whether a genesis is one of the home bank, with the apps whose events are believed.
fn is_home(genesis: &Genesis) -> Result<(), ChainError> {
    if !genesis.organisations.iter().any(|name| name.as_str() == HOME) {
        return Err(ChainError::Genesis(format!("{HOME} is no organisation of it")));
    }
    match [catenary_packet::KIND, catenary_transfer::KIND].iter().find(|kind| !runs(genesis, kind)) {
        None => Ok(()),
        Some(kind) => Err(ChainError::Genesis(format!("it has no app {kind}"))),
    }
}

/// The header covers the block's transactions; and receipts hold nothing that no header covers.
fn check_data(block: &BlockRecord) -> Result<(), ChainError> {
    if block.receipts.iter().any(|receipt| !receipt.detail.is_empty()) {
        return Err(ChainError::Content("a receipt has a detail, which no header covers"));
    }
    let expected = block.certified.signed.header.data_hash;
    if Block::data_hash(&block.envelopes) == expected { Ok(()) } else { Err(ChainError::Data) }
}

/// Hears what a receipt says of lanes and of what became of packets.
pub(crate) fn heard(said: &mut Said, receipt: &Receipt) {
    for event in &receipt.events {
        match event.instance.as_str() {
            catenary_packet::KIND => heard_of_lane(said, event),
            catenary_transfer::KIND => heard_of_transfer(said, event),
            _ => {}
        }
    }
}

fn client_of(event: &Event) -> Option<ClientId> {
    event.text("client").and_then(|text| text.parse().ok())
}

fn heard_of_lane(said: &mut Said, event: &Event) {
    let Some(client) = client_of(event) else { return };
    match event.kind.as_str() {
        CLIENT_CREATED => {
            let chain_id = event.text("chain_id").unwrap_or_default().to_owned();
            said.lanes.entry(client).or_insert(Far { chain_id, client: None });
        }
        COUNTERPARTY_REGISTERED => {
            let counterparty = event.text("counterparty").and_then(|text| text.parse().ok());
            if let Some(lane) = said.lanes.get_mut(&client) {
                lane.client = lane.client.take().or(counterparty);
            }
        }
        _ => {}
    }
}

fn heard_of_transfer(said: &mut Said, event: &Event) {
    let answer = match (event.kind.as_str(), event.text("reason")) {
        (kind::COMPLETED, _) => Answer::Credited,
        (kind::REFUNDED, Some(reason)) if reason == RefundReason::Error.name() => Answer::Refused,
        (kind::REFUNDED, Some(reason)) if reason == RefundReason::Timeout.name() => Answer::Silent,
        _ => return,
    };
    let sequence = event.text("sequence").and_then(|text| text.parse().ok()).map(Sequence);
    if let (Some(client), Some(sequence)) = (client_of(event), sequence) {
        said.twice |= said.settled.insert((client, sequence), answer).is_some();
    }
}

/// The transfer of a transaction that has a reference, makes one call, a send, and succeeded.
fn sent(transaction: &Transaction, receipt: &Receipt) -> Option<((AccountId, Reference), Sent)> {
    let body = &transaction.body;
    let (Some(reference), [call]) = (&body.reference, body.calls.as_slice()) else { return None };
    if !receipt.succeeded() || call.instance.as_str() != catenary_transfer::KIND {
        return None;
    }
    let TransferCall::Send(call) = TransferCall::decode(&call.message).ok()?;
    let mut packets = receipt
        .events
        .iter()
        .filter(|event| event.kind == SEND_PACKET && event.instance.as_str() == catenary_transfer::KIND);
    let (Some(event), None) = (packets.next(), packets.next()) else { return None };
    let packet = Packet::decode(event.attribute("packet")?).ok()?;
    Some(((body.sender, reference.clone()), Sent { call, packet }))
}
