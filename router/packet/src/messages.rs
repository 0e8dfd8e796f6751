//! Calls of the packet app, and the packet itself.
//!
//! ```text
//!  operator   CreateClient, RegisterCounterparty      once per lane and chain
//!  relayer    Receive, Acknowledge, Timeout           one header, certificate and proof for up to 500 packets
//!             UpdateClient, SubmitMisbehaviour        the header alone; two headers that contradict each other
//!  committee  RecoverClient, SetLane, RetryHeld       governance
//! ```
//!
//! A [`Packet`] encodes as `ibc.core.channel.v2.Packet`.

use crate::{
    ids::{ClientId, Sequence},
    limits::{PAYLOAD_BYTES_MAX, PAYLOAD_LABEL_BYTES_MAX, PORT_BYTES_MAX, PORT_BYTES_MIN},
};
use catenary_types::{Height, Message, Parameters, SignedHeader, Trust, UnixSeconds, ValidatorSet};

catenary_types::oneof! {
    /// What the packet app can be asked to do.
    pub enum PacketCall {
        /// Start to follow another chain.
        1 => CreateClient(CreateClient),
        /// Show a client a later header.
        2 => UpdateClient(UpdateClient),
        /// Say which client of the other chain is the far end of this lane.
        3 => RegisterCounterparty(RegisterCounterparty),
        /// Deliver packets that the other chain sent.
        4 => Receive(Receive),
        /// Deliver what the other chain answered.
        5 => Acknowledge(Acknowledge),
        /// Show that packets were not received in time.
        6 => Timeout(Timeout),
        /// Show that the other chain certified a contradiction.
        7 => SubmitMisbehaviour(SubmitMisbehaviour),
        /// Put a client that is frozen or expired on the state of another.
        8 => RecoverClient(RecoverClient),
        /// Pause or resume a lane.
        9 => SetLane(SetLane),
        /// Try again a callback that failed when its packet was settled.
        10 => RetryHeld(RetryHeld),
    }
}

