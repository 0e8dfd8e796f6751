//! Headers of segments: fields of a fixed length under a checksum, written twice, so that no single flip costs one.

use crate::layout::{CHECKSUM_LEN, Checksum, Reader, UnsupportedVersion, checksum};

/// What the two copies of a header add up to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum HeaderRead<H> {
    Good(H),
    /// One copy is good, the one at this offset is not.
    OneBad(H, usize),
    Bad,
}

/// What a segment says about itself at its start.
pub(crate) trait Doubled: Eq + Sized {
    /// The first bytes of every file of the format.
    const MAGIC: &'static [u8; 8];
    /// Version of the format that this build writes and reads.
    const VERSION: u32;
    /// Separates its checksums from others.
    const CHECKSUM_TAG: &'static [u8];
    /// Length of one copy.
    const LEN: usize;

    /// Appends what stands between the version and the checksum.
    fn write_fields(&self, out: &mut Vec<u8>);

    /// Reads what [`Self::write_fields`] wrote.
    fn read_fields(fields: Reader<'_>) -> Option<Self>;

    /// Both copies.
    fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(2 * Self::LEN);
        out.extend_from_slice(Self::MAGIC);
        out.extend_from_slice(&Self::VERSION.to_be_bytes());
        self.write_fields(&mut out);
        let sum = checksum_of::<Self>(&out);
        out.extend_from_slice(&sum);
        debug_assert_eq!(out.len(), Self::LEN);
        out.extend_from_within(..);
        out
    }

    /// Reads both copies at the start of a segment.
    fn read(segment: &[u8]) -> Result<HeaderRead<Self>, UnsupportedVersion> {
        let [first, second] = [0, Self::LEN].map(|at| segment.get(at..at + Self::LEN));
        Ok(match [first, second].map(|copy| copy.and_then(decode::<Self>)) {
            [Some(one), Some(two)] if one == two => HeaderRead::Good(one),
            [Some(_), Some(_)] => HeaderRead::Bad,
            [Some(one), None] => HeaderRead::OneBad(one, Self::LEN),
            [None, Some(two)] => HeaderRead::OneBad(two, 0),
            // A flipped bit cannot change both copies, a newer version does.
            [None, None] => match [first, second].map(|copy| copy.and_then(version::<Self>)) {
                [Some(one), Some(two)] if one == two && one != Self::VERSION => {
                    return Err(UnsupportedVersion { found: one, supported: Self::VERSION });
                }
                _ => HeaderRead::Bad,
            },
        })
    }
}

fn decode<H: Doubled>(copy: &[u8]) -> Option<H> {
    let (covered, sum) = copy.split_at_checked(H::LEN - CHECKSUM_LEN)?;
    if version::<H>(copy) != Some(H::VERSION) || checksum_of::<H>(covered) != sum {
        return None;
    }
    H::read_fields(Reader(&covered[H::MAGIC.len() + size_of_val(&H::VERSION)..]))
}

fn version<H: Doubled>(copy: &[u8]) -> Option<u32> {
    Reader(copy.strip_prefix(H::MAGIC)?).u32()
}

fn checksum_of<H: Doubled>(covered: &[u8]) -> Checksum {
    checksum(&[H::CHECKSUM_TAG, covered])
}
