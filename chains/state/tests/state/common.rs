//! Shared by the tests: a seeded generator and keys.

use std::ops::Range;

/// SplitMix64: the seed is the test.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub fn within(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }
}

/// `client ‖ kind ‖ BE64(sequence)`.
pub fn packet_key(client: &str, kind: u8, sequence: u64) -> Vec<u8> {
    [client.as_bytes(), &[kind], &sequence.to_be_bytes()].concat()
}
