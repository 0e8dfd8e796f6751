//! Identifiers: each a type of its own, well formed by construction.

use crate::limits::{
    ACCOUNT_NUMBER_BYTES_MAX, ASSET_ID_BYTES_MAX, CHAIN_NAME_BYTES_MAX, INSTANCE_NAME_BYTES_MAX,
    ORGANISATION_BYTES_MAX, REFERENCE_BYTES_MAX, REVISION_DIGITS_MAX,
};
use catenary_crypto::{Hash, PublicKey, sha256_parts};
use std::{fmt, str::FromStr, sync::Arc};

/// Text or bytes that are no identifier of the kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got {actual:?}")]
pub struct IdError {
    /// The form that the identifier has.
    pub expected: &'static str,
    /// What came, cut to 80 characters.
    pub actual: String,
}

fn check(valid: bool, expected: &'static str, text: &str) -> Result<(), IdError> {
    if valid { Ok(()) } else { Err(IdError { expected, actual: text.chars().take(80).collect() }) }
}

/// Defines a text identifier: cheap to clone, checked when made.
macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident, $expected:literal, $valid:expr) => {
        $(#[$meta])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                let valid: fn(&str) -> bool = $valid;
                check(valid(text), $expected, text)?;
                Ok(Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{:?}", &*self.0)
            }
        }

        crate::text_item!($name);
    };
}

