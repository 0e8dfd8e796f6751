//! The stock Rust verifiers agree on what is good, and the folder is the same each time.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use catenary_conformance::{Expect, HeaderFile, ProofCase, Story};
use catenary_types::{Message, SignedHeader, ValidatorSet};
use ics23::{CommitmentProof, HostFunctionsManager, commitment_proof};
use std::time::Duration;
use tendermint_light_client_verifier::{
    ProdVerifier, Verdict, Verifier,
    options::Options,
    types::{TrustThreshold, TrustedBlockState, UntrustedBlockState},
};

const STORIES: [(&str, usize); 2] = [("solo", 1), ("berka", 4)];

fn block(file: &HeaderFile) -> (SignedHeader, ValidatorSet, ValidatorSet) {
    let signed = SignedHeader::decode(&file.signed_header.0).unwrap();
    let set = |bytes: &[u8]| ValidatorSet::decode(bytes).unwrap();
    (signed, set(&file.validators.0), set(&file.next_validators.0))
}

#[test]
fn tendermint_follows_the_headers() {
    let options = Options {
        trust_threshold: TrustThreshold::ONE_THIRD,
        trusting_period: Duration::from_secs(864_000),
        clock_drift: Duration::from_secs(10),
    };
    for (name, validators) in STORIES {
        let headers = Story::new(name, validators).headers();
        let now = block(headers.last().unwrap()).0.header.to_tendermint().time;
        let now = (now + Duration::from_secs(5)).unwrap();
        for (at, trusted) in headers.iter().enumerate() {
            for untrusted in &headers[at + 1..] {
                let (first, _, next) = block(trusted);
                let (second, set, _) = block(untrusted);
                let stock = |signed: &SignedHeader| {
                    let (header, commit) =
                        (signed.header.to_tendermint(), signed.certificate.to_tendermint());
                    tendermint::block::signed_header::SignedHeader::new(header, commit).unwrap()
                };
                let (first, second) = (stock(&first), stock(&second));
                let (next, set) = (next.to_tendermint().unwrap(), set.to_tendermint().unwrap());
                let state = TrustedBlockState {
                    chain_id: &first.header.chain_id,
                    header_time: first.header.time,
                    height: first.header.height,
                    next_validators: &next,
                    next_validators_hash: first.header.next_validators_hash,
                };
                let update =
                    UntrustedBlockState { signed_header: &second, validators: &set, next_validators: None };
                let verdict = ProdVerifier::default().verify_update_header(update, state, &options, now);
                assert_eq!(verdict, Verdict::Success, "{name}: {} to {}", trusted.height, untrusted.height);
            }
        }
    }
}

/// What stock `ics23` says of a case, tree by tree.
fn holds(case: &ProofCase, root: &[u8]) -> bool {
    let Ok(proofs) = catenary_state::decode_merkle_proof(&case.proof.0) else { return false };
    let [store, key] = case.path.as_slice() else { return false };
    let outer = &proofs[1];
    let Some(commitment_proof::Proof::Exist(exist)) = &outer.proof else { return false };
    let (root, tendermint) = (root.to_vec(), ics23::tendermint_spec());
    type Host = HostFunctionsManager;
    if !ics23::verify_membership::<Host>(outer, &tendermint, &root, &store.0, &exist.value) {
        return false;
    }
    let (spec, inner): (_, &CommitmentProof) = (ics23::iavl_spec(), &proofs[0]);
    match &case.value {
        Some(value) => ics23::verify_membership::<Host>(inner, &spec, &exist.value, &key.0, &value.0),
        None => ics23::verify_non_membership::<Host>(inner, &spec, &exist.value, &key.0),
    }
}

#[test]
fn ics23_agrees_on_proofs_under_the_default_specs() {
    for (name, validators) in STORIES {
        let story = Story::new(name, validators);
        let headers = story.headers();
        let cases: Vec<_> = story.proofs().into_iter().filter(|case| case.specs.is_none()).collect();
        assert!(
            cases.iter().filter(|case| case.expect == Expect::Accept).count() > 10,
            "{name} proves something"
        );
        for case in cases {
            let root = &headers[usize::try_from(case.height).unwrap() - 1].app_hash.0;
            assert_eq!(holds(&case, root), case.expect == Expect::Accept, "{name}: {}", case.name);
        }
    }
}

#[test]
fn a_story_gives_the_same_bytes_each_time() {
    let text = || serde_json::to_string(&Story::new("berka", 4).headers()).unwrap();
    assert_eq!(text(), text());
}
