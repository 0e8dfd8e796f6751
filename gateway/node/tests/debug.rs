//! Folders of a demo with transfers, refunds among them, are sound, and stay so whatever the tools do to them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use serde_json::Value;
use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

const ORDERS: usize = 120;

fn catenary(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_catenary")).args(arguments).output().unwrap()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

/// The chains of a folder that is sound.
fn verify(data: &str) -> Vec<Value> {
    let output = catenary(&["debug", "verify", "--data", data, "-o", "json"]);
    assert_eq!(output.status.code(), Some(0), "{}{}", text(&output.stdout), text(&output.stderr));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&said["journal"], &said["guard"]), (&"intact".into(), &"whole".into()));
    said["chains"].as_array().unwrap().clone()
}

fn demo(folder: &Path) {
    let rows = (1..=ORDERS).map(|order| format!("{order};{order};AB;{};1.00;\n", order % 100 + 1));
    let head = "order_id;account_id;bank_to;account_to;amount;k_symbol\n".to_owned();
    let orders = folder.join("orders.csv");
    fs::write(&orders, rows.fold(head, |all, row| all + &row)).unwrap();
    let [orders, data] = [orders, folder.join("data")].map(|path| path.to_str().unwrap().to_owned());
    let output = catenary(&[
        "demo",
        "--validators",
        "1",
        "--orders",
        &orders,
        "--data",
        &data,
        "--freeze",
        "AB:5",
        "--json",
    ]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    assert!(report["refunded"].as_u64() > Some(0), "{report}");
}

#[test]
fn the_folder_of_a_demo_is_sound_and_a_rebuilt_index_and_a_copy_are_too() {
    let folder = tempfile::tempdir().unwrap();
    demo(folder.path());
    let data = folder.path().join("data/node-0").to_str().unwrap().to_owned();
    let before = verify(&data);
    assert_eq!(before.len(), 14);
    assert_eq!(catenary(&["debug", "rebuild-index", "--data", &data]).status.code(), Some(0));
    let rebuilt = verify(&data);
    for (before, rebuilt) in before.iter().zip(&rebuilt) {
        assert_eq!((&before["chain"], &before["app_hash"]), (&rebuilt["chain"], &rebuilt["app_hash"]));
        assert_ne!(rebuilt["index"], "empty");
    }

    // The home bank's chain, of which every transfer went, in another folder.
    let home = before.iter().max_by_key(|chain| chain["height"].as_u64()).unwrap();
    let (chain, height) = (home["chain"].as_str().unwrap(), home["height"].as_u64().unwrap());
    let [copy, other] = ["copy", "other"].map(|name| folder.path().join(name).to_str().unwrap().to_owned());
    let export = catenary(&["debug", "export", "--data", &data, "--chain", chain, "--out", &copy]);
    assert!(text(&export.stdout).contains(&format!("{height} blocks, 1 to {height}")), "{export:?}");
    let import = ["debug", "import", "--data", &other, "--chain", chain, &copy];
    let refused = catenary(&import);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("--genesis"), "{refused:?}");
    assert!(!Path::new(&other).join("chains").join(chain).exists(), "nothing is made of a refused import");
    let genesis = format!("{data}/chains/{chain}/genesis");
    let taken = catenary(&[&import[..], &["--genesis", &genesis]].concat());
    assert_eq!(taken.status.code(), Some(0), "{}", text(&taken.stderr));
    assert_eq!(catenary(&["debug", "rebuild-index", "--data", &other]).status.code(), Some(0));
    let output = catenary(&["debug", "verify", "--data", &other, "-o", "json"]);
    // It has signed nothing, and the folder does not look as if it had.
    assert_eq!(output.status.code(), Some(1));
    let said: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&said["journal"], &said["guard"]), (&"none".into(), &"none".into()));
    let copied = &said["chains"][0];
    assert_eq!((&copied["app_hash"], &copied["faults"]), (&home["app_hash"], &Value::Array(Vec::new())));
}

#[test]
fn a_folder_or_chain_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let gone = folder.path().join("gone").to_str().unwrap().to_owned();
    let refused = catenary(&["debug", "verify", "--data", &gone]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains(&gone), "{refused:?}");
    assert!(!Path::new(&gone).exists());
    demo(folder.path());
    let data = folder.path().join("data/node-0").to_str().unwrap().to_owned();
    let refused = catenary(&["debug", "verify", "--data", &data, "--chain", "other-0123456789abcdef-1"]);
    assert_eq!(refused.status.code(), Some(1));
    assert!(text(&refused.stderr).contains("holds no chain other-0123456789abcdef-1"), "{refused:?}");
}
