//! Files from strangers: evidence of a run, and payment orders.

use crate::{alteration::alter, input::Input};
use catenary_orders::{BANKS, BERKA, HOME, read};
use catenary_packet::testing::{START, TestChain, apps, validator};
use catenary_transfer::Transfer;
use catenary_types::{Committee, Genesis, Timestamp, testing};
use catenary_verify::{HomeWriter, Summary, evidence::HOME_FILE, verify};
use std::{fs, path::Path};
use tempfile::TempDir;

/// Blocks of the home chain.
const BLOCKS: usize = 3;
/// Rows of the orders to start from.
const ROWS: usize = 4;

/// A folder with evidence, and what it proves.
struct Evidence {
    folder: TempDir,
    original: Vec<u8>,
    summary: Summary,
}

thread_local! {
    static EVIDENCE: Evidence = Evidence::new();
}

impl Evidence {
    fn new() -> Self {
        let folder = TempDir::new().expect("a folder for evidence");
        write(folder.path());
        let original = fs::read(folder.path().join(HOME_FILE)).expect("the file was just written");
        let summary = verify(&[], 1, folder.path());
        let summary = summary.unwrap_or_else(|error| panic!("good evidence proves nothing: {error}"));
        Self { folder, original, summary }
    }
}

/// A home chain of four validators on which nothing happens.
fn write(folder: &Path) {
    let name = HOME.to_lowercase();
    let set = (0..4).map(|index| validator(&name, index, 10)).collect();
    let committee = Committee { threshold: 1, keys: vec![validator(&name, 0, 10).public_key] };
    let genesis = Genesis {
        committee,
        organisations: vec![HOME.parse().expect("an organisation")],
        instances: [catenary_packet::KIND, catenary_transfer::KIND].map(testing::instance).to_vec(),
        ..testing::genesis(&name, Timestamp(START.start().0 - 1), set)
    };
    let apps = apps().with(catenary_transfer::KIND, Transfer);
    let mut chain = TestChain::from_genesis(genesis, apps, START.start());
    (1..BLOCKS).for_each(|_| chain.seal());
    let mut writer = HomeWriter::create(folder, &chain.genesis).expect("the folder takes files");
    for block in &chain.blocks {
        let written = writer.block(&block.signed, &block.validators, &block.envelopes, &block.receipts);
        written.expect("the folder takes files");
    }
    writer.finish().expect("the last block is empty");
}

/// Alters a file of evidence once: no byte can change, and none can be left out.
pub fn altered_evidence(data: &[u8]) {
    EVIDENCE.with(|evidence| {
        let mut bytes = evidence.original.clone();
        alter(&mut Input::new(data), &mut bytes);
        fs::write(evidence.folder.path().join(HOME_FILE), &bytes).expect("the folder takes files");
        match verify(&[], 1, evidence.folder.path()) {
            Ok(summary) => {
                assert_eq!(bytes, evidence.original, "altered evidence passed");
                assert_eq!(summary, evidence.summary);
            }
            Err(error) => assert!(bytes != evidence.original, "good evidence is refused: {error}"),
        }
    });
}

/// Reads payment orders: every row is an order or a refusal, once, in order of lines.
pub fn order_files(data: &[u8]) {
    let orders = read(data);
    let mut lines: Vec<_> = orders.orders.iter().map(|order| order.line).collect();
    lines.extend(orders.refused.iter().map(|refused| refused.line));
    lines.sort_unstable();
    let rows = (1..).zip(data.split(|byte| *byte == b'\n')).skip(1);
    let filled: Vec<u64> =
        rows.filter(|(_, row)| !row.trim_ascii().is_empty()).map(|(line, _)| line).collect();
    assert_eq!(lines, filled, "a row is missing, or is there twice");
    assert!(orders.orders.is_sorted_by(|one, other| one.line < other.line));
    assert!(orders.orders.iter().all(|order| order.bank < BANKS.len() && order.amount.0 > 0));
}

/// The first rows of the compiled-in orders.
pub fn order_samples() -> Vec<Vec<u8>> {
    let rows: Vec<_> = BERKA.split_inclusive(|byte| *byte == b'\n').take(1 + ROWS).collect();
    vec![rows.concat()]
}
