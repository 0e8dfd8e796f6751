//! Proofs of state: whatever the bytes, what they show is true, and a proof has one encoding.

use crate::{
    alteration::{altered, only_the_original},
    input::Input,
};
use catenary_crypto::{Hash, sha256};
use catenary_state::{
    Changes, Multiproof, Multistore, StoreKind, StoreName, TreeKind, decode_merkle_proof,
    encode_merkle_proof, verify_membership, verify_non_membership,
};
use std::sync::LazyLock;

/// A store, and what kind of tree it is.
type Which = (StoreName, TreeKind);

const IBC: StoreName = StoreName::new("ibc");
const ASSET: StoreName = StoreName::new("asset");
const STORES: [Which; 2] = [(IBC, TreeKind::CritBit), (ASSET, TreeKind::Jellyfish)];
const VERSION: u64 = 1;
/// Keys of each store; those in between are absent.
const KEYS: u64 = 40;
/// Most keys of one multiproof.
const QUERIES_MAX: usize = 5;

/// A few stores with a few keys, and the root of all of them.
struct Content {
    state: Multistore,
    app_hash: Hash,
}

static CONTENT: LazyLock<Content> = LazyLock::new(|| {
    let kinds = [
        (IBC, StoreKind::CritBit),
        (ASSET, StoreKind::Jellyfish),
        (StoreName::new("clients"), StoreKind::Jellyfish),
        (StoreName::new("replay"), StoreKind::External),
    ];
    let mut state = Multistore::new(&kinds).expect("a valid list of stores");
    let mut changes = Changes::default();
    for number in (0..KEYS).step_by(2) {
        for (store, _) in STORES {
            changes.put(store, key(store, number), sha256(&number.to_be_bytes()).0);
        }
    }
    let app_hash = state.commit(VERSION, &changes).expect("keys and values are well formed");
    Content { state, app_hash }
});

/// The keys are dense, so that even ones have odd ones as neighbours.
fn key(store: StoreName, number: u64) -> Vec<u8> {
    if store == IBC {
        let client = format!("bft-client-{}", number % 3);
        return [client.as_bytes(), &[1 + (number % 2) as u8], &number.to_be_bytes()].concat();
    }
    format!("balance/{number}").into_bytes()
}

impl Content {
    fn get(&self, store: StoreName, key: &[u8]) -> Option<Vec<u8>> {
        self.state.get(store, key).expect("the store is there").map(<[u8]>::to_vec)
    }

    fn single(&self, store: StoreName, key: &[u8]) -> Vec<u8> {
        encode_merkle_proof(&self.state.prove(VERSION, store, key).expect("the version is kept"))
    }

    fn multi(&self, store: StoreName, keys: &[Vec<u8>]) -> Vec<u8> {
        let keys: Vec<_> = keys.iter().map(Vec::as_slice).collect();
        self.state.multiproof(VERSION, store, &keys).expect("few keys of a store that is there").encode()
    }

    fn single_shows(&self, (store, tree): Which, claim: &Claim, proof: &[u8]) -> bool {
        let Ok(proofs) = decode_merkle_proof(proof) else { return false };
        let (root, name, key) = (&self.app_hash, store.as_str(), &claim.key);
        match &claim.value {
            Some(value) => verify_membership(root, name, tree, key, value, &proofs).is_ok(),
            None => verify_non_membership(root, name, tree, key, &proofs).is_ok(),
        }
    }

    fn multi_shows(&self, (store, tree): Which, claims: &[Claim], proof: &[u8]) -> bool {
        let queries: Vec<_> = claims.iter().map(|claim| (&*claim.key, claim.value.as_deref())).collect();
        let proof = Multiproof::decode(proof);
        proof.is_ok_and(|proof| proof.verify(&self.app_hash, store.as_str(), tree, &queries).is_ok())
    }
}

/// That a key has this value, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Claim {
    key: Vec<u8>,
    value: Option<Vec<u8>>,
}

impl Claim {
    /// A key, which is there or not, with its value, with another's, or with none.
    fn choose(input: &mut Input<'_>, store: StoreName) -> Self {
        let mut key = key(store, input.below(KEYS as usize) as u64);
        if input.one_in(8) {
            key = altered(input, &key);
        }
        let value = match input.byte() % 4 {
            0 => None,
            1 => Some(sha256(&(input.below(KEYS as usize) as u64).to_be_bytes()).0.to_vec()),
            _ => CONTENT.get(store, &key),
        };
        Self { key, value }
    }

