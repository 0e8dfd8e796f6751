//! Payment orders: the demo's input, read strictly.
//!
//! A row is an order or a refusal with its line and reason; nothing is dropped or guessed.
//!
//! # Invariants
//!
//! - Every row of the input is in exactly one of the two lists.
//! - Amounts are exact: crowns and halir are read as digits, never as floating-point numbers.

use catenary_types::{AccountNumber, Amount, Reference};
use std::collections::BTreeSet;

/// The partner banks of the data.
pub const BANKS: [&str; 13] = ["AB", "CD", "EF", "GH", "IJ", "KL", "MN", "OP", "QR", "ST", "UV", "WX", "YZ"];

/// The organisation of the home bank.
pub const HOME: &str = "BERKA";

/// The asset of the orders; its minor unit is the halir.
pub const ASSET: &str = "CZK";

/// The orders of the Berka data, compiled in.
pub const BERKA: &[u8] = include_bytes!("../data/orders.csv");

const FIELDS: usize = 6;

/// One payment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Line of the input, from 1 on; line 1 is the header.
    pub line: u64,
    /// The order's number.
    pub id: Reference,
    /// Account of the home bank that pays.
    pub debtor: AccountNumber,
    /// The creditor's bank: an index into [`BANKS`].
    pub bank: usize,
    /// The creditor's account there.
    pub creditor: AccountNumber,
    /// In halir.
    pub amount: Amount,
    /// Purpose.
    pub purpose: String,
}

/// A row that is no order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Line of the input, from 1 on.
    pub line: u64,
    /// What is wrong with it.
    pub reason: String,
}

/// An input, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Orders {
    /// Good rows, in order of lines.
    pub orders: Vec<Order>,
    /// Bad rows, in order of lines.
    pub refused: Vec<Refused>,
}

/// Reads semicolon-separated orders with a header line. Each line stands alone: a stray quote spoils its own row only.
pub fn read(bytes: &[u8]) -> Orders {
    let mut result = Orders::default();
    let mut ids = BTreeSet::new();
    for (number, line) in (1..).zip(bytes.split(|byte| *byte == b'\n')).skip(1) {
        if line.trim_ascii().is_empty() {
            continue;
        }
        match fields(line).and_then(|record| order(number, &record, &ids)) {
            Ok(order) => {
                ids.insert(order.id.clone());
                result.orders.push(order);
            }
            Err(reason) => result.refused.push(Refused { line: number, reason }),
        }
    }
    result
}

fn fields(line: &[u8]) -> Result<csv::ByteRecord, String> {
    let mut builder = csv::ReaderBuilder::new();
    let mut reader = builder.delimiter(b';').has_headers(false).buffer_capacity(line.len()).from_reader(line);
    let mut record = csv::ByteRecord::new();
    match reader.read_byte_record(&mut record) {
        Ok(_) => Ok(record),
        Err(error) => Err(error.to_string()),
    }
}

fn order(line: u64, record: &csv::ByteRecord, ids: &BTreeSet<Reference>) -> Result<Order, String> {
    if record.len() != FIELDS {
        return Err(format!("expected {FIELDS} fields, got {}", record.len()));
    }
    let field = |at: usize, name: &str| {
        let text = std::str::from_utf8(&record[at]).map_err(|_| format!("{name} is not UTF-8"))?;
        Ok::<_, String>(text.trim())
    };
    let filled = |at: usize, name: &str| match field(at, name)? {
        "" => Err(format!("{name} is empty")),
        text => Ok(text),
    };
    let account = |at: usize, name: &str| {
        filled(at, name)?.parse::<AccountNumber>().map_err(|error| format!("{name}: {error}"))
    };
    let id: Reference = filled(0, "order_id")?.parse().map_err(|error| format!("order_id: {error}"))?;
    let debtor = account(1, "account_id")?;
    let bank = filled(2, "bank_to")?;
    let bank =
        BANKS.iter().position(|known| *known == bank).ok_or_else(|| format!("unknown bank {bank:?}"))?;
    let creditor = account(3, "account_to")?;
    let amount = amount(filled(4, "amount")?)?;
    let purpose = field(5, "k_symbol")?.to_owned();
    if ids.contains(&id) {
        return Err(format!("order_id {id} stands twice"));
    }
    Ok(Order { line, id, debtor, bank, creditor, amount, purpose })
}

