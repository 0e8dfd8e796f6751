//! What a client remembers, and what a header, once verified, does to it.
//!
//! Consensus states of one client form a list in order of heights, so that a header meets its neighbours wherever it
//! comes in, and expired states are found without a scan:
//!
//! ```text
//!   oldest ──next──► · ──next──► · ──next──► latest        times strictly increase along the list
//! ```

use super::{
    HeaderError, LightBlock, Members,
    verify::{Trusted, verify_alone, verify_evidence, verify_update},
};
use crate::{
    events,
    ids::ClientId,
    key::ClientsKey,
    limits::{
        CLOCK_DRIFT_MS_MAX, CLOCK_DRIFT_MS_MIN, FRACTION_DENOMINATOR_MAX, NEIGHBOUR_STEPS_MAX,
        PRUNED_PER_UPDATE_MAX, TRUSTING_PERIOD_S_MAX, UPDATE_BYTES_LIMIT,
    },
    messages::{CreateClient, Fraction, HeaderUpdate},
    records::{ClientState, ConsensusState, ReadClients, Standing, delete, put, put_number},
};
use catenary_ledger::{Ctx, Failure, Reason};
use catenary_mutant::{Mutant, is_active};
use catenary_types::{Height, Parameters, Timestamp, time::NANOS_PER_SECOND};

/// What showing a verified header did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shown {
    /// The client keeps it.
    Stored,
    /// The client knew it; or two headers do not contradict each other.
    Known,
    /// It contradicts what the chain certified before: the client is frozen.
    Frozen,
}

/// Fails unless a client of this state may be believed at `now`.
pub fn require_active(state: &ClientState, now: Timestamp) -> Result<(), Failure> {
    if state.standing == Standing::Frozen {
        return Err(Failure::new(Reason::ClientFrozen, "the client saw a contradiction and is frozen"));
    }
    if is_expired(state, state.latest_time, now) {
        let (latest_time, trusting_period_s) = (state.latest_time, state.trusting_period_s);
        return Err(HeaderError::Expired { latest_time, trusting_period_s }.into());
    }
    Ok(())
}

fn is_expired(state: &ClientState, time: Timestamp, now: Timestamp) -> bool {
    let end = u128::from(time.0) + u128::from(state.trusting_period_s) * u128::from(NANOS_PER_SECOND);
    end <= u128::from(now.0)
}

/// Starts a client at a header that the caller vouches for.
pub fn create(ctx: &mut Ctx<'_, '_>, message: &CreateClient) -> Result<ClientId, Failure> {
    check_options(message)?;
    let limit = message.update_bytes_max;
    check_size(limit, message.signed_header.len() + message.validators.len())?;
    let block = LightBlock::decode(&message.signed_header)?;
    let members = Members::decode(&message.validators)?;
    let state = ClientState {
        chain_id: message.chain_id.clone(),
        trust_level: message.trust_level.clone(),
        quorum: message.quorum.clone(),
        trusting_period_s: message.trusting_period_s,
        clock_drift_ms: message.clock_drift_ms,
        update_bytes_max: message.update_bytes_max,
        standing: Standing::Sound,
        latest_height: block.height,
        latest_time: block.time,
        oldest_height: block.height,
        quorum_height: block.height,
        generation: 0,
        creator: ctx.caller().account,
    };
    verify_alone(&state, &block, &members)?;
    require_active(&state, ctx.header_time())?;
    if block.time >= ctx.header_time().plus_ms(message.clock_drift_ms) {
        return Err(invalid("a header that is not from the future"));
    }
    let number = ctx.number(&ClientsKey::NextClient).unwrap_or(0);
    let id = ClientId::bft(number);
    put_number(ctx, &ClientsKey::NextClient, number + 1);
    put_consensus(ctx, &id, &state, block.height, &kept(&block, Height(0)));
    put(ctx, &ClientsKey::Client(&id), &state);
    events::client_created(ctx, &id, &state);
    Ok(id)
}

fn invalid(expected: &str) -> Failure {
    Failure::new(Reason::InvalidArgument, format!("expected {expected}"))
}

fn check_options(message: &CreateClient) -> Result<(), Failure> {
    if tendermint::chain::Id::try_from(message.chain_id.as_str()).is_err() {
        return Err(invalid("a CometBFT chain id of 1 to 50 characters"));
    }
    let is_fraction = |fraction: &Fraction| {
        (1..=FRACTION_DENOMINATOR_MAX).contains(&fraction.denominator)
            && fraction.numerator <= fraction.denominator
    };
    if !is_fraction(&message.trust_level) || !message.trust_level.is_at_least(1, 3) {
        return Err(invalid("a trust level from 1/3 to 1"));
    }
    if !is_quorum(&message.quorum) {
        return Err(invalid("a quorum of at least 1/2 and less than 1"));
    }
    if !(1..=TRUSTING_PERIOD_S_MAX).contains(&message.trusting_period_s) {
        return Err(invalid("a trusting period of 1 second to 90 days"));
    }
    if !(CLOCK_DRIFT_MS_MIN..=CLOCK_DRIFT_MS_MAX).contains(&message.clock_drift_ms) {
        return Err(invalid("a clock drift of 10 seconds to 10 minutes"));
    }
    if !(1..=UPDATE_BYTES_LIMIT as u64).contains(&message.update_bytes_max) {
        return Err(invalid("an update limit of 1 byte to 256 KiB"));
    }
    Ok(())
}

