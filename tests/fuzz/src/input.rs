//! Choices out of bytes: whatever the fuzzer gives is read as a script, and a script that ends goes on with zeros.

/// The part of the bytes that was not read yet.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// Starts at the first byte.
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether all was read.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was not read yet.
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// The next bytes, fewer than asked for at the end.
    pub fn bytes(&mut self, length: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(length.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// The next bytes, filled up with zeros.
    pub fn array<const N: usize>(&mut self) -> [u8; N] {
        let mut array = [0; N];
        let taken = self.bytes(N);
        array[..taken.len()].copy_from_slice(taken);
        array
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        self.array::<1>()[0]
    }

    /// A number of any size; small ones and those near the limits of their type are as likely as all others.
    pub fn number(&mut self) -> u64 {
        let kind = self.byte();
        let number = u64::from_le_bytes(self.array());
        match kind % 4 {
            0 => number % 8,
            1 => u64::MAX - number % 8,
            2 => (1u64 << (number % 64)).wrapping_sub(number >> 6 & 1),
            _ => number,
        }
    }

    /// True once in so many times.
    pub fn one_in(&mut self, times: u8) -> bool {
        self.byte().is_multiple_of(times)
    }

    /// One of these.
    pub fn choose<'c, T>(&mut self, of: &'c [T]) -> &'c T {
        &of[self.below(of.len())]
    }

    /// A number below a limit, which is not 0.
    pub fn below(&mut self, limit: usize) -> usize {
        usize::from(u16::from_le_bytes(self.array())) % limit
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_script_that_ends_goes_on_with_zeros() {
        let mut input = Input::new(&[3, 1, 2]);
        assert_eq!((input.byte(), input.array::<4>(), input.is_empty()), (3, [1, 2, 0, 0], true));
        assert_eq!((input.number(), input.below(7), input.bytes(9)), (0, 0, &[][..]));
    }

    #[test]
    fn numbers_reach_the_limits_of_their_type() {
        let number = |kind: u8, of: u64| Input::new(&[&[kind], &of.to_le_bytes()[..]].concat()).number();
        assert_eq!((number(0, 13), number(1, 0), number(3, 77)), (5, u64::MAX, 77));
        assert_eq!((number(2, 63), number(2, 64 + 63)), (1 << 63, i64::MAX as u64));
    }
}