catenary_types::message! {
    /// A packet; its encoding is `ibc.core.channel.v2.Packet`.
    pub struct Packet {
        /// Its number among those of the source client.
        1 => sequence: Sequence,
        /// The client of the target chain, on the source chain.
        2 => source_client: ClientId,
        /// The client of the source chain, on the target chain.
        3 => dest_client: ClientId,
        /// The packet can be received in blocks before this second.
        4 => timeout_timestamp: UnixSeconds,
        /// Exactly one.
        5 => payloads: Vec<Payload>,
    }

    /// What one app says to another.
    pub struct Payload {
        /// The app that sends.
        1 => source_port: String,
        /// The app that receives.
        2 => dest_port: String,
        /// What the apps call this form of the value.
        3 => version: String,
        /// How the value is encoded.
        4 => encoding: String,
        /// For the app alone to read.
        5 => value: Vec<u8>,
    }

    /// More than `numerator / denominator` of a set's power.
    pub struct Fraction {
        /// See above.
        1 => numerator: u64,
        /// See above.
        2 => denominator: u64,
    }

    /// Starts a client at a header that the caller vouches for.
    pub struct CreateClient {
        /// The chain to follow; any CometBFT chain id.
        1 => chain_id: String,
        /// How much of the power that the client trusts must have signed a later header: from 1/3 on.
        2 => trust_level: Fraction,
        /// What the chain calls final; `quorum` of its parameters.
        3 => quorum: Fraction,
        /// A header this old can no longer be trusted; the chain's validators answer for it that long.
        4 => trusting_period_s: u64,
        /// How far the chain's clock may be ahead of this chain's.
        5 => clock_drift_ms: u64,
        /// Most bytes of one update.
        6 => update_bytes_max: u64,
        /// `tendermint.types.SignedHeader`: where the client starts.
        7 => signed_header: Vec<u8>,
        /// `tendermint.types.ValidatorSet`: who signed it.
        8 => validators: Vec<u8>,
    }

    /// A later header with all that is needed to verify it. The first three of its messages are CometBFT's.
    pub struct HeaderUpdate {
        /// `tendermint.types.SignedHeader`.
        1 => signed_header: Vec<u8>,
        /// `tendermint.types.ValidatorSet`: who signed it.
        2 => validators: Vec<u8>,
        /// A lower height that the client knows; the nearest is best.
        3 => trusted_height: Height,
        /// `tendermint.types.ValidatorSet`: the next validators of the header at `trusted_height`.
        4 => trusted_validators: Vec<u8>,
        /// Parameters under the header's `consensus_hash`, to change the client's quorum. Only our own chains have them.
        5 => parameters: Option<Parameters>,
    }

    /// Shows a client a later header.
    pub struct UpdateClient {
        /// Which client.
        1 => client: ClientId,
        /// The header.
        2 => update: HeaderUpdate,
    }

    /// Names the far end of a lane, once.
    pub struct RegisterCounterparty {
        /// The client on this chain.
        1 => client: ClientId,
        /// The client on the chain that `client` follows.
        2 => counterparty: ClientId,
    }

    /// Delivers packets.
    pub struct Receive {
        /// The client on this chain: the packets' `dest_client`.
        1 => client: ClientId,
        /// Left out if the client already knows `proof_height`.
        2 => update: Option<HeaderUpdate>,
        /// Under the header of this height the proof leads to the state.
        3 => proof_height: Height,
        /// Commitments of all packets.
        4 => proof: Proof,
        /// 1 to 500.
        5 => packets: Vec<Packet>,
    }

    /// Delivers answers.
    pub struct Acknowledge {
        /// The client on this chain: the packets' `source_client`.
        1 => client: ClientId,
        /// Left out if the client already knows `proof_height`.
        2 => update: Option<HeaderUpdate>,
        /// Under the header of this height the proof leads to the state.
        3 => proof_height: Height,
        /// Acknowledgement commitments of all packets.
        4 => proof: Proof,
        /// 1 to 500.
        5 => packets: Vec<AcknowledgedPacket>,
    }

    /// A packet and its answer.
    pub struct AcknowledgedPacket {
        /// The packet.
        1 => packet: Packet,
        /// What the receiving app answered; or [`crate::commitment::ERROR_ACKNOWLEDGEMENT`].
        2 => acknowledgement: Vec<u8>,
    }

    /// Settles packets that were not received in time.
    pub struct Timeout {
        /// The client on this chain: the packets' `source_client`.
        1 => client: ClientId,
        /// Left out if the client already knows `proof_height`.
        2 => update: Option<HeaderUpdate>,
        /// The header of this height is not earlier than any deadline, and shows that there is no receipt.
        3 => proof_height: Height,
        /// Absence of all receipts.
        4 => proof: Proof,
        /// 1 to 500.
        5 => packets: Vec<Packet>,
    }

    /// Our own proof of many keys, [`catenary_state::Multiproof`].
    pub struct MultiproofBytes {
        /// Its canonical bytes.
        1 => bytes: Vec<u8>,
    }

    /// One `ibc.core.commitment.v1.MerkleProof` per packet, in order of the packets: what a Cosmos chain gives.
    pub struct MerkleProofs {
        /// The proofs.
        1 => proofs: Vec<Vec<u8>>,
    }

    /// Shows two headers that cannot both belong to one chain.
    pub struct SubmitMisbehaviour {
        /// Which client.
        1 => client: ClientId,
        /// The header of greater or equal height.
        2 => first: HeaderUpdate,
        /// The other.
        3 => second: HeaderUpdate,
    }

    /// Governance puts a client on the state of another; what was sent over it stays valid.
    pub struct RecoverClient {
        /// The client that is frozen or expired.
        1 => client: ClientId,
        /// An active client of the same kind.
        2 => substitute: ClientId,
    }

    /// Governance pauses a lane: no sends, no receives. Acknowledgements and timeouts go on.
    pub struct SetLane {
        /// The lane's client on this chain.
        1 => client: ClientId,
        /// Whether it is paused.
        2 => paused: bool,
    }

    /// Governance runs again a callback that failed.
    pub struct RetryHeld {
        /// The packet, settled before.
        1 => packet: Packet,
        /// Its answer; empty if it timed out.
        2 => acknowledgement: Vec<u8>,
    }
}

catenary_types::oneof! {
    /// Shows what stands in the `ibc` store of the other chain.
    pub enum Proof {
        /// All keys at once; between our own chains.
        1 => Multi(MultiproofBytes),
        /// One by one, under the default specs of Cosmos chains.
        2 => Single(MerkleProofs),
    }
}

impl Proof {
    /// A multiproof from its canonical bytes.
    pub fn multi(bytes: Vec<u8>) -> Self {
        Self::Multi(MultiproofBytes { bytes })
    }

