//! Opening accounts: by their organisation with keys, or by the first credit without any.

use catenary_ledger::{
    Ctx, Failure, Reason, attribute,
    records::{Account, AdminKey, ReadRecords, Roles, consortium},
    stores::ADMIN,
};
use catenary_types::{
    AccountId, AccountNumber, Message, Organisation, genesis::AccountKey, limits::ACCOUNT_KEYS_MAX,
};

catenary_types::message! {
    /// An account as people name it: whose it is, and their number for it.
    pub struct AccountName {
        /// The organisation.
        1 => organisation: Organisation,
        /// Its number for the account.
        2 => number: AccountNumber,
    }
}

impl AccountName {
    /// The id under which the account stands.
    pub fn id(&self) -> AccountId {
        AccountId::new(&self.organisation, &self.number)
    }
}

/// The account of a name, opened without keys if this is its first credit.
///
/// Only members' accounts open: an organisation that has not joined has nobody to give the account its keys.
pub fn open_for_credit(ctx: &mut Ctx<'_, '_>, name: &AccountName) -> Result<AccountId, Failure> {
    let id = name.id();
    if let Some(account) = ctx.account(&id) {
        assert_is(&account, name);
        return Ok(id);
    }
    require_member(ctx, &name.organisation)?;
    let account = Account {
        organisation: name.organisation.clone(),
        number: name.number.clone(),
        threshold: 0,
        keys: Vec::new(),
        roles: Roles::default(),
        opened: ctx.height(),
    };
    put(ctx, &id, &account);
    Ok(id)
}

/// Two names with one id would be a collision of SHA-256.
pub(crate) fn assert_is(account: &Account, name: &AccountName) {
    assert!(
        account.organisation == name.organisation && account.number == name.number,
        "an account id is one name's"
    );
}

/// Fails unless the organisation may have ordinary accounts.
pub(crate) fn require_member(ctx: &Ctx<'_, '_>, organisation: &Organisation) -> Result<(), Failure> {
    if ctx.is_member(organisation) && *organisation != consortium() {
        return Ok(());
    }
    Err(Failure::new(Reason::NotFound, format!("{organisation} is no member of this chain")))
}

/// Writes the record and says so.
pub(crate) fn put(ctx: &mut Ctx<'_, '_>, id: &AccountId, account: &Account) {
    let is_new = ctx.account(id).is_none();
    ctx.put(ADMIN, AdminKey::Account(id).bytes(), account.encode());
    let attributes = vec![
        attribute("account", id),
        attribute("organisation", &account.organisation),
        attribute("number", &account.number),
    ];
    ctx.emit(if is_new { "account_opened" } else { "account_changed" }, attributes);
}

/// Replaces the keys that count: old ones end at this height, new ones start at the next, history stays.
pub(crate) fn replace_keys(
    ctx: &Ctx<'_, '_>,
    account: &mut Account,
    threshold: u32,
    keys: &[KeyGrant],
) -> Result<(), Failure> {
    let height = ctx.height();
    // Keys that start at the next height are of an earlier call in this block. Left there, both sets would count.
    account.keys.retain(|key| key.from <= height);
    for key in account.keys.iter_mut().filter(|key| key.is_active(height)) {
        key.until = height;
    }
    account.keys.extend(keys.iter().map(|grant| AccountKey {
        weight: grant.weight,
        from: height.next(),
        ..AccountKey::ed25519(grant.key)
    }));
    account.threshold = threshold;
    let invalid = |detail: String| Err(Failure::new(Reason::InvalidArgument, detail));
    if account.keys.len() > ACCOUNT_KEYS_MAX {
        return invalid(format!("an account has at most {ACCOUNT_KEYS_MAX} keys, past ones included"));
    }
    let mut distinct: Vec<_> = keys.iter().map(|grant| grant.key).collect();
    distinct.sort();
    distinct.dedup();
    if distinct.len() != keys.len() || keys.iter().any(|grant| grant.weight == 0) {
        return invalid("each key stands once and has a weight of at least 1".into());
    }
    let weight = account.weight(height.next(), |_| true);
    if threshold == 0 || weight < u64::from(threshold) {
        return invalid(format!("the keys weigh {weight}, which never reaches the threshold of {threshold}"));
    }
    Ok(())
}

catenary_types::message! {
    /// A key and what its signature weighs.
    pub struct KeyGrant {
        /// The key, Ed25519.
        1 => key: catenary_crypto::PublicKey,
        /// Its weight, at least 1.
        2 => weight: u32,
    }
}
