//! Every limit of the formats, in one place, with the relations between them checked at compile time.

/// Bytes of a chain's name: 26, so that name, hash and revision fit [`CHAIN_ID_BYTES_MAX`].
pub const CHAIN_NAME_BYTES_MAX: usize = 26;
/// Bytes of a whole chain id; CometBFT's limit.
pub const CHAIN_ID_BYTES_MAX: usize = 50;
/// Bytes of a chain id before the last hyphen; the limit of ibc-rs.
pub const CHAIN_ID_STEM_BYTES_MAX: usize = 43;
/// Digits of a revision.
pub const REVISION_DIGITS_MAX: usize = 6;
/// Bytes of an organisation's name.
pub const ORGANISATION_BYTES_MAX: usize = 32;
/// Bytes of an account number; an IBAN fits.
pub const ACCOUNT_NUMBER_BYTES_MAX: usize = 34;
/// Bytes of an asset's name, the trace of a voucher included.
pub const ASSET_ID_BYTES_MAX: usize = 128;
/// Bytes of the name of an app instance.
pub const INSTANCE_NAME_BYTES_MAX: usize = 32;
/// Bytes of a transaction's reference.
pub const REFERENCE_BYTES_MAX: usize = 64;
/// Bytes of a payment's memo.
pub const MEMO_BYTES_MAX: usize = 256;
/// Calls in one transaction.
pub const CALLS_MAX: usize = 1_000;
/// Signatures on one transaction.
pub const SIGNATURES_MAX: usize = 16;
/// Keys of one account, past ones included.
pub const ACCOUNT_KEYS_MAX: usize = 64;
/// Certificate authorities of an organisation.
pub const ROOTS_MAX: usize = 8;
/// Bytes of one encoded envelope.
pub const ENVELOPE_BYTES_MAX: usize = 1 << 20;
/// Bytes of all envelopes of one block.
pub const BLOCK_BYTES_MAX: usize = 8 << 20;
/// Envelopes in one block.
pub const BLOCK_ENVELOPES_MAX: usize = 10_000;
/// Validators in one set.
pub const VALIDATORS_MAX: usize = 128;
/// Voting power of one set; CometBFT's limit.
pub const TOTAL_POWER_MAX: u64 = (i64::MAX / 8) as u64;
/// Packets in one `receive`, `acknowledge` or `timeout`.
pub const PACKETS_PER_CALL_MAX: usize = 500;

const _: () = {
    // 16 hex digits of the genesis hash and two hyphens join name and revision.
    assert!(CHAIN_NAME_BYTES_MAX + 1 + 16 <= CHAIN_ID_STEM_BYTES_MAX);
    assert!(CHAIN_ID_STEM_BYTES_MAX + 1 + REVISION_DIGITS_MAX <= CHAIN_ID_BYTES_MAX);
    assert!(ENVELOPE_BYTES_MAX <= BLOCK_BYTES_MAX);
};
