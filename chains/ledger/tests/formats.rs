//! Keys of the ledger's own stores, the digests of the replay window and the published reasons, pinned in
//! `fixtures/formats.txt`. The records under the keys are pinned where all messages are, in `proto/tests`.
//!
//! A failure is a fork of every chain; its message holds the text that the file would have to be.

#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use catenary_crypto::{Hash, merkle_root, sha256};
use catenary_ledger::{
    Reason, ReplayChange, ReplayWindow,
    records::{AdminKey, committee_account},
    reference_key,
};
use catenary_types::{AccountId, Address, Height, RequestId, VoteKind};
use std::fmt::Write;

const SENDER: AccountId = AccountId([0xaa; 20]);

fn request(number: u8) -> (AccountId, RequestId) {
    (SENDER, RequestId([number; 16]))
}

/// Two ids in one minute and one in another.
fn window() -> ReplayWindow {
    let mut window = ReplayWindow::default();
    let entered = vec![(30_000_005, request(1)), (30_000_004, request(2)), (30_000_005, request(3))];
    window.apply(&ReplayChange { drop_below: 0, entered });
    window
}

/// Lines of name and value: text, or bytes in hex.
fn pins() -> String {
    let mut lines = String::new();
    let mut text = |name: &str, value: &str| writeln!(lines, "{name} = {value}").unwrap();
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let organisation = "CZ.BANK".parse().unwrap();
    let instance = "asset".parse().unwrap();
    let chain = "berka".parse().unwrap();
    text("committee", &committee_account().to_string());
    text("admin key of an account", &hex(AdminKey::Account(&SENDER).bytes()));
    text("admin key of an organisation", &hex(AdminKey::Organisation(&organisation).bytes()));
    text("admin key of an instance", &hex(AdminKey::Instance(&instance).bytes()));
    text("admin key of the parameters", &hex(AdminKey::Parameters.bytes()));
    text("admin key of the validators", &hex(AdminKey::Validators.bytes()));
    text("admin key of the past validators", &hex(AdminKey::PastValidators.bytes()));
    let (height, round, kind) = (Height(0x0102_0304_0506_0708), 0x090a_0b0c, VoteKind::Precommit);
    let step = AdminKey::Equivocation { validator: &Address([0xbb; 20]), height, round, kind };
    text("admin key of an equivocation", &hex(step.bytes()));
    text("admin key of a chain", &hex(AdminKey::Chain(&chain).bytes()));
    text("admin key of a readiness", &hex(AdminKey::Readiness(&Address([0xbb; 20])).bytes()));
    text("index key of a reference", &hex(reference_key(&SENDER, &"order-29401".parse().unwrap())));
    let mut window = window();
    text("replay root of none", &ReplayWindow::default().root().to_string());
    text("replay root of two minutes", &window.root().to_string());
    window.apply(&ReplayChange { drop_below: 30_000_005, entered: Vec::new() });
    text("replay root of one minute", &window.root().to_string());
    for reason in Reason::ALL {
        text(&format!("reason {}", reason.code()), reason.name());
    }
    lines
}

#[test]
fn every_hashed_byte_is_as_committed() {
    let actual = pins();
    assert!(actual == include_str!("fixtures/formats.txt"), "not the committed bytes:\n{actual}");
}

#[test]
fn the_formula_of_the_replay_window_gives_the_pinned_roots() {
    let digest = |ids: &[u8]| {
        let enter = |digest: Hash, id: &u8| sha256(&[&digest.0[..], &SENDER.0, &[*id; 16]].concat());
        ids.iter().fold(Hash::default(), enter)
    };
    let leaf = |minute: u64, ids: &[u8]| [&minute.to_be_bytes()[..], &digest(ids).0].concat();
    let root = merkle_root(&[leaf(30_000_004, &[2]), leaf(30_000_005, &[1, 3])]);
    assert_eq!(window().root(), root);
}
