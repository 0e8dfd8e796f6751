//! Sending and asking for transfers.

use crate::{
    Served, expect, expect_field,
    fake::{FakeChain, any_call, envelope, transfer_id, tx_id},
};
use catenary_apps::accounts::AccountName;
use catenary_links::ChainClient;
use catenary_packet::ClientId;
use catenary_proto::api::{self, ErrorReason};
use catenary_transfer::{Send, TransferCall};
use catenary_types::{Amount, Call, Message, UnixSeconds};

fn send() -> Call {
    let receiver = AccountName { organisation: "YZ".parse().unwrap(), number: "2".parse().unwrap() };
    let send = Send {
        client: ClientId::bft(0),
        asset: "CZK".parse().unwrap(),
        amount: Amount(1),
        receiver,
        timeout: UnixSeconds(9),
        memo: String::new(),
    };
    Call { instance: "transfer".parse().unwrap(), message: TransferCall::Send(send).encode() }
}

fn request(envelope: Vec<u8>, wait_ms: u32) -> api::SendTransferRequest {
    api::SendTransferRequest { chain: "berka".into(), envelope, wait_ms }
}

#[tokio::test]
async fn a_sender_who_waits_learns_the_transfer_and_so_does_one_who_asks_again() {
    let chain = FakeChain::new("berka");
    chain.include_at_once();
    let served = Served::of(&[&chain]).await;
    let bytes = envelope(chain.chain_id(), 1, None, send());
    let expected = |known| api::SendTransferResponse {
        tx_id: tx_id(&bytes).0.0.to_vec(),
        height: 1,
        transfer_id: transfer_id().0.to_vec(),
        known,
    };
    let first = served.transfer().send_transfer(request(bytes.clone(), 10_000)).await.unwrap().into_inner();
    assert_eq!(first, expected(false));
    let again = served.transfer().send_transfer(request(bytes.clone(), 10_000)).await.unwrap().into_inner();
    assert_eq!(again, expected(true));
}

#[tokio::test]
async fn a_sender_who_does_not_wait_learns_the_transaction() {
    let chain = FakeChain::new("berka");
    let served = Served::of(&[&chain]).await;
    let bytes = envelope(chain.chain_id(), 1, None, send());
    for (wait_ms, known) in [(0, false), (20, true)] {
        let answer =
            served.transfer().send_transfer(request(bytes.clone(), wait_ms)).await.unwrap().into_inner();
        assert_eq!(answer.tx_id, tx_id(&bytes).0.0);
        assert_eq!((answer.height, answer.transfer_id, answer.known), (0, vec![], known));
    }
}

#[tokio::test]
async fn a_transfer_that_fails_in_its_block_is_not_applied() {
    let chain = FakeChain::new("berka");
    chain.include_at_once();
    let served = Served::of(&[&chain]).await;
    let bytes = envelope(chain.chain_id(), 1, Some("fail"), send());
    for _ in 0..2 {
        let status = served.transfer().send_transfer(request(bytes.clone(), 10_000)).await.unwrap_err();
        let fault = expect(&status, ErrorReason::TransactionFailed);
        assert_eq!(fault.metadata["effect"], "not_applied");
        assert_eq!(fault.metadata["receipt_reason"], "ACCOUNT_FROZEN");
        assert_eq!(fault.metadata["tx_id"], tx_id(&bytes).to_string());
    }
}

#[tokio::test]
async fn what_is_no_single_transfer_is_not_submitted() {
    let chain = FakeChain::new("berka");
    let served = Served::of(&[&chain]).await;
    let other = envelope(chain.chain_id(), 1, None, any_call());
    let status = served.transfer().send_transfer(request(other, 0)).await.unwrap_err();
    assert_eq!(expect(&status, ErrorReason::NotATransfer).metadata["effect"], "not_applied");
    let status = served.transfer().send_transfer(request(vec![7], 0)).await.unwrap_err();
    expect(&status, ErrorReason::MalformedEnvelope);
    let good = envelope(chain.chain_id(), 1, None, send());
    let status = served.transfer().send_transfer(request(good, 10_001)).await.unwrap_err();
    expect_field(&status, "wait_ms");
}

#[tokio::test]
async fn a_transfer_is_found_by_its_id() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::of(&[&chain]).await;
    let get = |transfer_id: Vec<u8>| api::GetTransferRequest { chain: "berka".into(), transfer_id };
    let answer = served.transfer().get_transfer(get(transfer_id().0.to_vec())).await.unwrap().into_inner();
    let view = answer.transfer.unwrap();
    assert_eq!(view.status(), api::TransferStatus::RefundedTimeout);
    assert_eq!((&*view.amount, view.settled_height), ("245200", 3));
    assert_eq!(answer.read.unwrap().height, 4);
    let status = served.transfer().get_transfer(get(vec![0; 32])).await.unwrap_err();
    assert_eq!(expect(&status, ErrorReason::TransferNotFound).metadata["height"], "4");
    expect_field(&served.transfer().get_transfer(get(vec![0; 31])).await.unwrap_err(), "transfer_id");
}
