//! A validator of a group of four: one liar among the others stops nobody and decides nothing.

use crate::{alteration::altered, input::Input};
use catenary_consensus::{
    Consensus, Effect, Input as ConsensusInput, LocalCache, Mark, Message, Origin, Peer, PolkaCertificate,
    PolkaSignature, Proposal, Record, RoundCertificate, RoundCertificateKind, RoundSignature, SignedProposal,
    SignedVote, Signer, Start, StartHeight, Step, TimelinessParameters, Timeouts, ValueId, Verdict, Vote,
    Voting,
    journal::{Entry, TimeoutStep},
    timeliness::Judgement,
};
use catenary_crypto::{Hash, Signature, SigningKey, sha256};
use catenary_types::{Address, ChainId, Height, Timestamp, Validator, ValidatorSet, VoteKind};
use std::sync::{Arc, LazyLock};

const NOW: Timestamp = Timestamp(1_800_000_001_000_000_000);
const LAST: Timestamp = Timestamp(1_800_000_000_000_000_000);
const PEER: Peer = Peer(7);
/// Inputs of one run.
const STEPS_MAX: usize = 16;

fn key(member: u8) -> SigningKey {
    SigningKey::from_seed(&[member + 1; 32])
}

fn chain_id() -> ChainId {
    "berka-0123456789abcdef-1".parse().expect("a chain id")
}

fn value(name: u8) -> ValueId {
    ValueId { block: Hash([name; 32]), time: Timestamp(NOW.0 + u64::from(name)) }
}

fn sign(member: u8, vote: Vote) -> SignedVote {
    SignedVote { vote, signature: key(member).sign(&vote.sign_bytes(&chain_id(), LAST)) }
}

static ENTRIES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(entries);

/// One record of each kind, as it stands in a journal.
pub fn entries() -> Vec<Vec<u8>> {
    let vote = |value| Vote { value, ..any_vote(1, Height(1), 0) };
    let proposal = Proposal {
        height: Height(1),
        round: 3,
        pol_round: Some(1),
        value: value(1),
        proposer: Address::of(&key(1).public_key()),
    };
    let signature = key(1).sign(&proposal.sign_bytes(&chain_id()));
    let signed = sign(1, vote(Some(value(1))));
    let polka = PolkaCertificate {
        height: Height(1),
        round: 0,
        value: value(1),
        signatures: [1, 2, 3].map(polka_signature).to_vec(),
    };
    let all = [
        Entry::Vote(signed),
        Entry::Vote(sign(1, vote(None))),
        Entry::Proposal { signed: SignedProposal { proposal, signature }, arrival: NOW },
        Entry::Timeout { step: TimeoutStep::Prevote, round: 2 },
        Entry::Judged {
            round: 1,
            value: value(2),
            builder: proposal.proposer,
            judgement: Judgement::Withheld,
            origin: Origin::Sync,
        },
        Entry::Polka(polka),
    ];
    all.iter().map(|entry| entry.record(Height(1)).bytes).collect()
}

fn polka_signature(member: u8) -> PolkaSignature {
    let vote = Vote { value: Some(value(1)), ..any_vote(member, Height(1), 0) };
    let SignedVote { vote, signature } = sign(member, vote);
    PolkaSignature { validator: vote.validator, signature }
}

fn any_vote(member: u8, height: Height, round: u32) -> Vote {
    let validator = Address::of(&key(member).public_key());
    Vote { kind: VoteKind::Prevote, height, round, value: None, validator }
}

/// A validator of a group of four at height 1 that finds these records in its journal.
fn machine(replay: Vec<Record>) -> (Consensus, Step) {
    let members = (0..4).map(|member| Validator { public_key: key(member).public_key(), power: 1 });
    let set = ValidatorSet::new(members.collect()).expect("a valid set");
    let start = StartHeight {
        height: Height(1),
        validators: Arc::new(set),
        first_leader: 0,
        last_time: LAST,
        timeliness: TimelinessParameters::default(),
        timeouts: Timeouts::default(),
        voting: Voting::Vote,
        start: Start::Now,
        replay,
    };
    let signer = Signer::new(key(0), None);
    Consensus::start(NOW, chain_id(), Some(signer), Box::new(LocalCache::default()), start)
}

/// Starts a validator from records that its journal should not hold: altered ones, in any order. It goes on or halts, and
/// says nothing that its guard forbids.
pub fn replayed_journals(data: &[u8]) {
    let mut input = Input::new(data);
    let record = |input: &mut Input<'_>| {
        let original = input.choose(&ENTRIES);
        let bytes = if input.one_in(2) { original.clone() } else { altered(input, original) };
        Record { height: Height(1), bytes }
    };
    let replay = (0..=input.below(STEPS_MAX)).map(|_| record(&mut input)).collect();
    let (mut machine, _) = machine(replay);
    machine.check_invariants();
    for _ in 0..STEPS_MAX {
        let mark = machine.mark();
        let Some(deadline) = machine.deadline() else { return };
        machine.step(deadline, ConsensusInput::Fired);
        machine.check_invariants();
        assert!(machine.mark() == mark || machine.mark().is_some_and(|new| new.is_above(mark.as_ref())));
    }
}

/// Tells a validator what one liar, member 1, can say: votes and proposals of any step and value, in his own name or in
/// others', and what he made of messages that he heard.
pub fn group_messages(data: &[u8]) {
    let mut input = Input::new(data);
    let (mut machine, _) = machine(Vec::new());
    let (mut now, mut mark) = (NOW, machine.mark());
    for _ in 0..STEPS_MAX {
        let heard = match input.byte() % 8 {
            0 => {
                now = machine.deadline().unwrap_or(now).max(now);
                vec![ConsensusInput::Fired]
            }
            1 => vec![verdict(&mut input)],
            2 => false_quorum(&mut input),
            _ => vec![from_peer(message(&mut input))],
        };
        for heard in heard {
            let step = machine.step(now, heard);
            machine.check_invariants();
            check_step(&step, &mut mark);
        }
        if input.is_empty() {
            return;
        }
    }
}