    /// Length of all parts together.
    pub fn len(&self) -> usize {
        match self {
            Self::Multi(multi) => multi.bytes.len(),
            Self::Single(single) => single.proofs.iter().map(Vec::len).sum(),
        }
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl CreateClient {
    /// A client of one of our own chains, from a header on: a third of the power is trusted, clocks may be 10 s apart, an
    /// update may have 64 KiB.
    pub fn new(header: &SignedHeader, validators: &ValidatorSet, trusting_period_s: u64) -> Self {
        Self {
            chain_id: header.header.chain_id.to_string(),
            trust_level: Fraction { numerator: 1, denominator: 3 },
            quorum: Fraction { numerator: 2, denominator: 3 },
            trusting_period_s,
            clock_drift_ms: 10_000,
            update_bytes_max: 64 * 1024,
            signed_header: header.encode(),
            validators: encoded(validators),
        }
    }

    /// The same, of a chain with this trust, on which its quorum depends.
    #[must_use]
    pub fn under(self, trust: Trust) -> Self {
        let (numerator, denominator) = trust.quorum();
        Self { quorum: Fraction { numerator, denominator }, ..self }
    }
}

impl HeaderUpdate {
    /// An update to a header of one of our own chains. `trusted_validators` is the set that the header at
    /// `trusted_height` announces for the next height.
    pub fn new(
        header: &SignedHeader,
        validators: &ValidatorSet,
        trusted_height: Height,
        trusted_validators: &ValidatorSet,
    ) -> Self {
        Self {
            signed_header: header.encode(),
            validators: encoded(validators),
            trusted_height,
            trusted_validators: encoded(trusted_validators),
            parameters: None,
        }
    }

    /// Length of all parts together.
    pub fn len(&self) -> usize {
        self.signed_header.len() + self.validators.len() + self.trusted_validators.len()
    }

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn encoded(set: &ValidatorSet) -> Vec<u8> {
    set.encode().expect("a set that exists has an encoding")
}

/// A packet that no chain of this protocol would have sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PacketError {
    /// Sequences start at 1.
    #[error("expected a sequence of at least 1")]
    Sequence,
    /// A packet needs a deadline.
    #[error("expected a timeout of at least 1 second")]
    Timeout,
    /// One payload, no more and no less.
    #[error("expected exactly one payload, got {0}")]
    Payloads(usize),
    /// A port is too short, too long, or has other characters than letters, digits and `._+-#[]<>`.
    #[error("expected a port of {PORT_BYTES_MIN} to {PORT_BYTES_MAX} characters, got {0:?}")]
    Port(String),
    /// Version or encoding is blank or too long.
    #[error("expected version and encoding of 1 to {PAYLOAD_LABEL_BYTES_MAX} characters")]
    Label,
    /// The value is empty or too long.
    #[error("expected a value of 1 to {PAYLOAD_BYTES_MAX} bytes, got {0}")]
    Value(usize),
}

impl Packet {
    /// The one payload and nothing malformed.
    pub fn check(&self) -> Result<&Payload, PacketError> {
        if self.sequence < Sequence::FIRST {
            return Err(PacketError::Sequence);
        }
        if self.timeout_timestamp.0 == 0 {
            return Err(PacketError::Timeout);
        }
        let [payload] = self.payloads.as_slice() else {
            return Err(PacketError::Payloads(self.payloads.len()));
        };
        payload.check()?;
        Ok(payload)
    }
}

impl Payload {
    /// Lengths and characters are those that ibc-go takes too.
    pub fn check(&self) -> Result<(), PacketError> {
        for port in [&self.source_port, &self.dest_port] {
            if !is_port(port) {
                return Err(PacketError::Port(port.chars().take(80).collect()));
            }
        }
        let label_valid = |label: &str| !label.trim().is_empty() && label.len() <= PAYLOAD_LABEL_BYTES_MAX;
        if !label_valid(&self.version) || !label_valid(&self.encoding) {
            return Err(PacketError::Label);
        }
        if !(1..=PAYLOAD_BYTES_MAX).contains(&self.value.len()) {
            return Err(PacketError::Value(self.value.len()));
        }
        Ok(())
    }
}

fn is_port(text: &str) -> bool {
    let valid = |byte: u8| byte.is_ascii_alphanumeric() || b"._+-#[]<>".contains(&byte);
    (PORT_BYTES_MIN..=PORT_BYTES_MAX).contains(&text.len()) && text.bytes().all(valid)
}
