//! A snapshot leads to the state and tip that executing every block leads to; whatever is wrong with one is named.

use crate::node::{Node, genesis, key, pay, worker};
use catenary_apps::admin::{AdminCall, DeclareReady, SetValidators};
use catenary_crypto::{Hash, sha256};
use catenary_ledger::{Apps, Ledger};
use catenary_replica::{
    Anchor, Chunk, ChunkSummary, Chunks, FetchedBlock, Manifest, Pin, Recovered, ReplayEntry,
    SNAPSHOT_CHUNKS_MAX, SNAPSHOT_TRAIL_MAX, SetChange, SnapshotError, StateEntry, Tip, Worker,
};
use catenary_types::{Height, Message, Readiness, SignedHeader, Validator, testing};

/// Of the snapshot.
pub const HEIGHT: Height = Height(8);

/// A snapshot, and what it was taken of.
pub struct Sample {
    pub manifest: Manifest,
    pub chunks: Vec<Vec<u8>>,
    pub blocks: Vec<FetchedBlock>,
    /// The tip at its height, as execution came to it.
    tip: Tip,
}

pub fn anchor() -> Anchor {
    Anchor::of(&genesis(4, |_| {})).unwrap()
}

/// A chain of ten blocks, the third of which makes others the validators from the fifth on, and a snapshot at its eighth.
pub fn sample() -> Sample {
    let mut node = Node::start(worker(&genesis(4, |_| {})), Recovered::default());
    let (mut blocks, mut changes) = (Vec::new(), Vec::new());
    let mut at = None;
    for height in 1..=10_u8 {
        let others = (3..=7).map(|seed| Validator { public_key: key(seed).public_key(), power: 10 });
        let envelopes = match height {
            3 => {
                let tip = node.worker.tip();
                let state = (tip.height, node.worker.state().app_hash());
                let ready = (3..=7).map(|seed| {
                    let readiness = Readiness::sign(&tip.chain_id, &key(seed), state, node.now);
                    AdminCall::DeclareReady(DeclareReady { readiness })
                });
                let change = AdminCall::SetValidators(SetValidators { validators: others.collect() });
                let calls = ready.chain([change]).collect();
                vec![node.decision(3, calls)]
            }
            _ => vec![node.envelope('A', height, vec![pay()]), node.envelope('B', height, vec![pay()])],
        };
        node.submit(envelopes);
        let executed = node.commit().executed;
        let signed = SignedHeader {
            header: executed.block.header.clone(),
            certificate: executed.certificate().clone(),
        };
        if SetChange::is_announced_by(&signed.header) {
            let validators = (*executed.tip.next_validators).clone();
            changes.push(SetChange { signed, validators });
        }
        blocks.push(FetchedBlock {
            block: executed.block.clone(),
            certificate: executed.certificate().clone(),
        });
        if executed.tip.height == HEIGHT {
            at = Some((executed.tip, content(&node.worker)));
        }
    }
    let (tip, (chunks, summaries)) = at.unwrap();
    let signed = |height: u64| {
        let FetchedBlock { block, certificate } = &blocks[height as usize - 1];
        SignedHeader { header: block.header.clone(), certificate: certificate.clone() }
    };
    let manifest = Manifest {
        version: 1,
        before: signed(HEIGHT.0 - 1).header,
        at: signed(HEIGHT.0),
        after: signed(HEIGHT.0 + 1),
        next_validators: (*tip.next_validators).clone(),
        trail: changes,
        chunks: summaries,
    };
    Sample { manifest, chunks, blocks, tip }
}

fn content(worker: &Worker) -> (Vec<Vec<u8>>, Vec<ChunkSummary>) {
    let (mut chunks, mut full) = (Chunks::default(), Vec::new());
    for (store, entries) in worker.state().content() {
        for (key, value) in entries {
            let entry = StateEntry { store: store.as_str().into(), key, value: value.unwrap() };
            full.extend(chunks.entry(entry));
        }
    }
    for (minute, (sender, request_id)) in worker.state().replay().entries() {
        full.extend(chunks.id(ReplayEntry { minute, sender, request_id }));
    }
    let (last, summaries) = chunks.finish();
    full.extend(last);
    (full, summaries)
}

fn open(manifest: Manifest, chunks: &[Vec<u8>]) -> Result<Tip, SnapshotError> {
    manifest.verify(&anchor(), None)?.open(chunks).map(|(_, tip)| tip)
}

