//! Who votes: words of readiness, and the set.
//!
//! A new member counts towards every quorum from its first height on, so one that is not there takes away what keeps the
//! chain going. Therefore whoever joins has said shortly before that he is ready; and a set from which somebody leaves has a
//! quorum of members who have. A member that is dead can be replaced: he need say nothing.

use super::{
    calls::require_committee,
    equivocation::replace_set,
    messages::{DeclareReady, SetValidators},
};
use catenary_ledger::{
    Ctx, Failure, Reason, attribute,
    records::{AdminKey, ReadRecords},
    stores::ADMIN,
};
use catenary_types::{Height, Message, Timestamp, Validator, ValidatorSet};

/// How old a word of readiness may be.
pub const READY_MS_MAX: u64 = 60_000;
/// How far the clock of who says so may be ahead.
const AHEAD_MS_MAX: u64 = 10_000;
/// How many blocks a validator that is ready may be behind.
const BEHIND_MAX: u64 = 1_000;

pub(super) fn declare_ready(
    ctx: &mut Ctx<'_, '_>,
    DeclareReady { readiness }: &DeclareReady,
) -> Result<(), Failure> {
    let (height, now) = (ctx.height(), ctx.header_time());
    let expected = Height(height.0.saturating_sub(BEHIND_MAX))..height;
    if !expected.contains(&readiness.height) {
        let (first, last) = (expected.start, expected.end.0 - 1);
        return Err(invalid(format!("expected a height of {first} to {last}, got {}", readiness.height)));
    }
    if is_over(readiness.time, now) || readiness.time > now.plus_ms(AHEAD_MS_MAX) {
        return Err(invalid(format!("expected a word of the last {} s", READY_MS_MAX / 1_000)));
    }
    readiness.verify(ctx.chain_id()).map_err(|error| invalid(error.to_string()))?;
    let validator = readiness.address();
    ctx.put(ADMIN, AdminKey::Readiness(&validator).bytes(), readiness.encode());
    ctx.emit(
        "validator_ready",
        vec![attribute("validator", validator), attribute("height", readiness.height)],
    );
    Ok(())
}

pub(super) fn set_validators(ctx: &mut Ctx<'_, '_>, call: &SetValidators) -> Result<(), Failure> {
    require_committee(ctx)?;
    let set = ValidatorSet::new(call.validators.clone()).map_err(|error| invalid(error.to_string()))?;
    if ctx.parameters().counts_heads() && !set.has_equal_powers() {
        return Err(invalid(
            "this chain's consensus counts heads: expected validators of equal power".into(),
        ));
    }
    let (old, new) = (ctx.validators(), set.validators());
    let is_member =
        |set: &[Validator], one: &Validator| set.iter().any(|other| other.public_key == one.public_key);
    if let Some(absent) = new.iter().find(|one| !is_member(&old, one) && !is_ready(ctx, one)) {
        return Err(invalid(format!("{} joins and has not said that it is ready", absent.address())));
    }
    if old.iter().any(|one| !is_member(new, one)) {
        let power =
            |of: &mut dyn Iterator<Item = &Validator>| of.map(|one| u128::from(one.power)).sum::<u128>();
        let ready = power(&mut new.iter().filter(|one| is_ready(ctx, one)));
        let total = power(&mut new.iter());
        let parameters = ctx.parameters();
        let (numerator, denominator) = (parameters.quorum_numerator, parameters.quorum_denominator);
        if ready * u128::from(denominator) <= total * u128::from(numerator) {
            let detail = format!(
                "somebody leaves: expected that more than {numerator}/{denominator} of the new power have said that they are \
                 ready, got {ready} of {total}"
            );
            return Err(invalid(detail));
        }
    }
    replace_set(ctx, new.to_vec());
    ctx.emit("validators_changed", vec![attribute("hash", set.hash())]);
    Ok(())
}

/// Whether a validator said within the last minute that it is ready.
fn is_ready(ctx: &Ctx<'_, '_>, validator: &Validator) -> bool {
    let word = ctx.readiness(&validator.address());
    word.is_some_and(|word| !is_over(word.time, ctx.header_time()))
}

fn is_over(time: Timestamp, now: Timestamp) -> bool {
    time.plus_ms(READY_MS_MAX) < now
}

fn invalid(detail: String) -> Failure {
    Failure::new(Reason::InvalidArgument, detail)
}
