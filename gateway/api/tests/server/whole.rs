//! Assaults on a whole node with real chains behind the real door. After each, a good transaction goes through.

use crate::{
    Served,
    abuse::{garbage, send_garbage},
    expect, soon,
};
use catenary_api::{Api, limits};
use catenary_crypto::{Signature, SigningKey};
use catenary_links::Directory;
use catenary_proto::api::{
    self, ErrorReason, chain_status::Activity, get_transaction_request::Name,
    submit_result::Result as Outcome,
};
use catenary_runtime::now;
use catenary_system::{
    Node,
    testing::{
        Bank, copy,
        files::{first_blocks, flip},
        run, settle, start,
    },
};
use catenary_types::{
    AccountId, Body, Envelope, Message, Timestamp, envelope::signed_bytes, limits::ENVELOPE_BYTES_MAX,
};
use std::cell::Cell;
use tempfile::TempDir;
use tonic::Status;

/// Signatures are counted over the whole process, so these tests run one after the other.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

/// A node with two chains, and its door.
struct Whole {
    banks: [Bank; 2],
    served: Served,
    node: Node,
    next: Cell<u64>,
    _folder: TempDir,
}

impl Whole {
    async fn start() -> Self {
        let banks = ["berka", "ab"].map(|name| Bank::new(name, now()));
        let folder = tempfile::tempdir().unwrap();
        let (node, _) = start(folder.path(), &banks).await.unwrap();
        let served = Served::start(Api::new(Directory::new(node.clients()))).await;
        Self { banks, served, node, next: Cell::new(0), _folder: folder }
    }

    /// A good body for the first chain, never the same twice.
    fn body(&self) -> Body {
        self.next.set(self.next.get() + 1);
        self.banks[0].opening(self.next.get())
    }

    fn key(&self) -> SigningKey {
        self.banks[0].key()
    }

    async fn submit(&self, envelope: Vec<u8>) -> Result<api::SubmitResponse, Status> {
        let request = api::SubmitRequest { chain: "berka".into(), envelope };
        soon(self.served.ledger().submit(request)).await.map(tonic::Response::into_inner)
    }

    /// Fails unless a good transaction goes through and its receipt can be read.
    async fn assert_serving(&self, after: &str) {
        let body = self.body();
        let envelope = body.sign(&[&self.key()]).encode();
        // The node itself says when the transaction is in a block; the door must have taken it before.
        let response = self.submit(envelope).await;
        let tx_id = response.unwrap_or_else(|status| panic!("after {after}: {status:?}")).tx_id;
        settle(&self.node.chains()[0], self.body().sign(&[&self.key()]).encode()).await;
        let name = Some(Name::TxId(tx_id));
        let request = api::GetTransactionRequest { chain: "berka".into(), name, include_proof: false };
        let found = soon(self.served.ledger().get_transaction(request)).await.expect(after).into_inner();
        assert_eq!(found.transaction.unwrap().receipt.unwrap().code, 0, "after {after}");
    }
}

/// Signs bytes that are no canonical body.
fn signed(key: &SigningKey, body: Vec<u8>) -> Envelope {
    let signature = key.sign(&signed_bytes(&body));
    let mut envelope = Envelope::decode(&Bank::new("any", Timestamp(1)).envelope(0)).unwrap();
    envelope.signatures[0].key = key.public_key();
    envelope.signatures[0].signature = signature;
    Envelope { body, ..envelope }
}

const UNKNOWN_FIELD: [u8; 3] = [0xf8, 0x06, 0x01];

/// Envelopes that the first chain must refuse, and why.
fn bad_envelopes(whole: &Whole) -> Vec<(&'static str, Vec<u8>, ErrorReason)> {
    let key = whole.key();
    let good = || whole.body().sign(&[&key]);
    let unknown_in_envelope = [good().encode(), UNKNOWN_FIELD.to_vec()].concat();
    let unknown_in_body = signed(&key, [good().body, UNKNOWN_FIELD.to_vec()].concat()).encode();
    let mut call = whole.body();
    call.calls[0].message.extend(UNKNOWN_FIELD);
    let mut flipped = good();
    let Signature(bytes) = &mut flipped.signatures[0].signature;
    bytes[3] ^= 1;
    let stranger = SigningKey::from_seed(&[9; 32]);
    let earlier = Bank::new("berka", Timestamp(1_700_000_000_000_000_000));
    let past = Body { valid_until: catenary_types::UnixSeconds(1), ..whole.body() };
    vec![
        ("an unknown field in the envelope", unknown_in_envelope, ErrorReason::MalformedEnvelope),
        ("an unknown field in the body", unknown_in_body, ErrorReason::MalformedEnvelope),
        ("an unknown field in a call", call.sign(&[&key]).encode(), ErrorReason::MalformedEnvelope),
        ("bytes that are no envelope", vec![0xff; 300], ErrorReason::MalformedEnvelope),
        ("an envelope that is too large", vec![7; ENVELOPE_BYTES_MAX + 1], ErrorReason::TooLarge),
        ("a flipped signature", flipped.encode(), ErrorReason::InvalidSignature),
        ("another one's key", whole.body().sign(&[&stranger]).encode(), ErrorReason::InvalidSignature),
        ("another chain's id", whole.banks[1].envelope(1), ErrorReason::WrongChain),
        ("an earlier chain of this name", earlier.envelope(1), ErrorReason::WrongChain),
        ("a transaction of the past", past.sign(&[&key]).encode(), ErrorReason::Expired),
    ]
}

