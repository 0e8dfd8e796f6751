//! The app's call and callbacks on states of its own making: both ends of a lane without blocks, headers or proofs.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use catenary_apps::{
    accounts::AccountName,
    asset::{Asset, AssetCall, AssetKey, AssetRecord, Freeze, audit},
};
use catenary_ledger::{
    Apps, BlockContext, Caller, Ctx, Denial, Failure, Guard, Overlay, Reason, ReplayWindow, State, Subject,
    View,
    conformance::{Case, judge},
    records::{Account, AdminKey, OrganisationRecord, Roles},
    stores::{ADMIN, ASSET, CLIENTS},
};
use catenary_packet::{
    ClientId, Packet, Payload, PortApp, Sequence,
    commitment::ERROR_ACKNOWLEDGEMENT,
    key::ClientsKey,
    messages::Fraction,
    records::{ClientState, Counterparty, LaneStatus, Standing},
};
use catenary_state::StoreName;
use catenary_transfer::{
    FungibleTokenPacketData, KIND, SUCCESS_ACKNOWLEDGEMENT, Send, Transfer, TransferCall, data,
};
use catenary_types::{Amount, AssetId, ChainId, Height, Message, Role, UnixSeconds, limits::MEMO_BYTES_MAX};
use proptest::prelude::*;
use std::{collections::BTreeMap, sync::Arc};

const NOW: UnixSeconds = UnixSeconds(1_800_000_000);
const TIMEOUT: UnixSeconds = UnixSeconds(NOW.0 + 600);

/// One chain's state, changed by calls and callbacks.
struct Chain {
    id: ChainId,
    content: BTreeMap<(StoreName, Vec<u8>), Vec<u8>>,
}

impl View for Chain {
    fn get(&self, store: StoreName, key: &[u8]) -> Option<Vec<u8>> {
        self.content.get(&(store, key.to_vec())).cloned()
    }
}

fn name(text: &str) -> AccountName {
    data::parse_account(text).unwrap()
}

fn asset(text: &str) -> AssetId {
    text.parse().unwrap()
}

impl Chain {
    /// Chain `north` or `south`: members AB and YZ, a thousand `coin` of account AB/1 from home chain north.
    fn new(text: &str) -> Self {
        let id = format!("{text}-0123456789abcdef-1").parse().unwrap();
        let mut chain = Self { id, content: BTreeMap::new() };
        for organisation in ["AB", "YZ"] {
            let name: catenary_types::Organisation = organisation.parse().unwrap();
            let record = OrganisationRecord { joined: Height(0), name: name.clone(), roots: Vec::new() };
            chain.set(ADMIN, AdminKey::Organisation(&name).bytes(), record.encode());
        }
        chain.open("AB/1");
        chain.open("YZ/9");
        chain
    }

    fn set(&mut self, store: StoreName, key: Vec<u8>, value: Vec<u8>) {
        self.content.insert((store, key), value);
    }

    fn open(&mut self, text: &str) {
        let AccountName { organisation, number } = name(text);
        let roles = Roles::default().with(Role::Operator);
        let account = Account { organisation, number, threshold: 0, keys: vec![], roles, opened: Height(0) };
        self.set(ADMIN, AdminKey::Account(&name(text).id()).bytes(), account.encode());
    }

    fn mint(&mut self, to: &str, asset: &AssetId, amount: u128) {
        let record = AssetRecord { issuer: None, decimals: 2, created: Height(0) };
        self.set(ASSET, AssetKey::Record(asset).bytes(), record.encode());
        self.set(ASSET, AssetKey::Supply(asset).bytes(), amount.to_be_bytes().to_vec());
        let account = name(to).id();
        let key = AssetKey::Balance { account: &account, asset };
        self.set(ASSET, key.bytes(), amount.to_be_bytes().to_vec());
    }

