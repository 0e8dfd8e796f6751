//! Compares all books: every account, every chain's supply, escrow against vouchers.

use super::{payments::Payments, rough::Returned, tracker::Status};
use crate::{network::Bank, setup::asset};
use anyhow::Result;
use catenary_apps::asset::{AssetKey, LaneName, Supply, audit};
use catenary_ledger::{State, View, stores};
use catenary_runtime::ChainMailbox;
use catenary_types::{AccountId, AccountNumber, Amount, AssetId, ChainId};
use std::collections::BTreeMap;

/// One bank's side of the demo.
#[derive(Clone, Debug)]
pub struct BankBooks {
    /// The bank.
    pub bank: Bank,
    /// Its chain.
    pub chain_id: ChainId,
    /// Payments to it; at the home bank, all.
    pub orders: usize,
    /// Of these, credited.
    pub credited_orders: usize,
    /// Sum of those.
    pub credited: Amount,
    /// Of the payments, refunded.
    pub refunded_orders: usize,
    /// What the home chain holds for the lane; at the home bank, for all lanes.
    pub escrow: Amount,
    /// Vouchers that exist on its chain.
    pub vouchers: Amount,
}

/// All books, and what does not agree.
#[derive(Clone, Debug)]
pub struct Books {
    /// Home bank first.
    pub banks: Vec<BankBooks>,
    /// Sentences about what differs; empty when reconciled.
    pub differences: Vec<String>,
}

type Balances = BTreeMap<AccountNumber, u128>;

/// Compares what the payments should have left with what a node's chains hold, in the order of the banks.
pub async fn reconcile(chains: &[ChainMailbox], payments: &Payments, returned: &Returned) -> Result<Books> {
    let outcomes = payments.outcomes();
    let mut differences = Vec::new();
    for (order, status) in &outcomes {
        if !matches!(status, Status::Completed | Status::Refunded) {
            differences.push(format!("order {} (line {}) is {status:?}", order.id, order.line));
        }
    }
    let voucher: AssetId = format!("transfer/{}/{}", Bank::client_of_home(), asset()).parse()?;
    let mut banks = Vec::new();
    for bank in Bank::partners() {
        let own: Vec<_> = outcomes.iter().filter(|(order, _)| order.bank + 1 == bank.0).collect();
        let completed = || own.iter().filter(|(_, status)| *status == Status::Completed);
        let mut expected = Balances::new();
        for (order, _) in completed() {
            *expected.entry(order.creditor.clone()).or_default() += order.amount.0;
        }
        for (creditor, amount) in returned.by_creditor(bank) {
            let balance = expected.entry(creditor.clone()).or_default();
            *balance = balance.saturating_sub(amount);
        }
        let chain = &chains[bank.0];
        let supplies = check_chain(chain, bank, voucher.clone(), expected, &mut differences).await?;
        banks.push(BankBooks {
            bank,
            chain_id: chain.chain_id().clone(),
            orders: own.len(),
            credited_orders: completed().count(),
            credited: Amount(completed().map(|(order, _)| order.amount.0).sum()),
            refunded_orders: own.iter().filter(|(_, status)| *status == Status::Refunded).count(),
            escrow: escrow(&chains[0], bank).await?,
            vouchers: supplies.get(&voucher).map_or(Amount::ZERO, |supply| supply.issued),
        });
    }
    let mut debtors = Balances::new();
    for (order, status) in &outcomes {
        let left = if *status == Status::Completed { 0 } else { order.amount.0 };
        *debtors.entry(order.debtor.clone()).or_default() += left;
    }
    for (debtor, amount) in returned.by_debtor() {
        *debtors.entry(debtor.clone()).or_default() += amount;
    }
    let home = &chains[0];
    let supplies = check_chain(home, Bank::HOME, asset(), debtors, &mut differences).await?;
    let escrowed = supplies.get(&asset()).map_or(Amount::ZERO, |supply| supply.escrowed);
    check_lanes(&banks, returned, escrowed, &mut differences);
    let sum = |of: fn(&BankBooks) -> u128| banks.iter().map(of).sum();
    let whole = BankBooks {
        bank: Bank::HOME,
        chain_id: home.chain_id().clone(),
        orders: outcomes.len(),
        credited_orders: banks.iter().map(|bank| bank.credited_orders).sum(),
        credited: Amount(sum(|bank| bank.credited.0)),
        refunded_orders: banks.iter().map(|bank| bank.refunded_orders).sum(),
        escrow: escrowed,
        vouchers: Amount(sum(|bank| bank.vouchers.0)),
    };
    banks.insert(0, whole);
    Ok(Books { banks, differences })
}

/// Every chain's supply adds up, and every account holds what it should.
async fn check_chain(
    chain: &ChainMailbox,
    bank: Bank,
    asset: AssetId,
    expected: Balances,
    differences: &mut Vec<String>,
) -> Result<BTreeMap<AssetId, Supply>> {
    let accounts: Vec<(AccountNumber, AccountId, u128)> = expected
        .into_iter()
        .map(|(number, amount)| (number.clone(), bank.account(&number), amount))
        .collect();
    let total: u128 = accounts.iter().map(|(_, _, amount)| amount).sum();
    let asset_of_accounts = asset.clone();
    let (audited, wrong) = chain
        .read(move |state| {
            let wrong = accounts.into_iter().filter_map(|(number, id, amount)| {
                let key = AssetKey::Balance { account: &id, asset: &asset_of_accounts };
                let held = counter(state, &key);
                (held.0 != amount).then(|| format!("account {number} holds {held}, {amount} is right"))
            });
            let wrong: Vec<_> = wrong.collect();
            (audit(state), wrong)
        })
        .await?;
    differences.extend(wrong.into_iter().map(|difference| format!("{}: {difference}", bank.name())));
    let supplies = match audited {
        Ok(supplies) => supplies,
        Err(error) => {
            differences.push(format!("{}: {error}", bank.name()));
            BTreeMap::new()
        }
    };
    let free = supplies.get(&asset).map_or(0, |supply| supply.free.0);
    if free != total {
        differences.push(format!("{}: accounts hold {free} {asset}, orders left {total}", bank.name()));
    }
    Ok(supplies)
}

fn check_lanes(banks: &[BankBooks], returned: &Returned, escrowed: Amount, differences: &mut Vec<String>) {
    for books in banks {
        let left = books.credited.0 - returned.of_bank(books.bank);
        if books.escrow != books.vouchers || books.vouchers.0 != left {
            let name = books.bank.name();
            let (escrow, vouchers) = (books.escrow, books.vouchers);
            differences.push(format!("{name}: escrow {escrow}, vouchers {vouchers}, orders left {left}"));
        }
    }
    let lanes: u128 = banks.iter().map(|books| books.escrow.0).sum();
    if lanes != escrowed.0 {
        differences.push(format!("lanes hold {lanes}, the home chain has {escrowed} in escrow"));
    }
}

async fn escrow(home: &ChainMailbox, bank: Bank) -> Result<Amount> {
    let lane: LaneName = bank.client_at_home().as_str().parse()?;
    Ok(home.read(move |state| counter(state, &AssetKey::Escrow { lane: &lane, asset: &asset() })).await?)
}

fn counter(state: &State, key: &AssetKey<'_>) -> Amount {
    let bytes = state.get(stores::ASSET, &key.bytes());
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(Amount::ZERO, |bytes| Amount(u128::from_be_bytes(bytes)))
}