    fn is_true(&self, store: StoreName) -> bool {
        CONTENT.get(store, &self.key) == self.value
    }
}

fn keys(claims: &[Claim]) -> Vec<Vec<u8>> {
    claims.iter().map(|claim| claim.key.clone()).collect()
}

/// Makes claims, true or false, and shows them with honest proofs of some keys, altered or not.
pub fn false_claims(data: &[u8]) {
    check_claims(
        data,
        |which, claim, proof| CONTENT.single_shows(which, claim, proof),
        |which, claims, proof| CONTENT.multi_shows(which, claims, proof),
    );
}

fn check_claims(
    data: &[u8],
    single_shows: impl Fn(Which, &Claim, &[u8]) -> bool,
    multi_shows: impl Fn(Which, &[Claim], &[u8]) -> bool,
) {
    let mut input = Input::new(data);
    let which = STORES[input.below(STORES.len())];
    let store = which.0;
    let shown: Vec<_> = (0..=input.below(QUERIES_MAX)).map(|_| Claim::choose(&mut input, store)).collect();
    let other = Claim::choose(&mut input, store);
    let alter = input.one_in(2);
    let mut tamper = |proof: Vec<u8>| if alter { altered(&mut input, &proof) } else { proof };

    let single = tamper(CONTENT.single(store, &shown[0].key));
    for claim in [&shown[0], &other] {
        if single_shows(which, claim, &single) {
            assert!(claim.is_true(store), "a proof shows {claim:02x?}");
        }
    }
    let multi = tamper(CONTENT.multi(store, &keys(&shown)));
    for claims in [&shown[..], &shown[..1], &[other]] {
        if multi_shows(which, claims, &multi) {
            assert!(claims.iter().all(|claim| claim.is_true(store)), "a proof shows {claims:02x?}");
        }
    }
}

/// Alters the proof of what is true.
pub fn altered_proofs(data: &[u8]) {
    let mut input = Input::new(data);
    let which = STORES[input.below(STORES.len())];
    let store = which.0;
    let truth = |input: &mut Input<'_>| {
        let key = key(store, input.below(KEYS as usize) as u64);
        Claim { value: CONTENT.get(store, &key), key }
    };
    let claim = truth(&mut input);
    let original = CONTENT.single(store, &claim.key);
    assert!(CONTENT.single_shows(which, &claim, &original));
    only_the_original("proof", &original, &mut input, |proof| CONTENT.single_shows(which, &claim, proof));

    let mut claims: Vec<_> = (0..=input.below(QUERIES_MAX)).map(|_| truth(&mut input)).collect();
    claims.sort_by(|one, other| one.key.cmp(&other.key));
    claims.dedup();
    let original = CONTENT.multi(store, &keys(&claims));
    assert!(CONTENT.multi_shows(which, &claims, &original));
    only_the_original("multiproof", &original, &mut input, |proof| {
        CONTENT.multi_shows(which, &claims, proof)
    });
}

/// Proofs of one key, present and absent, and of several, from both kinds of tree.
pub fn encodings() -> Vec<Vec<u8>> {
    let of_store = |(store, _): &Which| {
        let [there, absent] = [6, 7].map(|number| key(*store, number));
        [
            CONTENT.single(*store, &there),
            CONTENT.single(*store, &absent),
            CONTENT.multi(*store, &[there, absent]),
        ]
    };
    STORES.iter().flat_map(of_store).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cases::Cases;

    /// Runs a verifier over many claims.
    fn claims(single: fn(Which, &Claim, &[u8]) -> bool, multi: fn(Which, &[Claim], &[u8]) -> bool) {
        let mut cases = Cases::new(3);
        (0..300).for_each(|_| check_claims(&cases.random(), single, multi));
    }

    #[test]
    #[should_panic = "a proof shows"]
    fn a_verifier_that_forgets_values_is_noticed() {
        let forgetful = |which: Which, claim: &Claim, proof: &[u8]| {
            let known = Claim { value: CONTENT.get(which.0, &claim.key), ..claim.clone() };
            CONTENT.single_shows(which, &known, proof)
        };
        claims(forgetful, |_, _, _| false);
    }

    #[test]
    #[should_panic = "a proof shows"]
    fn a_verifier_of_the_first_claim_alone_is_noticed() {
        let first = |which: Which, claims: &[Claim], proof: &[u8]| {
            let shown = CONTENT.multi(which.0, &keys(&claims[..1]));
            CONTENT.multi_shows(which, &claims[..1], &shown) && !proof.is_empty()
        };
        claims(|_, _, _| false, first);
    }
}