    /// A client of the chain `of`, with the other end's client as counterparty.
    fn join(&mut self, client: &ClientId, of: &ChainId, counterparty: &ClientId) {
        let state = ClientState {
            chain_id: of.to_string(),
            trust_level: Fraction { numerator: 1, denominator: 3 },
            quorum: Fraction { numerator: 2, denominator: 3 },
            trusting_period_s: 86_400,
            clock_drift_ms: 10_000,
            update_bytes_max: 65_536,
            standing: Standing::Sound,
            latest_height: Height(1),
            latest_time: NOW.start(),
            oldest_height: Height(1),
            quorum_height: Height(1),
            generation: 0,
            creator: name("AB/1").id(),
        };
        self.set(CLIENTS, ClientsKey::Client(client).bytes(), state.encode());
        let far = Counterparty { client: counterparty.clone(), status: LaneStatus::Open };
        self.set(CLIENTS, ClientsKey::Counterparty(client).bytes(), far.encode());
    }

    fn block(&self) -> BlockContext {
        BlockContext { chain_id: self.id.clone(), height: Height(7), time: NOW.start() }
    }

    fn caller(text: &str) -> Caller {
        let roles = Roles::default().with(Role::Operator);
        Caller { account: name(text).id(), organisation: name(text).organisation, roles }
    }

    fn apply(&mut self, writes: BTreeMap<StoreName, catenary_state::Batch>) {
        for (store, batch) in writes {
            for (key, value) in batch {
                match value {
                    Some(value) => drop(self.content.insert((store, key), value)),
                    None => drop(self.content.remove(&(store, key))),
                }
            }
        }
    }

    /// Runs a callback as the packet law does.
    fn callback<T>(
        &mut self,
        guards: &[Arc<dyn Guard>],
        step: impl FnOnce(&mut Ctx<'_, '_>) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let block = self.block();
        let mut overlay = Overlay::new(self);
        let mut ctx = Ctx::new(&mut overlay, &block, guards, Self::caller("YZ/9"), u64::MAX, true);
        let result = ctx.sub_transaction(step);
        let writes = overlay.into_changes();
        self.apply(writes);
        result
    }

    /// Judges a call by the kit of conformance and applies it.
    fn call(&mut self, kind: &str, caller: &str, message: Vec<u8>) -> Result<Option<Packet>, Failure> {
        let apps = Apps::default().with(KIND, Transfer).with("asset", Asset);
        let case = Case { caller: Self::caller(caller), message };
        let outcome = judge(&apps, kind, self, &self.block(), &case).expect("the app keeps the rules");
        self.apply(outcome.writes);
        let sent = outcome.events.iter().find(|event| event.kind == "send_packet");
        let packet = sent.map(|event| Packet::decode(event.attribute("packet").unwrap()).unwrap());
        outcome.result.map(|()| packet)
    }

    fn send(&mut self, send: Send) -> Result<Packet, Failure> {
        let packet = self.call(KIND, "AB/1", TransferCall::Send(send).encode())?;
        Ok(packet.expect("a send sends a packet"))
    }

    fn receive(&mut self, packet: &Packet) -> Result<Vec<u8>, Failure> {
        self.callback(&[], |ctx| Transfer.on_receive(ctx, packet, &packet.payloads[0]))
    }

    fn acknowledge(&mut self, packet: &Packet, answer: &[u8]) -> Result<(), Failure> {
        self.callback(&[], |ctx| Transfer.on_acknowledge(ctx, packet, &packet.payloads[0], answer))
    }

    fn time_out(&mut self, packet: &Packet) -> Result<(), Failure> {
        self.callback(&[], |ctx| Transfer.on_timeout(ctx, packet, &packet.payloads[0]))
    }

    fn freeze(&mut self, text: &str) {
        let freeze = AssetCall::Freeze(Freeze { account: name(text).id() });
        let organisation = text.split('/').next().unwrap();
        let operator = if organisation == "AB" { "AB/1" } else { "YZ/9" };
        self.call("asset", operator, freeze.encode()).unwrap();
    }

