//! Evidence of two real chains: what it proves, and that nothing of it can be changed.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod common;

use catenary_orders::{Order, read};
use catenary_types::Amount;
use catenary_verify::{
    Answer, ChainError, EvidenceError, HomeWriter, Lane, OrderError, PartnerWriter, Request, Summary,
    VerifyError, reference, verify,
};
use common::{World, change_parameters, change_validators, multiproof};
use proptest::prelude::*;
use std::{fs, path::Path, sync::LazyLock};
use tempfile::TempDir;

const ROWS: &[u8] = b"order_id;account_id;bank_to;account_to;amount;k_symbol
29401;1;YZ;87144583;2452.00;SIPO
29402;2;YZ;89597016;3372.70;UVER
29403;2;YZ;13943797;7266.00;SIPO
29404;3;YZ;83084338;1135.00;SIPO
";
const FROZEN: &str = "13943797";

/// Two months of four orders: one creditor is frozen, one packet of the second month is never delivered.
struct Case {
    world: World,
    orders: Vec<Order>,
    dir: TempDir,
}

fn settle(change: bool) -> Case {
    let orders = read(ROWS).orders;
    assert_eq!(orders.len(), 4);
    let mut world = World::new("YZ", &orders);
    world.freeze(FROZEN);
    let mut parameters = Vec::new();
    for month in 0..2 {
        let references: Vec<_> = orders.iter().map(|order| reference(order, month)).collect();
        let payments: Vec<_> = orders.iter().zip(&references).collect();
        let packets = world.pay(&payments);
        let delivered = if month == 0 { &packets[..] } else { &packets[..3] };
        if change {
            let time = world.next_time();
            change_validators(&mut world.lane.target, time, month as usize + 1..month as usize + 5);
            parameters.extend((month == 0).then(|| change_parameters(&mut world.lane.source, time)));
            change_validators(&mut world.lane.source, time.plus_ms(1_000), 0..month as usize + 2);
            world.lane.source.seal();
        }
        let answers = world.deliver(delivered);
        world.answer(&answers);
        if month == 1 {
            world.expire(&packets[3..]);
        }
    }
    let dir = TempDir::new().unwrap();
    world.write(dir.path(), &parameters);
    Case { world, orders, dir }
}

/// Settled once; tests copy what they change.
static PLAIN: LazyLock<Case> = LazyLock::new(|| settle(false));
static CHANGING: LazyLock<Case> = LazyLock::new(|| settle(true));

fn copy(case: &Case) -> TempDir {
    let copy = TempDir::new().unwrap();
    for entry in fs::read_dir(case.dir.path()).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, copy.path().join(path.file_name().unwrap())).unwrap();
    }
    copy
}

fn order_error(dir: &Path, orders: &[Order], months: u32) -> (String, OrderError) {
    match verify(orders, months, dir) {
        Err(VerifyError::Order { reference, reason, .. }) => (reference.to_string(), reason),
        other => panic!("expected an order that is not proven, got {other:?}"),
    }
}

#[test]
fn sums_follow_from_the_evidence() {
    for case in [&*PLAIN, &*CHANGING] {
        let summary = verify(&case.orders, 2, case.dir.path()).unwrap();
        assert_eq!((summary.orders, summary.settled, summary.refunded), (8, 5, 3));
        let credited = 2 * (245_200 + 337_270) + 113_500;
        assert_eq!(summary.credited, Amount(credited));
        assert_eq!(
            summary.chains,
            [case.world.home().chain_id.clone(), case.world.partner().chain_id.clone()]
        );
        assert!(summary.to_string().starts_with("5 of 8 orders settled, 3 refunded, 12784.40 CZK credited"));
    }
}

#[test]
fn every_order_must_be_there_in_every_month() {
    let case = &*PLAIN;
    let (reference, reason) = order_error(case.dir.path(), &case.orders, 3);
    assert_eq!((reference.as_str(), reason), ("29401/3", OrderError::NotSent { debtor: "1".into() }));
    let mut twice = case.orders.clone();
    twice.push(case.orders[1].clone());
    assert_eq!(order_error(case.dir.path(), &twice, 1).0, "29402");
}

