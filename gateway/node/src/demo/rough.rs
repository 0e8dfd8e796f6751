//! What real life adds: frozen creditors, a bank that is down, bad rows, double submissions, returned payments.
//!
//! Everything follows from the seed, so a run can be repeated.

use super::{Network, payments::Payments, tracker::Status};
use crate::{
    network::{Bank, Holder},
    setup::{asset, open_accounts},
    submitter::{Signed, call, sign, submit},
};
use anyhow::{Context as _, Result, bail};
use catenary_apps::accounts::AccountName;
use catenary_crypto::sha256;
use catenary_links::ChainClient;
use catenary_orders::{Orders, Refused, read};
use catenary_relay::gateway::SubmitOutcome;
use catenary_transfer::{Send, TransferCall};
use catenary_types::{AccountNumber, AssetId, Height, Reference, UnixSeconds};
use futures::StreamExt;
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// One creditor in this many is frozen.
const FROZEN_ONE_IN: u64 = 100;
/// One payment in this many comes back.
const RETURNED_ONE_IN: u64 = 20;
/// Rows that are no orders.
const BAD_ROWS: usize = 20;
/// Payments submitted twice.
const REPEATED: usize = 50;
/// How long a bank is down.
const HALT: Duration = Duration::from_secs(5);
/// Deadline of payments to the bank that will be down.
const TIMEOUT_S: u64 = 3;
/// Deadline of a returned payment.
const RETURN_TIMEOUT_S: u64 = 600;

/// The disturbances of one seed.
pub struct Rough {
    seed: u64,
}

/// A payment that went back.
#[derive(Clone, Debug)]
struct Return {
    bank: Bank,
    creditor: AccountNumber,
    debtor: AccountNumber,
    amount: u128,
}

/// The payments that went back.
#[derive(Clone, Debug, Default)]
pub struct Returned(Vec<Return>);

impl Returned {
    /// What creditors of a bank sent back.
    pub fn by_creditor(&self, bank: Bank) -> impl Iterator<Item = (&AccountNumber, u128)> {
        let own = self.0.iter().filter(move |one| one.bank == bank);
        own.map(|one| (&one.creditor, one.amount))
    }

    /// What debtors got back.
    pub fn by_debtor(&self) -> impl Iterator<Item = (&AccountNumber, u128)> {
        self.0.iter().map(|one| (&one.debtor, one.amount))
    }

    /// What came back from a bank.
    pub fn of_bank(&self, bank: Bank) -> u128 {
        self.by_creditor(bank).map(|(_, amount)| amount).sum()
    }

    /// How many payments came back.
    pub fn len(&self) -> usize {
        self.0.len()
    }
}

