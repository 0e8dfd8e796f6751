//! One reading per message: CometBFT's messages, checked field by field before any decoder sees them.
//!
//! Protobuf lets a field stand twice, in any order, unknown ones beside known ones, and numbers be longer than their
//! type; decoders differ in what they make of it. Here such bytes are refused, so that every decoder reads the same
//! from what passes. A message that may be left out may also be there and empty, as Go writes it.

use catenary_types::{WireError, wire::Reader};

/// What stands in a field.
#[derive(Clone, Copy)]
enum Kind {
    /// A number of at most this value, never a written-out 0.
    Number(u64),
    /// Bytes or text, never a written-out empty one.
    Bytes,
    /// A message, at most once.
    One(&'static Schema),
    /// Messages, any number of them.
    Many(&'static Schema),
}

/// Fields in ascending order of their numbers.
pub(super) struct Schema(&'static [(u32, Kind)]);

const INT64: Kind = Kind::Number(u64::MAX);
const POSITIVE_INT64: Kind = Kind::Number(i64::MAX as u64);
const POSITIVE_INT32: Kind = Kind::Number(i32::MAX as u64);
const UINT32: Kind = Kind::Number(u32::MAX as u64);
const NANOS: Kind = Kind::Number(999_999_999);
const FLAG: Kind = Kind::Number(3);

static TIMESTAMP: Schema = Schema(&[(1, INT64), (2, NANOS)]);
static VERSION: Schema = Schema(&[(1, INT64), (2, INT64)]);
static PART_SET_HEADER: Schema = Schema(&[(1, UINT32), (2, Kind::Bytes)]);
static BLOCK_ID: Schema = Schema(&[(1, Kind::Bytes), (2, Kind::One(&PART_SET_HEADER))]);
static HEADER: Schema = Schema(&[
    (1, Kind::One(&VERSION)),
    (2, Kind::Bytes),
    (3, POSITIVE_INT64),
    (4, Kind::One(&TIMESTAMP)),
    (5, Kind::One(&BLOCK_ID)),
    (6, Kind::Bytes),
    (7, Kind::Bytes),
    (8, Kind::Bytes),
    (9, Kind::Bytes),
    (10, Kind::Bytes),
    (11, Kind::Bytes),
    (12, Kind::Bytes),
    (13, Kind::Bytes),
    (14, Kind::Bytes),
]);
static COMMIT_SIG: Schema =
    Schema(&[(1, FLAG), (2, Kind::Bytes), (3, Kind::One(&TIMESTAMP)), (4, Kind::Bytes)]);
static COMMIT: Schema = Schema(&[
    (1, POSITIVE_INT64),
    (2, POSITIVE_INT32),
    (3, Kind::One(&BLOCK_ID)),
    (4, Kind::Many(&COMMIT_SIG)),
]);
/// `tendermint.types.SignedHeader`.
pub(super) static SIGNED_HEADER: Schema = Schema(&[(1, Kind::One(&HEADER)), (2, Kind::One(&COMMIT))]);

/// Ed25519 only.
static PUBLIC_KEY: Schema = Schema(&[(1, Kind::Bytes)]);
static VALIDATOR: Schema =
    Schema(&[(1, Kind::Bytes), (2, Kind::One(&PUBLIC_KEY)), (3, POSITIVE_INT64), (4, INT64)]);
/// `tendermint.types.ValidatorSet`.
pub(super) static VALIDATOR_SET: Schema =
    Schema(&[(1, Kind::Many(&VALIDATOR)), (2, Kind::One(&VALIDATOR)), (3, POSITIVE_INT64)]);

impl Schema {
    /// Checks that `bytes` can be read in one way only.
    pub(super) fn check(&self, bytes: &[u8]) -> Result<(), WireError> {
        let mut input = Reader::new(bytes);
        for (number, kind) in self.0.iter().copied() {
            match kind {
                Kind::Number(limit) => match input.varint(number)? {
                    Some(0) => return Err(WireError::SpelledDefault { number }),
                    Some(value) if value > limit => {
                        return Err(WireError::Value { number, reason: format!("expected at most {limit}") });
                    }
                    _ => {}
                },
                Kind::Bytes => {
                    if input.bytes(number)?.is_some_and(<[u8]>::is_empty) {
                        return Err(WireError::SpelledDefault { number });
                    }
                }
                Kind::One(schema) => {
                    input.bytes(number)?.map_or(Ok(()), |content| schema.check(content))?;
                }
                Kind::Many(schema) => {
                    while let Some(content) = input.bytes(number)? {
                        schema.check(content)?;
                    }
                }
            }
        }
        input.finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_spelling_is_refused() {
        let block_id = |bytes: &[u8]| BLOCK_ID.check(bytes);
        assert_eq!(TIMESTAMP.check(&[0x08, 1, 0x10, 5]), Ok(()));
        assert_eq!(block_id(&[0x12, 0]), Ok(()), "an empty message may be there");
        let refused: [(&[u8], &str); 8] = [
            (&[0x10, 5, 0x08, 1], "order"),
            (&[0x08, 1, 0x08, 1], "repeated"),
            (&[0x08, 1, 0x18, 1], "unknown"),
            (&[0x08, 0], "default written out"),
            (&[0x08, 0x81, 0], "long number"),
            (&[0x0a, 1, 1], "wire type"),
            (&[0x08], "truncated"),
            (&[0x10, 0x80, 0x94, 0xeb, 0xdc, 0x03], "nanoseconds of a second and more"),
        ];
        for (bytes, what) in refused {
            assert!(TIMESTAMP.check(bytes).is_err(), "{what} was accepted");
        }
        assert!(block_id(&[0x0a, 0]).is_err(), "empty bytes written out were accepted");
        assert!(block_id(&[0x12, 0, 0x12, 0]).is_err(), "a message twice was accepted");
        // A flag of 2 in the lower 32 bits: a decoder that cuts reads a vote for the block.
        assert!(COMMIT_SIG.check(&[0x08, 0x82, 0x80, 0x80, 0x80, 0x10]).is_err());
    }
}