#[test]
fn an_order_is_what_its_transaction_says() {
    let case = &*PLAIN;
    let first_error = |change: fn(&mut Order)| {
        let mut orders = case.orders.clone();
        change(&mut orders[1]);
        let (reference, reason) = order_error(case.dir.path(), &orders, 1);
        assert_eq!(reference, "29402");
        reason
    };
    let of_amount = first_error(|order| order.amount = Amount(337_271));
    let (expected, actual) = ("337271".into(), "337270".into());
    assert_eq!(of_amount, OrderError::Differs { what: "amount in halir", expected, actual });
    let of_creditor = first_error(|order| order.creditor = "1".parse().unwrap());
    assert!(matches!(of_creditor, OrderError::Differs { what: "creditor", .. }), "{of_creditor}");
    let of_debtor = first_error(|order| order.debtor = "3".parse().unwrap());
    assert_eq!(of_debtor, OrderError::NotSent { debtor: "3".into() });
    assert_eq!(first_error(|order| order.bank = 0), OrderError::NoPartner { bank: "AB" });
}

#[test]
fn a_missing_answer_names_its_order() {
    let case = &*PLAIN;
    let dir = copy(case);
    let lanes = rewrite_home(case, dir.path(), case.world.home().blocks.len());
    let mut writer = PartnerWriter::create(dir.path(), "YZ", &case.world.partner().genesis).unwrap();
    let newest = case.world.partner().blocks.last().unwrap();
    let mut request = lanes[0].requests[0].clone();
    assert_eq!(request.answers.len(), 8);
    request.answers.remove(2);
    request.keys.remove(2);
    let multiproof = multiproof(case.world.partner(), &request.keys);
    writer.proof(&newest.signed, &newest.validators, &request, &multiproof);
    writer.finish().unwrap();
    let unanswered = OrderError::Unanswered { bank: "YZ", client: "bft-client-0".into(), sequence: 3 };
    assert_eq!(order_error(dir.path(), &case.orders, 2), ("29403".into(), unanswered));
}

#[test]
fn a_partner_without_evidence_proves_nothing() {
    let dir = copy(&PLAIN);
    fs::remove_file(dir.path().join("YZ.evidence")).unwrap();
    let (reference, reason) = order_error(dir.path(), &PLAIN.orders, 2);
    assert_eq!((reference.as_str(), reason), ("29401", OrderError::NoPartner { bank: "YZ" }));
    fs::remove_file(dir.path().join("home.evidence")).unwrap();
    let missing = verify(&PLAIN.orders, 2, dir.path());
    assert!(matches!(missing, Err(VerifyError::Evidence(EvidenceError::Io { .. }))), "{missing:?}");
}

/// Writes the home chain's file anew, with so many blocks.
fn rewrite_home(case: &Case, dir: &Path, blocks: usize) -> Vec<Lane> {
    let mut writer = HomeWriter::create(dir, &case.world.home().genesis).unwrap();
    for block in &case.world.home().blocks[..blocks] {
        writer.block(&block.signed, &block.validators, &block.envelopes, &block.receipts).unwrap();
    }
    writer.finish().unwrap()
}

#[test]
fn both_chains_must_say_the_same() {
    let case = &*PLAIN;
    let dir = copy(case);
    // The home chain's last two blocks are the refund of the silent packet and its seal.
    rewrite_home(case, dir.path(), case.world.home().blocks.len() - 2);
    let (reference, reason) = order_error(dir.path(), &case.orders, 2);
    let contradiction = OrderError::Contradiction { partner: Answer::Silent, home: None };
    assert_eq!((reference.as_str(), reason), ("29404/2", contradiction));
}

#[test]
fn the_last_block_must_be_proven_by_another() {
    let case = &*PLAIN;
    let dir = TempDir::new().unwrap();
    let mut writer = HomeWriter::create(dir.path(), &case.world.home().genesis).unwrap();
    for block in &case.world.home().blocks[..case.world.home().blocks.len() - 1] {
        writer.block(&block.signed, &block.validators, &block.envelopes, &block.receipts).unwrap();
    }
    assert!(matches!(writer.finish(), Err(EvidenceError::Unproven { .. })));
}

