//! No room for a file: the demo ends and names it; with room it goes on where it was.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// Limits the size of files, in blocks of 512 bytes, without the signal that would end the process.
const SCRIPT: &str = r#"trap "" XFSZ; ulimit -f "$0"; exec "$@""#;

fn demo(command: &mut Command, folder: &Path) -> Output {
    let command = command.args(["demo", "--validators", "1", "--json", "--data"]).arg(folder.join("data"));
    command.arg("--orders").arg(folder.join("orders.csv")).output().unwrap()
}

/// Runs the demo with orders of as many debtors into a limit, then without.
fn runs_into_a_limit_and_goes_on(blocks: &str, orders: u32) {
    let folder = tempfile::tempdir().unwrap();
    let rows = (1..=orders).map(|order| format!("{order};{order};AB;{};1.00;\n", order % 100 + 1));
    let head = "order_id;account_id;bank_to;account_to;amount;k_symbol\n".to_owned();
    fs::write(folder.path().join("orders.csv"), rows.fold(head, |all, row| all + &row)).unwrap();
    let data = folder.path().join("data");
    let binary = env!("CARGO_BIN_EXE_catenary");
    let stopped = demo(Command::new("sh").args(["-c", SCRIPT, blocks, binary]), folder.path());
    let error = String::from_utf8_lossy(&stopped.stderr);
    let last = error.lines().last().unwrap();
    assert_eq!(stopped.status.code(), Some(1), "{error}");
    assert!(last.starts_with("catenary: ") && last.contains("File too large"), "{error}");
    assert!(last.contains(data.to_str().unwrap()), "the file is named: {error}");
    assert!(stopped.stdout.is_empty());

    let resumed = demo(&mut Command::new(binary), folder.path());
    assert_eq!(resumed.status.code(), Some(0), "{}", String::from_utf8_lossy(&resumed.stderr));
    let report: Value = serde_json::from_slice(&resumed.stdout).unwrap();
    assert_eq!((&report["settled"], &report["credited"]), (&orders.into(), &format!("{orders}.00").into()));
    assert_eq!(report["reconciled"], true);
}

#[test]
fn a_journal_without_room_while_accounts_are_opened_ends_the_demo() {
    runs_into_a_limit_and_goes_on("1024", 6_000);
}

#[test]
fn files_without_room_while_payments_are_under_way_lose_none_of_them() {
    runs_into_a_limit_and_goes_on("2048", 3_000);
}
