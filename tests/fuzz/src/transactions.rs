//! Who gets past the door of a chain, and what calls do once they are in.

use crate::{
    alteration::{altered, refuse_altered},
    decoders::CALLS,
    input::Input,
    samples,
    world::{CHAIN, VALID_UNTIL, World, second},
};
use catenary_apps::{
    accounts::AccountName,
    admin::{self, AdminCall},
    asset::{self, AssetCall, audit},
};
use catenary_ledger::{BlockContext, Ledger, Reason, State, records::committee_account};
use catenary_packet::PacketCall;
use catenary_replica::{Admission, Done, Job};
use catenary_sim::setup::{START, key};
use catenary_transfer::TransferCall;
use catenary_types::{
    AccountId, Body, Call, Message, RequestId, Timestamp, UnixSeconds, envelope::Transaction,
};
use std::{cell::RefCell, sync::LazyLock};

thread_local! {
    static WORLD: RefCell<World> = RefCell::new(World::new());
}

/// Calls of every kind.
static SAMPLES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| samples::of(CALLS));

/// The id under which the operator opened the chain: number 2.
const OPENING: RequestId = RequestId([0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0]);
/// Until when that was valid; the id is kept until the end of this minute.
const OPENING_VALID_UNTIL: UnixSeconds = UnixSeconds(START.0 + 600);

/// Accounts of the bank that have keys.
const SENDERS: [&str; 4] = ["customer-0", "operator", "relayer-0", "committee"];

fn account(number: &str) -> AccountId {
    if number == "committee" {
        return committee_account();
    }
    let organisation = "bank".parse().expect("an organisation");
    AccountName { organisation, number: number.parse().expect("an account number") }.id()
}

/// What the door says.
fn admit(world: &mut World, envelope: &[u8], now: Timestamp) -> Admission {
    let job = Job::Admit { ticket: None, envelopes: vec![envelope.to_vec()], now };
    let Done::Admitted(mut admitted) = world.worker.run(job) else { panic!("another job was done") };
    admitted.admissions.pop().expect("one answer per envelope")
}

/// Alters an envelope that the door would take.
pub fn altered_envelopes(data: &[u8]) {
    WORLD.with_borrow_mut(|world| {
        let mut input = Input::new(data);
        let original = world.payments[input.below(world.payments.len())].clone();
        let bytes = altered(&mut input, &original);
        let taken = match admit(world, &bytes, second(2)) {
            Admission::Fresh(waiting) => {
                assert_eq!(waiting.transaction.bytes, bytes, "what waits is what came");
                true
            }
            Admission::Known { .. } => true,
            Admission::Refused(_) => false,
        };
        refuse_altered("envelope", &original, &bytes, taken);
    });
}

/// Signs envelopes of any sender, chain, deadline and request id at any time, and compares the door with the rules as they
/// are written down: this chain, a sender that it knows, its own key, a deadline within the window, and an id that its
/// sender did not use in a minute that is not over.
pub fn admission(data: &[u8]) {
    WORLD.with_borrow_mut(|world| {
        let mut input = Input::new(data);
        let chain = if input.one_in(8) { 1 - CHAIN } else { CHAIN };
        let sender = *input.choose(&["customer-0", "operator", "nobody"]);
        let signer = if input.one_in(8) { "customer-1" } else { sender };
        let now = UnixSeconds(START.0 + 1 + input.below(1_200) as u64);
        let window = world.worker.tip().parameters.validity_window_s;
        let valid_until = match input.byte() % 4 {
            0 => UnixSeconds(input.number()),
            1 => UnixSeconds(now.0 + window + u64::from(input.byte() % 3) - 1),
            _ => UnixSeconds(now.0 + u64::from(input.byte() % 3) - 1),
        };
        let request_id = if input.one_in(2) { RequestId(input.array()) } else { OPENING };
        let body = Body {
            chain_id: world.setup.chains[chain].clone(),
            sender: account(sender),
            request_id,
            valid_until,
            reference: None,
            calls: vec![tick()],
        };
        let envelope = body.sign(&[&key(signer)]).encode();
        let in_time = (now.0..=now.0 + window).contains(&valid_until.0);
        let used = sender == "operator" && request_id == OPENING && now.0 / 60 <= OPENING_VALID_UNTIL.0 / 60;
        let expected = chain == CHAIN && sender != "nobody" && signer == sender && in_time && !used;
        let admission = admit(world, &envelope, now.start());
        assert_eq!(matches!(admission, Admission::Fresh(_)), expected, "{body:?} at {now}: {admission:?}");
    });
}

