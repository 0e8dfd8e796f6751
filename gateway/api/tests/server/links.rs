//! A chain behind gRPC answers as the chain itself.

use crate::{
    Served,
    fake::{FakeChain, SENDER, STRANGER, Trouble, any_call, envelope, transfer_id},
    soon,
};
use catenary_crypto::Hash;
use catenary_ledger::stores::{ADMIN, IBC};
use catenary_links::{ChainClient, GrpcChain};
use catenary_relay::{
    gateway::{GatewayError, ProofRequest, SubmitOutcome},
    query::TransactionName,
};
use catenary_types::{Height, RequestId, TxId};
use futures::StreamExt;
use std::sync::Arc;

async fn both() -> (Served, Arc<FakeChain>, GrpcChain) {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::of(&[&chain]).await;
    let remote = GrpcChain::over(served.channel.clone(), chain.chain_id().clone());
    (served, chain, remote)
}

#[tokio::test]
async fn reads_are_equal() {
    let (_served, direct, remote) = both().await;
    assert_eq!(remote.chain_id(), direct.chain_id());
    assert_eq!(remote.status().await, direct.status().await);
    for height in [None, Some(Height(1)), Some(Height(4)), Some(Height(5))] {
        assert_eq!(remote.header(height).await, direct.header(height).await);
    }
    for height in 0..6 {
        assert_eq!(remote.block(Height(height)).await, direct.block(Height(height)).await);
    }
    let assets = || vec!["CZK".parse().unwrap(), "transfer/bft-client-0/EUR".parse().unwrap()];
    for account in [SENDER, STRANGER] {
        assert_eq!(remote.account(account, assets()).await, direct.account(account, assets()).await);
    }
    let tx_id = direct.block(Height(2)).await.unwrap().unwrap().receipts[1].tx_id;
    for name in [
        TransactionName::Id(tx_id),
        TransactionName::Id(TxId(Hash([0; 32]))),
        TransactionName::Request(SENDER, RequestId([30; 16])),
        TransactionName::Reference(SENDER, "order-3-1".parse().unwrap()),
        TransactionName::Reference(SENDER, "never".parse().unwrap()),
    ] {
        assert_eq!(remote.transaction(name.clone()).await, direct.transaction(name).await);
    }
    for id in [transfer_id(), Hash([0; 32])] {
        assert_eq!(remote.transfer(id).await, direct.transfer(id).await);
    }
    for (height, store) in [(1, IBC), (3, ADMIN), (4, IBC), (9, IBC)] {
        let request = ProofRequest { height: Height(height), store, keys: vec![vec![1; 3], vec![2; 4]] };
        assert_eq!(remote.prove(request.clone()).await, direct.prove(request).await);
    }
}

#[tokio::test]
async fn submissions_have_the_same_outcomes() {
    let (_served, direct, remote) = both().await;
    let of = |number, reference| envelope(direct.chain_id(), number, reference, any_call());
    let envelopes = vec![of(10, Some("order-1-0")), of(77, None), of(78, Some("BUSY")), vec![1]];
    let outcomes = remote.submit(envelopes.clone()).await.unwrap();
    assert!(matches!(outcomes[0], SubmitOutcome::Known { height: Some(Height(1)), .. }));
    assert!(matches!(outcomes[1], SubmitOutcome::Accepted(_)));
    assert!(matches!(&outcomes[2..], [SubmitOutcome::Refused(_), SubmitOutcome::Refused(_)]));
    let again = remote.submit(envelopes.clone()).await;
    assert_eq!(again, direct.submit(envelopes).await);
}

#[tokio::test]
async fn streams_are_equal_and_go_on() {
    let (_served, direct, remote) = both().await;
    for from in [1, 3, 5] {
        let (mut left, mut right) = (
            remote.final_blocks(Height(from)).await.unwrap(),
            direct.final_blocks(Height(from)).await.unwrap(),
        );
        assert_eq!(left.tip, right.tip);
        direct.push(vec![], vec![]);
        for _ in from..=direct.height().0 {
            let pair = soon(async { (left.blocks.next().await, right.blocks.next().await) }).await;
            assert_eq!(pair.0, pair.1);
            assert!(matches!(pair.0, Some(Ok(_))));
        }
    }
}

#[tokio::test]
async fn errors_are_equal() {
    let (_served, direct, remote) = both().await;
    for error in [
        GatewayError::Busy,
        GatewayError::Unavailable("stopped".into()),
        GatewayError::Damaged("block 3".into()),
        GatewayError::Height { requested: Height(1), oldest: Height(2), newest: Height(3) },
    ] {
        direct.trouble(Trouble::Fail(error.clone()));
        assert_eq!(remote.status().await, Err(error.clone()));
        assert_eq!(remote.submit(vec![vec![1]]).await, Err(error.clone()));
        assert_eq!(remote.block(Height(1)).await, Err(error.clone()));
        assert_eq!(remote.final_blocks(Height(1)).await.map(|_| ()), Err(error));
    }
}

#[tokio::test]
async fn a_stream_ends_with_the_error_of_the_chain() {
    let (_served, direct, remote) = both().await;
    let mut stream = remote.final_blocks(Height(4)).await.unwrap();
    assert!(soon(stream.blocks.next()).await.unwrap().is_ok());
    let error = GatewayError::Unavailable("the chain stopped".into());
    direct.end_streams(error.clone());
    assert_eq!(soon(stream.blocks.next()).await, Some(Err(error)));
    assert_eq!(soon(stream.blocks.next()).await, None);
}

#[tokio::test]
async fn a_node_that_is_gone_is_unavailable() {
    let (mut served, chain, _) = both().await;
    served.stop.take().unwrap().send(()).unwrap();
    soon(served.server).await.unwrap().unwrap();
    let remote = GrpcChain::new(&format!("http://{}", served.address), chain.chain_id().clone()).unwrap();
    assert!(matches!(soon(remote.status()).await, Err(GatewayError::Unavailable(_))));
    assert!(matches!(soon(remote.submit(vec![vec![1]])).await, Err(GatewayError::Unavailable(_))));
    assert!(GrpcChain::new("not an address", chain.chain_id().clone()).is_err());
}
