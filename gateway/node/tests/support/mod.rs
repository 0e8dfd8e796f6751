//! What tests that end the demo in the middle share: how it is run, and what it must come to in the end.

use serde_json::Value;
use std::{
    path::Path,
    process::{Command, Output, Stdio},
};

/// The demo on a folder, with its report as JSON on stdout.
pub fn demo(data: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_catenary"));
    command.args(["demo", "--json"]).args(arguments).arg("--data").arg(data);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// A run came to its end: every order is settled once, and nothing is left over on any lane.
pub fn assert_settled(output: &Output, orders: u32, credited: &str) {
    let errors = String::from_utf8_lossy(&output.stderr);
    let report = serde_json::from_slice(&output.stdout);
    let report: Value = report.unwrap_or_else(|error| panic!("{error}, {}: {errors}", output.status));
    assert_eq!(report["differences"], serde_json::json!([]));
    assert!(output.status.success(), "{}: {errors}", output.status);
    assert_eq!((&report["orders"], &report["settled"]), (&orders.into(), &orders.into()));
    assert_eq!(report["credited"], credited);
    assert_eq!(report["reconciled"], true);
    let lanes = report["banks"].as_array().unwrap();
    assert_eq!(lanes.len(), 13);
    assert!(
        lanes.iter().all(|bank| bank["escrow"] == bank["vouchers"] && bank["escrow"] == bank["credited"])
    );
}
