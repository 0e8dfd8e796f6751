//! Reading bytes of a multiproof: every step says whether it could.

use catenary_crypto::Hash;

/// Tags of nodes.
pub(super) mod tag {
    pub(in crate::multiproof) const OPAQUE: u8 = 0;
    pub(in crate::multiproof) const INNER: u8 = 1;
    pub(in crate::multiproof) const QUERIED: u8 = 2;
    pub(in crate::multiproof) const OTHER: u8 = 3;
    pub(in crate::multiproof) const EMPTY: u8 = 4;
}

/// A position in a byte string.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
    length: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes, length: bytes.len() }
    }

    pub(super) fn offset(&self) -> usize {
        self.length - self.rest.len()
    }

    pub(super) fn is_at_end(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(bytes)
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        self.bytes(1).map(|bytes| bytes[0])
    }

    pub(super) fn hash(&mut self) -> Option<Hash> {
        self.bytes(Hash::LEN).and_then(Hash::from_slice)
    }

    /// A varint in its shortest form, at most 2⁶³ - 1.
    pub(super) fn varint(&mut self) -> Option<u64> {
        let mut number = 0_u64;
        for shift in (0..63).step_by(7) {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                let shortest = byte != 0 || shift == 0;
                return shortest.then_some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::critbit::varint;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn varints_come_back(number in 0..1_u64 << 63) {
            let bytes = varint(number);
            let mut reader = Reader::new(&bytes);
            prop_assert_eq!(reader.varint(), Some(number));
            prop_assert!(reader.is_at_end());
        }
    }

    #[test]
    fn long_forms_and_large_numbers_are_refused() {
        for bytes in [&[0x80, 0][..], &[0x81, 0x80, 0], &[0x80], &[], &[0xff; 9], &varint(u64::MAX)] {
            assert_eq!(Reader::new(bytes).varint(), None, "{bytes:?}");
        }
        assert_eq!(Reader::new(&[0]).varint(), Some(0));
    }
}
