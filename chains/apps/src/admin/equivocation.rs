//! Reports of validators that voted twice in one step, and the sets that can still be reported.
//!
//! The call brings its own proof, so whoever is known to the chain may make it, and no judgement of his counts. What it
//! says is kept for ever; what follows from it, governance decides.

use super::messages::ReportEquivocation;
use catenary_crypto::PublicKey;
use catenary_ledger::{
    Ctx, Failure, Reason, View, attribute,
    records::{AdminKey, Equivocation, PastSet, PastValidators, ReadRecords, Validators},
    stores::ADMIN,
};
use catenary_types::{Address, DoubleVote, Height, Message, Timestamp, Validator};

/// For how long votes can be reported, and replaced sets are kept: a day.
const AGE_MS_MAX: u64 = 24 * 3_600 * 1_000;
/// How far the time of a vote may be ahead of the block that reports it: as far as a proposal may ever travel.
const AHEAD_MS_MAX: u64 = 60_000;

pub(super) fn report(ctx: &mut Ctx<'_, '_>, call: &ReportEquivocation) -> Result<(), Failure> {
    let votes = &call.votes;
    let key = AdminKey::equivocation(votes);
    if ctx.admin(&key).is_some() {
        return Err(known(Reason::AlreadyExists, votes));
    }
    check_age(votes, ctx.height(), ctx.header_time())?;
    let stranger = || {
        let detail = format!("{} was in no validator set of the last 24 h", votes.validator);
        Failure::new(Reason::NotFound, detail)
    };
    let public_key = voting_key(ctx, &votes.validator).ok_or_else(stranger)?;
    let invalid =
        |error: catenary_types::DoubleVoteError| Failure::new(Reason::InvalidArgument, error.to_string());
    votes.verify(ctx.chain_id(), &public_key).map_err(invalid)?;
    let (reporter, reported) = (ctx.caller().account, ctx.height());
    let record = Equivocation { votes: votes.clone(), reporter, reported };
    ctx.put(ADMIN, key.bytes(), record.encode());
    let attributes = vec![
        attribute("validator", votes.validator),
        attribute("height", votes.height),
        attribute("round", votes.round),
        attribute("kind", votes.kind.name()),
    ];
    ctx.emit("equivocation_reported", attributes);
    Ok(())
}

/// A report of what stands in the state already costs no place in a block.
pub(super) fn admit(call: &ReportEquivocation, state: &dyn View) -> Result<(), Failure> {
    match state.get(ADMIN, &AdminKey::equivocation(&call.votes).bytes()) {
        None => Ok(()),
        Some(_) => Err(known(Reason::Redundant, &call.votes)),
    }
}

fn known(reason: Reason, votes: &DoubleVote) -> Failure {
    let DoubleVote { validator, height, round, kind, .. } = votes;
    let kind = kind.name();
    Failure::new(reason, format!("two {kind}s of {validator} at height {height}, round {round} are reported"))
}

/// The height is one that votes can be about, and at least one of the votes is of the last day.
///
/// One is enough. After a quiet time a vote for nil is signed over the time of an old header; and who votes twice chooses
/// what he signs, so he could else put himself out of reach with a made-up time in one of the votes.
fn check_age(votes: &DoubleVote, height: Height, now: Timestamp) -> Result<(), Failure> {
    if votes.height > height {
        let detail = format!("expected votes of heights up to {height}, got {}", votes.height);
        return Err(Failure::new(Reason::InvalidArgument, detail));
    }
    let is_recent = |time: Timestamp| !is_past(time, now) && time <= now.plus_ms(AHEAD_MS_MAX);
    if [&votes.first, &votes.second].iter().any(|vote| is_recent(vote.time)) {
        return Ok(());
    }
    let detail = "expected a vote of a time from 24 h before the block's to a minute after it";
    Err(Failure::new(Reason::InvalidArgument, detail))
}

fn is_past(time: Timestamp, now: Timestamp) -> bool {
    time.plus_ms(AGE_MS_MAX) < now
}

/// The key of a member of the present set, or of one that was replaced within the last day.
fn voting_key(ctx: &Ctx<'_, '_>, validator: &Address) -> Option<PublicKey> {
    let now = ctx.header_time();
    let past = ctx.past_validators().into_iter().filter(|set| !is_past(set.replaced, now));
    let mut members = ctx.validators().into_iter().chain(past.flat_map(|set| set.validators));
    members.find(|member| member.address() == *validator).map(|member| member.public_key)
}

/// Replaces the set of the block after next. The old one stays for a day, for reports.
pub(super) fn replace_set(ctx: &mut Ctx<'_, '_>, validators: Vec<Validator>) {
    let now = ctx.header_time();
    let mut sets = ctx.past_validators();
    sets.retain(|set| !is_past(set.replaced, now));
    // The set of an earlier call in the same block was never in force.
    if sets.last().is_none_or(|set| set.replaced < now) {
        sets.push(PastSet { validators: ctx.validators(), replaced: now });
    }
    ctx.put(ADMIN, AdminKey::PastValidators.bytes(), PastValidators { sets }.encode());
    ctx.put(ADMIN, AdminKey::Validators.bytes(), Validators { validators }.encode());
}
