//! The whole front door over a chain that the tests script: every documented error, every limit, every stream. In
//! [`whole`] it stands before a node with real chains.
#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use catenary_api::{Api, Limits, ServeError};
use catenary_links::{Directory, GrpcChain};
use catenary_proto::{
    Fault,
    api::{
        ErrorReason, gateway_service_client::GatewayServiceClient,
        ledger_service_client::LedgerServiceClient, transfer_service_client::TransferServiceClient,
    },
};
use fake::FakeChain;
use std::{net::SocketAddr, sync::Arc, time::Duration};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle, time::timeout};
use tonic::{Code, Status, transport::Channel};

mod abuse;
mod events;
mod fake;
mod infrastructure;
mod links;
mod reads;
mod submit;
mod transfers;
mod whole;

/// A node that serves, and a connection to it.
struct Served {
    address: SocketAddr,
    channel: Channel,
    stop: Option<oneshot::Sender<()>>,
    server: JoinHandle<Result<(), ServeError>>,
}

impl Served {
    async fn start(api: Api) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(api.serve(listener, async {
            let _ = stopped.await;
        }));
        let channel = GrpcChain::channel(&format!("http://{address}")).unwrap();
        Self { address, channel, stop: Some(stop), server }
    }

    async fn of(chains: &[&Arc<FakeChain>]) -> Self {
        Self::start(Api::new(directory(chains))).await
    }

    fn ledger(&self) -> LedgerServiceClient<Channel> {
        LedgerServiceClient::new(self.channel.clone()).max_decoding_message_size(64 << 20)
    }

    fn transfer(&self) -> TransferServiceClient<Channel> {
        TransferServiceClient::new(self.channel.clone())
    }

    fn gateway(&self) -> GatewayServiceClient<Channel> {
        GatewayServiceClient::new(self.channel.clone())
    }
}

fn directory(chains: &[&Arc<FakeChain>]) -> Directory {
    Directory::new(chains.iter().map(|chain| Arc::clone(chain) as Arc<_>))
}

/// Limits with which a test need not wait.
fn impatient() -> Limits {
    let short = Duration::from_millis(60);
    Limits { request_time: short, slow_consumer_time: short, ..Limits::default() }
}

/// Fails unless the status is of this reason, with its code and its retry; gives the particulars.
#[track_caller]
fn expect(status: &Status, reason: ErrorReason) -> Fault {
    let fault = Fault::from_status(status).unwrap_or_else(|| panic!("no reason in {status:?}"));
    assert_eq!(fault.reason, reason, "{status:?}");
    assert_eq!(status.code(), reason.code());
    assert!(!status.message().is_empty());
    let retry = tonic_types::StatusExt::get_details_retry_info(status);
    assert_eq!(retry.is_some(), reason.retry_ms().is_some(), "{status:?}");
    fault
}

/// Fails unless the status names this field.
#[track_caller]
fn expect_field(status: &Status, field: &str) {
    expect(status, ErrorReason::InvalidArgument);
    let bad = tonic_types::StatusExt::get_details_bad_request(status).expect("a violated field");
    let fields: Vec<_> = bad.field_violations.iter().map(|violation| &*violation.field).collect();
    assert_eq!(fields, [field]);
}

/// What must come soon, or the test fails instead of hanging.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    timeout(Duration::from_secs(20), future).await.expect("an answer")
}

#[tokio::test]
async fn every_published_reason_has_a_code_other_than_unknown() {
    for reason in ErrorReason::all() {
        assert!(![Code::Ok, Code::Unknown, Code::Internal].contains(&reason.code()));
    }
}