/// Reads crowns with up to two decimals as halir.
fn amount(text: &str) -> Result<Amount, String> {
    if text.starts_with('-') {
        return Err(format!("amount {text:?} is negative"));
    }
    let (crowns, halir) = text.split_once('.').unwrap_or((text, "00"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(crowns) || !digits(halir) {
        return Err(format!("amount {text:?} is not a decimal number"));
    }
    if halir.len() > 2 {
        return Err(format!("amount {text:?} has more than two decimals"));
    }
    let parsed = format!("{crowns}{halir:0<2}").parse::<u64>();
    match parsed {
        Ok(0) => Err(format!("amount {text:?} is zero")),
        Ok(halir) => Ok(Amount(halir.into())),
        Err(_) => Err(format!("amount {text:?} is larger than any order may be")),
    }
}

/// Shows halir as crowns: `21228993.60`.
pub fn crowns(amount: Amount) -> String {
    format!("{}.{:02}", amount.0 / 100, amount.0 % 100)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HEADER: &str = "order_id;account_id;bank_to;account_to;amount;k_symbol\n";

    fn one(row: &[u8]) -> Orders {
        read(&[HEADER.as_bytes(), row].concat())
    }

    #[test]
    fn the_data_reads_whole() {
        let read = read(BERKA);
        assert_eq!((read.orders.len(), read.refused.len()), (6_471, 0));
        let total: u128 = read.orders.iter().map(|order| order.amount.0).sum();
        assert_eq!(crowns(Amount(total)), "21228993.60");
        let debtors: BTreeSet<_> = read.orders.iter().map(|order| &order.debtor).collect();
        let creditors: BTreeSet<_> = read.orders.iter().map(|order| (order.bank, &order.creditor)).collect();
        assert_eq!((debtors.len(), creditors.len()), (3_758, 6_446));
        let per_bank = BANKS.map(|bank| read.orders.iter().filter(|order| BANKS[order.bank] == bank).count());
        assert_eq!(per_bank, [519, 458, 483, 487, 496, 500, 466, 485, 531, 511, 499, 515, 521]);
    }

    #[test]
    fn every_bad_row_is_refused_with_its_reason() {
        let rows: [(&[u8], &str); 14] = [
            (b"1;2;ZZ;3;4.00;", "unknown bank"),
            (b"1;2;AB;;4.00;", "account_to is empty"),
            (b"1;;AB;3;4.00;", "account_id is empty"),
            (b";2;AB;3;4.00;", "order_id is empty"),
            (b"1;2;AB;3;-4.00;", "negative"),
            (b"1;2;AB;3;0.00;", "zero"),
            (b"1;2;AB;3;4,00;", "not a decimal"),
            (b"1;2;AB;3;1e3;", "not a decimal"),
            (b"1;2;AB;3;.5;", "not a decimal"),
            (b"1;2;AB;3;4.;", "not a decimal"),
            (b"1;2;AB;3;4.001;", "more than two decimals"),
            (b"1;2;AB;3;99999999999999999999;", "larger"),
            (b"1;2;AB;3", "expected 6 fields, got 4"),
            (b"1;2;AB;\xff;4.00;", "not UTF-8"),
        ];
        for (row, reason) in rows {
            let read = one(row);
            assert!(read.orders.is_empty(), "{row:?} was taken");
            assert_eq!(read.refused.len(), 1, "{row:?}");
            let refused = &read.refused[0];
            assert!(refused.reason.contains(reason), "{row:?}: {}", refused.reason);
            assert_eq!(refused.line, 2);
        }
    }

    #[test]
    fn a_duplicate_is_refused_and_the_rest_goes_on() {
        let read = one(b"1;2;AB;3;4.00;\n1;2;AB;3;4.00;\n2;2;AB;3;4.5;X\n");
        let lines: Vec<_> = read.orders.iter().map(|order| (order.line, order.amount.0)).collect();
        assert_eq!(lines, [(2, 400), (4, 450)]);
        assert_eq!(read.refused, [Refused { line: 3, reason: "order_id 1 stands twice".into() }]);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_row_by_row(bytes: Vec<u8>) {
            let rows = bytes.split(|byte| *byte == b'\n').skip(1).filter(|line| !line.trim_ascii().is_empty());
            let read = read(&bytes);
            prop_assert_eq!(read.orders.len() + read.refused.len(), rows.count());
        }
    }
}
