//! Streams: order, resuming, filters, and how they end.

use crate::{
    Served, directory, expect, expect_field,
    fake::{FakeChain, any_call, envelope, event},
    impatient, soon,
};
use catenary_api::{Api, Limits};
use catenary_links::ChainClient;
use catenary_proto::api::{
    self, ErrorReason, SubscribeEventsResponse, subscribe_events_request::Start,
    subscribe_events_response::Item,
};
use catenary_relay::gateway::GatewayError;
use std::{sync::Arc, time::Duration};
use tonic::{Status, Streaming};

type Events = Streaming<SubscribeEventsResponse>;

async fn subscribe(served: &Served, start: Option<Start>, kinds: &[&str]) -> Result<Events, Status> {
    let kinds = kinds.iter().map(ToString::to_string).collect();
    let request = api::SubscribeEventsRequest { chain: "berka".into(), start, kinds };
    Ok(soon(served.ledger().subscribe_events(request)).await?.into_inner())
}

async fn next(events: &mut Events) -> Item {
    soon(events.message()).await.unwrap().unwrap().item.unwrap()
}

async fn next_event(events: &mut Events) -> api::ChainEvent {
    loop {
        match next(events).await {
            Item::Event(event) => return event,
            Item::Begun(_) | Item::Progress(_) => {}
        }
    }
}

fn place(event: &api::ChainEvent) -> (u64, u32, u32) {
    (event.height, event.position, event.index)
}

/// Every event of [`FakeChain::with_blocks`], in chain order.
fn all_places() -> Vec<(u64, u32, u32)> {
    (1..=3).flat_map(|height| (0..2 * height).map(move |index| (height.into(), index / 2, index))).collect()
}

#[tokio::test]
async fn events_come_in_chain_order_from_any_height() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::of(&[&chain]).await;
    let mut events = subscribe(&served, Some(Start::Height(2)), &[]).await.unwrap();
    let Item::Begun(begun) = next(&mut events).await else { panic!("a stream begins with its state") };
    assert_eq!(begun.read.unwrap().height, 1);
    let expected = all_places().into_iter().filter(|(height, ..)| *height >= 2);
    for expected in expected {
        assert_eq!(place(&next_event(&mut events).await), expected);
    }
}

#[tokio::test]
async fn a_stream_resumes_after_any_message() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::of(&[&chain]).await;
    let mut events = subscribe(&served, Some(Start::Height(1)), &[]).await.unwrap();
    let Item::Begun(begun) = next(&mut events).await else { panic!("a stream begins with its state") };
    let mut tokens = vec![begun.resume_token];
    let places = all_places();
    for _ in &places {
        tokens.push(next_event(&mut events).await.resume_token);
    }
    for (seen, token) in tokens.into_iter().enumerate() {
        let mut resumed = subscribe(&served, Some(Start::ResumeToken(token)), &[]).await.unwrap();
        for expected in &places[seen..] {
            assert_eq!(place(&next_event(&mut resumed).await), *expected);
        }
    }
}

#[tokio::test]
async fn latest_hears_what_comes_and_filters_hold() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::of(&[&chain]).await;
    let mut events = subscribe(&served, Some(Start::Latest(api::Latest {})), &["other"]).await.unwrap();
    let Item::Begun(begun) = next(&mut events).await else { panic!("a stream begins with its state") };
    assert_eq!(begun.read.unwrap().height, 4);
    let bytes = envelope(chain.chain_id(), 99, None, any_call());
    chain.push(vec![bytes], vec![event("transfer_sent", "a"), event("other", "b")]);
    let heard = next_event(&mut events).await;
    assert_eq!((place(&heard), heard.event.unwrap().kind), ((5, 0, 1), "other".into()));
}

#[tokio::test]
async fn a_quiet_stream_says_how_far_it_has_come() {
    let chain = FakeChain::with_blocks("berka");
    let limits = Limits { progress_interval: Duration::from_millis(20), ..Limits::default() };
    let served = Served::start(Api::new(directory(&[&chain])).limits(limits)).await;
    let mut events = subscribe(&served, Some(Start::Height(1)), &["nothing is of this kind"]).await.unwrap();
    let mut height = 0;
    while height < 4 {
        let (Item::Begun(progress) | Item::Progress(progress)) = next(&mut events).await else {
            panic!("no event is of this kind")
        };
        let token = progress.resume_token;
        let resumed = subscribe(&served, Some(Start::ResumeToken(token)), &[]).await;
        assert!(resumed.is_ok());
        height = progress.read.unwrap().height;
    }
}

#[tokio::test]
async fn a_bad_start_is_refused() {
    let chain = FakeChain::with_blocks("berka");
    let other = FakeChain::with_blocks("ab");
    let served = Served::of(&[&chain, &other]).await;
    expect_field(&subscribe(&served, None, &[]).await.unwrap_err(), "start");
    expect_field(&subscribe(&served, Some(Start::Height(0)), &[]).await.unwrap_err(), "height");
    expect_field(&subscribe(&served, Some(Start::Height(1)), &["k"; 33]).await.unwrap_err(), "kinds");
    let request =
        api::SubscribeEventsRequest { chain: "ab".into(), start: Some(Start::Height(1)), kinds: Vec::new() };
    let mut foreign = served.ledger().subscribe_events(request).await.unwrap().into_inner();
    let token = next_event(&mut foreign).await.resume_token;
    for token in [Vec::new(), vec![1; 25], token] {
        let status = subscribe(&served, Some(Start::ResumeToken(token)), &[]).await.unwrap_err();
        expect(&status, ErrorReason::ResumeTokenInvalid);
    }
    let request = api::StreamBlocksRequest { chain: "berka".into(), from_height: 0 };
    expect_field(&served.gateway().stream_blocks(request).await.unwrap_err(), "from_height");
}

