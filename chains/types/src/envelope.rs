//! Transactions: a body, the signatures over it, and the block that carries them.

use crate::{
    certificate::Certificate,
    header::Header,
    ids::{AccountId, ChainId, InstanceName, Reference, RequestId, TxId},
    limits::{CALLS_MAX, ENVELOPE_BYTES_MAX, SIGNATURES_MAX},
    time::UnixSeconds,
    wire::{Message, WireError},
};
use catenary_crypto::{Hash, PublicKey, Signature, SigningKey, merkle_root, sha256};

/// An ordinary transaction of this ledger.
pub const KIND_NATIVE: u32 = 1;
/// Reserved: a raw Ethereum transaction.
pub const KIND_ETHEREUM: u32 = 2;
/// Ed25519 under ZIP-215, with SHA-256: suite 1.
pub const SCHEME_ED25519: u32 = 1;

/// What stands before the body in the signed bytes, so that no other use of a key can be mistaken for a transaction.
pub const SIGNING_TAG: &[u8] = b"catenary/tx/1";

crate::message! {
    /// A transaction as it travels and as a block holds it.
    pub struct Envelope {
        /// [`KIND_NATIVE`].
        1 => kind: u32,
        /// The encoded [`Body`], as the client made it: these bytes are hashed and signed.
        2 => body: Vec<u8>,
        /// Sorted by key, no key twice.
        3 => signatures: Vec<EnvelopeSignature>,
    }

    /// One signature of the sender.
    pub struct EnvelopeSignature {
        /// A key of the sender's account.
        1 => key: PublicKey,
        /// [`SCHEME_ED25519`].
        2 => scheme: u32,
        /// Over [`signed_bytes`].
        3 => signature: Signature,
    }

    /// What the sender asks for. All calls happen, or none.
    pub struct Body {
        /// The chain this is for, with the hash of its genesis.
        1 => chain_id: ChainId,
        /// The account that asks.
        2 => sender: AccountId,
        /// The client's id for this submission.
        3 => request_id: RequestId,
        /// The last second at which it may be applied.
        4 => valid_until: UnixSeconds,
        /// The sender's own name for it, unique for ever once it succeeded.
        5 => reference: Option<Reference>,
        /// 1 to 1,000 calls, in order.
        6 => calls: Vec<Call>,
    }

    /// A message to one app instance.
    pub struct Call {
        /// Name of the instance on this chain.
        1 => instance: InstanceName,
        /// The instance's own canonical message.
        2 => message: Vec<u8>,
    }

    /// A block as validators exchange and store it.
    pub struct Block {
        /// What is voted on.
        1 => header: Header,
        /// Certificate of the block before; none at height 1.
        2 => last_certificate: Option<Certificate>,
        /// Encoded [`Envelope`]s.
        3 => envelopes: Vec<Vec<u8>>,
    }
}

/// The bytes that a key signs for a body.
pub fn signed_bytes(body: &[u8]) -> Vec<u8> {
    [SIGNING_TAG, body].concat()
}

/// Why an envelope is no transaction, whatever the state.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// More bytes than an envelope may have.
    #[error("expected at most {ENVELOPE_BYTES_MAX} bytes, got {0}")]
    TooLarge(usize),
    /// Envelope or body is not canonical protobuf of its schema.
    #[error("malformed: {0}")]
    Malformed(#[from] WireError),
    /// A kind that this chain does not execute.
    #[error("expected kind {KIND_NATIVE} (native), got {0}")]
    Kind(u32),
    /// No call, or too many.
    #[error("expected 1 to {CALLS_MAX} calls, got {0}")]
    Calls(usize),
    /// No signature, or too many.
    #[error("expected 1 to {SIGNATURES_MAX} signatures, got {0}")]
    Signatures(usize),
    /// Signatures not sorted by key, or a key twice.
    #[error("signatures must be sorted by key, with no key twice")]
    SignatureOrder,
    /// A signature scheme that the chain's suite does not have.
    #[error("expected scheme {SCHEME_ED25519} (Ed25519), got {0}")]
    Scheme(u32),
}

/// An envelope whose form was checked, with everything derived from it once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Transaction {
    /// The envelope's bytes.
    pub bytes: Vec<u8>,
    /// SHA-256 of the body.
    pub id: TxId,
    /// The decoded body.
    pub body: Body,
    /// What keys sign: [`signed_bytes`] of the body.
    pub signed_bytes: Vec<u8>,
    /// Sorted by key.
    pub signatures: Vec<EnvelopeSignature>,
}

impl Transaction {
    /// Reads an envelope and checks all that needs no state.
    pub fn decode(bytes: &[u8]) -> Result<Self, EnvelopeError> {
        if bytes.len() > ENVELOPE_BYTES_MAX {
            return Err(EnvelopeError::TooLarge(bytes.len()));
        }
        let envelope = Envelope::decode(bytes)?;
        if envelope.kind != KIND_NATIVE {
            return Err(EnvelopeError::Kind(envelope.kind));
        }
        let signatures = envelope.signatures;
        if !(1..=SIGNATURES_MAX).contains(&signatures.len()) {
            return Err(EnvelopeError::Signatures(signatures.len()));
        }
        if let Some(other) = signatures.iter().find(|signature| signature.scheme != SCHEME_ED25519) {
            return Err(EnvelopeError::Scheme(other.scheme));
        }
        if !signatures.is_sorted_by(|left, right| left.key < right.key) {
            return Err(EnvelopeError::SignatureOrder);
        }
        let body = Body::decode(&envelope.body)?;
        if !(1..=CALLS_MAX).contains(&body.calls.len()) {
            return Err(EnvelopeError::Calls(body.calls.len()));
        }
        Ok(Self {
            bytes: bytes.to_vec(),
            id: TxId(sha256(&envelope.body)),
            signed_bytes: signed_bytes(&envelope.body),
            body,
            signatures,
        })
    }
}

impl Body {
    /// Signs with every key and seals the envelope.
    pub fn sign(&self, keys: &[&SigningKey]) -> Envelope {
        let body = self.encode();
        let message = signed_bytes(&body);
        let signature = |key: &&SigningKey| EnvelopeSignature {
            key: key.public_key(),
            scheme: SCHEME_ED25519,
            signature: key.sign(&message),
        };
        let mut signatures: Vec<_> = keys.iter().map(signature).collect();
        signatures.sort_by_key(|signature| signature.key);
        Envelope { kind: KIND_NATIVE, body, signatures }
    }
}

impl Block {
    /// The header's `data_hash`: Merkle root over the SHA-256 of each envelope.
    pub fn data_hash<E: AsRef<[u8]>>(envelopes: &[E]) -> Hash {
        let leaves: Vec<_> = envelopes.iter().map(|envelope| sha256(envelope.as_ref())).collect();
        merkle_root(&leaves)
    }
}
