//! Kill -9 at random moments, restart on the same data: the same final figures, nothing paid twice, nothing left over.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use rand::{Rng, SeedableRng, rngs::StdRng};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::Child,
    thread,
    time::Duration,
};
use support::{assert_settled, demo};

/// Enough payments that no run comes to its end before it is killed.
const MONTHS: &str = "2";
/// How often it is killed, unless `CRASH_KILLS` says otherwise.
const KILLS: usize = 10;
/// Of ten kills, so many must hit transfers in flight, or the test shows nothing.
const IN_FLIGHT_OF_TEN_MIN: usize = 3;

/// A run of the demo on a folder, and the line that says where the payments stood when it began to pay.
fn start(data: &Path, links: &str, validators: &str) -> (Child, String) {
    let arguments = ["--months", MONTHS, "--links", links, "--validators", validators];
    let mut child = demo(data, &arguments).spawn().unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let standing = lines.by_ref().find(|line| line.starts_with("paying:")).expect("the demo begins to pay");
    // Nobody else reads the rest; a full pipe would stop the demo.
    thread::spawn(move || lines.for_each(drop));
    (child, standing)
}

fn in_flight(standing: &str) -> usize {
    let words: Vec<_> = standing.split_whitespace().collect();
    let at = words.iter().position(|word| *word == "flight,").expect("a count in flight");
    words[at - 2].parse().unwrap()
}

fn survives_kills(links: &str, validators: &str) {
    let seed: u64 = std::env::var("CRASH_SEED")
        .map_or_else(|_| StdRng::from_os_rng().random(), |text| text.parse().unwrap());
    let kills = std::env::var("CRASH_KILLS").map_or(KILLS, |text| text.parse().unwrap());
    println!("CRASH_SEED={seed} repeats this run");
    let mut random = StdRng::seed_from_u64(seed);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut hits = 0;
    for kill in 0..kills {
        let (mut child, standing) = start(&data, links, validators);
        hits += usize::from(kill > 0 && in_flight(&standing) > 0);
        thread::sleep(Duration::from_millis(random.random_range(150..600)));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let (child, standing) = start(&data, links, validators);
    hits += usize::from(in_flight(&standing) > 0);
    assert_settled(&child.wait_with_output().unwrap(), 2 * 6_471, "42457987.20");
    assert!(
        hits * 10 >= kills * IN_FLIGHT_OF_TEN_MIN,
        "only {hits} of {kills} kills hit transfers in flight"
    );
}

#[test]
fn kills_change_no_final_balance_of_four_validators() {
    survives_kills("mailbox", "4");
}

#[test]
fn kills_change_no_final_balance_over_grpc() {
    survives_kills("grpc", "1");
}
