//! `catenary/api/v1/gateway_service.proto`: proofs that the router asks for.

use crate::{Malformed, api};
use catenary_ledger::stores::{ADMIN, ASSET, CLIENTS, IBC, INDEX};
use catenary_relay::gateway::ProofRequest;
use catenary_state::StoreName;
use catenary_types::Height;

/// The stores whose keys can be proven.
const STORES: [StoreName; 5] = [ADMIN, ASSET, CLIENTS, IBC, INDEX];

/// The store of a name.
pub fn store(name: &str) -> Result<StoreName, Malformed> {
    let known = STORES.into_iter().find(|store| store.as_str() == name);
    known.ok_or_else(|| {
        Malformed::new("store", format!("expected admin, asset, clients, ibc or index, got {name:?}"))
    })
}

impl TryFrom<api::GetProofRequest> for ProofRequest {
    type Error = Malformed;

    fn try_from(request: api::GetProofRequest) -> Result<Self, Malformed> {
        Ok(Self { height: Height(request.height), store: store(&request.store)?, keys: request.keys })
    }
}
