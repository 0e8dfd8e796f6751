//! Names of the packet protocol: clients and sequences.

use crate::limits::{CLIENT_ID_BYTES_MAX, CLIENT_ID_BYTES_MIN, CLIENT_NUMBER_DIGITS_MAX};
use catenary_types::{
    IdError, WireError,
    wire::{Field, Reader},
};
use std::{fmt, str::FromStr, sync::Arc};

/// The type in the ids of clients that this crate makes.
pub const BFT_CLIENT_TYPE: &str = "bft-client";

/// The name of a light client on its chain: `{type}-{n}`, 8 to 64 characters, for example `bft-client-0`.
///
/// The type has letters, digits, `_` and inner `-`. So no byte of an id is a packet key's kind (1 to 3), and no
/// packet key is the prefix of another.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientId(Arc<str>);

impl ClientId {
    /// The n-th `bft` client of a chain.
    pub fn bft(number: u64) -> Self {
        Self(format!("{BFT_CLIENT_TYPE}-{number}").into())
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_client_id(text: &str) -> bool {
    let Some((kind, number)) = text.rsplit_once('-') else {
        return false;
    };
    let word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let kind_valid = kind.bytes().all(|byte| word(byte) || byte == b'-')
        && kind.bytes().next().is_some_and(word)
        && kind.bytes().next_back().is_some_and(word);
    let number_valid = (1..=CLIENT_NUMBER_DIGITS_MAX).contains(&number.len())
        && number.bytes().all(|byte| byte.is_ascii_digit())
        && number.parse::<u64>().is_ok()
        && (number == "0" || !number.starts_with('0'));
    (CLIENT_ID_BYTES_MIN..=CLIENT_ID_BYTES_MAX).contains(&text.len()) && kind_valid && number_valid
}

impl FromStr for ClientId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let error = || IdError {
            expected: "a client id {type}-{n} of 8 to 64 letters, digits, '_' and inner '-'",
            actual: text.chars().take(80).collect(),
        };
        is_client_id(text).then(|| Self(text.into())).ok_or_else(error)
    }
}

impl fmt::Display for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for ClientId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", &*self.0)
    }
}

catenary_types::text_item!(ClientId);

/// The number of a packet among those that one client sent; the first is 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The first packet of a client.
    pub const FIRST: Self = Self(1);
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Field for Sequence {
    fn write(&self, number: u32, out: &mut Vec<u8>) {
        self.0.write(number, out);
    }

    fn read(number: u32, input: &mut Reader<'_>) -> Result<Self, WireError> {
        u64::read(number, input).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn client_ids_have_one_form() {
        let longest = format!("{}-0", "a".repeat(62));
        for good in ["bft-client-0", "07-tendermint-12", "attestations-0", "a_b-c_d-7", &longest] {
            assert_eq!(good.parse::<ClientId>().unwrap().as_str(), good);
        }
        let too_long = format!("{}-0", "a".repeat(63));
        for bad in [
            "bft-0",
            "bft-client",
            "bft-client-",
            "bft-client-01",
            "-bft-client-0",
            "bft.client-0",
            "bft-client--0",
            "bft client-0",
            "bft-client-99999999999999999999",
            "bft-client-0\u{1}",
            &too_long,
            "",
        ] {
            assert!(bad.parse::<ClientId>().is_err(), "{bad} was accepted");
        }
    }
}