/// Defines an identifier of fixed length, shown in lower-case hex.
macro_rules! bytes_id {
    ($(#[$meta:meta])* $name:ident, $length:literal) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $length]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        crate::fixed_bytes_item!($name, $length);
    };
}

fn is_visible_ascii(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn is_chain_name(text: &str) -> bool {
    let starts_with_letter = text.starts_with(|c: char| c.is_ascii_lowercase());
    let parts_valid = text.split('-').all(|part| {
        !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
    });
    text.len() <= CHAIN_NAME_BYTES_MAX && starts_with_letter && parts_valid
}

fn is_revision(text: &str) -> bool {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits && text.len() <= REVISION_DIGITS_MAX && !text.starts_with('0')
}

fn is_chain_id(text: &str) -> bool {
    let mut parts = text.rsplitn(3, '-');
    let (Some(revision), Some(hash), Some(name)) = (parts.next(), parts.next(), parts.next()) else {
        return false;
    };
    let hash_valid =
        hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    is_revision(revision) && hash_valid && is_chain_name(name)
}

text_id!(
    /// What people call a chain. Unique only together with its genesis, see [`ChainId`].
    ChainName,
    "a name of at most 26 lower-case letters, digits and inner hyphens that starts with a letter",
    is_chain_name
);

text_id!(
    /// `<name>-<16 hex of the genesis hash>-<revision>`: a chain re-created under the same name is another chain.
    ChainId,
    "a chain id <name>-<16 hex digits>-<revision>",
    is_chain_id
);

text_id!(
    /// A member of the consortium, for example a bank.
    Organisation,
    "an organisation of 1 to 32 characters: letters, digits, '.', '_' or '-'",
    |text| {
        let valid = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        (1..=ORGANISATION_BYTES_MAX).contains(&text.len()) && text.bytes().all(valid)
    }
);

text_id!(
    /// An organisation's own number for an account, for example an IBAN.
    AccountNumber,
    "an account number of 1 to 34 visible ASCII characters without '/'",
    |text| {
        (1..=ACCOUNT_NUMBER_BYTES_MAX).contains(&text.len()) && is_visible_ascii(text) && !text.contains('/')
    }
);

text_id!(
    /// The name of an asset; a voucher's is its trace, `port/client/name`.
    AssetId,
    "an asset of 1 to 128 visible ASCII characters",
    |text| (1..=ASSET_ID_BYTES_MAX).contains(&text.len()) && is_visible_ascii(text)
);

text_id!(
    /// The name of an app instance on a chain.
    InstanceName,
    "an instance name of 1 to 32 lower-case letters, digits and hyphens",
    |text| {
        let valid = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        (1..=INSTANCE_NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(valid)
    }
);

text_id!(
    /// A sender's own name for a transaction, unique per sender for ever.
    Reference,
    "a reference of 1 to 64 visible ASCII characters",
    |text| (1..=REFERENCE_BYTES_MAX).contains(&text.len()) && is_visible_ascii(text)
);

bytes_id!(
    /// CometBFT's address of a validator: the first 20 bytes of the SHA-256 of its key.
    Address,
    20
);

bytes_id!(
    /// An account: the first 20 bytes of a hash over organisation and number. Not a key: keys come and go.
    AccountId,
    20
);

bytes_id!(
    /// A client's own id for a submission, unique per sender while the transaction can be applied.
    RequestId,
    16
);

/// A transaction: the SHA-256 of its body.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TxId(pub Hash);

impl fmt::Display for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for TxId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl crate::wire::Item for TxId {
    fn write_content(&self, out: &mut Vec<u8>) {
        self.0.write_content(out);
    }

    fn read_content(bytes: &[u8]) -> Result<Self, String> {
        Hash::read_content(bytes).map(Self)
    }
}

crate::required_field!(TxId);

impl ChainId {
    /// The id of the chain that starts from a genesis of this hash.
    pub fn new(name: &ChainName, genesis_hash: &Hash, revision: u32) -> Result<Self, IdError> {
        let hash = genesis_hash.to_string();
        format!("{name}-{}-{revision}", &hash[..16]).parse()
    }

    /// The part that people use.
    pub fn name(&self) -> &str {
        self.0.rsplitn(3, '-').last().unwrap_or_default()
    }

    /// The same as a name.
    pub fn chain_name(&self) -> ChainName {
        self.name().parse().expect("an id begins with a name")
    }

    /// The revision: changes only with a new genesis.
    pub fn revision(&self) -> u64 {
        let digits = self.0.rsplit('-').next().unwrap_or_default();
        digits.parse().unwrap_or_default()
    }
}

impl Address {
    /// The address of a key.
    pub fn of(key: &PublicKey) -> Self {
        Self(catenary_crypto::address(key))
    }
}

impl AccountId {
    const TAG: &[u8] = b"catenary/account/1";

    /// The id of an account, known before the account exists.
    pub fn new(organisation: &Organisation, number: &AccountNumber) -> Self {
        let (organisation, number) = (organisation.as_str(), number.as_str());
        let length =
            |text: &[u8]| [u8::try_from(text.len()).expect("identifiers are shorter than 256 bytes")];
        let hash = sha256_parts(&[
            &length(Self::TAG),
            Self::TAG,
            &length(organisation.as_bytes()),
            organisation.as_bytes(),
            &length(number.as_bytes()),
            number.as_bytes(),
        ]);
        let mut id = [0; 20];
        id.copy_from_slice(&hash.0[..20]);
        Self(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chain_ids_that_stock_verifiers_read_differently_are_refused() {
        let hash = "0123456789abcdef";
        for good in [format!("berka-{hash}-1"), format!("a-b2-{hash}-999999")] {
            assert!(good.parse::<ChainId>().is_ok(), "{good}");
        }
        for bad in [
            format!("berka-{hash}-0"),
            format!("berka-{hash}-01"),
            format!("berka-{hash}--1"),
            format!("berka-{hash}-1000000"),
            format!("Berka-{hash}-1"),
            format!("1berka-{hash}-1"),
            format!("berka-{}-1", &hash[1..]),
            format!("{}-{hash}-1", "a".repeat(27)),
            "berka-1".into(),
            String::new(),
        ] {
            assert!(bad.parse::<ChainId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_chain_id_knows_its_parts() {
        let id: ChainId = "north-bank-0123456789abcdef-12".parse().unwrap();
        assert_eq!((id.name(), id.revision()), ("north-bank", 12));
    }

    #[test]
    fn account_id_is_pinned() {
        let id = AccountId::new(&"YZ".parse().unwrap(), &"87144583".parse().unwrap());
        assert_eq!(id.to_string(), include_str!("../tests/fixtures/account_id.hex").trim());
    }
}