    fn number(&self, key: AssetKey<'_>) -> u128 {
        let value = self.content.get(&(ASSET, key.bytes()));
        value.map_or(0, |value| u128::from_be_bytes(value.as_slice().try_into().unwrap()))
    }

    fn balance(&self, account: &str, text: &str) -> u128 {
        self.number(AssetKey::Balance { account: &name(account).id(), asset: &asset(text) })
    }

    fn escrow(&self, client: &ClientId, text: &str) -> u128 {
        let lane = client.as_str().parse().unwrap();
        self.number(AssetKey::Escrow { lane: &lane, asset: &asset(text) })
    }

    fn supply(&self, text: &str) -> u128 {
        self.number(AssetKey::Supply(&asset(text)))
    }

    /// Invariant 1 over the whole state.
    fn audit(&self) {
        let mut content = BTreeMap::<StoreName, catenary_state::Batch>::new();
        for ((store, key), value) in &self.content {
            content.entry(*store).or_default().insert(key.clone(), Some(value.clone()));
        }
        let state = State::restore(Height(1), content, ReplayWindow::default());
        audit(&state).unwrap();
    }
}

/// Chains north and south with a lane; ids of both clients differ.
fn lane() -> (Chain, Chain, ClientId, ClientId) {
    let (mut north, mut south) = (Chain::new("north"), Chain::new("south"));
    let (near, far) = (ClientId::bft(3), ClientId::bft(8));
    north.join(&near, &south.id, &far);
    south.join(&far, &north.id, &near);
    north.mint("AB/1", &asset("coin"), 1_000);
    (north, south, near, far)
}

fn pay(client: &ClientId, text: &str, amount: u128, receiver: &str) -> Send {
    Send {
        client: client.clone(),
        asset: asset(text),
        amount: Amount(amount),
        receiver: name(receiver),
        timeout: TIMEOUT,
        memo: "rent".into(),
    }
}

#[test]
fn a_voucher_goes_out_and_comes_home() {
    let (mut north, mut south, near, far) = lane();
    let out = north.send(pay(&near, "coin", 400, "AB/1")).unwrap();
    assert_eq!((north.balance("AB/1", "coin"), north.escrow(&near, "coin")), (600, 400));
    assert_eq!(south.receive(&out).unwrap(), SUCCESS_ACKNOWLEDGEMENT);
    assert_eq!(south.balance("AB/1", "transfer/bft-client-8/coin"), 400);
    north.acknowledge(&out, SUCCESS_ACKNOWLEDGEMENT).unwrap();
    assert_eq!(north.escrow(&near, "coin"), 400);
    let home = south.send(pay(&far, "transfer/bft-client-8/coin", 150, "YZ/77")).unwrap();
    assert_eq!(south.supply("transfer/bft-client-8/coin"), 250);
    assert_eq!(north.receive(&home).unwrap(), SUCCESS_ACKNOWLEDGEMENT);
    assert_eq!((north.balance("YZ/77", "coin"), north.escrow(&near, "coin")), (150, 250));
    assert!(north.content.contains_key(&(ADMIN, AdminKey::Account(&name("YZ/77").id()).bytes())));
    north.audit();
    south.audit();
}

#[test]
fn a_voucher_of_a_voucher_is_escrowed_where_it_is_no_return() {
    let (mut north, mut south, near, _) = lane();
    let mut east = Chain::new("east");
    let (onward, at_east) = (ClientId::bft(20), ClientId::bft(30));
    south.join(&onward, &east.id, &at_east);
    east.join(&at_east, &south.id, &onward);
    let out = north.send(pay(&near, "coin", 10, "AB/1")).unwrap();
    south.receive(&out).unwrap();
    let on = south.send(pay(&onward, "transfer/bft-client-8/coin", 10, "AB/1")).unwrap();
    assert_eq!(south.escrow(&onward, "transfer/bft-client-8/coin"), 10);
    east.receive(&on).unwrap();
    let twice = "transfer/bft-client-30/transfer/bft-client-8/coin";
    assert_eq!(east.balance("AB/1", twice), 10);
    let back = east.send(pay(&at_east, twice, 4, "AB/1")).unwrap();
    south.receive(&back).unwrap();
    assert_eq!(south.balance("AB/1", "transfer/bft-client-8/coin"), 4);
    assert_eq!(south.escrow(&onward, "transfer/bft-client-8/coin"), 6);
    [&north, &south, &east].into_iter().for_each(Chain::audit);
}

