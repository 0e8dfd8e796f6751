//! Calls of `admin`, `asset` and `transfer`.

use super::{
    Sample, account_name,
    core::{genesis, parameters, readiness},
    public_bytes, public_key, same,
};
use catenary_apps::{
    accounts::KeyGrant,
    admin::{self as a, AdminCall},
    asset::{self as s, AssetCall},
};
use catenary_crypto::Hash;
use catenary_ledger::records::Roles;
use catenary_packet::ClientId;
use catenary_proto::{
    admin::{self as wa, admin_call::Call as WireAdmin},
    asset::{self as ws, asset_call::Call as WireAsset},
    ledger, transfer as wt,
};
use catenary_transfer::{FungibleTokenPacketData, Send, TransferCall};
use catenary_types::{AccountId, Amount, Height, Role, UnixSeconds, Validator};

pub fn samples() -> Vec<Sample> {
    [keys_and_members(), governance(), money(), transfers()].concat()
}

fn admin(domain: AdminCall, wire: WireAdmin) -> Sample {
    same(domain, wa::AdminCall { call: Some(wire) })
}

fn keys_and_members() -> Vec<Sample> {
    let grants = || vec![KeyGrant { key: public_key(1), weight: 1 }];
    let wire_grants = || vec![ledger::KeyGrant { key: public_bytes(1), weight: 1 }];
    let account = AccountId([8; 20]);
    vec![
        admin(
            AdminCall::AdmitOrganisation(a::AdmitOrganisation { organisation: "YZ".parse().unwrap() }),
            WireAdmin::AdmitOrganisation(wa::AdmitOrganisation { organisation: "YZ".into() }),
        ),
        admin(
            AdminCall::OpenAccount(a::OpenAccount {
                number: "7".parse().unwrap(),
                threshold: 2,
                keys: grants(),
            }),
            WireAdmin::OpenAccount(wa::OpenAccount { number: "7".into(), threshold: 2, keys: wire_grants() }),
        ),
        admin(
            AdminCall::SetKeys(a::SetKeys { threshold: 2, keys: grants() }),
            WireAdmin::SetKeys(wa::SetKeys { threshold: 2, keys: wire_grants() }),
        ),
        admin(
            AdminCall::RecoverKeys(a::RecoverKeys { account, threshold: 3, keys: grants() }),
            WireAdmin::RecoverKeys(wa::RecoverKeys {
                account: vec![8; 20],
                threshold: 3,
                keys: wire_grants(),
            }),
        ),
        admin(
            AdminCall::SetRoles(a::SetRoles { account, roles: Roles::default().with(Role::Regulator) }),
            WireAdmin::SetRoles(wa::SetRoles { account: vec![8; 20], roles: 1 << 4 }),
        ),
        admin(
            AdminCall::SetRoots(a::SetRoots {
                organisation: "AB".parse().unwrap(),
                roots: vec![Hash([6; 32]), Hash([7; 32])],
            }),
            WireAdmin::SetRoots(wa::SetRoots {
                organisation: "AB".into(),
                roots: vec![vec![6; 32], vec![7; 32]],
            }),
        ),
    ]
}

fn governance() -> Vec<Sample> {
    let (parameters, wire_parameters) = parameters();
    let (genesis, wire_genesis) = genesis();
    let chain_id = genesis.chain_id().unwrap();
    let (readiness, wire_readiness) = readiness();
    vec![
        admin(
            AdminCall::SetParameters(a::SetParameters { parameters }),
            WireAdmin::SetParameters(wa::SetParameters { parameters: Some(wire_parameters) }),
        ),
        admin(
            AdminCall::SetValidators(a::SetValidators {
                validators: vec![Validator { public_key: public_key(4), power: 5 }],
            }),
            WireAdmin::SetValidators(wa::SetValidators {
                validators: vec![ledger::Validator { public_key: public_bytes(4), power: 5 }],
            }),
        ),
        admin(
            AdminCall::AddInstance(a::AddInstance {
                name: "gold".parse().unwrap(),
                kind: "asset".parse().unwrap(),
                version: 2,
            }),
            WireAdmin::AddInstance(wa::AddInstance { name: "gold".into(), kind: "asset".into(), version: 2 }),
        ),
        admin(
            AdminCall::SwitchInstance(a::SwitchInstance { name: "gold".parse().unwrap(), active: true }),
            WireAdmin::SwitchInstance(wa::SwitchInstance { name: "gold".into(), active: true }),
        ),
        admin(
            AdminCall::CreateChain(a::CreateChain { genesis }),
            WireAdmin::CreateChain(wa::CreateChain { genesis: Some(wire_genesis) }),
        ),
        admin(
            AdminCall::RemoveChain(a::RemoveChain { chain_id: chain_id.clone() }),
            WireAdmin::RemoveChain(wa::RemoveChain { chain_id: chain_id.to_string() }),
        ),
        admin(
            AdminCall::DeclareReady(a::DeclareReady { readiness }),
            WireAdmin::DeclareReady(wa::DeclareReady { readiness: Some(wire_readiness) }),
        ),
        admin(AdminCall::Tick(a::Tick {}), WireAdmin::Tick(wa::Tick {})),
    ]
}