fn tick() -> Call {
    call(admin::KIND, AdminCall::Tick(admin::Tick {}).encode())
}

fn call(instance: &str, message: Vec<u8>) -> Call {
    Call { instance: instance.parse().expect("kinds are instance names"), message }
}

/// Executes two blocks of calls that were made up, in the name of whoever may do the most with them.
///
/// Nothing of ours fails, money neither appears nor vanishes, a failure leaves no event, and a second execution comes to
/// the same.
pub fn execution(data: &[u8]) {
    WORLD.with_borrow(|world| {
        let mut input = Input::new(data);
        let mut state = world.copy_of_state();
        for block in 0..2 {
            let time = Timestamp(second(2 + block).0 + u64::from(input.byte()));
            let transactions: Vec<_> =
                (0..=input.below(3)).map(|number| transaction(world, &mut input, block, number)).collect();
            execute(world.ledger(), &mut state, &world.setup.chains[CHAIN], time, &transactions);
        }
    });
}

fn execute(
    ledger: &Ledger,
    state: &mut State,
    chain_id: &catenary_types::ChainId,
    time: Timestamp,
    transactions: &[Transaction],
) {
    let context = BlockContext { chain_id: chain_id.clone(), height: state.height().next(), time };
    let executed = ledger.execute(state, &context, transactions);
    assert_eq!(ledger.execute(state, &context, transactions), executed, "execution follows from the block");
    assert_eq!(executed.receipts.len(), transactions.len());
    for (receipt, transaction) in executed.receipts.iter().zip(transactions) {
        let body = &transaction.body;
        assert_ne!(receipt.code, Reason::Internal.code(), "{receipt:?} of {body:02x?}");
        assert_eq!(receipt.tx_id, transaction.id);
        assert!(receipt.succeeded() || receipt.events.is_empty(), "a failure left events: {receipt:?}");
    }
    state.apply(&executed);
    audit(state).unwrap_or_else(|error| panic!("{error} after {transactions:02x?}"));
}

fn transaction(world: &World, input: &mut Input<'_>, block: u64, number: usize) -> Transaction {
    let sender = SENDERS[input.below(SENDERS.len())];
    let calls = (0..=input.below(3)).map(|_| made_up(world, input)).collect();
    let body = Body {
        chain_id: world.setup.chains[CHAIN].clone(),
        sender: account(sender),
        request_id: RequestId([1 + block as u8, number as u8, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9]),
        valid_until: VALID_UNTIL,
        reference: input.one_in(4).then(|| "again".parse().expect("a reference")),
        calls,
    };
    let envelope = body.sign(&[&key(sender)]).encode();
    Transaction::decode(&envelope).expect("a body that was just made is well formed")
}

/// A call that was committed as a sample, for the accounts and assets of this world, altered or not; or any bytes.
fn made_up(world: &World, input: &mut Input<'_>) -> Call {
    let mut message = input.choose(&SAMPLES).clone();
    match input.byte() % 6 {
        0 => message = input.bytes(40).to_vec(),
        1 => message = payment_call(world),
        2 => message = altered(input, &payment_call(world)),
        3 => message = altered(input, &message),
        _ => {}
    }
    call(instance_of(&message, input), message)
}

/// What a customer of the world sends abroad.
fn payment_call(world: &World) -> Vec<u8> {
    let transaction = Transaction::decode(&world.payments[0]).expect("payments are well formed");
    transaction.body.calls[0].message.clone()
}

/// An instance that can read the message, if there is one.
fn instance_of(message: &[u8], input: &mut Input<'_>) -> &'static str {
    let readers = [
        (admin::KIND, AdminCall::decode(message).is_ok()),
        (asset::KIND, AssetCall::decode(message).is_ok()),
        (catenary_packet::KIND, PacketCall::decode(message).is_ok()),
        (catenary_transfer::KIND, TransferCall::decode(message).is_ok()),
    ];
    let able: Vec<_> = readers.iter().filter(|(_, reads)| *reads).map(|(kind, _)| *kind).collect();
    match able.as_slice() {
        [] => readers[input.below(readers.len())].0,
        able => able[input.below(able.len())],
    }
}