/// Nothing is decided, nothing stops, and the guard is never lowered.
fn check_step(step: &Step, mark: &mut Option<Mark>) {
    for effect in step.now.iter().chain(&step.durable) {
        let stops = matches!(effect, Effect::Decide(_) | Effect::Halt(_));
        assert!(!stops, "one liar led to {effect:?}");
    }
    if let Some(new) = step.mark {
        assert!(new.is_above(mark.as_ref()) || Some(new) == *mark, "the mark went down to {new:?}");
        *mark = Some(new);
    }
}

fn from_peer(message: Message) -> ConsensusInput {
    ConsensusInput::Message { peer: PEER, message }
}

/// Votes of all others for one value, all by the liar.
fn false_quorum(input: &mut Input<'_>) -> Vec<ConsensusInput> {
    let kind = [VoteKind::Prevote, VoteKind::Precommit][input.below(2)];
    let value = Some(any_value(input));
    let vote = |member| {
        let vote = Vote { kind, value, ..any_vote(member, Height(1), 0) };
        from_peer(Message::Vote(SignedVote { vote, signature: liar(&vote) }))
    };
    (1..4).map(vote).collect()
}

/// The liar's signature of a vote, whoever is said to have cast it.
fn liar(vote: &Vote) -> Signature {
    key(1).sign(&vote.sign_bytes(&chain_id(), LAST))
}

/// Bodies that this node finds valid: it would decide on them if enough others did.
fn verdict(input: &mut Input<'_>) -> ConsensusInput {
    ConsensusInput::Verdict {
        height: Height(1),
        value: any_value(input),
        builder: any_vote(input.byte() % 4, Height(1), 0).validator,
        verdict: Verdict::Valid,
        origin: Origin::Consensus,
    }
}

fn message(input: &mut Input<'_>) -> Message {
    let height = Height(if input.one_in(4) { input.number() } else { 1 });
    let round = if input.one_in(4) { input.number() as u32 } else { u32::from(input.byte() % 2) };
    match input.byte() % 4 {
        0 => Message::Vote(own_vote(input, height, round)),
        1 => Message::Proposal(own_proposal(input, height, round)),
        2 => Message::Round(own_round(input, height, round)),
        _ => altered_entry(input, height),
    }
}

fn any_value(input: &mut Input<'_>) -> ValueId {
    let time = Timestamp(if input.one_in(8) { input.number() } else { NOW.0 });
    ValueId { block: sha256(&[input.byte() % 2]), time }
}

/// The liar signs what can be signed, some of it in the name of others; of the rest the signature is anything.
fn own_vote(input: &mut Input<'_>, height: Height, round: u32) -> SignedVote {
    let kind = [VoteKind::Prevote, VoteKind::Precommit][input.below(2)];
    let value = (!input.one_in(4)).then(|| any_value(input));
    let member = if input.one_in(2) { input.byte() % 4 } else { 1 };
    let vote = Vote { kind, value, ..any_vote(member, height, round) };
    if can_be_signed(height, round) {
        return SignedVote { vote, signature: liar(&vote) };
    }
    SignedVote { vote, signature: Signature(input.array()) }
}

fn own_proposal(input: &mut Input<'_>, height: Height, round: u32) -> SignedProposal {
    let proposer = any_vote(input.byte() % 4, height, round).validator;
    let pol_round = input.one_in(4).then(|| input.number() as u32);
    let proposal = Proposal { height, round, pol_round, value: any_value(input), proposer };
    let signable = can_be_signed(height, round) && can_be_signed(height, pol_round.unwrap_or(0));
    let message = signable.then(|| proposal.sign_bytes(&chain_id()));
    let signature = message.map_or_else(|| Signature(input.array()), |message| key(1).sign(&message));
    SignedProposal { proposal, signature }
}

/// His own votes, as often as he likes, as the reason for another round.
fn own_round(input: &mut Input<'_>, height: Height, round: u32) -> RoundCertificate {
    let kind = [RoundCertificateKind::Skip, RoundCertificateKind::Precommit][input.below(2)];
    let entry = |input: &mut Input<'_>| {
        let SignedVote { vote, signature } = own_vote(input, height, round);
        RoundSignature { kind: vote.kind, value: vote.value, validator: vote.validator, signature }
    };
    let signatures = (0..=input.below(4)).map(|_| entry(input)).collect();
    RoundCertificate { height, round, kind, signatures }
}

fn can_be_signed(height: Height, round: u32) -> bool {
    i64::try_from(height.0).is_ok() && i32::try_from(round).is_ok()
}

/// A message of somebody else, altered: an own one of the liar unless it is whole.
fn altered_entry(input: &mut Input<'_>, height: Height) -> Message {
    let original = input.choose(&ENTRIES);
    let bytes = altered(input, original);
    match Entry::read(&Record { height, bytes }) {
        Ok(Entry::Vote(signed)) => Message::Vote(signed),
        Ok(Entry::Proposal { signed, .. }) => Message::Proposal(signed),
        // A whole polka would be a quorum that nobody formed; without one signature it is none.
        Ok(Entry::Polka(mut polka)) => {
            polka.signatures.truncate(2);
            Message::Polka(polka)
        }
        _ => Message::Vote(own_vote(input, height, 0)),
    }
}