fn asset(domain: AssetCall, wire: WireAsset) -> Sample {
    same(domain, ws::AssetCall { call: Some(wire) })
}

fn money() -> Vec<Sample> {
    let czk = || "CZK".parse().unwrap();
    let (to, wire_to) = account_name();
    let most = "340282366920938463463374607431768211455".to_owned();
    vec![
        asset(
            AssetCall::Create(s::Create { asset: czk(), decimals: 2 }),
            WireAsset::Create(ws::Create { asset: "CZK".into(), decimals: 2 }),
        ),
        asset(
            AssetCall::Mint(s::Mint { asset: czk(), to: to.clone(), amount: Amount(u128::MAX) }),
            WireAsset::Mint(ws::Mint { asset: "CZK".into(), to: Some(wire_to.clone()), amount: most }),
        ),
        asset(
            AssetCall::Burn(s::Burn { asset: czk(), amount: Amount(0) }),
            WireAsset::Burn(ws::Burn { asset: "CZK".into(), amount: "0".into() }),
        ),
        asset(
            AssetCall::Transfer(s::Transfer { asset: czk(), to, amount: Amount(12), memo: "rent".into() }),
            WireAsset::Transfer(ws::Transfer {
                asset: "CZK".into(),
                to: Some(wire_to),
                amount: "12".into(),
                memo: "rent".into(),
            }),
        ),
        asset(
            AssetCall::Freeze(s::Freeze { account: AccountId([1; 20]) }),
            WireAsset::Freeze(ws::Freeze { account: vec![1; 20] }),
        ),
        asset(
            AssetCall::Unfreeze(s::Unfreeze { account: AccountId([2; 20]) }),
            WireAsset::Unfreeze(ws::Unfreeze { account: vec![2; 20] }),
        ),
        same(
            s::AssetRecord { issuer: Some("AB".parse().unwrap()), decimals: 2, created: Height(3) },
            ws::AssetRecord { issuer: "AB".into(), decimals: 2, created: 3 },
        ),
        same(
            s::AssetRecord { issuer: None, decimals: 0, created: Height(4) },
            ws::AssetRecord { issuer: String::new(), decimals: 0, created: 4 },
        ),
    ]
}

fn transfers() -> Vec<Sample> {
    let (receiver, wire_receiver) = account_name();
    let send = Send {
        client: ClientId::bft(3),
        asset: "CZK".parse().unwrap(),
        amount: Amount(2_452),
        receiver,
        timeout: UnixSeconds(1_700_000_600),
        memo: "order 1".into(),
    };
    let wire_send = wt::Send {
        client: "bft-client-3".into(),
        asset: "CZK".into(),
        amount: "2452".into(),
        receiver: Some(wire_receiver),
        timeout: 1_700_000_600,
        memo: "order 1".into(),
    };
    let call = wt::TransferCall { call: Some(wt::transfer_call::Call::Send(wire_send)) };
    let data = FungibleTokenPacketData {
        denom: "CZK".into(),
        amount: "2452".into(),
        sender: "BERKA/1".into(),
        receiver: "YZ/2".into(),
        memo: "order 1".into(),
    };
    let wire_data = wt::FungibleTokenPacketData {
        denom: "CZK".into(),
        amount: "2452".into(),
        sender: "BERKA/1".into(),
        receiver: "YZ/2".into(),
        memo: "order 1".into(),
    };
    vec![same(TransferCall::Send(send), call), same(data, wire_data)]
}