impl Rough {
    /// The disturbances of a seed.
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// A number that follows from the seed and a name.
    fn draw(&self, what: &str, name: impl std::fmt::Display) -> u64 {
        let hash = sha256(format!("{} {what} {name}", self.seed).as_bytes());
        hash.0[..8].iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    /// Adds rows that are no orders; they are refused like any other bad row.
    pub fn spoil(&self, orders: &mut Orders) {
        let bad = |number: usize| match self.draw("bad row", number) % 10 {
            0 => b"9000001;1;ZZ;1;1.00;".to_vec(),
            1 => b"9000002;1;AB;;1.00;".to_vec(),
            2 => b"9000003;1;AB;1;-1.00;".to_vec(),
            3 => b"9000004;1;AB;1;0.00;".to_vec(),
            4 => b"9000005;1;AB;1;1,00;".to_vec(),
            5 => b"9000006;1;AB;1;99999999999999999999.00;".to_vec(),
            6 => b"9000007;1;AB;1;1.001;".to_vec(),
            7 => b"9000008;1;AB".to_vec(),
            8 => b"9000009;1;AB;\xff\xfe;1.00;".to_vec(),
            _ => b"9000010;1;;1;1.00;".to_vec(),
        };
        let last = orders
            .orders
            .iter()
            .map(|order| order.line)
            .chain(orders.refused.iter().map(|row| row.line))
            .max();
        let rows = (0..BAD_ROWS).map(bad).collect::<Vec<_>>();
        let mut text = b"order_id;account_id;bank_to;account_to;amount;k_symbol\n".to_vec();
        for row in rows {
            text.extend(row);
            text.push(b'\n');
        }
        // They stand behind the last line of the input.
        let shift = last.unwrap_or(1) - 1;
        let refused = read(&text).refused.into_iter();
        orders.refused.extend(refused.map(|row| Refused { line: row.line + shift, ..row }));
    }

    /// Creditors to freeze.
    pub fn freeze(&self, orders: &Orders) -> Vec<(Bank, AccountNumber)> {
        let creditors: BTreeSet<_> =
            orders.orders.iter().map(|order| (Bank(order.bank + 1), order.creditor.clone())).collect();
        let frozen = |(bank, number): &(Bank, AccountNumber)| {
            self.draw("frozen", format!("{} {number}", bank.name())).is_multiple_of(FROZEN_ONE_IN)
        };
        creditors.into_iter().filter(frozen).collect()
    }

    /// The bank that will be down.
    fn halted(&self) -> Bank {
        let partners: Vec<_> = Bank::partners().collect();
        partners[(self.draw("halted", "bank") % partners.len() as u64) as usize]
    }

    /// The deadline of payments to a bank, if it is not the usual one.
    pub fn timeout_s(&self, bank: Bank) -> Option<u64> {
        (bank == self.halted()).then_some(TIMEOUT_S)
    }

    /// Halts a bank for a while, once a few payments are settled.
    pub async fn halt(&self, network: &Network, settled: impl Fn() -> usize) -> Result<()> {
        while settled() < 100 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let bank = self.halted();
        network.nodes.here()?.stop_chain(bank.0, "halted by the demo").await?;
        tokio::time::sleep(HALT).await;
        network.nodes.here()?.start_chain(bank.0).await
    }

    /// Payments of a batch that are submitted a second time.
    pub fn repeated(&self, batch: &[usize]) -> impl Iterator<Item = usize> {
        batch.iter().copied().filter(|payment| *payment < REPEATED)
    }

    /// Sends some completed payments back and waits until they are home.
    pub async fn return_payments(&self, network: &Network, payments: &Payments) -> Result<Returned> {
        let mut by_bank = BTreeMap::<Bank, Vec<(Reference, Return)>>::new();
        for (order, status) in payments.outcomes() {
            if status == Status::Completed && self.draw("returned", &order.id).is_multiple_of(RETURNED_ONE_IN)
            {
                let bank = Bank(order.bank + 1);
                let (creditor, debtor) = (order.creditor.clone(), order.debtor.clone());
                let one = Return { bank, creditor, debtor, amount: order.amount.0 };
                by_bank.entry(bank).or_default().push((order.id.clone(), one));
            }
        }
        let sent = by_bank.iter().map(|(bank, returns)| send_back(network, *bank, returns));
        futures::future::try_join_all(sent).await?;
        Ok(Returned(by_bank.into_values().flatten().map(|(_, one)| one).collect()))
    }
}

async fn send_back(network: &Network, bank: Bank, returns: &[(Reference, Return)]) -> Result<()> {
    let chain = &network.chains[bank.0];
    let creditors: BTreeSet<_> = returns.iter().map(|(_, one)| one.creditor.clone()).collect();
    open_accounts(&**chain, bank, &creditors.into_iter().collect::<Vec<_>>()).await?;
    let mut open: BTreeSet<String> = returns.iter().map(|(id, _)| format!("return-{id}")).collect();
    let mut blocks = chain.final_blocks(Height(1)).await?.blocks;
    let signed =
        returns.iter().map(|(id, one)| sign_return(&**chain, id, one)).collect::<Result<Vec<_>>>()?;
    let envelopes = signed.into_iter().map(|signed| signed.envelope).collect();
    for outcome in submit(&**chain, envelopes).await? {
        if let SubmitOutcome::Refused(refusal) = outcome {
            bail!("{}: a return was refused: {refusal}", bank.name());
        }
    }
    let mut transfers = BTreeMap::new();
    while !open.is_empty() {
        let block = blocks.next().await.context("the chain stopped")??;
        for receipt in &block.receipts {
            let reference = receipt.events.iter().find_map(|event| event.text("reference"));
            for event in &receipt.events {
                let transfer = event.text("transfer_id").unwrap_or_default().to_owned();
                match (event.kind.as_str(), reference) {
                    ("transfer_sent", Some(reference)) => {
                        drop(transfers.insert(transfer, reference.to_owned()))
                    }
                    ("transfer_completed", _) => {
                        if let Some(reference) = transfers.get(&transfer) {
                            open.remove(reference);
                        }
                    }
                    ("transfer_refunded", _) => bail!("{}: a return did not arrive", bank.name()),
                    _ => {}
                }
            }
        }
    }
    Ok(())
}

fn sign_return(chain: &dyn ChainClient, id: &Reference, one: &Return) -> Result<Signed> {
    let now = catenary_runtime::now();
    let voucher: AssetId = format!("transfer/{}/{}", Bank::client_of_home(), asset()).parse()?;
    let send = Send {
        client: Bank::client_of_home(),
        asset: voucher,
        amount: catenary_types::Amount(one.amount),
        receiver: AccountName { organisation: Bank::HOME.organisation(), number: one.debtor.clone() },
        timeout: UnixSeconds(now.seconds().0 + RETURN_TIMEOUT_S),
        memo: "returned".into(),
    };
    let creditor = Holder::of(one.bank, &one.creditor);
    let call = call(catenary_transfer::KIND, &TransferCall::Send(send));
    Ok(sign(chain.chain_id(), &creditor, &format!("return-{id}").parse()?, now.0, vec![call]))
}