/// A snapshot whose only chunk was changed by somebody who writes the manifest too.
pub fn rewritten(sample: &Sample, change: impl FnOnce(&mut Chunk)) -> (Manifest, Vec<Vec<u8>>) {
    assert_eq!(sample.chunks.len(), 1);
    let mut chunk = Chunk::decode(&sample.chunks[0]).unwrap();
    change(&mut chunk);
    let bytes = chunk.encode();
    let summary = ChunkSummary { bytes: bytes.len() as u32, hash: sha256(&bytes) };
    (Manifest { chunks: vec![summary], ..sample.manifest.clone() }, vec![bytes])
}

#[test]
fn a_snapshot_leads_to_the_tip_that_blocks_lead_to_and_the_chain_goes_on_from_it() {
    let sample = sample();
    let read = Manifest::read(&sample.manifest.encode()).unwrap();
    assert_eq!(read, sample.manifest);
    assert_eq!(sample.manifest.trail.len(), 1);
    let (state, tip) = read.verify(&anchor(), None).unwrap().open(&sample.chunks).unwrap();
    assert_eq!(tip, sample.tip);
    let ledger = Ledger::new(
        Apps::default().with("admin", catenary_apps::admin::Admin).with("asset", catenary_apps::asset::Asset),
    );
    let mut restored = Worker::on_snapshot(ledger, state, tip);
    // What its first checkpoint stores is all of the state, and the window.
    let checkpoint = restored.take_checkpoint();
    assert_eq!(checkpoint.changes, restored.state().content());
    assert_eq!(checkpoint.entered.len(), restored.state().replay().len());
    for FetchedBlock { block, certificate } in &sample.blocks[HEIGHT.0 as usize..] {
        restored.replay((**block).clone(), certificate.clone()).unwrap();
    }
    assert_eq!(restored.tip().height, Height(10));
}

#[test]
fn bytes_are_pinned() {
    let sample = sample();
    let parts = [sample.manifest.encode(), sample.chunks[0].clone(), genesis(4, |_| {}).encode()];
    let actual = parts.map(|bytes| hex::encode(bytes) + "\n").concat();
    assert!(actual == include_str!("../fixtures/snapshot.hex"), "not the committed bytes:\n{actual}");
}

#[test]
fn no_changed_byte_goes_unnoticed() {
    let sample = sample();
    let whole = sample.manifest.encode();
    for at in (0..whole.len()).step_by(5) {
        let mut bytes = whole.clone();
        bytes[at] ^= 0x41;
        let opened = Manifest::read(&bytes).and_then(|manifest| open(manifest, &sample.chunks));
        assert!(opened.is_err(), "byte {at} of the manifest");
        let cut = Manifest::read(&whole[..at]).and_then(|manifest| open(manifest, &sample.chunks));
        assert!(cut.is_err(), "cut at {at}");
    }
    for at in (0..sample.chunks[0].len()).step_by(11) {
        let mut chunk = sample.chunks[0].clone();
        chunk[at] ^= 0x41;
        assert!(open(sample.manifest.clone(), &[chunk]).is_err(), "byte {at} of the chunk");
    }
}