#[test]
fn silence_proves_nothing_before_the_deadline() {
    let orders = read(ROWS).orders;
    let mut world = World::new("YZ", &orders[..1]);
    let references = [reference(&orders[0], 0)];
    let packets = world.pay(&[(&orders[0], &references[0])]);
    world.lane.target.seal();
    let early = world.partner().blocks.len();
    let dir = TempDir::new().unwrap();
    let silent = |world: &World| {
        let mut writer = HomeWriter::create(dir.path(), &world.home().genesis).unwrap();
        for block in &world.home().blocks {
            writer.block(&block.signed, &block.validators, &block.envelopes, &block.receipts).unwrap();
        }
        writer.finish().unwrap().remove(0).requests
    };
    let receipt = catenary_packet::commitment::receipt_key(&world.lane.target_client, packets[0].sequence);
    let multiproof = multiproof(world.partner(), &[receipt]);
    world.expire(&packets);
    let requests = silent(&world);
    let block = &world.partner().blocks[early - 1];
    let mut writer = PartnerWriter::create(dir.path(), "YZ", &world.partner().genesis).unwrap();
    writer.proof(&block.signed, &block.validators, &requests[0], &multiproof);
    writer.finish().unwrap();
    let (reference, reason) = order_error(dir.path(), &orders[..1], 1);
    assert_eq!(reference, "29401");
    assert!(matches!(reason, OrderError::Early { .. }), "{reason}");
}

/// A quorum counts only of validators that the chain announced, link by link.
#[test]
fn only_the_announced_validators_count() {
    let partner = CHANGING.world.partner();
    let changes: Vec<_> = partner
        .blocks
        .iter()
        .filter(|block| block.signed.header.next_validators_hash != block.signed.header.validators_hash)
        .collect();
    assert_eq!(changes.len(), 2);
    let last = partner.blocks.last().unwrap();
    let first_set = &partner.blocks[0].validators;
    let mut header = last.signed.header.clone();
    header.validators_hash = first_set.hash();
    let strangers = (partner.certify(header, first_set, 0, &[]), first_set);
    let real = (last.signed.clone(), &last.validators);
    // All links but a header of former validators; the real header but a missing link.
    for (links, (signed, validators)) in [(&changes[..], strangers), (&changes[1..], real)] {
        let dir = copy(&CHANGING);
        let mut writer = PartnerWriter::create(dir.path(), "YZ", &partner.genesis).unwrap();
        links.iter().for_each(|block| writer.header(&block.signed, &block.validators));
        let request = Request {
            client: CHANGING.world.lane.target_client.clone(),
            answers: Vec::new(),
            keys: Vec::new(),
        };
        writer.proof(&signed, validators, &request, &[]);
        writer.finish().unwrap();
        let error = verify(&CHANGING.orders, 2, dir.path()).unwrap_err();
        let chain_error = |error: &ChainError| *error == ChainError::Validators;
        assert!(
            matches!(&error, VerifyError::Evidence(EvidenceError::Chain { error, .. }) if chain_error(error)),
            "{error}"
        );
    }
}

fn altered(case: &Case, file: &str, change: impl FnOnce(&mut Vec<u8>)) -> Result<Summary, VerifyError> {
    let dir = copy(case);
    let path = dir.path().join(file);
    let mut bytes = fs::read(&path).unwrap();
    change(&mut bytes);
    fs::write(&path, bytes).unwrap();
    verify(&case.orders, 2, dir.path())
}

proptest! {
    #[test]
    fn no_bit_can_change(changing: bool, home: bool, at: prop::sample::Index, bit in 0..8u32) {
        let case = if changing { &*CHANGING } else { &*PLAIN };
        let file = if home { "home.evidence" } else { "YZ.evidence" };
        let result = altered(case, file, |bytes| {
            let at = at.index(bytes.len());
            bytes[at] ^= 1u8 << bit;
        });
        prop_assert!(result.is_err());
    }

    #[test]
    fn nothing_can_be_cut_off_or_added(home: bool, at: prop::sample::Index, tail in prop::collection::vec(any::<u8>(), 1..40)) {
        let file = if home { "home.evidence" } else { "YZ.evidence" };
        let cut = altered(&PLAIN, file, |bytes| bytes.truncate(at.index(bytes.len())));
        prop_assert!(cut.is_err());
        let longer = altered(&PLAIN, file, |bytes| bytes.extend(tail));
        prop_assert!(longer.is_err());
    }

    #[test]
    fn any_bytes_are_read_without_panic(home: bool, bytes: Vec<u8>) {
        let file = if home { "home.evidence" } else { "YZ.evidence" };
        let result = altered(&PLAIN, file, |file| {
            file.truncate(20);
            file.extend(bytes);
        });
        prop_assert!(result.is_err());
    }
}
