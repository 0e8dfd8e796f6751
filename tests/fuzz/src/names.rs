//! Texts with a form: whatever parses is written as it was read, and is no longer than it may be.

use catenary_apps::asset::LaneName;
use catenary_packet::ClientId;
use catenary_transfer::{data, denom};
use catenary_types::{
    AccountNumber, Amount, AssetId, ChainId, ChainName, InstanceName, Organisation, Reference,
    limits::{
        ACCOUNT_NUMBER_BYTES_MAX, ASSET_ID_BYTES_MAX, CHAIN_ID_BYTES_MAX, CHAIN_NAME_BYTES_MAX,
        INSTANCE_NAME_BYTES_MAX, ORGANISATION_BYTES_MAX, REFERENCE_BYTES_MAX,
    },
};
use std::str::FromStr;

/// Digits of the greatest amount.
const AMOUNT_BYTES_MAX: usize = 39;
/// Longest client id and longest lane.
const CLIENT_ID_BYTES_MAX: usize = 64;

/// Reads a text that may have only this form, and at most so many bytes.
pub fn canonical<T: FromStr + ToString>(text: &str, length_max: usize) -> Option<T> {
    let value: T = text.parse().ok()?;
    assert_eq!(value.to_string(), text, "a second text of a value");
    assert!((1..=length_max).contains(&text.len()), "{text:?} is longer than {length_max}");
    Some(value)
}

/// Identifiers, amounts, and names of accounts and assets as packets carry them.
pub fn identifiers(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    canonical::<ChainName>(text, CHAIN_NAME_BYTES_MAX);
    canonical::<Organisation>(text, ORGANISATION_BYTES_MAX);
    canonical::<AccountNumber>(text, ACCOUNT_NUMBER_BYTES_MAX);
    canonical::<InstanceName>(text, INSTANCE_NAME_BYTES_MAX);
    canonical::<Reference>(text, REFERENCE_BYTES_MAX);
    canonical::<LaneName>(text, CLIENT_ID_BYTES_MAX);
    canonical::<Amount>(text, AMOUNT_BYTES_MAX);
    if let Some(id) = canonical::<ChainId>(text, CHAIN_ID_BYTES_MAX) {
        assert!(id.name().parse::<ChainName>().is_ok() && id.revision() >= 1, "{id} has other parts");
    }
    if let Some(client) = canonical::<ClientId>(text, CLIENT_ID_BYTES_MAX) {
        // Nothing in an id can be taken for the kind that follows it in a packet's key.
        assert!(client.as_str().bytes().all(|byte| byte > 3));
    }
    if let Ok(name) = data::parse_account(text) {
        assert_eq!(data::account_text(&name), text);
    }
    if canonical::<AssetId>(text, ASSET_ID_BYTES_MAX).is_some() {
        travels(text);
    }
}

/// An asset that goes over a lane and comes back is the same asset.
fn travels(asset: &str) {
    let (here, there) = (ClientId::bft(3), ClientId::bft(80));
    if let Ok(denom::Arrival::Voucher(voucher)) = denom::arrival(asset, &here, &there) {
        let home = asset.parse().expect("it was parsed before");
        assert_eq!(denom::arrival(voucher.as_str(), &there, &here), Ok(denom::Arrival::Returned(home)));
        assert!(denom::came_over(voucher.as_str(), &there));
    }
}

/// One of each.
pub fn samples() -> Vec<Vec<u8>> {
    let texts = [
        "berka",
        "berka-0123456789abcdef-1",
        "north-bank-0123456789abcdef-999999",
        "AB/CZ6508000000192000145399",
        "transfer/bft-client-3/CZK",
        "bft-client-18446744073709551615",
        "07-tendermint-0",
        "340282366920938463463374607431768211455",
        "0",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
