//! Records of the `clients` store, and reading and writing them.

use crate::{
    ids::{ClientId, Sequence},
    key::ClientsKey,
    messages::Fraction,
};
use catenary_crypto::Hash;
use catenary_ledger::{Ctx, Failure, Reason, State, View, stores::CLIENTS};
use catenary_types::{
    AccountId, Height, Message, Timestamp, WireError,
    wire::{Field, Reader},
};

/// Defines a state of two values, of which none is the default: nothing that was left out can pass for good.
macro_rules! two_states {
    ($(#[$meta:meta])* $name:ident { $(#[$first_meta:meta])* $first:ident, $(#[$second_meta:meta])* $second:ident }) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $name {
            $(#[$first_meta])*
            $first,
            $(#[$second_meta])*
            $second,
        }

        impl Field for $name {
            fn write(&self, number: u32, out: &mut Vec<u8>) {
                let value: u32 = match self { Self::$first => 1, Self::$second => 2 };
                value.write(number, out);
            }

            fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
                match u32::read(number, input)? {
                    1 => Ok(Self::$first),
                    2 => Ok(Self::$second),
                    other => Err(WireError::Value { number, reason: format!("expected 1 or 2, got {other}") }),
                }
            }
        }
    };
}

two_states!(
    /// Whether a client may be believed; that it is not expired is asked apart.
    Standing {
        /// No contradiction was seen.
        Sound,
        /// A contradiction was seen. Nothing is accepted until governance decides.
        Frozen
    }
);

two_states!(
    /// Whether a lane carries new packets.
    LaneStatus {
        /// It does.
        Open,
        /// No sends and no receives; what was sent still settles.
        Paused
    }
);

catenary_types::message! {
    /// What a `bft` client is and how far it has come.
    pub struct ClientState {
        /// The chain it follows.
        1 => chain_id: String,
        /// Share of the power it trusts that must have signed a later header.
        2 => trust_level: Fraction,
        /// Share of a set's power that makes a header final.
        3 => quorum: Fraction,
        /// A header this old is no longer trusted.
        4 => trusting_period_s: u64,
        /// How far a header may be ahead of this chain's time.
        5 => clock_drift_ms: u64,
        /// Most bytes of one update.
        6 => update_bytes_max: u64,
        /// Sound or frozen.
        7 => standing: Standing,
        /// Height of the newest header.
        8 => latest_height: Height,
        /// Time of the newest header.
        9 => latest_time: Timestamp,
        /// Lowest height that is kept.
        10 => oldest_height: Height,
        /// Header whose parameters gave `quorum`, or where the client started.
        11 => quorum_height: Height,
        /// How often governance recovered the client.
        12 => generation: u64,
        /// Who made it, and alone may register its counterparty.
        13 => creator: AccountId,
    }

    /// What a client keeps of one header.
    pub struct ConsensusState {
        /// The header's time.
        1 => time: Timestamp,
        /// Root of the state after the block before.
        2 => app_hash: Hash,
        /// The set that signs the next header.
        3 => next_validators_hash: Hash,
        /// Covers every field, so that two headers differing in any of them are seen.
        4 => header_hash: Hash,
        /// The next height that is kept; 0 at the newest.
        5 => next: Height,
    }

    /// The far end of a lane.
    pub struct Counterparty {
        /// The client on the other chain that follows this one.
        1 => client: ClientId,
        /// Whether the lane carries new packets.
        2 => status: LaneStatus,
    }

    /// A packet that is settled while its callback failed: what it moved stays where the send put it, under the
    /// packet's name, until governance runs the callback again.
    pub struct Held {
        /// Of the packet.
        1 => commitment: Hash,
        /// Of the acknowledgement; none if the packet timed out.
        2 => acknowledgement: Option<Hash>,
        /// Why the callback failed.
        3 => reason: String,
    }
}

impl Fraction {
    /// Whether `power` is more than this share of `total`.
    pub fn is_exceeded_by(&self, power: u64, total: u64) -> bool {
        u128::from(power) * u128::from(self.denominator) > u128::from(total) * u128::from(self.numerator)
    }

    /// Whether this is at least `numerator / denominator`.
    pub fn is_at_least(&self, numerator: u64, denominator: u64) -> bool {
        u128::from(self.numerator) * u128::from(denominator)
            >= u128::from(numerator) * u128::from(self.denominator)
    }
}

impl Counterparty {
    /// Fails on a paused lane.
    pub fn require_open(&self) -> Result<(), Failure> {
        match self.status {
            LaneStatus::Open => Ok(()),
            LaneStatus::Paused => Err(Failure::new(Reason::LimitExceeded, "the lane is paused")),
        }
    }
}

/// Anything that the `clients` store can be read from: a running call, or committed state.
pub trait ReadClients {
    /// The bytes under a key.
    fn clients(&self, key: &ClientsKey<'_>) -> Option<Vec<u8>>;

    /// A record.
    fn client_record<M: Message>(&self, key: &ClientsKey<'_>) -> Option<M> {
        let bytes = self.clients(key)?;
        Some(M::decode(&bytes).expect("only this crate writes the clients store"))
    }

    /// A client.
    fn client(&self, id: &ClientId) -> Option<ClientState> {
        self.client_record(&ClientsKey::Client(id))
    }

    /// What a client knows of a height.
    fn consensus(&self, id: &ClientId, state: &ClientState, height: Height) -> Option<ConsensusState> {
        self.client_record(&ClientsKey::Consensus { client: id, generation: state.generation, height })
    }

    /// The far end of a client's lane.
    fn counterparty(&self, id: &ClientId) -> Option<Counterparty> {
        self.client_record(&ClientsKey::Counterparty(id))
    }

    /// The sequence of a client's next packet.
    fn next_sequence(&self, id: &ClientId) -> Sequence {
        Sequence(self.number(&ClientsKey::NextSequence(id)).unwrap_or(Sequence::FIRST.0))
    }

    /// A packet whose callback failed.
    fn held(&self, client: &ClientId, sequence: Sequence) -> Option<Held> {
        self.client_record(&ClientsKey::Held { client, sequence })
    }

    /// An eight-byte number.
    fn number(&self, key: &ClientsKey<'_>) -> Option<u64> {
        let bytes = self.clients(key)?;
        Some(u64::from_be_bytes(bytes.try_into().expect("only this crate writes the clients store")))
    }
}

impl ReadClients for Ctx<'_, '_> {
    fn clients(&self, key: &ClientsKey<'_>) -> Option<Vec<u8>> {
        self.get(CLIENTS, &key.bytes())
    }
}

impl ReadClients for dyn View + '_ {
    fn clients(&self, key: &ClientsKey<'_>) -> Option<Vec<u8>> {
        self.get(CLIENTS, &key.bytes())
    }
}

impl ReadClients for State {
    fn clients(&self, key: &ClientsKey<'_>) -> Option<Vec<u8>> {
        self.get(CLIENTS, &key.bytes())
    }
}

/// Writes a record.
pub(crate) fn put(ctx: &mut Ctx<'_, '_>, key: &ClientsKey<'_>, record: &impl Message) {
    ctx.put(CLIENTS, key.bytes(), record.encode());
}

/// Writes an eight-byte number.
pub(crate) fn put_number(ctx: &mut Ctx<'_, '_>, key: &ClientsKey<'_>, number: u64) {
    ctx.put(CLIENTS, key.bytes(), number.to_be_bytes().to_vec());
}

/// Deletes a record.
pub(crate) fn delete(ctx: &mut Ctx<'_, '_>, key: &ClientsKey<'_>) {
    ctx.delete(CLIENTS, &key.bytes());
}
