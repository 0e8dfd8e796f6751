//! Reading and writing the value of a transfer's payload.

use crate::{ENCODING, PORT, VERSION, messages::FungibleTokenPacketData};
use catenary_apps::accounts::AccountName;
use catenary_ledger::{Failure, Reason};
use catenary_packet::Payload;
use catenary_types::{Amount, Message, limits::MEMO_BYTES_MAX};

/// `organisation/number`; neither part can hold a `/`.
pub fn account_text(name: &AccountName) -> String {
    format!("{}/{}", name.organisation, name.number)
}

/// Reads `organisation/number`.
pub fn parse_account(text: &str) -> Result<AccountName, Failure> {
    let invalid = || {
        let actual: String = text.chars().take(80).collect();
        Failure::new(
            Reason::InvalidPacket,
            format!("expected an account organisation/number, got {actual:?}"),
        )
    };
    let (organisation, number) = text.split_once('/').ok_or_else(invalid)?;
    Ok(AccountName {
        organisation: organisation.parse().map_err(|_| invalid())?,
        number: number.parse().map_err(|_| invalid())?,
    })
}

/// Fails for a memo that is longer than people write.
pub fn check_memo(memo: &str) -> Result<(), Failure> {
    if memo.len() <= MEMO_BYTES_MAX {
        return Ok(());
    }
    let detail = format!("expected a memo of at most {MEMO_BYTES_MAX} bytes, got {}", memo.len());
    Err(Failure::new(Reason::InvalidArgument, detail))
}

/// A payload from port to port of this app.
pub fn payload(data: &FungibleTokenPacketData) -> Payload {
    Payload {
        source_port: PORT.into(),
        dest_port: PORT.into(),
        version: VERSION.into(),
        encoding: ENCODING.into(),
        value: data.encode(),
    }
}

/// The transfer in a payload, and its amount.
///
/// Both ports are compared: an app under another port of the source chain must not spend this one's escrow.
pub fn read(payload: &Payload) -> Result<(FungibleTokenPacketData, Amount), Failure> {
    let invalid = |detail: String| Failure::new(Reason::InvalidPacket, detail);
    for (what, expected, actual) in [
        ("source port", PORT, &payload.source_port),
        ("target port", PORT, &payload.dest_port),
        ("version", VERSION, &payload.version),
        ("encoding", ENCODING, &payload.encoding),
    ] {
        if expected != actual {
            return Err(invalid(format!("{what}: expected {expected}, got {actual}")));
        }
    }
    let data = FungibleTokenPacketData::decode(&payload.value).map_err(|error| invalid(error.to_string()))?;
    let amount: Amount = data.amount.parse().map_err(|error| invalid(format!("{error}")))?;
    if amount == Amount::ZERO {
        return Err(invalid("expected an amount of at least 1 minor unit".into()));
    }
    Ok((data, amount))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes that ibc-go's `MarshalPacketData` gives for the same fields.
    #[test]
    fn data_is_encoded_as_ibc_go_does() {
        let data = FungibleTokenPacketData {
            denom: "transfer/bft-client-0/CZK".into(),
            amount: "1000".into(),
            sender: "AB/1".into(),
            receiver: "YZ/2".into(),
            memo: String::new(),
        };
        let mut expected = vec![0x0a, 25];
        expected.extend(b"transfer/bft-client-0/CZK");
        expected.extend([0x12, 4]);
        expected.extend(b"1000");
        expected.extend([0x1a, 4]);
        expected.extend(b"AB/1");
        expected.extend([0x22, 4]);
        expected.extend(b"YZ/2");
        assert_eq!(data.encode(), expected);
    }

    #[test]
    fn accounts_have_one_text() {
        let name = parse_account("YZ/87144583").unwrap();
        assert_eq!(account_text(&name), "YZ/87144583");
        for bad in ["", "YZ", "YZ/", "/1", "YZ/1/2", "Y Z/1", "YZ/1 2"] {
            assert!(parse_account(bad).is_err(), "{bad:?} was accepted");
        }
    }
}
