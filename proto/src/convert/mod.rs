//! Conversions between wire and domain types, one file per schema. All are `From` and `TryFrom`.

mod canonical;
mod gateway_service;
mod ledger_service;
mod peer_service;
mod raft;
mod submit;
mod views;

pub use gateway_service::store;

use crate::Malformed;
use catenary_crypto::Hash;
use std::{fmt::Display, str::FromStr};

/// A message that must be there.
pub fn required<T>(field: &str, value: Option<T>) -> Result<T, Malformed> {
    value.ok_or_else(|| Malformed::missing(field))
}

/// Text with a form of its own.
pub fn text<T: FromStr<Err: Display>>(field: &str, text: &str) -> Result<T, Malformed> {
    text.parse().map_err(|error| Malformed::new(field, error))
}

/// Bytes of a fixed number.
pub fn bytes<const N: usize>(field: &str, bytes: &[u8]) -> Result<[u8; N], Malformed> {
    let length = bytes.len();
    bytes.try_into().map_err(|_| Malformed::new(field, format!("expected {N} bytes, got {length}")))
}

/// A hash.
pub fn hash(field: &str, value: &[u8]) -> Result<Hash, Malformed> {
    bytes(field, value).map(Hash)
}

/// A message inside another.
pub(crate) fn nested<'a, W, D>(field: &str, value: &'a Option<W>) -> Result<D, Malformed>
where
    D: TryFrom<&'a W, Error = Malformed>,
{
    D::try_from(required(field, value.as_ref())?).map_err(|error| error.within(field))
}

/// Messages inside another.
pub(crate) fn list<'a, W, D>(field: &str, values: &'a [W]) -> Result<Vec<D>, Malformed>
where
    D: TryFrom<&'a W, Error = Malformed>,
{
    let convert =
        |(at, value)| D::try_from(value).map_err(|error: Malformed| error.within(&format!("{field}[{at}]")));
    values.iter().enumerate().map(convert).collect()
}
