//! Inputs to start from: the committed encodings of every hashed message, and scripts.

use crate::{cases::Cases, decoders::Group};

/// A line for each message of the schemas, `name = hex`.
const MESSAGES: &str = include_str!("../../../proto/tests/fixtures/messages.txt");
/// Scripts to start from; a script has no form, so a few will do.
const SCRIPTS: u64 = 8;

/// Every committed message: the schema's full name, maybe with the case of a oneof behind it, and the bytes.
pub fn messages() -> Vec<(&'static str, Vec<u8>)> {
    let lines = MESSAGES.lines().filter_map(|line| line.split_once(" = "));
    lines.map(|(name, hex)| (name, unhex(hex))).collect()
}

/// The committed messages that belong to a group of decoders.
pub fn of(group: Group) -> Vec<Vec<u8>> {
    let belongs = |name: &str| group.iter().any(|decoder| decoder.reads(name));
    messages().into_iter().filter(|(name, _)| belongs(name)).map(|(_, bytes)| bytes).collect()
}

/// Scripts of different lengths.
pub fn scripts() -> Vec<Vec<u8>> {
    (0..SCRIPTS).map(|seed| Cases::new(seed).bytes(8 << (seed % 4))).collect()
}

/// The bytes of a line of hex.
pub fn unhex(text: &str) -> Vec<u8> {
    let pairs = text.trim().as_bytes().chunks(2);
    let byte = |pair: &[u8]| {
        let digits = std::str::from_utf8(pair).expect("fixtures are ASCII");
        u8::from_str_radix(digits, 16).expect("fixtures hold hex")
    };
    pairs.map(byte).collect()
}
