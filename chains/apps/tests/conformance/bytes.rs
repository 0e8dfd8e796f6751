//! Any bytes give an outcome, and what decodes has one encoding.

use crate::{
    common::name,
    world::{World, reason},
};
use catenary_apps::{admin::AdminCall, asset::AssetCall};
use catenary_ledger::Reason;
use catenary_types::Message;
use proptest::prelude::*;

/// Calls them as the operator of A, and says whether they were a call at all.
fn is_call<M: Message>(kind: &str, bytes: &[u8]) -> Result<bool, TestCaseError> {
    let decoded = M::decode(bytes);
    let mut world = World::new();
    let operator = world.caller(&name("A", "operator")).unwrap();
    let outcome = world.call(kind, &operator, bytes);
    match &decoded {
        Ok(message) => prop_assert_eq!(message.encode(), bytes),
        Err(_) => prop_assert_eq!(reason(&outcome), Some(Reason::MalformedCall)),
    }
    Ok(decoded.is_ok())
}

/// A call, one byte of it changed, and what is left of it after a cut.
fn altered(message: Vec<u8>) -> impl Strategy<Value = Vec<u8>> {
    (any::<prop::sample::Index>(), any::<u8>(), any::<prop::sample::Index>()).prop_map(
        move |(at, bits, end)| {
            let mut bytes = message.clone();
            let at = at.index(bytes.len());
            bytes[at] ^= bits;
            // Half of the cuts are behind the end.
            bytes.truncate(end.index(2 * message.len()));
            bytes
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_have_an_outcome(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
        is_call::<AdminCall>("admin", &bytes)?;
        is_call::<AssetCall>("asset", &bytes)?;
    }

    #[test]
    fn altered_calls_of_money_have_an_outcome(
        (message, bytes) in super::asset::call().prop_map(|call| call.encode())
            .prop_flat_map(|message| (Just(message.clone()), altered(message))),
    ) {
        prop_assert!(is_call::<AssetCall>("asset", &message)?);
        is_call::<AssetCall>("asset", &bytes)?;
    }

    #[test]
    fn altered_calls_of_governance_have_an_outcome(
        (message, bytes) in super::admin::call().prop_map(|call| call.encode())
            .prop_flat_map(|message| (Just(message.clone()), altered(message))),
    ) {
        prop_assert!(is_call::<AdminCall>("admin", &message)?);
        is_call::<AdminCall>("admin", &bytes)?;
    }
}