#[test]
fn a_manifest_that_is_no_proof_is_refused_by_name() {
    type Case = (&'static str, fn(&mut Manifest));
    let cases: [Case; 14] = [
        ("format 2, this build reads 1", |manifest| manifest.version = 2),
        ("header 8: the header is not one that this validator set signs", |manifest| manifest.trail.clear()),
        ("the set after header 4 has hash", |manifest| {
            manifest.trail[0].validators = manifest.trail[0].validators.clone();
            let mut members = manifest.trail[0].validators.validators().to_vec();
            members.pop();
            manifest.trail[0].validators = catenary_types::ValidatorSet::new(members).unwrap();
        }),
        ("header 4 does not follow", |manifest| manifest.trail.push(manifest.trail[0].clone())),
        ("header 4: signatures carry 20 of 40 power", |manifest| {
            let signatures = &mut manifest.trail[0].signed.certificate.signatures;
            signatures[..2].fill(catenary_types::CommitSignature::Absent);
        }),
        ("header 9: the certificate is of another block", |manifest| {
            manifest.after.header.app_hash = Hash([7; 32]);
        }),
        ("header 8 does not follow", |manifest| manifest.before.app_hash = Hash([7; 32])),
        ("header 9 does not follow", |manifest| manifest.at.header.app_hash = Hash([7; 32])),
        ("the set after header 8 has hash", |manifest| {
            let members = manifest.next_validators.validators()[1..].to_vec();
            manifest.next_validators = catenary_types::ValidatorSet::new(members).unwrap();
        }),
        ("header 9: the signature of entry 0 does not verify", |manifest| {
            let entry = &mut manifest.after.certificate.signatures[0];
            let catenary_types::CommitSignature::Commit { signature, .. } = entry else { panic!() };
            signature.0[7] ^= 1;
        }),
        ("expected a snapshot of test-", |manifest| {
            manifest.at.header.chain_id = "other-0123456789abcdef-1".parse().unwrap();
        }),
        ("expected a snapshot of test-", |manifest| {
            manifest.trail[0].signed.header.chain_id = "other-0123456789abcdef-1".parse().unwrap();
        }),
        ("4097 chunks, at most", |manifest| {
            let chunk = manifest.chunks[0].clone();
            manifest.chunks = vec![chunk; SNAPSHOT_CHUNKS_MAX + 1];
        }),
        ("1025 changes of the set, at most", |manifest| {
            let change = manifest.trail[0].clone();
            manifest.trail = vec![change; SNAPSHOT_TRAIL_MAX + 1];
        }),
    ];
    let sample = sample();
    for (expected, change) in cases {
        let mut manifest = sample.manifest.clone();
        change(&mut manifest);
        // As it comes: encoded.
        let error = Manifest::read(&manifest.encode()).and_then(|manifest| open(manifest, &sample.chunks));
        let error = error.unwrap_err().to_string();
        assert!(error.contains(expected), "expected {expected:?}, got {error:?}");
    }
}

#[test]
fn a_header_that_strangers_signed_is_refused() {
    let sample = sample();
    let mut manifest = sample.manifest.clone();
    // All of the members' power, but not their keys.
    let set = &manifest.next_validators;
    let strangers = set.validators().iter().enumerate().map(|(index, member)| (index, member.power));
    let others: Vec<_> = strangers
        .map(|(index, power)| Validator { public_key: key(60 + index as u8).public_key(), power })
        .collect();
    let others = catenary_types::ValidatorSet::new(others).unwrap();
    manifest.after.certificate = testing::certify(&manifest.after.header, &others, 0, &[], (60..70).map(key));
    let error = open(manifest, &sample.chunks).unwrap_err();
    assert!(matches!(error, SnapshotError::Certificate { height: Height(9), .. }), "{error}");
}

#[test]
fn content_that_is_not_the_chains_is_refused() {
    type Case = (&'static str, fn(&mut Chunk));
    let cases: [Case; 9] = [
        ("the content has root", |chunk| *chunk.entries[3].value.last_mut().unwrap() ^= 1),
        ("the content has root", |chunk| drop(chunk.entries.remove(3))),
        ("the content has root", |chunk| chunk.ids.truncate(3)),
        ("the content has root", |chunk| chunk.ids.swap(0, 1)),
        ("an entry of store", |chunk| chunk.entries.swap(0, 1)),
        ("no store \"other\"", |chunk| chunk.entries[0].store = "other".into()),
        ("no store \"replay\"", |chunk| chunk.entries.last_mut().unwrap().store = "replay".into()),
        ("a replay id is out of order, or stands twice", |chunk| chunk.ids.push(chunk.ids[0].clone())),
        ("the content is no state: store `admin`: length 65537", |chunk| {
            chunk.entries[0].value = vec![1; 65_537];
        }),
    ];
    let sample = sample();
    for (expected, change) in cases {
        let (manifest, chunks) = rewritten(&sample, change);
        let error = open(manifest, &chunks).unwrap_err().to_string();
        assert!(error.contains(expected), "expected {expected:?}, got {error:?}");
    }
    // Chunks that are not those of the manifest.
    let error = open(sample.manifest.clone(), &[]).unwrap_err().to_string();
    assert_eq!(error, "content: expected 1 chunks, got 0");
    let cut = &sample.chunks[0][..10];
    let error = open(sample.manifest.clone(), &[cut.to_vec()]).unwrap_err().to_string();
    assert_eq!(error, format!("chunk 0: expected {} bytes, got 10", sample.chunks[0].len()));
}

#[test]
fn a_trusted_header_must_be_the_one_that_the_snapshot_carries() {
    let manifest = sample().manifest;
    let pin = |height: Height, hash: Hash| format!("{}:{hash}", height.0).parse::<Pin>().unwrap();
    let (at, change) = (&manifest.at.header, &manifest.trail[0].signed.header);
    for header in [at, change, &manifest.before, &manifest.after.header] {
        manifest.clone().verify(&anchor(), Some(pin(header.height, header.hash()))).unwrap();
    }
    let other = manifest.clone().verify(&anchor(), Some(pin(HEIGHT, Hash([7; 32])))).unwrap_err();
    assert!(other.to_string().contains("the trusted header 8 has hash 0707"), "{other}");
    let absent = manifest.clone().verify(&anchor(), Some(pin(Height(2), Hash([7; 32])))).unwrap_err();
    assert!(absent.to_string().contains("no header of that height"), "{absent}");
    for text in ["", "8", "8:", "8:00", "x:00", &format!("8:{}0", Hash::default())] {
        text.parse::<Pin>().unwrap_err();
    }
}
