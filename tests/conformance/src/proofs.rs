//! `proofs.json`: keys that are there, keys that are not, and proofs that were changed.

use crate::{
    files::{Expect, Hex, ProofCase},
    story::Story,
};
use catenary_ledger::stores::{ASSET, IBC};
use catenary_packet::{
    Packet, Sequence,
    commitment::{
        ERROR_ACKNOWLEDGEMENT, RECEIPT, acknowledgement_commitment, acknowledgement_key, commitment_key,
        packet_commitment, receipt_key,
    },
};
use catenary_state::{encode_merkle_proof, encode_spec, iavl_spec, jellyfish_spec};
use catenary_types::Height;

/// A key of the `ibc` store and what is said of it.
#[derive(Clone)]
struct Claim {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
    height: Height,
}

/// A key, and what stands under it.
type Entry = (Vec<u8>, Option<Vec<u8>>);

/// All cases.
pub(crate) fn cases(story: &Story) -> Vec<ProofCase> {
    let mut cases = good(story);
    cases.extend(bad(story));
    cases.extend(other_stores(story));
    cases
}

fn case(name: &str, claim: &Claim, proof: Vec<u8>, expect: Expect) -> ProofCase {
    ProofCase {
        name: name.into(),
        path: vec![Hex(b"ibc".to_vec()), Hex(claim.key.clone())],
        value: claim.value.clone().map(Hex),
        proof: Hex(proof),
        height: claim.height.0,
        specs: None,
        expect,
    }
}

fn commitment(packet: &Packet) -> (Vec<u8>, Vec<u8>) {
    let key = commitment_key(&packet.source_client, packet.sequence);
    (key, packet_commitment(packet).0.to_vec())
}

fn good(story: &Story) -> Vec<ProofCase> {
    let Story { ours, theirs, heights, .. } = story;
    let receipt = |packet: &Packet| receipt_key(&packet.dest_client, packet.sequence);
    let answer = |packet: &Packet, answer: &[u8]| {
        let key = acknowledgement_key(&packet.dest_client, packet.sequence);
        (key, Some(acknowledgement_commitment(answer).0.to_vec()))
    };
    let present = |packet: &Packet| {
        let (key, value) = commitment(packet);
        (key, Some(value))
    };
    let (sent, _) = commitment(&ours.good);
    let claims: [(&str, Entry, Height); 11] = [
        ("first commitment present", present(&ours.good), heights.shown),
        ("last commitment present", present(&ours.silent), heights.shown),
        ("commitment present at the end", present(&ours.good), heights.last),
        ("commitment absent in the header of its own block", (sent.clone(), None), heights.sent),
        ("commitment absent before anything was sent", (sent, None), heights.start),
        ("receipt present", (receipt(&theirs.good), Some(RECEIPT.to_vec())), heights.shown),
        ("receipt absent at the deadline", (receipt(&theirs.silent), None), heights.deadline),
        ("answer present", answer(&theirs.good, crate::story::ANSWER), heights.shown),
        ("error answer present", answer(&theirs.failing, &ERROR_ACKNOWLEDGEMENT), heights.shown),
        ("absent left of all", (outermost("aaaaaaaa-0"), None), heights.last),
        ("absent right of all", (outermost("zzzzzzzz-0"), None), heights.last),
    ];
    let prove = |(name, (key, value), height): (&str, Entry, Height)| {
        let claim = Claim { key, value, height };
        case(name, &claim, story.prove(height, &claim.key), Expect::Accept)
    };
    claims.into_iter().map(prove).collect()
}

fn outermost(client: &str) -> Vec<u8> {
    commitment_key(&client.parse().expect("a valid client id"), Sequence(1))
}

fn bad(story: &Story) -> Vec<ProofCase> {
    let Story { ours, theirs, heights, .. } = story;
    let (key, value) = commitment(&ours.good);
    let claim = Claim { key: key.clone(), value: Some(value.clone()), height: heights.shown };
    let proof = story.prove(heights.shown, &key);
    let reject = |name: &str, claim: &Claim, proof: &[u8]| case(name, claim, proof.to_vec(), Expect::Reject);
    let mut altered = value;
    altered[0] ^= 1;
    let mut cases = vec![
        reject("altered value", &Claim { value: Some(altered), ..claim.clone() }, &proof),
        reject("absence of a present key", &Claim { value: None, ..claim.clone() }, &proof),
        reject("under another header", &Claim { height: heights.sent, ..claim.clone() }, &proof),
        reject("empty proof", &claim, &[]),
        reject("proof of another key", &claim, &story.prove(heights.shown, &commitment(&ours.failing).0)),
    ];
    let absent = receipt_key(&theirs.silent.dest_client, theirs.silent.sequence);
    let silence = story.prove(heights.deadline, &absent);
    let at_deadline = |value, key: &[u8]| Claim { key: key.to_vec(), value, height: heights.deadline };
    let received = receipt_key(&theirs.good.dest_client, theirs.good.sequence);
    cases.extend([
        reject("presence of an absent key", &at_deadline(Some(RECEIPT.to_vec()), &absent), &silence),
        reject("absence of another key by this key's neighbours", &at_deadline(None, &received), &silence),
    ]);
    let mut elsewhere = case("under another store", &claim, proof.clone(), Expect::Reject);
    elsewhere.path[0] = Hex(b"asset".to_vec());
    cases.push(elsewhere);
    // One bit of every part of the proof: key, value, leaf, path, store.
    let step = (proof.len() / 12).max(1);
    cases.extend((0..proof.len()).step_by(step).map(|at| {
        let mut altered = proof.clone();
        altered[at] ^= 1;
        reject(&format!("altered at byte {at}"), &claim, &altered)
    }));
    cases
}

/// Stores other than `ibc` are Jellyfish trees: provable, under their own spec.
fn other_stores(story: &Story) -> Vec<ProofCase> {
    let (height, stores) = (story.heights.last, story.chain.state.stores());
    let prove = |key: &[u8]| {
        encode_merkle_proof(&stores.prove(height.0 - 1, ASSET, key).expect("a height that is kept"))
    };
    let counted = stores.get_at(height.0 - 1, ASSET, b"escrow").ok().flatten().map(<[u8]>::to_vec);
    let jellyfish = vec![Hex(encode_spec(&jellyfish_spec())), Hex(encode_spec(&ics23::tendermint_spec()))];
    let default = vec![Hex(encode_spec(&iavl_spec())), Hex(encode_spec(&ics23::tendermint_spec()))];
    let asset = |name: &str, key: &[u8], value: Option<Vec<u8>>, specs: &[Hex], expect| ProofCase {
        path: vec![Hex(ASSET.as_str().into()), Hex(key.to_vec())],
        specs: Some(specs.to_vec()),
        ..case(name, &Claim { key: key.to_vec(), value, height }, prove(key), expect)
    };
    assert!(counted.is_some() && ASSET != IBC, "the story escrows");
    vec![
        asset("counter present in a Jellyfish store", b"escrow", counted.clone(), &jellyfish, Expect::Accept),
        asset("counter absent in a Jellyfish store", b"nothing", None, &jellyfish, Expect::Accept),
        asset("counter denied in a Jellyfish store", b"escrow", None, &jellyfish, Expect::Reject),
        asset("Jellyfish store under the specs of Cosmos", b"escrow", counted, &default, Expect::Reject),
    ]
}