/// Reads until the stream ends; gives what came and how it ended.
async fn drain(events: &mut Events) -> (Vec<(u64, u32, u32)>, Status) {
    let mut places = Vec::new();
    loop {
        match soon(events.message()).await {
            Ok(Some(message)) => {
                if let Some(Item::Event(event)) = message.item {
                    places.push(place(&event));
                }
            }
            Ok(None) => panic!("a stream ends with a status"),
            Err(status) => return (places, status),
        }
    }
}

/// The token that a stream's last status carries.
fn token_of(status: &Status, reason: ErrorReason) -> Vec<u8> {
    let text = expect(status, reason).metadata["resume_token_hex"].clone();
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

#[tokio::test]
async fn a_slow_reader_is_told_where_to_resume_and_misses_nothing() {
    let chain = FakeChain::new("berka");
    let large = "x".repeat(16 << 10);
    let count: u32 = 700;
    for number in 0..count {
        let bytes = envelope(chain.chain_id(), (number % 200) as u8, Some(&number.to_string()), any_call());
        chain.push(vec![bytes], vec![event("other", &large)]);
    }
    let served = Served::start(Api::new(directory(&[&chain])).limits(impatient())).await;
    let mut events = subscribe(&served, Some(Start::Height(1)), &[]).await.unwrap();
    // Longer than the node waits for a reader.
    tokio::time::sleep(Duration::from_millis(500)).await;
    let (mut places, status) = drain(&mut events).await;
    assert!(places.len() < count as usize, "the reader was slow, yet got everything");
    let mut token = token_of(&status, ErrorReason::SlowConsumer);
    while places.len() < count as usize {
        let mut events = subscribe(&served, Some(Start::ResumeToken(token.clone())), &[]).await.unwrap();
        while places.len() < count as usize {
            match soon(events.message()).await {
                Ok(message) => {
                    if let Some(Item::Event(event)) = message.unwrap().item {
                        places.push(place(&event));
                    }
                }
                Err(status) => {
                    token = token_of(&status, ErrorReason::SlowConsumer);
                    break;
                }
            }
        }
    }
    let expected: Vec<_> = (1..=u64::from(count)).map(|height| (height, 0, 0)).collect();
    assert_eq!(places, expected);
}

#[tokio::test]
async fn a_stream_of_a_chain_that_stops_ends_with_the_reason_and_a_token() {
    let chain = FakeChain::with_blocks("berka");
    let served = Served::of(&[&chain]).await;
    let mut events = subscribe(&served, Some(Start::Height(1)), &[]).await.unwrap();
    chain.end_streams(GatewayError::Unavailable("the chain stopped".into()));
    let (places, status) = drain(&mut events).await;
    assert_eq!(places, all_places());
    let token = token_of(&status, ErrorReason::ChainUnavailable);
    let mut resumed = subscribe(&served, Some(Start::ResumeToken(token)), &[]).await.unwrap();
    let Item::Begun(begun) = next(&mut resumed).await else { panic!("a stream begins with its state") };
    assert_eq!(begun.read.unwrap().height, 4);
}

#[tokio::test]
async fn a_node_that_stops_ends_its_streams_with_a_token_and_returns() {
    let chain = FakeChain::with_blocks("berka");
    let mut served = Served::of(&[&chain]).await;
    let mut events = subscribe(&served, Some(Start::Height(1)), &[]).await.unwrap();
    let request = api::StreamBlocksRequest { chain: "berka".into(), from_height: 5 };
    let mut blocks = served.gateway().stream_blocks(request).await.unwrap().into_inner();
    assert!(soon(blocks.message()).await.unwrap().is_some());
    served.stop.take().unwrap().send(()).unwrap();
    let (_, status) = drain(&mut events).await;
    token_of(&status, ErrorReason::ShuttingDown);
    expect(&soon(blocks.message()).await.unwrap_err(), ErrorReason::ShuttingDown);
    soon(served.server).await.unwrap().unwrap();
}

#[tokio::test]
async fn subscriptions_have_a_limit_and_places_come_free() {
    let chain: Arc<FakeChain> = FakeChain::with_blocks("berka");
    let limits = Limits { subscriptions: 2, ..Limits::default() };
    let served = Served::start(Api::new(directory(&[&chain])).limits(limits)).await;
    let first = subscribe(&served, Some(Start::Height(1)), &[]).await.unwrap();
    let _second = subscribe(&served, Some(Start::Height(1)), &[]).await.unwrap();
    let third = subscribe(&served, Some(Start::Height(1)), &[]).await;
    expect(&third.unwrap_err(), ErrorReason::TooManyStreams);
    drop(first);
    soon(async {
        while subscribe(&served, Some(Start::Height(1)), &[]).await.is_err() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}