#[test]
fn a_refund_goes_into_a_frozen_account() {
    for answer in [Some(ERROR_ACKNOWLEDGEMENT), None] {
        let (mut north, _, near, _) = lane();
        let out = north.send(pay(&near, "coin", 400, "YZ/5")).unwrap();
        north.freeze("AB/1");
        match answer {
            Some(answer) => north.acknowledge(&out, &answer).unwrap(),
            None => north.time_out(&out).unwrap(),
        }
        assert_eq!((north.balance("AB/1", "coin"), north.escrow(&near, "coin")), (1_000, 0));
        let again = north.send(pay(&near, "coin", 1, "YZ/5"));
        assert_eq!(again.unwrap_err().reason, Reason::AccountFrozen);
    }
}

#[test]
fn a_returning_voucher_that_is_refused_is_minted_again() {
    let (mut north, mut south, near, far) = lane();
    let out = north.send(pay(&near, "coin", 400, "AB/1")).unwrap();
    south.receive(&out).unwrap();
    let home = south.send(pay(&far, "transfer/bft-client-8/coin", 400, "YZ/9")).unwrap();
    north.freeze("YZ/9");
    assert_eq!(north.receive(&home).unwrap_err().reason, Reason::AccountFrozen);
    assert_eq!(north.escrow(&near, "coin"), 400);
    south.acknowledge(&home, &ERROR_ACKNOWLEDGEMENT).unwrap();
    assert_eq!(south.balance("AB/1", "transfer/bft-client-8/coin"), 400);
    north.audit();
    south.audit();
}

struct Denies;

impl Guard for Denies {
    fn check(&self, _: &Overlay<'_>, subject: &Subject<'_>) -> Result<(), Denial> {
        match subject {
            Subject::Credit { .. } => Err(Denial { rule: "limit".into(), reason: "no credit".into() }),
            Subject::Call { .. } => Ok(()),
        }
    }
}

#[test]
fn rules_deny_credits_and_never_refunds() {
    let (mut north, mut south, near, _) = lane();
    let out = north.send(pay(&near, "coin", 400, "YZ/5")).unwrap();
    let rules: [Arc<dyn Guard>; 1] = [Arc::new(Denies)];
    let denied = south.callback(&rules, |ctx| Transfer.on_receive(ctx, &out, &out.payloads[0]));
    assert_eq!(denied.unwrap_err().reason, Reason::Denied);
    assert!(!south.content.contains_key(&(ADMIN, AdminKey::Account(&name("YZ/5").id()).bytes())));
    let refund =
        |ctx: &mut Ctx<'_, '_>| Transfer.on_acknowledge(ctx, &out, &out.payloads[0], &ERROR_ACKNOWLEDGEMENT);
    north.callback(&rules, refund).unwrap();
    assert_eq!(north.balance("AB/1", "coin"), 1_000);
}

