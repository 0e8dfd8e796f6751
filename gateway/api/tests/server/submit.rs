//! Submitting: what is taken, what is refused, and what every failure says it has done.

use crate::{
    Served, directory, expect, expect_field,
    fake::{FakeChain, STRANGER, Trouble, any_call, envelope, key, tx_id},
    impatient,
};
use catenary_api::Api;
use catenary_links::ChainClient;
use catenary_proto::api::{self, ErrorReason, submit_result::Result as Outcome};
use catenary_relay::gateway::{GatewayError, RefusalReason};
use catenary_types::{Body, Envelope, Message, RequestId, UnixSeconds};

fn request(chain: &str, envelope: Vec<u8>) -> api::SubmitRequest {
    api::SubmitRequest { chain: chain.into(), envelope }
}

#[tokio::test]
async fn the_same_envelope_is_taken_once_and_known_then() {
    let chain = FakeChain::new("berka");
    let served = Served::of(&[&chain]).await;
    let bytes = envelope(chain.chain_id(), 1, None, any_call());
    let id = tx_id(&bytes).0.0.to_vec();
    let first = served.ledger().submit(request("berka", bytes.clone())).await.unwrap().into_inner();
    assert_eq!(first, api::SubmitResponse { tx_id: id.clone(), known: false, height: 0 });
    chain.push(vec![bytes.clone()], Vec::new());
    let again = served.ledger().submit(request(chain.chain_id().as_str(), bytes)).await.unwrap().into_inner();
    assert_eq!(again, api::SubmitResponse { tx_id: id, known: true, height: 1 });
}

#[tokio::test]
async fn every_refusal_has_its_reason_and_is_not_applied() {
    let chain = FakeChain::new("berka");
    let served = Served::of(&[&chain]).await;
    for (number, reason) in (0..).zip(RefusalReason::ALL) {
        let bytes = envelope(chain.chain_id(), number, Some(reason.name()), any_call());
        let id = tx_id(&bytes).to_string();
        let status = served.ledger().submit(request("berka", bytes)).await.unwrap_err();
        let fault = expect(&status, reason.into());
        assert_eq!(fault.metadata["effect"], "not_applied");
        assert_eq!(fault.metadata["tx_id"], id);
    }
}

#[tokio::test]
async fn a_chain_that_does_not_answer_leaves_the_outcome_unknown() {
    let chain = FakeChain::new("berka");
    let served = Served::start(Api::new(directory(&[&chain])).limits(impatient())).await;
    let bytes = envelope(chain.chain_id(), 1, None, any_call());
    let gone = GatewayError::Unavailable("gone".into());
    let damaged = GatewayError::Damaged("block 3".into());
    for (trouble, reason, effect) in [
        (Trouble::Fail(GatewayError::Busy), ErrorReason::Busy, "not_applied"),
        (Trouble::Fail(gone), ErrorReason::ChainUnavailable, "unknown"),
        (Trouble::Fail(damaged), ErrorReason::DataDamaged, "unknown"),
        (Trouble::Hang, ErrorReason::TimedOut, "unknown"),
    ] {
        chain.trouble(trouble);
        let status = served.ledger().submit(request("berka", bytes.clone())).await.unwrap_err();
        let fault = expect(&status, reason);
        assert_eq!(fault.metadata["effect"], effect);
        assert_eq!(fault.metadata["tx_id"], tx_id(&bytes).to_string());
        let many = api::SubmitManyRequest { chain: "berka".into(), envelopes: vec![bytes.clone()] };
        let fault = expect(&served.ledger().submit_many(many).await.unwrap_err(), reason);
        assert_eq!(fault.metadata["effect"], effect);
    }
    chain.trouble(None);
    assert!(served.ledger().submit(request("berka", bytes)).await.is_ok());
}

#[tokio::test]
async fn unknown_fields_in_envelope_or_body_are_refused() {
    let chain = FakeChain::new("berka");
    let served = Served::of(&[&chain]).await;
    let good = envelope(chain.chain_id(), 1, None, any_call());
    let unknown_field = [0x78, 0x01];
    let in_envelope = [&good[..], &unknown_field].concat();
    let mut decoded = Envelope::decode(&good).unwrap();
    decoded.body.extend(unknown_field);
    for bytes in [in_envelope, decoded.encode(), Vec::new(), vec![0xff; 40]] {
        let status = served.ledger().submit(request("berka", bytes)).await.unwrap_err();
        let fault = expect(&status, ErrorReason::MalformedEnvelope);
        assert_eq!(fault.metadata["effect"], "not_applied");
    }
}

#[tokio::test]
async fn envelopes_for_another_chain_or_from_a_stranger_are_refused() {
    let chain = FakeChain::new("berka");
    let served = Served::of(&[&chain]).await;
    let earlier = "berka-fedcba9876543210-1".parse().unwrap();
    let bytes = envelope(&earlier, 1, None, any_call());
    let status = served.ledger().submit(request("berka", bytes.clone())).await.unwrap_err();
    expect(&status, ErrorReason::WrongChain);
    let status = served.ledger().submit(request(earlier.as_str(), bytes)).await.unwrap_err();
    assert_eq!(expect(&status, ErrorReason::ChainNotFound).metadata["effect"], "not_applied");
    let body = Body {
        chain_id: chain.chain_id().clone(),
        sender: STRANGER,
        request_id: RequestId([1; 16]),
        valid_until: UnixSeconds(1),
        reference: None,
        calls: vec![any_call()],
    };
    let bytes = body.sign(&[&key()]).encode();
    expect(&served.ledger().submit(request("berka", bytes)).await.unwrap_err(), ErrorReason::UnknownSender);
}

#[tokio::test]
async fn submit_many_gives_each_envelope_its_own_result() {
    let chain = FakeChain::new("berka");
    let served = Served::of(&[&chain]).await;
    let of = |number, reference| envelope(chain.chain_id(), number, reference, any_call());
    let envelopes = vec![of(1, None), vec![1, 2, 3], of(1, None), of(2, Some("EXPIRED")), of(3, None)];
    let many = api::SubmitManyRequest { chain: "berka".into(), envelopes: envelopes.clone() };
    let batch = api::SubmitBatchRequest { chain: "berka".into(), envelopes };
    let results = served.ledger().submit_many(many).await.unwrap().into_inner().results;
    let names: Vec<_> = results.iter().map(|result| name(result.result.as_ref().unwrap())).collect();
    assert_eq!(names, ["accepted", "MALFORMED_ENVELOPE", "known", "EXPIRED", "accepted"]);
    let results = served.gateway().submit_batch(batch).await.unwrap().into_inner().results;
    let names: Vec<_> = results.iter().map(|result| name(result.result.as_ref().unwrap())).collect();
    assert_eq!(names, ["known", "MALFORMED_ENVELOPE", "known", "EXPIRED", "known"]);
}

fn name(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(_) => "accepted".into(),
        Outcome::Known(_) => "known".into(),
        Outcome::Refused(refused) => refused.reason.clone(),
    }
}

#[tokio::test]
async fn submit_many_takes_1_to_1000() {
    let chain = FakeChain::new("berka");
    let served = Served::of(&[&chain]).await;
    for (count, taken) in [(0, false), (1, true), (1_000, true), (1_001, false)] {
        let envelopes = vec![vec![1]; count];
        let many = api::SubmitManyRequest { chain: "berka".into(), envelopes };
        match served.ledger().submit_many(many).await {
            Ok(answer) => assert!(taken && answer.into_inner().results.len() == count),
            Err(status) => {
                assert!(!taken, "{count} were refused");
                expect_field(&status, "envelopes");
            }
        }
    }
}
