//! What comes over the network that no client of ours would send. After each, the node serves.

use crate::{Served, directory, expect, fake::FakeChain, soon};
use catenary_api::{Api, Limits, limits};
use catenary_proto::api::{self, ErrorReason};
use std::time::Duration;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn assert_serving(served: &Served) {
    let request = api::GetChainRequest { chain: "berka".into() };
    soon(served.ledger().get_chain(request)).await.expect("the node serves");
}

/// Waits until the other side closes the connection.
async fn closed(connection: &mut TcpStream) {
    let mut sink = Vec::new();
    // Reset or end: both are closed.
    let _ = soon(connection.read_to_end(&mut sink)).await;
}

#[tokio::test]
async fn garbage_on_the_port_is_cut_off() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::of(&[&chain]).await;
    for bytes in garbage() {
        send_garbage(&served, &bytes).await;
        assert_serving(&served).await;
    }
}

/// What no client of gRPC sends.
pub fn garbage() -> [Vec<u8>; 5] {
    let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
    [
        vec![0; 4_096],
        (0..65_536u32).map(|byte| (byte * 31 % 251) as u8).collect(),
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n".to_vec(),
        // A TLS client hello's head.
        vec![
            0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00, 0x01, 0xfc, 0x03, 0x03, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
            0, 0, 0,
        ],
        [&preface[..], &[0xff; 4_096]].concat(),
    ]
}

/// Sends bytes on a connection of their own and waits until the node closes it.
pub async fn send_garbage(served: &Served, bytes: &[u8]) {
    let mut connection = TcpStream::connect(served.address).await.unwrap();
    // The node may close while we still write.
    let _ = connection.write_all(bytes).await;
    closed(&mut connection).await;
}

#[tokio::test]
async fn a_connection_that_never_begins_is_closed() {
    let chain = FakeChain::with_blocks("berka");
    let limits = Limits { handshake_time: Duration::from_millis(50), ..Limits::default() };
    let served = Served::start(Api::new(directory(&[&chain])).limits(limits)).await;
    for sent in [&b""[..], b"PRI * HTTP/2.0\r\n"] {
        let mut connection = TcpStream::connect(served.address).await.unwrap();
        connection.write_all(sent).await.unwrap();
        closed(&mut connection).await;
    }
    assert_serving(&served).await;
}

#[tokio::test]
async fn one_connection_too_many_is_closed_at_once() {
    let chain = FakeChain::with_blocks("berka");
    let limits = Limits { connections: 2, ..Limits::default() };
    let served = Served::start(Api::new(directory(&[&chain])).limits(limits)).await;
    assert_serving(&served).await;
    let _second = TcpStream::connect(served.address).await.unwrap();
    let mut third = TcpStream::connect(served.address).await.unwrap();
    closed(&mut third).await;
    assert_serving(&served).await;
}

#[tokio::test]
async fn each_method_has_a_size_beyond_which_it_is_not_read() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::of(&[&chain]).await;
    let large = |bytes: usize| vec![7; bytes];
    let submit = api::SubmitRequest { chain: "berka".into(), envelope: large(limits::SUBMIT_BYTES_MAX) };
    let status = soon(served.ledger().submit(submit)).await.unwrap_err();
    let fault = expect(&status, ErrorReason::MessageTooLarge);
    assert_eq!(fault.metadata["effect"], "not_applied");
    assert_eq!(fault.metadata["limit_bytes"], limits::SUBMIT_BYTES_MAX.to_string());

    let envelopes = vec![large(1 << 20); 5];
    let many = api::SubmitManyRequest { chain: "berka".into(), envelopes: envelopes.clone() };
    let status = soon(served.ledger().submit_many(many)).await.unwrap_err();
    expect(&status, ErrorReason::MessageTooLarge);
    let batch = api::SubmitBatchRequest { chain: "berka".into(), envelopes };
    let status = soon(served.gateway().submit_batch(batch)).await.unwrap_err();
    expect(&status, ErrorReason::MessageTooLarge);

    let proof = api::GetProofRequest {
        chain: "berka".into(),
        height: 1,
        store: "ibc".into(),
        keys: vec![large(limits::PROOF_REQUEST_BYTES_MAX)],
    };
    let status = soon(served.gateway().get_proof(proof)).await.unwrap_err();
    expect(&status, ErrorReason::MessageTooLarge);

    let read = api::GetChainRequest { chain: "x".repeat(limits::READ_BYTES_MAX) };
    let status = soon(served.ledger().get_chain(read)).await.unwrap_err();
    expect(&status, ErrorReason::MessageTooLarge);
    assert_serving(&served).await;
}

#[tokio::test]
async fn the_largest_requests_are_read() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::of(&[&chain]).await;
    let envelope = vec![7; catenary_types::limits::ENVELOPE_BYTES_MAX];
    let submit = api::SubmitRequest { chain: "berka".into(), envelope: envelope.clone() };
    let status = soon(served.ledger().submit(submit)).await.unwrap_err();
    expect(&status, ErrorReason::MalformedEnvelope);
    let many =
        api::SubmitManyRequest { chain: "berka".into(), envelopes: vec![envelope[..1_000_000].to_vec(); 4] };
    assert_eq!(soon(served.ledger().submit_many(many)).await.unwrap().into_inner().results.len(), 4);
}
