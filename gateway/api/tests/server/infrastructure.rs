//! Authorisation, health, reflection.

use crate::{Served, directory, expect, fake::FakeChain, soon};
use catenary_api::{Action, Api, Principal};
use catenary_links::ChainClient;
use catenary_proto::{
    Fault,
    api::{self, ErrorReason, subscribe_events_request::Start},
};
use tonic::Status;
use tonic_health::pb::{
    HealthCheckRequest, health_check_response::ServingStatus, health_client::HealthClient,
};

fn deny(principal: &Principal, action: &Action<'_>) -> Result<(), Fault> {
    assert!(principal.address.is_some(), "a connection has an address");
    Err(Fault::new(ErrorReason::NotPermitted, format!("{action:?}")))
}

#[tokio::test]
async fn every_method_asks_whether_it_may() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::start(Api::new(directory(&[&chain])).authorise(deny)).await;
    let (mut ledger, mut transfer, mut gateway) = (served.ledger(), served.transfer(), served.gateway());
    let mut health = HealthClient::new(served.channel.clone());
    let check = || HealthCheckRequest { service: String::new() };
    let events = api::SubscribeEventsRequest { start: Some(Start::Height(1)), ..Default::default() };
    let denied: Vec<(Option<Status>, &str)> = vec![
        (ledger.list_chains(api::ListChainsRequest::default()).await.err(), "ListChains"),
        (ledger.get_chain(api::GetChainRequest::default()).await.err(), "ReadStatus(\"\")"),
        (ledger.submit(api::SubmitRequest::default()).await.err(), "Submit(\"\")"),
        (ledger.submit_many(api::SubmitManyRequest::default()).await.err(), "Submit(\"\")"),
        (ledger.get_transaction(api::GetTransactionRequest::default()).await.err(), "ReadTransaction(\"\")"),
        (ledger.get_account(api::GetAccountRequest::default()).await.err(), "ReadAccount(\"\")"),
        (ledger.get_block(api::GetBlockRequest::default()).await.err(), "ReadBlock(\"\")"),
        (ledger.get_header(api::GetHeaderRequest::default()).await.err(), "ReadHeader(\"\")"),
        (ledger.subscribe_events(events).await.err(), "StreamEvents(\"\")"),
        (transfer.send_transfer(api::SendTransferRequest::default()).await.err(), "Submit(\"\")"),
        (transfer.get_transfer(api::GetTransferRequest::default()).await.err(), "ReadTransfer(\"\")"),
        (gateway.stream_blocks(api::StreamBlocksRequest::default()).await.err(), "StreamBlocks(\"\")"),
        (gateway.get_proof(api::GetProofRequest::default()).await.err(), "ReadHeader(\"\")"),
        (gateway.submit_batch(api::SubmitBatchRequest::default()).await.err(), "Submit(\"\")"),
        (health.check(check()).await.err(), "ReadHealth"),
        (health.watch(check()).await.err(), "ReadHealth"),
    ];
    for (status, action) in denied {
        let status = status.unwrap_or_else(|| panic!("{action} was not denied"));
        let fault = expect(&status, ErrorReason::NotPermitted);
        assert_eq!(fault.message, action);
        let effect = fault.metadata.get("effect").map(String::as_str);
        assert_eq!(effect, action.starts_with("Submit").then_some("not_applied"));
    }
}

#[tokio::test]
async fn health_follows_each_chain() {
    let (chain, other) = (FakeChain::with_blocks("berka"), FakeChain::with_blocks("ab"));
    let served = Served::of(&[&chain, &other]).await;
    let mut client = HealthClient::new(served.channel.clone());
    let name = |chain: &FakeChain| format!("chain/{}", chain.chain_id());
    let mut check = async |service: String| {
        let answer = client.check(HealthCheckRequest { service }).await?;
        Ok::<_, Status>(answer.into_inner().status())
    };
    assert_eq!(check(name(&chain)).await.unwrap(), ServingStatus::Serving);
    assert_eq!(check(String::new()).await.unwrap(), ServingStatus::Serving);
    chain.halt(true);
    assert_eq!(check(name(&chain)).await.unwrap(), ServingStatus::NotServing);
    assert_eq!(check(name(&other)).await.unwrap(), ServingStatus::Serving);
    assert_eq!(check(String::new()).await.unwrap(), ServingStatus::NotServing);
    expect(&check("chain/berka".into()).await.unwrap_err(), ErrorReason::ChainNotFound);

    let mut client = HealthClient::new(served.channel.clone());
    let watch = client.watch(HealthCheckRequest { service: name(&chain) }).await;
    let mut watch = watch.unwrap().into_inner();
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::NotServing);
    chain.halt(false);
    assert_eq!(soon(watch.message()).await.unwrap().unwrap().status(), ServingStatus::Serving);
}

const SERVICES: [&str; 3] =
    ["catenary.api.v1.GatewayService", "catenary.api.v1.LedgerService", "catenary.api.v1.TransferService"];

/// Both versions of the protocol have the same shape under different names.
macro_rules! reflects {
    ($test:ident, $version:ident) => {
        #[tokio::test]
        async fn $test() {
            use tonic_reflection::pb::$version::{
                ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
                server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
            };
            let served = Served::of(&[]).await;
            let mut client = ServerReflectionClient::new(served.channel.clone());
            let mut ask = async |question| {
                let request =
                    ServerReflectionRequest { host: String::new(), message_request: Some(question) };
                let requests = futures::stream::iter([request]);
                let mut answers = client.server_reflection_info(requests).await.unwrap().into_inner();
                soon(answers.message()).await.unwrap().unwrap().message_response.unwrap()
            };
            let listed = ask(MessageRequest::ListServices(String::new())).await;
            let MessageResponse::ListServicesResponse(listed) = listed else { panic!("{listed:?}") };
            let names: Vec<_> = listed.service.iter().map(|service| &*service.name).collect();
            for service in SERVICES.iter().chain(&["grpc.health.v1.Health"]) {
                assert!(names.contains(service), "{service} is not among {names:?}");
            }
            for symbol in SERVICES.iter().chain(&["catenary.ledger.v1.Body", "catenary.transfer.v1.Send"]) {
                let found = ask(MessageRequest::FileContainingSymbol(symbol.to_string())).await;
                assert!(matches!(found, MessageResponse::FileDescriptorResponse(_)), "{symbol}: {found:?}");
            }
        }
    };
}

reflects!(reflection_v1_has_every_service, v1);
reflects!(reflection_v1alpha_has_every_service, v1alpha);