#[test]
fn every_bad_envelope_gets_its_documented_error_and_the_node_keeps_serving() {
    let _alone = ALONE.lock();
    run(async {
        let whole = Whole::start().await;
        for (what, envelope, reason) in bad_envelopes(&whole) {
            let fault = expect(&whole.submit(envelope).await.expect_err(what), reason);
            assert_eq!(fault.metadata["effect"], "not_applied", "{what}");
            whole.assert_serving(what).await;
        }
    });
}

#[test]
fn a_replayed_transaction_is_known_and_changes_nothing() {
    let _alone = ALONE.lock();
    run(async {
        let whole = Whole::start().await;
        let body = whole.body();
        let envelope = body.sign(&[&whole.key()]).encode();
        let settled = settle(&whole.node.chains()[0], envelope.clone()).await;
        let tip = whole.node.clients()[0].header(None).await.unwrap().header().height;
        for _ in 0..3 {
            let again = whole.submit(envelope.clone()).await.unwrap();
            assert_eq!((again.known, again.height), (true, settled.height.0));
        }
        let other = Body { calls: whole.body().calls, ..body };
        let reused = whole.submit(other.sign(&[&whole.key()]).encode()).await.unwrap_err();
        expect(&reused, ErrorReason::RequestIdReused);
        assert_eq!(whole.node.clients()[0].header(None).await.unwrap().header().height, tip);
        whole.assert_serving("replays").await;
    });
}

#[test]
fn garbage_and_oversized_messages_are_cut_off_and_the_node_keeps_serving() {
    let _alone = ALONE.lock();
    run(async {
        let whole = Whole::start().await;
        for bytes in garbage() {
            send_garbage(&whole.served, &bytes).await;
            whole.assert_serving("garbage").await;
        }
        let status = whole.submit(vec![7; limits::SUBMIT_BYTES_MAX]).await.unwrap_err();
        expect(&status, ErrorReason::MessageTooLarge);
        whole.assert_serving("an oversized message").await;
        let many = api::SubmitManyRequest { chain: "berka".into(), envelopes: vec![vec![7; 1 << 20]; 5] };
        let status = soon(whole.served.ledger().submit_many(many)).await.unwrap_err();
        expect(&status, ErrorReason::MessageTooLarge);
        whole.assert_serving("an oversized batch").await;
    });
}

#[test]
fn an_unknown_sender_costs_no_check_of_a_signature() {
    let _alone = ALONE.lock();
    run(async {
        let whole = Whole::start().await;
        // The seal is made; nothing else checks signatures now.
        settle(&whole.node.chains()[0], whole.body().sign(&[&whole.key()]).encode()).await;
        let verified = || catenary_crypto::signatures_verified();
        let stranger = || Body { sender: AccountId([9; 20]), ..whole.body() }.sign(&[&whole.key()]).encode();
        let before = verified();
        for _ in 0..10 {
            let status = whole.submit(stranger()).await.unwrap_err();
            expect(&status, ErrorReason::UnknownSender);
        }
        let envelopes = (0..100).map(|_| stranger()).collect();
        let many = api::SubmitManyRequest { chain: "berka".into(), envelopes };
        let results = soon(whole.served.ledger().submit_many(many)).await.unwrap().into_inner().results;
        let refused = |outcome: &Option<Outcome>| matches!(outcome, Some(Outcome::Refused(_)));
        assert!(results.len() == 100 && results.iter().all(|result| refused(&result.result)));
        assert_eq!(verified(), before, "a stranger's signature was looked at");
        // A known sender's is: the counter counts.
        let wrong = whole.body().sign(&[&SigningKey::from_seed(&[9; 32])]).encode();
        expect(&whole.submit(wrong).await.unwrap_err(), ErrorReason::InvalidSignature);
        let mut flipped = whole.body().sign(&[&whole.key()]);
        flipped.signatures[0].signature.0[0] ^= 1;
        expect(&whole.submit(flipped.encode()).await.unwrap_err(), ErrorReason::InvalidSignature);
        assert!(verified() > before);
        whole.assert_serving("strangers").await;
    });
}

#[test]
fn a_chain_that_does_not_open_is_listed_with_its_reason_and_hides_no_other() {
    let _alone = ALONE.lock();
    let banks = ["berka", "ab"].map(|name| Bank::new(name, now()));
    let folder = tempfile::tempdir().unwrap();
    let left = run(async {
        let (node, _) = start(folder.path(), &banks).await.unwrap();
        settle(&node.chains()[1], banks[1].envelope(1)).await;
        copy(folder.path())
    });
    flip(&first_blocks(left.path(), &banks[1]), 500);
    run(async {
        let (node, _) = start(left.path(), &banks).await.unwrap();
        let served = Served::start(Api::new(Directory::new(node.clients()))).await;
        let listed = soon(served.ledger().list_chains(api::ListChainsRequest::default())).await.unwrap();
        let chains = listed.into_inner().chains;
        let ids: Vec<_> = chains.iter().map(|chain| &*chain.chain_id).collect();
        assert_eq!(ids, [banks[1].chain_id().as_str(), banks[0].chain_id().as_str()]);
        let Some(Activity::Halted(halted)) = &chains[0].activity else { panic!("{:?}", chains[0]) };
        assert!(halted.reason.contains("is damaged"), "{}", halted.reason);
        assert_eq!(chains[1].activity, Some(Activity::Idle(api::Idle {})));
        settle(&node.chains()[0], banks[0].envelope(1)).await;
    });
}
