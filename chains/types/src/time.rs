//! Heights and times.

use crate::wire::{Field, Reader, WireError};
use std::fmt;

/// The number of a block, from 1 on; 0 stands for the genesis state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Height(pub u64);

/// Nanoseconds since 1970-01-01T00:00:00Z; a header's time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub u64);

/// Whole seconds since 1970-01-01T00:00:00Z; deadlines are counted in them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct UnixSeconds(pub u64);

/// Nanoseconds in a second.
pub const NANOS_PER_SECOND: u64 = 1_000_000_000;

impl Height {
    /// The height after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The height before this one; the genesis has none.
    pub fn previous(self) -> Option<Self> {
        self.0.checked_sub(1).map(Self)
    }
}

impl Timestamp {
    /// Whole seconds, always rounded down: how times meet deadlines everywhere.
    pub fn seconds(self) -> UnixSeconds {
        UnixSeconds(self.0 / NANOS_PER_SECOND)
    }

    /// This time plus milliseconds, or the end of time.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms.saturating_mul(1_000_000)))
    }

    /// Nanoseconds from `earlier` to this time, 0 if it is not earlier.
    pub fn nanos_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl UnixSeconds {
    /// The first nanosecond of this second.
    pub fn start(self) -> Timestamp {
        Timestamp(self.0.saturating_mul(NANOS_PER_SECOND))
    }
}

impl fmt::Display for Height {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for UnixSeconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

macro_rules! number_field {
    ($($type:ident),+) => {$(
        impl Field for $type {
            fn write(&self, number: u32, out: &mut Vec<u8>) {
                self.0.write(number, out);
            }

            fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
                u64::read(number, input).map(Self)
            }
        }
    )+};
}

number_field!(Height, Timestamp, UnixSeconds);
