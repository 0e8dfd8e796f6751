//! A host that holds nothing but what calls of the packet app write, at any time a test gives; and fixtures as Go reads
//! them.

#![allow(
    dead_code,
    clippy::unwrap_used,
    reason = "each test uses its part, and a failed unwrap is a failed test"
)]

pub mod lane;

use catenary_ledger::{
    Access, App, Apps, BlockContext, Caller, Checked, Ctx, Failure, View,
    conformance::{Case, judge},
    records::Roles,
};
use catenary_packet::{
    ClientId, Packet, PacketApp, PacketCall, Payload, PortApp, ReadClients,
    key::ClientsKey,
    messages::{CreateClient, Fraction, HeaderUpdate},
    records::Standing,
    send,
};
use catenary_state::StoreName;
use catenary_types::{AccountId, Event, Height, Message, Role, Timestamp, UnixSeconds, WireError};
use serde::{Deserialize, de::DeserializeOwned};
use std::{collections::BTreeMap, sync::Arc};

/// Bytes as lower-case hex.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hex(pub Vec<u8>);

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        hex::decode(&text).map(Self).map_err(serde::de::Error::custom)
    }
}

#[derive(Clone, Deserialize)]
pub struct ChainFixture {
    pub chain_id: String,
    pub trust_level: [u64; 2],
    pub trusting_period_seconds: u64,
    pub max_clock_drift_seconds: u64,
    pub proof_specs: Vec<Hex>,
}

#[derive(Clone, Deserialize)]
pub struct BlockFixture {
    pub height: u64,
    pub time: String,
    pub hash: Hex,
    pub app_hash: Hex,
    pub signed_header: Hex,
    pub validators: Hex,
    pub next_validators: Hex,
}

#[derive(Clone, Deserialize)]
pub struct UpdateFixture {
    pub name: String,
    pub trusted: u64,
    #[serde(default)]
    pub before: Vec<u64>,
    pub signed_header: Hex,
    pub validators: Hex,
    pub trusted_validators: Hex,
    pub signed_header_2: Option<Hex>,
    pub validators_2: Option<Hex>,
    pub now: String,
    pub expect: String,
}

