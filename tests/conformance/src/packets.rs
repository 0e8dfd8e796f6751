//! `packets.json`: commitments, answers and keys.

use crate::{
    files::{Hex, NamedAcknowledgement, NamedPacket, PacketFile, PacketKeys, PacketsFile},
    story::{ANSWER, Story},
};
use catenary_packet::{
    ClientId, Packet, Sequence,
    commitment::{
        ERROR_ACKNOWLEDGEMENT, acknowledgement_commitment, acknowledgement_key, commitment_key,
        packet_commitment, receipt_key,
    },
};

/// All vectors.
pub(crate) fn file(story: &Story) -> PacketsFile {
    let mut large = story.ours.good.clone();
    large.payloads[0].value = vec![0xff; 262_144];
    let mut last = story.ours.good.clone();
    last.sequence = Sequence(u64::MAX);
    last.timeout_timestamp.0 = u64::MAX / 1_000_000_000;
    let packets = [
        ("sent by us", &story.ours.good),
        ("sent to us", &story.theirs.good),
        ("largest value", &large),
        ("largest numbers", &last),
    ];
    let answers: [(&str, &[u8]); 3] =
        [("success", ANSWER), ("universal error", &ERROR_ACKNOWLEDGEMENT), ("one byte", &[0])];
    let clients = ["bft-client-0", "bft-client-18446744073709551615", "07-tendermint-0"];
    let keys =
        clients.iter().flat_map(|client| [1, 258, u64::MAX].map(|sequence| (*client, Sequence(sequence))));
    PacketsFile {
        packets: packets.into_iter().map(|(name, packet)| named(name, packet)).collect(),
        acknowledgements: answers.into_iter().map(|(name, answer)| acknowledgement(name, answer)).collect(),
        error_acknowledgement: Hex(ERROR_ACKNOWLEDGEMENT.to_vec()),
        keys: keys.map(|(client, sequence)| of_client(client, sequence)).collect(),
    }
}

fn named(name: &str, packet: &Packet) -> NamedPacket {
    let commitment = Hex(packet_commitment(packet).0.to_vec());
    NamedPacket { name: name.into(), packet: PacketFile::from(packet), commitment }
}

fn acknowledgement(name: &str, answer: &[u8]) -> NamedAcknowledgement {
    NamedAcknowledgement {
        name: name.into(),
        app_acknowledgements: vec![Hex(answer.to_vec())],
        commitment: Hex(acknowledgement_commitment(answer).0.to_vec()),
    }
}

fn of_client(client: &str, sequence: Sequence) -> PacketKeys {
    let id: ClientId = client.parse().expect("a valid client id");
    PacketKeys {
        client: client.into(),
        sequence: sequence.0,
        commitment: Hex(commitment_key(&id, sequence)),
        receipt: Hex(receipt_key(&id, sequence)),
        acknowledgement: Hex(acknowledgement_key(&id, sequence)),
    }
}
