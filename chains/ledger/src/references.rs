//! References: a sender's own names for transactions, in the `index` store for ever.
//!
//! Key `01 ‖ sender (20) ‖ length ‖ reference`, value [`ReferenceEntry`]. Whoever knows a reference can prove in which
//! block the transaction is, or that there is none.

use catenary_types::{AccountId, Height, Reference, TxId};

catenary_types::message! {
    /// Where the transaction of a reference stands.
    pub struct ReferenceEntry {
        /// Its block.
        1 => height: Height,
        /// Its place in the block, from 0 on.
        2 => position: u32,
        /// Its id.
        3 => tx_id: TxId,
    }
}

/// The key of a sender's reference in the `index` store.
pub fn reference_key(sender: &AccountId, reference: &Reference) -> Vec<u8> {
    let text = reference.as_str();
    let length = u8::try_from(text.len()).expect("references are shorter than 256 bytes");
    [&[1], &sender.0[..], &[length], text.as_bytes()].concat()
}
