//! The files of the folder, as `go/README.md` describes them.

use catenary_packet::Packet;
use catenary_types::{Timestamp, time::NANOS_PER_SECOND};
use serde::{Serialize, Serializer};

/// Bytes; lower-case hex in a file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode(&self.0))
    }
}

/// A time; RFC 3339 in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Time(pub Timestamp);

impl Serialize for Time {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (seconds, nanos) = (self.0.0 / NANOS_PER_SECOND, self.0.0 % NANOS_PER_SECOND);
        let (Ok(seconds), Ok(nanos)) = (i64::try_from(seconds), u32::try_from(nanos)) else {
            return Err(serde::ser::Error::custom("a time of our time"));
        };
        let time =
            tendermint::Time::from_unix_timestamp(seconds, nanos).map_err(serde::ser::Error::custom)?;
        serializer.serialize_str(&time.to_rfc3339())
    }
}

/// What a verifier must say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Expect {
    /// Good.
    Accept,
    /// Bad.
    Reject,
    /// The client is frozen afterwards.
    Freeze,
    /// Known already; nothing changes.
    Noop,
}

/// `chain.json`.
#[derive(Clone, Debug, Serialize)]
pub struct ChainFile {
    /// Full id.
    pub chain_id: String,
    /// Numerator and denominator.
    pub trust_level: [u64; 2],
    /// How long a header may be trusted.
    pub trusting_period_seconds: u64,
    /// Longer than that.
    pub unbonding_period_seconds: u64,
    /// How far ahead a header may be.
    pub max_clock_drift_seconds: u64,
    /// `cosmos.ics23.v1.ProofSpec`, lowest tree first.
    pub proof_specs: Vec<Hex>,
    /// Root first.
    pub merkle_prefix: Vec<Hex>,
}

/// One of `headers.json`.
#[derive(Clone, Debug, Serialize)]
pub struct HeaderFile {
    /// Its height.
    pub height: u64,
    /// Its hash.
    pub hash: Hex,
    /// Its app hash.
    pub app_hash: Hex,
    /// `tendermint.types.SignedHeader`.
    pub signed_header: Hex,
    /// `tendermint.types.ValidatorSet` that signed it.
    pub validators: Hex,
    /// `tendermint.types.ValidatorSet` that signs the next.
    pub next_validators: Hex,
    /// Transactions of the block.
    pub txs: Vec<Hex>,
}

/// One of `updates.json`.
#[derive(Clone, Debug, Serialize)]
pub struct UpdateCase {
    /// What it is.
    pub name: String,
    /// Where the client starts.
    pub trusted: u64,
    /// Heights given to it first.
    pub before: Vec<u64>,
    /// `tendermint.types.SignedHeader`.
    pub signed_header: Hex,
    /// The set that signed it.
    pub validators: Hex,
    /// The set after the trusted header.
    pub trusted_validators: Hex,
    /// A second header: the case is a misbehaviour message.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_header_2: Option<Hex>,
    /// The set that signed the second.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub validators_2: Option<Hex>,
    /// The host's time.
    pub now: Time,
    /// What ibc-go's client says.
    pub expect: Expect,
    /// What CometBFT's light client says, if not the same.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub light: Option<Expect>,
}

/// One of `proofs.json`.
#[derive(Clone, Debug, Serialize)]
pub struct ProofCase {
    /// What it is.
    pub name: String,
    /// Keys, root first.
    pub path: Vec<Hex>,
    /// What stands under them, or nothing.
    pub value: Option<Hex>,
    /// `ibc.core.commitment.v1.MerkleProof`.
    pub proof: Hex,
    /// Under this header's app hash.
    pub height: u64,
    /// Specs other than the chain's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub specs: Option<Vec<Hex>>,
    /// What a verifier must say.
    pub expect: Expect,
}

/// A packet.
#[derive(Clone, Debug, Serialize)]
pub struct PacketFile {
    /// Its number.
    pub sequence: u64,
    /// The client of the target, on the source.
    pub source_client: String,
    /// The client of the source, on the target.
    pub destination_client: String,
    /// Deadline in seconds.
    pub timeout_timestamp: u64,
    /// What it carries.
    pub payloads: Vec<PayloadFile>,
}

/// A packet's payload.
#[derive(Clone, Debug, Serialize)]
pub struct PayloadFile {
    /// The app that sends.
    pub source_port: String,
    /// The app that receives.
    pub destination_port: String,
    /// Of the value.
    pub version: String,
    /// Of the value.
    pub encoding: String,
    /// What the apps say.
    pub value: Hex,
}

impl From<&Packet> for PacketFile {
    fn from(packet: &Packet) -> Self {
        let payload = |payload: &catenary_packet::Payload| PayloadFile {
            source_port: payload.source_port.clone(),
            destination_port: payload.dest_port.clone(),
            version: payload.version.clone(),
            encoding: payload.encoding.clone(),
            value: Hex(payload.value.clone()),
        };
        Self {
            sequence: packet.sequence.0,
            source_client: packet.source_client.to_string(),
            destination_client: packet.dest_client.to_string(),
            timeout_timestamp: packet.timeout_timestamp.0,
            payloads: packet.payloads.iter().map(payload).collect(),
        }
    }
}

/// `packets.json`.
#[derive(Clone, Debug, Serialize)]
pub struct PacketsFile {
    /// Packets and their commitments.
    pub packets: Vec<NamedPacket>,
    /// Answers and their commitments.
    pub acknowledgements: Vec<NamedAcknowledgement>,
    /// The answer that stands for any failure.
    pub error_acknowledgement: Hex,
    /// Keys of packets.
    pub keys: Vec<PacketKeys>,
}

/// A packet and its commitment.
#[derive(Clone, Debug, Serialize)]
pub struct NamedPacket {
    /// What it is.
    pub name: String,
    /// The packet.
    pub packet: PacketFile,
    /// What the source stores.
    pub commitment: Hex,
}

/// An answer and its commitment.
#[derive(Clone, Debug, Serialize)]
pub struct NamedAcknowledgement {
    /// What it is.
    pub name: String,
    /// One per payload.
    pub app_acknowledgements: Vec<Hex>,
    /// What the target stores.
    pub commitment: Hex,
}

/// Where a packet stands in the `ibc` store.
#[derive(Clone, Debug, Serialize)]
pub struct PacketKeys {
    /// The client.
    pub client: String,
    /// The packet's number.
    pub sequence: u64,
    /// Key of the commitment.
    pub commitment: Hex,
    /// Key of the receipt.
    pub receipt: Hex,
    /// Key of the acknowledgement.
    pub acknowledgement: Hex,
}

/// One of `flow.json`.
#[derive(Clone, Debug, Serialize)]
pub struct Flow {
    /// What it is.
    pub name: String,
    /// Always `07-tendermint`.
    pub client_type: String,
    /// Played in order on one host.
    pub steps: Vec<Step>,
}

/// A step of a flow.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// What is done.
    pub r#do: String,
    /// What it is.
    pub name: String,
    /// The host's time.
    pub now: Time,
    /// A header.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub height: Option<u64>,
    /// The header that the client trusts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub trusted: Option<u64>,
    /// The far end of the lane.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub counterparty_client: Option<String>,
    /// The packet.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub packet: Option<PacketFile>,
    /// Answers to it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acknowledgements: Vec<Hex>,
    /// `ibc.core.commitment.v1.MerkleProof`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof: Option<Hex>,
    /// Under this header's app hash.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proof_height: Option<u64>,
    /// What the host must say.
    pub expect: Expect,
}