#[test]
fn sends_that_cannot_be_leave_no_trace() {
    let (mut north, _, near, _) = lane();
    let good = pay(&near, "coin", 1, "YZ/5");
    let before = north.content.clone();
    let cases = [
        (Send { amount: Amount(1_001), ..good.clone() }, Reason::InsufficientBalance),
        (Send { amount: Amount(0), ..good.clone() }, Reason::InvalidArgument),
        (Send { memo: "m".repeat(MEMO_BYTES_MAX + 1), ..good.clone() }, Reason::InvalidArgument),
        (Send { client: ClientId::bft(99), ..good.clone() }, Reason::NotFound),
        (Send { timeout: NOW, ..good.clone() }, Reason::InvalidTimeout),
        (Send { timeout: UnixSeconds(NOW.0 + 86_401), ..good.clone() }, Reason::InvalidTimeout),
        (Send { asset: asset("other"), ..good.clone() }, Reason::InsufficientBalance),
    ];
    for (send, reason) in cases {
        assert_eq!(north.send(send).unwrap_err().reason, reason);
    }
    assert_eq!(north.content, before);
    assert!(north.send(Send { memo: "m".repeat(MEMO_BYTES_MAX), ..good }).is_ok());
}

fn packet(data: &FungibleTokenPacketData) -> Packet {
    Packet {
        sequence: Sequence(1),
        source_client: ClientId::bft(3),
        dest_client: ClientId::bft(8),
        timeout_timestamp: TIMEOUT,
        payloads: vec![data::payload(data)],
    }
}

#[test]
fn packets_that_make_no_sense_are_refused_and_change_nothing() {
    let (_, mut south, ..) = lane();
    let good = FungibleTokenPacketData {
        denom: "coin".into(),
        amount: "5".into(),
        sender: "AB/1".into(),
        receiver: "YZ/5".into(),
        memo: String::new(),
    };
    let before = south.content.clone();
    let with = |change: fn(&mut FungibleTokenPacketData)| {
        let mut data = good.clone();
        change(&mut data);
        packet(&data)
    };
    let port = |change: fn(&mut Payload)| {
        let mut packet = packet(&good);
        change(&mut packet.payloads[0]);
        packet
    };
    for bad in [
        with(|data| data.receiver = "YZ".into()),
        with(|data| data.receiver = "no member/5".into()),
        with(|data| data.receiver = "NOBODY/5".into()),
        with(|data| data.receiver = "consortium/committee".into()),
        with(|data| data.amount = "0".into()),
        with(|data| data.amount = "-1".into()),
        with(|data| data.amount = "05".into()),
        with(|data| data.amount = "340282366920938463463374607431768211456".into()),
        with(|data| data.memo = "m".repeat(MEMO_BYTES_MAX + 1)),
        with(|data| data.denom = "a".repeat(128)),
        // Claims to come home, but nothing of it is in escrow.
        with(|data| data.denom = "transfer/bft-client-3/coin".into()),
        port(|payload| payload.value.push(0)),
        port(|payload| payload.source_port = "other".into()),
        port(|payload| payload.version = "ics20-2".into()),
        port(|payload| payload.encoding = "application/json".into()),
    ] {
        assert!(south.receive(&bad).is_err(), "{bad:?} was accepted");
        assert_eq!(south.content, before, "{bad:?} left a trace");
    }
    assert!(south.receive(&packet(&good)).is_ok());
}

#[test]
fn supply_that_does_not_fit_is_refused() {
    let (_, mut south, ..) = lane();
    let data = |amount: u128| FungibleTokenPacketData {
        denom: "coin".into(),
        amount: amount.to_string(),
        sender: "AB/1".into(),
        receiver: "YZ/5".into(),
        memo: String::new(),
    };
    south.receive(&packet(&data(u128::MAX))).unwrap();
    let before = south.content.clone();
    assert_eq!(south.receive(&packet(&data(1))).unwrap_err().reason, Reason::Overflow);
    assert_eq!(south.content, before);
}

#[test]
fn an_answer_of_another_protocol_settles_nothing() {
    let (mut north, _, near, _) = lane();
    let out = north.send(pay(&near, "coin", 400, "YZ/5")).unwrap();
    assert!(north.acknowledge(&out, b"{\"error\":\"no\"}").is_err());
    assert_eq!((north.balance("AB/1", "coin"), north.escrow(&near, "coin")), (600, 400));
}

