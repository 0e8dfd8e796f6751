//! Links between nodes of one process: order, delay, loss, silence and their end.

use catenary_links::{Frame, Impairment, Switch, WireEnd, impaired_pair, pair};
use catenary_replica::PeerMessage;
use catenary_types::Height;
use std::time::Duration;
use tokio::time::Instant;

const DELAY: Duration = Duration::from_millis(5);

fn frame(number: u64) -> Frame {
    Frame {
        chain: "test-0123456789abcdef-1".parse().expect("a chain id"),
        message: PeerMessage::Fetch(Height(number)),
    }
}

fn number(frame: &Frame) -> u64 {
    match frame.message {
        PeerMessage::Fetch(height) => height.0,
        _ => panic!("nobody sent this: {frame:?}"),
    }
}

/// Both ends of a link that is carried by a task.
fn link(impairment: Impairment, switches: [Switch; 2]) -> (WireEnd, WireEnd) {
    let (first, second, carried) = impaired_pair(impairment, switches);
    tokio::spawn(carried);
    (first, second)
}

/// Which of so many frames get through.
async fn survivors(loss_per_10_000: u16, seed: u64, frames: u64) -> Vec<u64> {
    let impairment = Impairment { delay: Duration::ZERO, loss_per_10_000, seed };
    let (first, mut second) = link(impairment, Default::default());
    let send = async {
        for number in 0..frames {
            assert!(first.sender.send(frame(number)).await.is_ok());
            // A link that carries more than fits loses it; this one is never in a hurry.
            tokio::time::sleep(DELAY).await;
        }
        drop(first);
    };
    let receive = async {
        let mut arrived = Vec::new();
        while let Some(frame) = second.receiver.recv().await {
            arrived.push(number(&frame));
        }
        arrived
    };
    tokio::join!(send, receive).1
}

#[tokio::test]
async fn frames_keep_their_order_and_the_link_ends_with_either_end() {
    let (first, mut second) = pair();
    for number in 0..3 {
        assert!(first.sender.send(frame(number)).await.is_ok());
    }
    assert!(second.sender.send(frame(9)).await.is_ok());
    drop(first.sender);
    let mut arrived = Vec::new();
    while let Some(frame) = second.receiver.recv().await {
        arrived.push(number(&frame));
    }
    assert_eq!(arrived, [0, 1, 2]);
    drop(first.receiver);
    assert!(second.sender.send(frame(10)).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_slow_link_delivers_each_frame_after_its_delay() {
    let (first, mut second) = link(Impairment { delay: DELAY, ..Impairment::default() }, Default::default());
    let begun = Instant::now();
    assert!(first.sender.send(frame(0)).await.is_ok());
    tokio::time::sleep(DELAY / 5).await;
    assert!(first.sender.send(frame(1)).await.is_ok());
    for (expected, after) in [(0, DELAY), (1, DELAY + DELAY / 5)] {
        let arrived = second.receiver.recv().await;
        assert_eq!(arrived.as_ref().map(number), Some(expected));
        assert_eq!(begun.elapsed(), after);
    }
}

#[tokio::test(start_paused = true)]
async fn a_lossy_link_loses_its_share_and_the_same_frames_for_a_seed() {
    let (all, none) = (survivors(0, 1, 500).await, survivors(10_000, 1, 500).await);
    assert_eq!((all, none), ((0..500).collect(), vec![]));
    let one = survivors(100, 1, 10_000).await;
    assert!((9_800..=9_960).contains(&one.len()), "one in a hundred is lost, {} of 10,000 came", one.len());
    assert!(one.is_sorted());
    assert_eq!(one, survivors(100, 1, 10_000).await);
    assert_ne!(one, survivors(100, 2, 10_000).await);
}

#[tokio::test(start_paused = true)]
async fn a_silenced_link_loses_everything_and_carries_again() {
    let switches = [Switch::default(), Switch::default()];
    for switch in &switches {
        let (first, mut second) = link(Impairment::default(), switches.clone());
        for (cut, sent) in [(false, 0), (true, 1), (false, 2)] {
            if cut {
                switch.cut()
            } else {
                switch.join()
            }
            assert!(first.sender.send(frame(sent)).await.is_ok());
            tokio::time::sleep(DELAY).await;
        }
        let arrived = [second.receiver.try_recv(), second.receiver.try_recv()]
            .map(|frame| frame.map(|frame| number(&frame)));
        assert_eq!(arrived, [Ok(0), Ok(2)]);
        assert!(second.receiver.try_recv().is_err());
    }
}
