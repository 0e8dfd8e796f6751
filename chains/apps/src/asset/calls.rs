//! What the calls of the `asset` app do.

use super::{
    keys::AssetKey,
    messages::{AssetCall, AssetRecord, Burn, Create, Mint, Transfer},
    money,
};
use crate::accounts::AccountName;
use catenary_ledger::{
    Access, AccessKey, Caller, Ctx, Failure, Reason, attribute,
    records::{AdminKey, ReadRecords},
    stores::{ADMIN, ASSET},
};
use catenary_types::{AccountId, AssetId, Message, genesis::Role, limits::MEMO_BYTES_MAX};
use std::collections::BTreeSet;

/// Digits of the minor unit at most; 128 bits hold 38.
const DECIMALS_MAX: u32 = 18;

pub(super) fn create(ctx: &mut Ctx<'_, '_>, call: &Create) -> Result<(), Failure> {
    ctx.caller().require(Role::Issuer)?;
    if call.asset.as_str().contains('/') || call.decimals > DECIMALS_MAX {
        let detail = format!("expected a name without '/' and at most {DECIMALS_MAX} decimals");
        return Err(Failure::new(Reason::InvalidArgument, detail));
    }
    if money::record(ctx, &call.asset).is_some() {
        return Err(Failure::new(Reason::AlreadyExists, format!("asset {}", call.asset)));
    }
    let issuer = Some(ctx.caller().organisation.clone());
    let record = AssetRecord { issuer, decimals: call.decimals, created: ctx.height() };
    ctx.put(ASSET, AssetKey::Record(&call.asset).bytes(), record.encode());
    ctx.emit("asset_created", vec![attribute("asset", &call.asset)]);
    Ok(())
}

pub(super) fn mint(ctx: &mut Ctx<'_, '_>, call: &Mint) -> Result<(), Failure> {
    require_issuer(ctx, &call.asset)?;
    let to = money::mint(ctx, &call.to, &call.asset, call.amount)?;
    let attributes =
        vec![attribute("asset", &call.asset), attribute("to", to), attribute("amount", call.amount)];
    ctx.emit("minted", attributes);
    Ok(())
}

pub(super) fn burn(ctx: &mut Ctx<'_, '_>, call: &Burn) -> Result<(), Failure> {
    require_issuer(ctx, &call.asset)?;
    let from = ctx.caller().account;
    money::burn(ctx, &from, &call.asset, call.amount)?;
    let attributes =
        vec![attribute("asset", &call.asset), attribute("from", from), attribute("amount", call.amount)];
    ctx.emit("burned", attributes);
    Ok(())
}

pub(super) fn transfer(ctx: &mut Ctx<'_, '_>, call: &Transfer) -> Result<(), Failure> {
    money::require_positive(call.amount)?;
    check_memo(&call.memo)?;
    let from = ctx.caller().account;
    money::debit(ctx, &from, &call.asset, call.amount)?;
    let to = money::credit(ctx, &call.to, &call.asset, call.amount)?;
    let attributes = vec![
        attribute("asset", &call.asset),
        attribute("from", from),
        attribute("to", to),
        attribute("amount", call.amount),
        attribute("memo", &call.memo),
    ];
    ctx.emit("transferred", attributes);
    Ok(())
}

pub(super) fn set_frozen(ctx: &mut Ctx<'_, '_>, id: &AccountId, frozen: bool) -> Result<(), Failure> {
    let missing = || Failure::new(Reason::NotFound, format!("account {id}"));
    let account = ctx.account(id).ok_or_else(missing)?;
    let caller = ctx.caller();
    if account.organisation != caller.organisation || caller.require(Role::Operator).is_err() {
        caller.require(Role::Regulator)?;
    }
    let key = AssetKey::Frozen(id).bytes();
    if frozen {
        ctx.put(ASSET, key, vec![1])
    } else {
        ctx.delete(ASSET, &key)
    }
    ctx.emit(if frozen { "account_frozen" } else { "account_unfrozen" }, vec![attribute("account", id)]);
    Ok(())
}

/// Fails for a memo that is too long.
pub fn check_memo(memo: &str) -> Result<(), Failure> {
    if memo.len() <= MEMO_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("expected a memo of at most {MEMO_BYTES_MAX} bytes, got {}", memo.len());
    Err(Failure::new(Reason::InvalidArgument, detail))
}

/// What a call touches.
pub(super) fn access(caller: &Caller, message: &AssetCall) -> Access {
    let mut keys = Keys::default();
    match message {
        AssetCall::Create(call) => keys.write(AssetKey::Record(&call.asset)),
        AssetCall::Mint(call) => {
            keys.read(AssetKey::Record(&call.asset));
            keys.add(AssetKey::Supply(&call.asset));
            keys.credit(&call.to, &call.asset);
        }
        AssetCall::Burn(call) => {
            keys.read(AssetKey::Record(&call.asset));
            keys.write(AssetKey::Supply(&call.asset));
            keys.debit(&caller.account, &call.asset);
        }
        AssetCall::Transfer(call) => {
            keys.debit(&caller.account, &call.asset);
            keys.credit(&call.to, &call.asset);
        }
        AssetCall::Freeze(super::Freeze { account }) | AssetCall::Unfreeze(super::Unfreeze { account }) => {
            keys.reads.insert((ADMIN, AdminKey::Account(account).bytes()));
            keys.write(AssetKey::Frozen(account));
        }
    }
    Access::Keys { reads: keys.reads, writes: keys.writes, adds: keys.adds }
}

#[derive(Default)]
struct Keys {
    reads: BTreeSet<AccessKey>,
    writes: BTreeSet<AccessKey>,
    adds: BTreeSet<AccessKey>,
}

impl Keys {
    fn read(&mut self, key: AssetKey<'_>) {
        self.reads.insert((ASSET, key.bytes()));
    }

    fn write(&mut self, key: AssetKey<'_>) {
        self.writes.insert((ASSET, key.bytes()));
    }

    fn add(&mut self, key: AssetKey<'_>) {
        self.adds.insert((ASSET, key.bytes()));
    }

    fn debit(&mut self, account: &AccountId, asset: &AssetId) {
        self.read(AssetKey::Frozen(account));
        self.write(AssetKey::Balance { account, asset });
    }

    /// A credit may open the account, and only adds to its balance.
    fn credit(&mut self, to: &AccountName, asset: &AssetId) {
        let account = to.id();
        self.reads.insert((ADMIN, AdminKey::Organisation(&to.organisation).bytes()));
        self.writes.insert((ADMIN, AdminKey::Account(&account).bytes()));
        self.read(AssetKey::Frozen(&account));
        self.add(AssetKey::Balance { account: &account, asset });
    }
}

fn require_issuer(ctx: &Ctx<'_, '_>, asset: &AssetId) -> Result<(), Failure> {
    ctx.caller().require(Role::Issuer)?;
    let missing = || Failure::new(Reason::NotFound, format!("asset {asset}"));
    let record = money::record(ctx, asset).ok_or_else(missing)?;
    if record.issuer.as_ref() == Some(&ctx.caller().organisation) {
        return Ok(());
    }
    Err(Failure::new(Reason::NotAuthorised, format!("{} does not issue {asset}", ctx.caller().organisation)))
}
