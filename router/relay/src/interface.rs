//! What goes into the relay and what comes out: plain data.

use crate::gateway::{GatewayError, ProofRequest, SharedBlock, SubmitOutcome};
use catenary_crypto::SigningKey;
use catenary_packet::ClientId;
use catenary_types::{AccountId, ChainId, Height};
use std::sync::Arc;

/// A chain, by its place in [`RelayConfig::chains`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChainIndex(pub usize);

/// Ties an answer to its question. A relay never uses one for two questions that are open at the same time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// What a relay serves.
#[derive(Debug)]
pub struct RelayConfig {
    /// The chains.
    pub chains: Vec<ChainConfig>,
    /// The lanes between them.
    pub lanes: Vec<LaneConfig>,
    /// Sets this relay's request ids apart from those of every other relay, and of its own earlier lives.
    pub seed: [u8; 32],
    /// How long a packet is left to others first: 0 for the first relay of a lane, some blocks for a standby.
    pub patience_ms: u64,
}

/// A chain and how the relay appears on it.
#[derive(Debug)]
pub struct ChainConfig {
    /// The chain.
    pub chain_id: ChainId,
    /// The relay's account there; it has the role relayer.
    pub account: AccountId,
    /// The account's key.
    pub key: Arc<SigningKey>,
    /// Where to start reading: 1, or what [`crate::Relay::cursor`] said in an earlier life.
    pub from: Height,
}

/// A lane: two clients that follow each other's chain and are registered as counterparties.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneConfig {
    /// Both ends.
    pub ends: [LaneEnd; 2],
}

/// One end of a lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneEnd {
    /// The chain.
    pub chain: ChainIndex,
    /// The client on it that follows the chain of the other end.
    pub client: ClientId,
    /// The client's trusting period.
    pub trusting_period_s: u64,
}

/// A configuration that contradicts itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// A lane names a chain that is not there.
    #[error("a lane names chain {index}, there are {chains}")]
    UnknownChain {
        /// The place named.
        index: usize,
        /// How many chains there are.
        chains: usize,
    },
    /// Both ends of a lane are on one chain.
    #[error("a lane has both ends on chain {0}")]
    Loop(ChainId),
    /// Two lanes share an end.
    #[error("client {client} of chain {chain} is the end of two lanes")]
    SharedEnd {
        /// The chain.
        chain: ChainId,
        /// The client.
        client: ClientId,
    },
}

/// What happened.
#[derive(Clone, Debug)]
pub enum Input {
    /// The stream that [`Effect::Subscribe`] asked for has begun. Until every block up to `tip` came, the relay only
    /// listens: what it would do might be done already.
    Subscribed {
        /// Which chain.
        chain: ChainIndex,
        /// Its newest final height at this moment.
        tip: Height,
    },
    /// The next block of a stream, in order of heights and without gaps. A repeated one does no harm; after a gap the
    /// relay subscribes again.
    Final {
        /// Which chain.
        chain: ChainIndex,
        /// The block.
        block: SharedBlock,
    },
    /// A stream could not begin: whoever was asked has no blocks below this height. What was sent in them is left to other
    /// relays.
    Begins {
        /// Which chain.
        chain: ChainIndex,
        /// The first block that there is.
        oldest: Height,
    },
    /// A stream ended or could not begin.
    Disconnected {
        /// Which chain.
        chain: ChainIndex,
    },
    /// Answer to [`Effect::Prove`].
    ProofReady {
        /// Of the question.
        ticket: Ticket,
        /// The encoded multiproof.
        result: Result<Vec<u8>, GatewayError>,
    },
    /// Answer to [`Effect::Submit`].
    Submitted {
        /// Of the question.
        ticket: Ticket,
        /// One outcome per envelope.
        result: Result<Vec<SubmitOutcome>, GatewayError>,
    },
    /// The time of [`crate::Relay::deadline`] has come.
    Fired,
    /// Forget everything and read all chains again.
    Reset,
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Stream final blocks from a height on; replaces an earlier stream of the chain.
    Subscribe {
        /// Which chain.
        chain: ChainIndex,
        /// The first block to send.
        from: Height,
    },
    /// Fetch a multiproof; answered by [`Input::ProofReady`].
    Prove {
        /// For the answer.
        ticket: Ticket,
        /// Which chain.
        chain: ChainIndex,
        /// Which keys, and when.
        request: ProofRequest,
    },
    /// Submit encoded envelopes; answered by [`Input::Submitted`]. Submitting one again does no harm.
    Submit {
        /// For the answer.
        ticket: Ticket,
        /// Which chain.
        chain: ChainIndex,
        /// The envelopes.
        envelopes: Vec<Vec<u8>>,
    },
}
