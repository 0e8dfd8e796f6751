//! Seeded inputs for a target: random bytes, and its seeds, altered.

use crate::{Target, alteration::altered, input::Input};

/// Longest random input.
const RANDOM_BYTES_MAX: u64 = 400;
/// Bytes of a script of alterations.
const SCRIPT_BYTES: usize = 64;

/// SplitMix64: the seed is the test.
#[derive(Clone, Debug)]
pub struct Cases(u64);

impl Cases {
    /// The cases of a seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// So many random bytes.
    pub fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }

    /// Random bytes of random length.
    pub fn random(&mut self) -> Vec<u8> {
        let length = self.next() % RANDOM_BYTES_MAX;
        self.bytes(length as usize)
    }

    /// One of the seeds, altered; random bytes if there is none.
    pub fn structured(&mut self, seeds: &[Vec<u8>]) -> Vec<u8> {
        let Some(seed) = seeds.get(self.next() as usize % seeds.len().max(1)) else { return self.random() };
        altered(&mut Input::new(&self.bytes(SCRIPT_BYTES)), seed)
    }
}

impl Target {
    /// Runs the body over its seeds, over so many random inputs and over as many altered seeds.
    pub fn run(&self, cases: usize) {
        let seeds = (self.seeds)();
        seeds.iter().for_each(|seed| (self.body)(seed));
        // The name is part of the seed, so that targets that take scripts do not all see the same ones.
        let mut inputs = Cases::new(
            self.name.bytes().fold(0u64, |seed, byte| seed.wrapping_mul(31).wrapping_add(byte.into())),
        );
        for _ in 0..cases {
            (self.body)(&inputs.random());
            (self.body)(&inputs.structured(&seeds));
        }
    }
}
