//! What both trees share: the stored key and value, a child with its hash, and batches in order.

use crate::arena::NodeRef;
use catenary_crypto::Hash;

/// Most bytes of key and value together that stand in the slot itself.
const INLINE: usize = 61;

/// A key and its value, in one cache line if they are short, as nearly all are: then a leaf costs no allocation.
#[repr(align(64))]
pub(crate) struct Entry(Form);

enum Form {
    Inline { key_length: u8, value_length: u8, bytes: [u8; INLINE] },
    Spilled { bytes: Box<[u8]>, key_length: u32 },
}

const _: () = assert!(size_of::<Entry>() == 64);

impl Default for Entry {
    fn default() -> Self {
        Self(Form::Inline { key_length: 0, value_length: 0, bytes: [0; INLINE] })
    }
}

impl Entry {
    pub(crate) fn new(key: &[u8], value: &[u8]) -> Self {
        let length = key.len() + value.len();
        if length <= INLINE {
            let mut bytes = [0; INLINE];
            bytes[..key.len()].copy_from_slice(key);
            bytes[key.len()..length].copy_from_slice(value);
            let (key_length, value_length) = (key.len() as u8, value.len() as u8);
            return Self(Form::Inline { key_length, value_length, bytes });
        }
        let key_length = u32::try_from(key.len()).expect("keys are far below 4 GiB");
        Self(Form::Spilled { bytes: [key, value].concat().into_boxed_slice(), key_length })
    }

    pub(crate) fn key(&self) -> &[u8] {
        match &self.0 {
            Form::Inline { key_length, bytes, .. } => &bytes[..usize::from(*key_length)],
            Form::Spilled { bytes, key_length } => &bytes[..*key_length as usize],
        }
    }

    pub(crate) fn value(&self) -> &[u8] {
        match &self.0 {
            Form::Inline { key_length, value_length, bytes } => {
                let from = usize::from(*key_length);
                &bytes[from..from + usize::from(*value_length)]
            }
            Form::Spilled { bytes, key_length } => &bytes[*key_length as usize..],
        }
    }

    /// Bytes held outside the slot.
    pub(crate) fn spilled_bytes(&self) -> usize {
        match &self.0 {
            Form::Inline { .. } => 0,
            Form::Spilled { bytes, .. } => bytes.len(),
        }
    }
}

/// A child as its parent stores it. With the hash beside the reference a parent is re-hashed without touching the
/// sibling's memory.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Child {
    pub(crate) node: NodeRef,
    pub(crate) hash: Hash,
}

impl Child {
    /// The empty tree; its hash is the Jellyfish placeholder.
    pub(crate) const EMPTY: Self = Self { node: NodeRef::EMPTY, hash: crate::jellyfish::PLACEHOLDER };
}

impl Default for Child {
    fn default() -> Self {
        Self::EMPTY
    }
}

/// One change of a batch, already in the tree's order.
#[derive(Clone, Copy)]
pub(crate) struct Op<'a, P> {
    /// What the tree orders and splits by.
    pub(crate) path: P,
    pub(crate) key: &'a [u8],
    /// `None` deletes.
    pub(crate) value: Option<&'a [u8]>,
}

/// Sorts a batch by path; of several changes to one key the last counts.
pub(crate) fn sort_batch<P: AsRef<[u8]> + Eq>(ops: &mut Vec<Op<'_, P>>) {
    ops.sort_by(|a, b| {
        let (a, b) = (a.path.as_ref(), b.path.as_ref());
        // Hashes nearly always differ in their first bytes, which are compared without a call.
        let first = |bytes: &[u8]| bytes.first_chunk().map(|first| u64::from_be_bytes(*first));
        match (first(a), first(b)) {
            (Some(first_a), Some(first_b)) if first_a != first_b => first_a.cmp(&first_b),
            _ => a.cmp(b),
        }
    });
    ops.dedup_by(|later, kept| {
        let same = later.path == kept.path;
        if same {
            std::mem::swap(later, kept);
        }
        same
    });
}

/// Bit `at` of `bytes`, most significant first; past the end bits are 0.
pub(crate) fn bit(bytes: &[u8], at: usize) -> bool {
    bytes.get(at / 8).is_some_and(|byte| byte >> (7 - at % 8) & 1 == 1)
}

/// Number of leading bits that two byte strings share, the shorter one extended by zeros; `None` if all are equal.
pub(crate) fn first_difference(left: &[u8], right: &[u8]) -> Option<usize> {
    (0..left.len().max(right.len())).find_map(|at| {
        let byte = |bytes: &[u8]| bytes.get(at).copied().unwrap_or(0);
        let difference = byte(left) ^ byte(right);
        (difference != 0).then(|| at * 8 + difference.leading_zeros() as usize)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_every_length_give_back_what_they_hold() {
        for (key, value) in
            [(1, 1), (24, 16), (1, INLINE - 1), (INLINE, 0), (INLINE, 1), (1, INLINE), (900, 9_000)]
        {
            let (key, value) = (vec![1; key], vec![2; value]);
            let entry = Entry::new(&key, &value);
            assert_eq!((entry.key(), entry.value()), (&key[..], &value[..]));
            let spilled = if key.len() + value.len() <= INLINE { 0 } else { key.len() + value.len() };
            assert_eq!(entry.spilled_bytes(), spilled);
        }
    }

    #[test]
    fn the_last_change_of_a_key_counts() {
        let op = |path, value| Op { path, key: b"k", value: Some(value) };
        let mut ops = vec![op("2", b"a"), op("1", b"b"), op("2", b"c"), op("2", b"d")];
        sort_batch(&mut ops);
        let left: Vec<_> = ops.iter().map(|op| (op.path, op.value)).collect();
        assert_eq!(left, [("1", Some(&b"b"[..])), ("2", Some(&b"d"[..]))]);
    }

    #[test]
    fn first_difference_counts_bits_from_the_left() {
        assert_eq!(first_difference(b"\x80", b"\x00"), Some(0));
        assert_eq!(first_difference(b"a\x01", b"a\x00"), Some(15));
        assert_eq!(first_difference(b"a", b"a\x00"), None);
        assert_eq!(first_difference(b"a", b"a\x10"), Some(11));
    }
}
