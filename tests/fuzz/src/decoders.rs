//! Every canonical decoder of the product, under the name of its schema.

use catenary_apps::{
    accounts::{AccountName, KeyGrant},
    admin::AdminCall,
    asset::{AssetCall, AssetRecord},
};
use catenary_ledger::{
    ReferenceEntry,
    records::{
        Account, ChainRecord, Equivocation, Instance, OrganisationRecord, PastSet, PastValidators, Validators,
    },
};
use catenary_packet::{
    Packet, PacketCall, Payload,
    messages::{AcknowledgedPacket, HeaderUpdate, Proof},
    records::{ClientState, ConsensusState, Counterparty, Held},
};
use catenary_state::{Multiproof, decode_merkle_proof, encode_merkle_proof};
use catenary_transfer::{FungibleTokenPacketData, TransferCall};
use catenary_types::{
    AccountKey, Attribute, Block, Body, Call, Certificate, Committee, DoubleVote, Envelope,
    EnvelopeSignature, Event, Genesis, GenesisAccount, GenesisInstance, Header, Message, Parameters,
    Readiness, Receipt, ReportedVote, SignedHeader, Validator,
    genesis::{GenesisRole, GenesisRoots},
    receipt::ResultLeaf,
};

/// A decoder under the name of its schema. It reads bytes and writes the value again.
#[derive(Clone, Copy)]
pub struct Decoder {
    name: &'static str,
    again: fn(&[u8]) -> Option<Vec<u8>>,
}

/// Decoders that read each other's bytes often enough to share their inputs.
pub type Group = &'static [Decoder];

/// A decoder and its encoder.
pub const fn decoder(name: &'static str, again: fn(&[u8]) -> Option<Vec<u8>>) -> Decoder {
    Decoder { name, again }
}

const fn message<M: Message>(name: &'static str) -> Decoder {
    decoder(name, |bytes| M::decode(bytes).ok().map(|message| message.encode()))
}

/// Transactions.
pub const ENVELOPES: Group = &[
    message::<Envelope>("catenary.ledger.v1.Envelope"),
    message::<EnvelopeSignature>("catenary.ledger.v1.EnvelopeSignature"),
    message::<Body>("catenary.ledger.v1.Body"),
    message::<Call>("catenary.ledger.v1.Call"),
];

/// Blocks, and what makes them final.
pub const HEADERS: Group = &[
    message::<Block>("catenary.ledger.v1.Block"),
    message::<SignedHeader>("tendermint.types.SignedHeader"),
    decoder("tendermint.types.Header", |bytes| Some(Header::decode(bytes).ok()?.encode())),
    decoder("tendermint.types.Commit", |bytes| Some(Certificate::decode(bytes).ok()?.encode())),
    message::<DoubleVote>("catenary.ledger.v1.DoubleVote"),
    message::<ReportedVote>("catenary.ledger.v1.ReportedVote"),
    message::<catenary_verify::evidence::Record>("evidence"),
];

/// What a chain starts from.
pub const GENESIS: Group = &[
    message::<Genesis>("catenary.ledger.v1.Genesis"),
    message::<Parameters>("catenary.ledger.v1.Parameters"),
    message::<Validator>("catenary.ledger.v1.Validator"),
    message::<Committee>("catenary.ledger.v1.Committee"),
    message::<GenesisAccount>("catenary.ledger.v1.GenesisAccount"),
    message::<GenesisRole>("catenary.ledger.v1.GenesisRole"),
    message::<AccountKey>("catenary.ledger.v1.AccountKey"),
    message::<GenesisInstance>("catenary.ledger.v1.GenesisInstance"),
    message::<GenesisRoots>("catenary.ledger.v1.GenesisRoots"),
];

/// What execution leaves behind.
pub const RECEIPTS: Group = &[
    message::<Receipt>("catenary.ledger.v1.Receipt"),
    message::<Event>("catenary.ledger.v1.Event"),
    message::<Attribute>("catenary.ledger.v1.Attribute"),
    message::<ResultLeaf>("catenary.ledger.v1.ResultLeaf"),
];

