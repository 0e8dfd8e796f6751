//! Keys under which a reader of proofs finds the records of the `clients` store, pinned in `fixtures/keys.txt`. Those of
//! the other stores are pinned where they are made.
//!
//! A failure is a fork of every chain; its message holds the text that the file would have to be.
#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use catenary_packet::{ClientId, Sequence, key::ClientsKey};
use catenary_types::Height;

#[test]
fn the_keys_of_the_clients_store_are_as_committed() {
    let client = ClientId::bft(258);
    let (generation, height, sequence) = (1, Height(0x0102_0304_0506_0708), Sequence(0x0a0b_0c0d_0e0f));
    let keys = [
        ("client", ClientsKey::Client(&client)),
        ("header", ClientsKey::Consensus { client: &client, generation, height }),
        ("counterparty", ClientsKey::Counterparty(&client)),
        ("next sequence", ClientsKey::NextSequence(&client)),
        ("next client", ClientsKey::NextClient),
        ("held packet", ClientsKey::Held { client: &client, sequence }),
    ];
    let hex = |bytes: Vec<u8>| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    let actual: String = keys.map(|(name, key)| format!("{name} = {}\n", hex(key.bytes()))).concat();
    assert!(actual == include_str!("fixtures/keys.txt"), "not the committed bytes:\n{actual}");
}