/// At least a half, so that two quorums share a member; less than all, since more than that much must sign.
fn is_quorum(fraction: &Fraction) -> bool {
    (1..=FRACTION_DENOMINATOR_MAX).contains(&fraction.denominator)
        && fraction.numerator < fraction.denominator
        && fraction.is_at_least(1, 2)
}

/// Shows an active client a header. On success the client's record is written; on failure nothing is.
pub fn update(
    ctx: &mut Ctx<'_, '_>,
    id: &ClientId,
    state: &mut ClientState,
    update: &HeaderUpdate,
) -> Result<Shown, Failure> {
    let read = Read::new(ctx, id, state, update)?;
    verify_update(state, &read.trusted(update), &read.block, &read.members, ctx.header_time())?;
    let quorum = shown_quorum(&read.block, update.parameters.as_ref())?;
    let block = &read.block;
    if let Some(known) = ctx.consensus(id, state, block.height) {
        if known.header_hash == block.hash {
            return Ok(Shown::Known);
        }
        return freeze(ctx, id, state, block, "two headers of one height");
    }
    let (before_height, mut before) = predecessor(ctx, id, state, update.trusted_height, block.height)?;
    let after = match before.next {
        Height(0) => None,
        next => ctx.consensus(id, state, next),
    };
    let in_order = before.time < block.time && after.is_none_or(|after| block.time < after.time);
    if !in_order {
        return freeze(ctx, id, state, block, "time does not increase with height");
    }
    put_consensus(ctx, id, state, block.height, &kept(block, before.next));
    before.next = block.height;
    put_consensus(ctx, id, state, before_height, &before);
    if block.height > state.latest_height {
        (state.latest_height, state.latest_time) = (block.height, block.time);
    }
    if let Some(quorum) = quorum.filter(|_| block.height > state.quorum_height) {
        (state.quorum, state.quorum_height) = (quorum, block.height);
    }
    prune(ctx, id, state);
    put(ctx, &ClientsKey::Client(id), state);
    events::client_updated(ctx, id, block.height);
    Ok(Shown::Stored)
}

/// Shows an active client two headers. [`Shown::Frozen`] if both are certified and contradict each other.
pub fn misbehaviour(
    ctx: &mut Ctx<'_, '_>,
    id: &ClientId,
    state: &mut ClientState,
    first: &HeaderUpdate,
    second: &HeaderUpdate,
) -> Result<Shown, Failure> {
    let now = ctx.header_time();
    let [one, two] = [Read::new(ctx, id, state, first)?, Read::new(ctx, id, state, second)?];
    if one.block.height < two.block.height {
        return Err(HeaderError::EvidenceOrder { first: one.block.height, second: two.block.height }.into());
    }
    verify_evidence(state, &one.trusted(first), &one.block, &one.members, now)?;
    verify_evidence(state, &two.trusted(second), &two.block, &two.members, now)?;
    if one.block.height == two.block.height && one.block.hash != two.block.hash {
        return freeze(ctx, id, state, &one.block, "two headers of one height");
    }
    if one.block.height > two.block.height && one.block.time <= two.block.time {
        return freeze(ctx, id, state, &one.block, "time does not increase with height");
    }
    Ok(Shown::Known)
}

/// Puts a client on the state of an active one. What the client believed before stays behind in the old generation.
pub fn recover(ctx: &mut Ctx<'_, '_>, id: &ClientId, substitute_id: &ClientId) -> Result<(), Failure> {
    let missing = |id: &ClientId| Failure::new(Reason::NotFound, format!("there is no client {id}"));
    let state = ctx.client(id).ok_or_else(|| missing(id))?;
    let substitute = ctx.client(substitute_id).ok_or_else(|| missing(substitute_id))?;
    let now = ctx.header_time();
    if require_active(&state, now).is_ok() {
        return Err(invalid("a client that is frozen or expired"));
    }
    require_active(&substitute, now)?;
    let latest = ctx.consensus(substitute_id, &substitute, substitute.latest_height);
    let latest = latest.expect("a client keeps its newest header");
    let recovered = ClientState {
        generation: state.generation + 1,
        creator: state.creator,
        oldest_height: substitute.latest_height,
        ..substitute
    };
    put_consensus(ctx, id, &recovered, recovered.latest_height, &latest);
    put(ctx, &ClientsKey::Client(id), &recovered);
    events::client_recovered(ctx, id, substitute_id);
    Ok(())
}