/// Values of the state.
pub const RECORDS: Group = &[
    message::<Account>("catenary.ledger.v1.Account"),
    message::<OrganisationRecord>("catenary.ledger.v1.OrganisationRecord"),
    message::<Instance>("catenary.ledger.v1.Instance"),
    message::<Validators>("catenary.ledger.v1.Validators"),
    message::<PastValidators>("catenary.ledger.v1.PastValidators"),
    message::<PastSet>("catenary.ledger.v1.PastSet"),
    message::<ChainRecord>("catenary.ledger.v1.ChainRecord"),
    message::<Readiness>("catenary.ledger.v1.Readiness"),
    message::<Equivocation>("catenary.ledger.v1.Equivocation"),
    message::<ReferenceEntry>("catenary.ledger.v1.ReferenceEntry"),
    message::<AssetRecord>("catenary.asset.v1.AssetRecord"),
    message::<ClientState>("catenary.packet.v1.ClientState"),
    message::<ConsensusState>("catenary.packet.v1.ConsensusState"),
    message::<Counterparty>("catenary.packet.v1.Counterparty"),
    message::<Held>("catenary.packet.v1.Held"),
];

/// Calls of the apps.
pub const CALLS: Group = &[
    message::<AdminCall>("catenary.admin.v1.AdminCall"),
    message::<AssetCall>("catenary.asset.v1.AssetCall"),
    message::<TransferCall>("catenary.transfer.v1.TransferCall"),
    message::<PacketCall>("catenary.packet.v1.PacketCall"),
    message::<AccountName>("catenary.ledger.v1.AccountName"),
    message::<KeyGrant>("catenary.ledger.v1.KeyGrant"),
];

/// Packets and what they carry.
pub const PACKETS: Group = &[
    message::<Packet>("catenary.packet.v1.Packet"),
    message::<Payload>("catenary.packet.v1.Payload"),
    message::<AcknowledgedPacket>("catenary.packet.v1.AcknowledgedPacket"),
    message::<HeaderUpdate>("catenary.packet.v1.HeaderUpdate"),
    message::<Proof>("catenary.packet.v1.Proof"),
    message::<FungibleTokenPacketData>("catenary.transfer.v1.FungibleTokenPacketData"),
];

/// Both encodings of proofs.
pub const PROOFS: Group = &[
    decoder("multiproof", |bytes| Some(Multiproof::decode(bytes).ok()?.encode())),
    decoder("MerkleProof", |bytes| Some(encode_merkle_proof(&decode_merkle_proof(bytes).ok()?))),
];

/// All groups whose messages are in the schemas.
pub const GROUPS: &[Group] = &[ENVELOPES, HEADERS, GENESIS, RECEIPTS, RECORDS, CALLS, PACKETS];

impl Decoder {
    /// Whether messages of this name, maybe with the case of a oneof behind it, are this decoder's.
    pub fn reads(&self, name: &str) -> bool {
        name.strip_prefix(self.name).is_some_and(|case| case.is_empty() || case.starts_with('.'))
    }

    /// Whether the bytes decode. Fails if they are not what the value encodes to.
    pub fn is_canonical(&self, bytes: &[u8]) -> bool {
        let again = (self.again)(bytes);
        assert!(
            again.as_ref().is_none_or(|again| again == bytes),
            "{} is read from {bytes:02x?} and written as {again:02x?}",
            self.name
        );
        again.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples;
    use catenary_types::ValidatorSet;

    #[test]
    fn every_committed_message_has_its_decoder_here() {
        for (name, bytes) in samples::messages() {
            // One of its encodings; see `decoding::headers`.
            if name == "tendermint.types.ValidatorSet" {
                assert!(ValidatorSet::decode(&bytes).is_ok());
                continue;
            }
            let decoder = GROUPS.iter().flat_map(|group| group.iter()).find(|decoder| decoder.reads(name));
            let decoder = decoder.unwrap_or_else(|| panic!("nothing here reads {name}"));
            assert!(decoder.is_canonical(&bytes), "{name}");
        }
    }
}