/// What may happen next on a lane between two chains.
#[derive(Clone, Debug)]
enum Move {
    Out { amount: u128, receiver: &'static str },
    Home { amount: u128, receiver: &'static str },
    Deliver(prop::sample::Index),
    TimeOut(prop::sample::Index),
    Answer(prop::sample::Index),
    Freeze { north: bool, account: &'static str },
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let receiver = prop::sample::select(vec!["AB/1", "YZ/5", "NOBODY/1", "YZ/9"]);
    let amount = prop_oneof![1..200u128, Just(u128::MAX)];
    let one = prop_oneof![
        4 => (amount.clone(), receiver.clone()).prop_map(|(amount, receiver)| Move::Out { amount, receiver }),
        3 => (amount, receiver).prop_map(|(amount, receiver)| Move::Home { amount, receiver }),
        4 => any::<prop::sample::Index>().prop_map(Move::Deliver),
        2 => any::<prop::sample::Index>().prop_map(Move::TimeOut),
        4 => any::<prop::sample::Index>().prop_map(Move::Answer),
        1 => (any::<bool>(), prop::sample::select(vec!["AB/1", "YZ/9"]))
            .prop_map(|(north, account)| Move::Freeze { north, account }),
    ];
    proptest::collection::vec(one, 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Invariants 1 and 2 after every move, whatever the order of deliveries, refusals, refunds and freezes.
    #[test]
    fn escrow_is_vouchers_and_in_flight(moves in moves()) {
        let (mut north, mut south, near, far) = lane();
        let voucher = "transfer/bft-client-8/coin";
        // (packet, whether it goes home, amount), waiting for delivery; then with its answer.
        let mut waiting: Vec<(Packet, bool, u128)> = Vec::new();
        let mut answered: Vec<(Packet, bool, u128, Vec<u8>)> = Vec::new();
        for one in moves {
            match one {
                Move::Out { amount, receiver } => {
                    if let Ok(packet) = north.send(pay(&near, "coin", amount, receiver)) {
                        waiting.push((packet, false, amount));
                    }
                }
                Move::Home { amount, receiver } => {
                    if let Ok(packet) = south.send(pay(&far, voucher, amount, receiver)) {
                        waiting.push((packet, true, amount));
                    }
                }
                Move::Deliver(at) if !waiting.is_empty() => {
                    let (packet, home, amount) = waiting.remove(at.index(waiting.len()));
                    let target = if home { &mut north } else { &mut south };
                    let answer = target.receive(&packet).unwrap_or(ERROR_ACKNOWLEDGEMENT.to_vec());
                    answered.push((packet, home, amount, answer));
                }
                Move::TimeOut(at) if !waiting.is_empty() => {
                    let (packet, home, _) = waiting.remove(at.index(waiting.len()));
                    let source = if home { &mut south } else { &mut north };
                    source.time_out(&packet).unwrap();
                }
                Move::Answer(at) if !answered.is_empty() => {
                    let (packet, home, _, answer) = answered.remove(at.index(answered.len()));
                    let source = if home { &mut south } else { &mut north };
                    source.acknowledge(&packet, &answer).unwrap();
                }
                Move::Freeze { north: true, account } => north.freeze(account),
                Move::Freeze { north: false, account } => south.freeze(account),
                Move::Deliver(_) | Move::TimeOut(_) | Move::Answer(_) => {}
            }
            let in_flight: u128 = waiting.iter().map(|(_, _, amount)| amount).sum();
            let refused = answered.iter().filter(|one| one.3 == ERROR_ACKNOWLEDGEMENT);
            let refused: u128 = refused.map(|(_, _, amount, _)| amount).sum();
            let owed = south.supply(voucher) + in_flight + refused;
            prop_assert_eq!(north.escrow(&near, "coin"), owed);
            prop_assert_eq!(north.supply("coin"), 1_000);
            north.audit();
            south.audit();
        }
    }
}
