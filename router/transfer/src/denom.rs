//! Denominations: how an asset is called on the way, and what that makes of it on arrival.
//!
//! ```text
//!   home                     lane                    abroad
//!   CZK  ── escrow ──►  "CZK"                  ──►  transfer/<client abroad>/CZK   (minted)
//!   CZK  ◄── release ── "transfer/<client abroad>/CZK"  ◄── burn ──
//! ```
//!
//! On the wire stands the sending chain's own name of the asset. If it starts with port and client of the sending end,
//! the asset came over this very lane and goes back; else it becomes a voucher with one more hop in its trace. So a
//! voucher of a voucher needs no rule of its own, and each chain trusts only its neighbour for the hops beyond it.

use crate::PORT;
use catenary_ledger::{Failure, Reason};
use catenary_packet::ClientId;
use catenary_types::AssetId;

/// What an arriving denomination is on the receiving chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Arrival {
    /// An asset of this chain comes back: it is paid out of the lane's escrow.
    Returned(AssetId),
    /// A foreign asset: its voucher is minted.
    Voucher(AssetId),
}

/// What every asset that came in over a client has before its name.
pub fn hop(client: &ClientId) -> String {
    format!("{PORT}/{client}/")
}

/// Whether an asset came in over this client, and so goes back when it is sent over it.
pub fn came_over(asset: &str, client: &ClientId) -> bool {
    asset.starts_with(&hop(client))
}

/// What a denomination that comes from `source_client` to `dest_client` is here.
pub fn arrival(denom: &str, source_client: &ClientId, dest_client: &ClientId) -> Result<Arrival, Failure> {
    let asset = |text: &str| {
        text.parse::<AssetId>().map_err(|error| Failure::new(Reason::InvalidPacket, error.to_string()))
    };
    match denom.strip_prefix(&hop(source_client)) {
        Some(home) => Ok(Arrival::Returned(asset(home)?)),
        None if denom.is_empty() => Err(Failure::new(Reason::InvalidPacket, "expected a denomination")),
        None => Ok(Arrival::Voucher(asset(&format!("{}{denom}", hop(dest_client)))?)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn client(number: u64) -> ClientId {
        ClientId::bft(number)
    }

    #[test]
    fn a_round_trip_gives_the_same_asset() {
        let away = arrival("CZK", &client(3), &client(8)).unwrap();
        assert_eq!(away, Arrival::Voucher("transfer/bft-client-8/CZK".parse().unwrap()));
        let home = arrival("transfer/bft-client-8/CZK", &client(8), &client(3)).unwrap();
        assert_eq!(home, Arrival::Returned("CZK".parse().unwrap()));
    }

    #[test]
    fn only_the_lane_that_brought_an_asset_takes_it_back() {
        let through = arrival("transfer/bft-client-8/CZK", &client(1), &client(2)).unwrap();
        assert_eq!(
            through,
            Arrival::Voucher("transfer/bft-client-2/transfer/bft-client-8/CZK".parse().unwrap())
        );
        // A client whose id begins with another's is another client.
        assert!(!came_over("transfer/bft-client-80/CZK", &client(8)));
        assert!(came_over("transfer/bft-client-8/CZK", &client(8)));
    }

    #[test]
    fn names_that_no_asset_here_can_have_are_refused() {
        let long = "A".repeat(128);
        for bad in ["", "transfer/bft-client-3/", "white space", &long] {
            assert!(arrival(bad, &client(3), &client(8)).is_err(), "{bad:?} was accepted");
        }
    }
}
