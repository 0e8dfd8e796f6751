//! Moving money: the only code that writes balances, supplies and escrows.

use super::{
    keys::AssetKey,
    messages::{AssetRecord, LaneName},
};
use crate::accounts::{AccountName, open_for_credit};
use catenary_ledger::{Ctx, Failure, Reason, attribute, stores::ASSET};
use catenary_types::{AccountId, Amount, AssetId, Message};

/// Digits of the minor unit that a voucher shows: its own chain does not know, the issuer's does.
const VOUCHER_DECIMALS: u32 = 0;

/// What an account holds.
pub fn balance(ctx: &Ctx<'_, '_>, account: &AccountId, asset: &AssetId) -> Amount {
    ctx.counter(ASSET, &AssetKey::Balance { account, asset }.bytes())
}

/// Whether an account is frozen.
pub fn is_frozen(ctx: &Ctx<'_, '_>, account: &AccountId) -> bool {
    ctx.get(ASSET, &AssetKey::Frozen(account).bytes()).is_some()
}

/// The record of an asset.
pub fn record(ctx: &Ctx<'_, '_>, asset: &AssetId) -> Option<AssetRecord> {
    let bytes = ctx.get(ASSET, &AssetKey::Record(asset).bytes())?;
    Some(AssetRecord::decode(&bytes).expect("only this code writes the asset store"))
}

/// Fails for zero: a payment of nothing is a mistake.
pub fn require_positive(amount: Amount) -> Result<(), Failure> {
    if amount > Amount::ZERO {
        return Ok(());
    }
    Err(Failure::new(Reason::InvalidArgument, "expected an amount of at least 1 minor unit"))
}

/// Takes money out of an account that is not frozen and holds it.
pub fn debit(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    asset: &AssetId,
    amount: Amount,
) -> Result<(), Failure> {
    require_not_frozen(ctx, account)?;
    let held = balance(ctx, account, asset);
    let left = held.checked_sub(amount).ok_or_else(|| {
        let detail = format!("account {account} holds {held} {asset}, {amount} is needed");
        Failure::new(Reason::InsufficientBalance, detail)
    })?;
    ctx.set_counter(ASSET, AssetKey::Balance { account, asset }.bytes(), left);
    Ok(())
}

/// Puts money into an account, opened if need be, that is not frozen.
pub fn credit(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountName,
    asset: &AssetId,
    amount: Amount,
) -> Result<AccountId, Failure> {
    let account = open_for_credit(ctx, to)?;
    require_not_frozen(ctx, &account)?;
    add_balance(ctx, &account, asset, amount)?;
    Ok(account)
}

/// Adds to supply and to an account. The caller has checked who may.
pub fn mint(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountName,
    asset: &AssetId,
    amount: Amount,
) -> Result<AccountId, Failure> {
    require_positive(amount)?;
    ctx.add(ASSET, AssetKey::Supply(asset).bytes(), amount)?;
    credit(ctx, to, asset, amount)
}

/// Takes from an account and from supply. The caller has checked who may.
pub fn burn(ctx: &mut Ctx<'_, '_>, from: &AccountId, asset: &AssetId, amount: Amount) -> Result<(), Failure> {
    require_positive(amount)?;
    debit(ctx, from, asset, amount)?;
    let key = AssetKey::Supply(asset).bytes();
    let left = ctx.counter(ASSET, &key).checked_sub(amount);
    ctx.set_counter(ASSET, key, left.expect("supply covers every balance"));
    Ok(())
}

/// Moves money of an account into a lane's escrow.
pub fn escrow(
    ctx: &mut Ctx<'_, '_>,
    lane: &LaneName,
    from: &AccountId,
    asset: &AssetId,
    amount: Amount,
) -> Result<(), Failure> {
    require_positive(amount)?;
    debit(ctx, from, asset, amount)?;
    ctx.add(ASSET, AssetKey::Escrow { lane, asset }.bytes(), amount)
}

/// Pays a returning voucher out of a lane's escrow.
pub fn release(
    ctx: &mut Ctx<'_, '_>,
    lane: &LaneName,
    to: &AccountName,
    asset: &AssetId,
    amount: Amount,
) -> Result<AccountId, Failure> {
    take_escrow(ctx, lane, asset, amount)?;
    credit(ctx, to, asset, amount)
}

/// Gives escrowed money back to the account it came from, frozen or not.
pub fn refund(
    ctx: &mut Ctx<'_, '_>,
    lane: &LaneName,
    to: &AccountId,
    asset: &AssetId,
    amount: Amount,
) -> Result<(), Failure> {
    take_escrow(ctx, lane, asset, amount)?;
    add_balance(ctx, to, asset, amount)
}

/// Mints a voucher for money that stands in escrow on its home chain.
pub fn mint_voucher(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountName,
    asset: &AssetId,
    amount: Amount,
) -> Result<AccountId, Failure> {
    if record(ctx, asset).is_none() {
        let record = AssetRecord { issuer: None, decimals: VOUCHER_DECIMALS, created: ctx.height() };
        ctx.put(ASSET, AssetKey::Record(asset).bytes(), record.encode());
        ctx.emit("asset_created", vec![attribute("asset", asset)]);
    }
    mint(ctx, to, asset, amount)
}

/// Mints a voucher again that was burnt for a payment that did not arrive, frozen account or not.
pub fn refund_voucher(
    ctx: &mut Ctx<'_, '_>,
    to: &AccountId,
    asset: &AssetId,
    amount: Amount,
) -> Result<(), Failure> {
    ctx.add(ASSET, AssetKey::Supply(asset).bytes(), amount)?;
    add_balance(ctx, to, asset, amount)
}

fn take_escrow(
    ctx: &mut Ctx<'_, '_>,
    lane: &LaneName,
    asset: &AssetId,
    amount: Amount,
) -> Result<(), Failure> {
    let key = AssetKey::Escrow { lane, asset }.bytes();
    let held = ctx.counter(ASSET, &key);
    let left = held.checked_sub(amount).ok_or_else(|| {
        let detail = format!("lane {lane} holds {held} {asset} in escrow, {amount} was asked for");
        Failure::new(Reason::InsufficientBalance, detail)
    })?;
    ctx.set_counter(ASSET, key, left);
    Ok(())
}

fn add_balance(
    ctx: &mut Ctx<'_, '_>,
    account: &AccountId,
    asset: &AssetId,
    amount: Amount,
) -> Result<(), Failure> {
    ctx.add(ASSET, AssetKey::Balance { account, asset }.bytes(), amount)
}

fn require_not_frozen(ctx: &Ctx<'_, '_>, account: &AccountId) -> Result<(), Failure> {
    if !is_frozen(ctx, account) {
        return Ok(());
    }
    Err(Failure::new(Reason::AccountFrozen, format!("account {account} is frozen")))
}
