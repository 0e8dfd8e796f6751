//! The demo as a newcomer runs it: good orders, bad rows, frozen creditors, a second run on the same data.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    process::Command,
};

const HEADER: &str = "order_id;account_id;bank_to;account_to;amount;k_symbol\n";

/// Exit code and report of a run with these orders.
fn demo(folder: &Path, orders: &str, arguments: &[&str]) -> (Option<i32>, Value) {
    let file = folder.join("orders.csv");
    std::fs::write(&file, format!("{HEADER}{orders}")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_catenary"));
    let output = command.args(["demo", "--json", "--orders"]).arg(&file).args(arguments).output().unwrap();
    let report = serde_json::from_slice(&output.stdout);
    (output.status.code(), report.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr))))
}

#[test]
fn good_rows_settle_and_bad_ones_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let orders = "1;7;AB;100;10.50;SIPO\n2;7;ZZ;100;1.00;\n3;8;YZ;200;0.01;\n";
    let (code, report) = demo(folder.path(), orders, &[]);
    assert_eq!(code, Some(3), "{report}");
    assert_eq!((&report["orders"], &report["settled"]), (&2.into(), &2.into()));
    assert_eq!(report["credited"], "10.51");
    assert_eq!(report["refused"].as_array().unwrap().len(), 1);
    assert_eq!(report["refused"][0]["line"], 3);
    assert_eq!(report["reconciled"], true);
}

#[test]
fn a_frozen_creditor_costs_a_refund_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let orders = "1;7;AB;100;10.00;\n2;7;AB;101;5.00;\n";
    let (code, report) = demo(folder.path(), orders, &["--freeze", "AB:100"]);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!((&report["settled"], &report["refunded"]), (&1.into(), &1.into()));
    assert_eq!((&report["credited"], &report["reconciled"]), (&"5.00".into(), &true.into()));
}

#[test]
fn a_second_run_pays_nothing_twice() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = ["--data", data.to_str().unwrap()];
    let orders = "1;7;AB;100;10.00;\n2;9;KL;101;5.00;\n";
    let (first_code, first) = demo(folder.path(), orders, &data);
    let (second_code, second) = demo(folder.path(), orders, &data);
    assert_eq!((first_code, second_code), (Some(0), Some(0)), "{second}");
    for field in ["orders", "settled", "refunded", "credited", "reconciled", "banks"] {
        assert_eq!(first[field], second[field], "{field}");
    }
}

/// Flips a byte in the middle of every file below a folder.
fn damage(folder: &Path) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            damage(&path);
        } else {
            let mut bytes = std::fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            bytes.iter_mut().skip(middle).take(1).for_each(|byte| *byte ^= 0x55);
            std::fs::write(&path, bytes).unwrap();
        }
    }
}

#[test]
fn a_lost_or_damaged_index_is_rebuilt_and_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["--validators", "1", "--data", data.to_str().unwrap()];
    let orders = "1;7;AB;100;10.00;\n2;9;KL;101;5.00;\n";
    let (_, first) = demo(folder.path(), orders, &arguments);
    damage(&data.join("node-0/index"));
    let (code, after_damage) = demo(folder.path(), orders, &arguments);
    assert_eq!((code, &after_damage["banks"]), (Some(0), &first["banks"]), "{after_damage}");
    std::fs::remove_dir_all(data.join("node-0/index")).unwrap();
    let (code, after_loss) = demo(folder.path(), orders, &arguments);
    assert_eq!((code, &after_loss["banks"]), (Some(0), &first["banks"]), "{after_loss}");
}

#[test]
fn a_damaged_genesis_or_block_log_is_named_and_not_served() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["--validators", "1", "--data", data.to_str().unwrap()];
    demo(folder.path(), "1;7;AB;100;10.00;\n", &arguments);
    let chains = std::fs::read_dir(data.join("node-0/chains")).unwrap();
    // The creditor's: the next payment would wait for it without end.
    let is_creditors = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with("ab-");
    let chain = chains.map(|entry| entry.unwrap().path()).find(is_creditors).unwrap();
    std::fs::write(folder.path().join("orders.csv"), format!("{HEADER}2;7;AB;100;5.00;\n")).unwrap();
    damage(&chain.join("blocks"));
    refuses(folder.path(), &data, "block log");
    damage(&chain);
    refuses(folder.path(), &data, "genesis");
}

/// A run on damaged data fails, and says what is damaged.
fn refuses(folder: &Path, data: &Path, what: &str) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catenary"));
    let command = command
        .args(["demo", "--validators", "1", "--orders"])
        .arg(folder.join("orders.csv"))
        .arg("--data")
        .arg(data);
    let output = command.output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{error}");
    assert!(error.contains(what) && error.contains("damaged"), "{error}");
}

#[test]
fn a_node_that_lost_everything_fetches_it_from_the_others() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let arguments = ["--data", data.to_str().unwrap()];
    let orders = "1;7;AB;100;10.00;\n2;9;KL;101;5.00;\n";
    let (_, first) = demo(folder.path(), orders, &arguments);
    // It is the node that clients and routers use: what it reports it has from the others.
    std::fs::remove_dir_all(data.join("node-0")).unwrap();
    let (code, again) = demo(folder.path(), orders, &arguments);
    assert_eq!((code, &again["banks"]), (Some(0), &first["banks"]), "{again}");
}

#[test]
fn a_process_for_each_organisation_one_of_which_is_killed_comes_to_the_same_sums() {
    let folder = tempfile::tempdir().unwrap();
    let order =
        |id: u32| format!("{id};{};{};{};1.00;\n", id % 9, ["AB", "KL", "YZ"][id as usize % 3], id % 5);
    let orders: String = (1..=300).map(order).collect();
    let data = folder.path().join("data");
    let arguments = ["--processes", "4", "--data", data.to_str().unwrap()];
    let (code, report) = demo(folder.path(), &orders, &arguments);
    assert_eq!(code, Some(0), "{report}");
    assert_eq!((&report["settled"], &report["credited"]), (&300.into(), &"300.00".into()));
    assert_eq!((&report["reconciled"], &report["differences"]), (&true.into(), &serde_json::json!([])));
    // Once more on the same data: nothing is paid twice, and the processes find their votes again.
    let (code, again) = demo(folder.path(), &orders, &arguments);
    assert_eq!((code, &again["credited"]), (Some(0), &report["credited"]), "{again}");
}
