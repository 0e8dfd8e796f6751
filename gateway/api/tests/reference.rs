//! The reference in `docs/api.md` says what the code does.
#![allow(clippy::unwrap_used, reason = "helpers of tests may unwrap as tests do")]

use catenary_api::{Limits, limits};
use catenary_proto::api::ErrorReason;

const REFERENCE: &str = include_str!("../../../docs/api.md");

/// `INVALID_ARGUMENT` from `InvalidArgument`.
fn upper_snake(name: &str) -> String {
    let mut text = String::new();
    for letter in name.chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push('_');
        }
        text.push(letter.to_ascii_uppercase());
    }
    text
}

#[test]
fn the_table_of_errors_has_every_reason_with_its_code() {
    for reason in ErrorReason::all() {
        let code = upper_snake(&format!("{:?}", reason.code()));
        let row = format!("| `{}` | `{code}` |", reason.name());
        assert!(REFERENCE.contains(&row), "expected a row {row}");
    }
    let rows = REFERENCE.lines().filter(|line| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let name = cells.next().and_then(|cell| cell.strip_prefix('`')?.strip_suffix('`'));
        let code = cells.next().is_some_and(|cell| cell.len() > 3 && cell.to_uppercase() == cell);
        name.is_some_and(|name| name.to_uppercase() == name) && code
    });
    assert_eq!(rows.count(), ErrorReason::all().count());
}

#[test]
fn the_reason_that_can_be_retried_says_so() {
    for reason in ErrorReason::all() {
        let row = REFERENCE.lines().find(|line| line.starts_with(&format!("| `{}` | `", reason.name())));
        let advice = row.and_then(|row| row.trim_end_matches('|').rsplit('|').next()).unwrap_or_default();
        let says_retry = advice.contains("retry") || advice.contains("subscribe with");
        assert_eq!(says_retry, reason.retry_ms().is_some(), "{}", reason.name());
    }
}

#[test]
fn the_limits_are_the_code_s() {
    let tuned = Limits::default();
    let mib = |bytes: usize| format!("{} MiB + 4 KiB", bytes >> 20);
    for (text, value) in [
        ("| connections at once | 1,024;", tuned.connections),
        ("| requests at once on one connection | 128 |", tuned.streams_per_connection as usize),
        ("| subscriptions at once | 4,096 ", tuned.subscriptions),
        ("| handshake | 5 s ", tuned.handshake_time.as_secs() as usize),
        ("| time of the chain's answer | 10 s |", tuned.request_time.as_secs() as usize),
        ("sends `progress` every 5 s", tuned.progress_interval.as_secs() as usize),
        ("takes nothing for 10 s", tuned.slow_consumer_time.as_secs() as usize),
        ("| headers of a request | 16 KiB |", limits::HEADER_LIST_BYTES_MAX as usize >> 10),
    ] {
        assert!(REFERENCE.contains(text), "expected the text {text:?}");
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        assert_eq!(digits, value.to_string(), "{text}");
    }
    let row =
        |method: &str| REFERENCE.lines().find(|line| line.starts_with(&format!("| `{method}` |"))).unwrap();
    assert!(row("Submit").contains(&mib(limits::SUBMIT_BYTES_MAX)));
    assert!(row("SendTransfer").contains(&mib(limits::SUBMIT_BYTES_MAX)));
    assert!(row("SubmitMany").contains(&mib(limits::SUBMIT_MANY_BYTES_MAX)));
    assert!(row("GetProof").contains(&format!("{} KiB", limits::PROOF_REQUEST_BYTES_MAX >> 10)));
    assert!(row("GetBlock").contains(&format!("{} KiB", limits::READ_BYTES_MAX >> 10)));
}
