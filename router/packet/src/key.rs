//! Keys of the `clients` store.
//!
//! Each starts with a tag; a client id goes with its length, so no key is a prefix of another.

use crate::ids::{ClientId, Sequence};
use catenary_types::Height;

/// A key of the `clients` store.
#[derive(Clone, Copy, Debug)]
pub enum ClientsKey<'a> {
    /// [`crate::records::ClientState`].
    Client(&'a ClientId),
    /// [`crate::records::ConsensusState`] of a height. The generation sets apart what a client believed before it was
    /// recovered.
    Consensus {
        /// The client.
        client: &'a ClientId,
        /// How often the client was recovered.
        generation: u64,
        /// Height of the header.
        height: Height,
    },
    /// [`crate::records::Counterparty`].
    Counterparty(&'a ClientId),
    /// Eight bytes, big-endian: the sequence of the next packet.
    NextSequence(&'a ClientId),
    /// Eight bytes, big-endian: the number of the next client.
    NextClient,
    /// [`crate::records::Held`]: a packet whose callback failed when it was settled.
    Held {
        /// The packet's source client.
        client: &'a ClientId,
        /// The packet's sequence.
        sequence: Sequence,
    },
}

impl ClientsKey<'_> {
    /// The bytes.
    pub fn bytes(&self) -> Vec<u8> {
        let of_client = |tag: u8, client: &ClientId| {
            let length = u8::try_from(client.as_str().len()).expect("client ids are at most 64 bytes");
            [&[tag, length], client.as_str().as_bytes()].concat()
        };
        let with = |mut key: Vec<u8>, number: u64| {
            key.extend(number.to_be_bytes());
            key
        };
        match self {
            Self::Client(client) => of_client(1, client),
            Self::Consensus { client, generation, height } => {
                with(with(of_client(2, client), *generation), height.0)
            }
            Self::Counterparty(client) => of_client(3, client),
            Self::NextSequence(client) => of_client(4, client),
            Self::NextClient => vec![5],
            Self::Held { client, sequence } => with(of_client(6, client), sequence.0),
        }
    }
}
