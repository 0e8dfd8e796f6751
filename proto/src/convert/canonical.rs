//! Hashed messages: domain and wire type have the same bytes, so the conversion is the codec.

use crate::{Malformed, admin, asset, ledger, packet, tendermint::types as comet, transfer};
use catenary_types::wire::Item;

macro_rules! same_bytes {
    ($($domain:ty => $wire:ty),+ $(,)?) => {$(
        impl From<&$domain> for $wire {
            fn from(value: &$domain) -> Self {
                let mut bytes = Vec::new();
                value.write_content(&mut bytes);
                prost::Message::decode(bytes.as_slice()).expect("the schema has the codec's fields")
            }
        }

        impl TryFrom<&$wire> for $domain {
            type Error = Malformed;

            fn try_from(value: &$wire) -> Result<Self, Malformed> {
                let bytes = prost::Message::encode_to_vec(value);
                Item::read_content(&bytes).map_err(|error| Malformed::new(stringify!($wire), error))
            }
        }
    )+};
}

same_bytes! {
    catenary_types::Header => comet::Header,
    catenary_types::Certificate => comet::Commit,
    catenary_types::ValidatorSet => comet::ValidatorSet,
    catenary_types::SignedHeader => comet::SignedHeader,
}

same_bytes! {
    catenary_types::Envelope => ledger::Envelope,
    catenary_types::EnvelopeSignature => ledger::EnvelopeSignature,
    catenary_types::Body => ledger::Body,
    catenary_types::Call => ledger::Call,
    catenary_types::Block => ledger::Block,
    catenary_types::Receipt => ledger::Receipt,
    catenary_types::Event => ledger::Event,
    catenary_types::Attribute => ledger::Attribute,
    catenary_types::receipt::ResultLeaf => ledger::ResultLeaf,
    catenary_types::Parameters => ledger::Parameters,
    catenary_types::Genesis => ledger::Genesis,
    catenary_types::Validator => ledger::Validator,
    catenary_types::Committee => ledger::Committee,
    catenary_types::GenesisAccount => ledger::GenesisAccount,
    catenary_types::genesis::GenesisRole => ledger::GenesisRole,
    catenary_types::AccountKey => ledger::AccountKey,
    catenary_types::GenesisInstance => ledger::GenesisInstance,
    catenary_types::GenesisRoots => ledger::GenesisRoots,
    catenary_ledger::records::Account => ledger::Account,
    catenary_ledger::records::OrganisationRecord => ledger::OrganisationRecord,
    catenary_types::Readiness => ledger::Readiness,
    catenary_ledger::records::ChainRecord => ledger::ChainRecord,
    catenary_ledger::records::Instance => ledger::Instance,
    catenary_ledger::records::Validators => ledger::Validators,
    catenary_ledger::records::PastValidators => ledger::PastValidators,
    catenary_ledger::records::Equivocation => ledger::Equivocation,
    catenary_apps::accounts::AccountName => ledger::AccountName,
    catenary_apps::accounts::KeyGrant => ledger::KeyGrant,
}

same_bytes! {
    catenary_apps::admin::AdminCall => admin::AdminCall,
    catenary_apps::asset::AssetCall => asset::AssetCall,
    catenary_apps::asset::AssetRecord => asset::AssetRecord,
    catenary_transfer::TransferCall => transfer::TransferCall,
    catenary_transfer::FungibleTokenPacketData => transfer::FungibleTokenPacketData,
    catenary_packet::messages::PacketCall => packet::PacketCall,
    catenary_packet::messages::Packet => packet::Packet,
    catenary_packet::messages::Proof => packet::Proof,
    catenary_packet::records::ClientState => packet::ClientState,
    catenary_packet::records::ConsensusState => packet::ConsensusState,
    catenary_packet::records::Counterparty => packet::Counterparty,
    catenary_packet::records::Held => packet::Held,
}