pub fn load<T: DeserializeOwned>(shape: &str, file: &str) -> T {
    let path = format!("{}/tests/fixtures/{shape}/{file}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub fn timestamp(text: &str) -> Timestamp {
    let time = tendermint::Time::parse_from_rfc3339(text).unwrap();
    Timestamp(time.unix_timestamp_nanos().try_into().unwrap())
}

/// The fixture's chain.
pub struct Fixture {
    pub chain: ChainFixture,
    pub blocks: Vec<BlockFixture>,
}

impl Fixture {
    pub fn load(shape: &str) -> Self {
        Self { chain: load(shape, "chain"), blocks: load(shape, "headers") }
    }

    pub fn at(&self, height: u64) -> &BlockFixture {
        self.blocks.iter().find(|block| block.height == height).unwrap()
    }

    pub fn create(&self, height: u64) -> CreateClient {
        let block = self.at(height);
        let [numerator, denominator] = self.chain.trust_level;
        CreateClient {
            chain_id: self.chain.chain_id.clone(),
            trust_level: Fraction { numerator, denominator },
            quorum: Fraction { numerator: 2, denominator: 3 },
            trusting_period_s: self.chain.trusting_period_seconds,
            clock_drift_ms: self.chain.max_clock_drift_seconds * 1_000,
            update_bytes_max: 64 * 1024,
            signed_header: block.signed_header.0.clone(),
            validators: block.validators.0.clone(),
        }
    }

    pub fn update(&self, trusted: u64, height: u64) -> HeaderUpdate {
        let block = self.at(height);
        HeaderUpdate {
            signed_header: block.signed_header.0.clone(),
            validators: block.validators.0.clone(),
            trusted_height: Height(trusted),
            trusted_validators: self.at(trusted).next_validators.0.clone(),
            parameters: None,
        }
    }
}

/// Writes of calls, and nothing else.
#[derive(Clone, Default)]
pub struct Stores(pub BTreeMap<(StoreName, Vec<u8>), Vec<u8>>);

impl View for Stores {
    fn get(&self, store: StoreName, key: &[u8]) -> Option<Vec<u8>> {
        self.0.get(&(store, key.to_vec())).cloned()
    }
}

/// An app that takes everything, as the host of `go-verify` has it.
struct Accepting;

impl PortApp for Accepting {
    fn port(&self) -> &str {
        "transfer"
    }

    fn on_receive(&self, _: &mut Ctx<'_, '_>, _: &Packet, _: &Payload) -> Result<Vec<u8>, Failure> {
        Ok(br#"{"result":"AQ=="}"#.to_vec())
    }

    fn on_acknowledge(&self, _: &mut Ctx<'_, '_>, _: &Packet, _: &Payload, _: &[u8]) -> Result<(), Failure> {
        Ok(())
    }

    fn on_timeout(&self, _: &mut Ctx<'_, '_>, _: &Packet, _: &Payload) -> Result<(), Failure> {
        Ok(())
    }
}

/// Sends a packet that comes encoded.
struct Sender;

impl App for Sender {
    type Message = Packet;

    fn decode(&self, bytes: &[u8]) -> Result<Packet, WireError> {
        Packet::decode(bytes)
    }

    fn weight(&self, _: &Packet) -> u64 {
        1
    }

    fn access(&self, _: &Caller, _: &Packet) -> Access {
        Access::Any
    }

    fn execute(&self, call: Checked<Packet>, ctx: &mut Ctx<'_, '_>) -> Result<(), Failure> {
        let mut packet = call.into_inner();
        let payload = packet.payloads.remove(0);
        let sequence = send(ctx, &packet.source_client, payload, packet.timeout_timestamp)?;
        assert_eq!(sequence, packet.sequence, "the host sent another packet");
        Ok(())
    }
}

/// Runs calls one by one; a failed one leaves nothing.
#[derive(Clone)]
pub struct Host {
    pub stores: Stores,
    pub roles: Roles,
}

impl Default for Host {
    fn default() -> Self {
        let roles = Roles::default().with(Role::Operator).with(Role::Relayer);
        Self { stores: Stores::default(), roles }
    }
}

impl Host {
    pub fn call(&mut self, now: Timestamp, call: &PacketCall) -> Result<Vec<Event>, Failure> {
        self.run(now, "packet", call.encode())
    }

    pub fn send(&mut self, now: Timestamp, packet: &Packet) -> Result<Vec<Event>, Failure> {
        self.run(now, "sender", packet.encode())
    }

    fn run(&mut self, now: Timestamp, kind: &str, message: Vec<u8>) -> Result<Vec<Event>, Failure> {
        let apps =
            Apps::default().with("packet", PacketApp::new(vec![Arc::new(Accepting)])).with("sender", Sender);
        let roles = self.roles;
        let caller = Caller { account: AccountId([7; 20]), organisation: "testers".parse().unwrap(), roles };
        let chain_id = "host-0123456789abcdef-1".parse().unwrap();
        let block = BlockContext { chain_id, height: Height(1), time: now };
        let outcome = judge(&apps, kind, &self.stores, &block, &Case { caller, message }).unwrap();
        outcome.result?;
        for (store, writes) in outcome.writes {
            for (key, value) in writes {
                match value {
                    Some(value) => self.stores.0.insert((store, key), value),
                    None => self.stores.0.remove(&(store, key)),
                };
            }
        }
        Ok(outcome.events)
    }

    pub fn is_frozen(&self, client: &ClientId) -> bool {
        let state = (&self.stores as &dyn View).client(client).unwrap();
        state.standing == Standing::Frozen
    }

    /// Gives a client another name.
    pub fn rename(&mut self, from: &ClientId, to: &ClientId) {
        let state = (&self.stores as &dyn View).client(from).unwrap();
        let (generation, height) = (state.generation, state.latest_height);
        for (old, new) in [
            (ClientsKey::Client(from), ClientsKey::Client(to)),
            (
                ClientsKey::Consensus { client: from, generation, height },
                ClientsKey::Consensus { client: to, generation, height },
            ),
        ] {
            let clients = catenary_ledger::stores::CLIENTS;
            let value = self.stores.0.remove(&(clients, old.bytes())).unwrap();
            self.stores.0.insert((clients, new.bytes()), value);
        }
    }
}

#[derive(Clone, Deserialize)]
pub struct PacketFixture {
    pub sequence: u64,
    pub source_client: String,
    pub destination_client: String,
    pub timeout_timestamp: u64,
    pub payloads: Vec<PayloadFixture>,
}

#[derive(Clone, Deserialize)]
pub struct PayloadFixture {
    pub source_port: String,
    pub destination_port: String,
    pub version: String,
    pub encoding: String,
    pub value: Hex,
}

impl PacketFixture {
    pub fn packet(&self) -> Packet {
        let payload = |payload: &PayloadFixture| Payload {
            source_port: payload.source_port.clone(),
            dest_port: payload.destination_port.clone(),
            version: payload.version.clone(),
            encoding: payload.encoding.clone(),
            value: payload.value.0.clone(),
        };
        Packet {
            sequence: catenary_packet::Sequence(self.sequence),
            source_client: self.source_client.parse().unwrap(),
            dest_client: self.destination_client.parse().unwrap(),
            timeout_timestamp: UnixSeconds(self.timeout_timestamp),
            payloads: self.payloads.iter().map(payload).collect(),
        }
    }
}