/// An update as it was read, before it is verified.
struct Read {
    block: LightBlock,
    members: Members,
    trusted_members: Members,
    trusted: ConsensusState,
}

impl Read {
    fn new(
        ctx: &Ctx<'_, '_>,
        id: &ClientId,
        state: &ClientState,
        update: &HeaderUpdate,
    ) -> Result<Self, Failure> {
        check_size(state.update_bytes_max, update.len())?;
        let trusted = ctx.consensus(id, state, update.trusted_height);
        Ok(Self {
            trusted: trusted.ok_or(HeaderError::UnknownTrusted(update.trusted_height))?,
            block: LightBlock::decode(&update.signed_header)?,
            members: Members::decode(&update.validators)?,
            trusted_members: Members::decode(&update.trusted_validators)?,
        })
    }

    fn trusted(&self, update: &HeaderUpdate) -> Trusted<'_> {
        Trusted {
            height: update.trusted_height,
            time: self.trusted.time,
            next_validators_hash: self.trusted.next_validators_hash,
            next_validators: &self.trusted_members,
        }
    }
}

fn check_size(limit: u64, actual: usize) -> Result<(), HeaderError> {
    if actual as u64 <= limit { Ok(()) } else { Err(HeaderError::TooLarge { limit, actual }) }
}

/// The quorum of parameters that a verified header commits to.
fn shown_quorum(
    block: &LightBlock,
    parameters: Option<&Parameters>,
) -> Result<Option<Fraction>, HeaderError> {
    let Some(parameters) = parameters else { return Ok(None) };
    let (numerator, denominator) = (parameters.quorum_numerator, parameters.quorum_denominator);
    let quorum = Fraction { numerator, denominator };
    let committed = block.consensus_hash == Some(parameters.hash());
    if committed && is_quorum(&quorum) { Ok(Some(quorum)) } else { Err(HeaderError::Parameters) }
}

/// The kept height right below `height`, which itself is not kept.
fn predecessor(
    ctx: &Ctx<'_, '_>,
    id: &ClientId,
    state: &ClientState,
    trusted: Height,
    height: Height,
) -> Result<(Height, ConsensusState), HeaderError> {
    let mut at = if height > state.latest_height { state.latest_height } else { trusted };
    for _ in 0..NEIGHBOUR_STEPS_MAX {
        let kept = ctx.consensus(id, state, at).expect("the list of kept heights has no gap");
        if kept.next == Height(0) || kept.next > height {
            return Ok((at, kept));
        }
        at = kept.next;
    }
    Err(HeaderError::TrustedTooFar(trusted))
}

/// Marks the contradiction. The call succeeds, so that the mark stays; it must be alone in its transaction, so that
/// no other call can undo it.
fn freeze(
    ctx: &mut Ctx<'_, '_>,
    id: &ClientId,
    state: &mut ClientState,
    block: &LightBlock,
    why: &str,
) -> Result<Shown, Failure> {
    if !ctx.is_single_call() {
        let detail = "the header proves misbehaviour; such a call must be alone in its transaction";
        return Err(Failure::new(Reason::InvalidHeader, detail));
    }
    state.standing = Standing::Frozen;
    put(ctx, &ClientsKey::Client(id), state);
    events::client_frozen(ctx, id, block.height, &block.hash, why);
    if is_active(Mutant::FreezeReverted) {
        return Err(Failure::new(Reason::InvalidHeader, why));
    }
    Ok(Shown::Frozen)
}

/// Forgets expired states, oldest first, never the newest.
fn prune(ctx: &mut Ctx<'_, '_>, id: &ClientId, state: &mut ClientState) {
    for _ in 0..PRUNED_PER_UPDATE_MAX {
        let oldest = ctx.consensus(id, state, state.oldest_height).expect("a client keeps its oldest height");
        if oldest.next == Height(0) || !is_expired(state, oldest.time, ctx.header_time()) {
            return;
        }
        let (generation, height) = (state.generation, state.oldest_height);
        delete(ctx, &ClientsKey::Consensus { client: id, generation, height });
        state.oldest_height = oldest.next;
    }
}

fn kept(block: &LightBlock, next: Height) -> ConsensusState {
    ConsensusState {
        time: block.time,
        app_hash: block.app_hash,
        next_validators_hash: block.next_validators_hash,
        header_hash: block.hash,
        next,
    }
}

fn put_consensus(
    ctx: &mut Ctx<'_, '_>,
    id: &ClientId,
    state: &ClientState,
    height: Height,
    consensus: &ConsensusState,
) {
    let generation = state.generation;
    put(ctx, &ClientsKey::Consensus { client: id, generation, height }, consensus);
}
