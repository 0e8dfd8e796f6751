//! An honest courier: whatever happened before, it brings every packet to its end.

use super::{
    action::Action,
    law::Law,
    state::{Packet, Side, Standing, State},
};

/// Blocks that it takes at most once every deadline is past: of each packet a receive that was under way and a settlement,
/// each with a block that makes the header, and a recovery.
const BLOCKS_MAX: u8 = 12;

/// Whether an honest courier and governance settle every packet within its deadline and a few blocks.
pub fn settles(law: Law, state: &State) -> bool {
    let wait = state.sent().map(|packet| packet.deadline.saturating_sub(state.target)).max().unwrap_or(0);
    let mut state = *state;
    for _ in 0..wait + BLOCKS_MAX {
        let Some(action) = next(&state) else { return true };
        state = law.apply(&state, action).0;
    }
    next(&state).is_none()
}

/// What it does next; none if nothing is left to do.
pub fn next(state: &State) -> Option<Action> {
    let mut waiting = state.packets.iter().enumerate();
    let open = |packet: &Packet| packet.is_committed();
    let (index, packet) = waiting.find_map(|(index, packet)| Some((index, packet.filter(open)?)))?;
    if let Some(side) = frozen(state) {
        return Some(Action::Recover(side));
    }
    let Some(received) = packet.receipt else {
        return Some(deliver_or_refund(state, index, &packet));
    };
    let header = state.target;
    if header <= received || header == 0 {
        return Some(Action::Idle(Side::Target));
    }
    Some(Action::Acknowledge { packet: index, header, answer: packet.answer })
}

fn frozen(state: &State) -> Option<Side> {
    let is_frozen = |side: &Side| state.client(*side).standing == Standing::Frozen;
    [Side::Source, Side::Target].into_iter().find(is_frozen)
}

fn deliver_or_refund(state: &State, index: usize, packet: &Packet) -> Action {
    if state.target + 1 < packet.deadline {
        if state.source <= packet.sent {
            return Action::Idle(Side::Source);
        }
        return Action::Receive { packet: index, header: state.source };
    }
    if state.target < packet.deadline {
        return Action::Idle(Side::Target);
    }
    Action::Timeout { packet: index, header: state.target }
}
