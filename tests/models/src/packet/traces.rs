//! Ways through the model that between them take every kind of step.

use super::{
    Action, Answer, Outcome, Packets, Standing, State,
    state::{Packet, Side},
};
use stateright::Model;
use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
};

/// What can make a difference to the law, of a step and the state before it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    call: &'static str,
    outcome: Outcome,
    claim: Option<Answer>,
    client: ClientKind,
    packet: Option<PacketKind>,
}

/// How the client stands, and where a shown header stands among those that the client knows.
type ClientKind = (u8, Option<Ordering>);

/// The packet of a step: its answer, what the chains hold of it, and how deadline, header and the target's clock compare.
type PacketKind = (Answer, [bool; 3], [Ordering; 2]);

/// The shortest way to a step of every kind, those left out that are the beginning of another.
pub fn shortest(model: &Packets) -> Vec<Vec<Action>> {
    let mut from: HashMap<State, Option<(State, Action)>> = HashMap::new();
    let mut kinds: BTreeMap<Kind, Vec<Action>> = BTreeMap::new();
    let mut queue: VecDeque<State> = model.init_states().into();
    from.extend(queue.iter().map(|state| (*state, None)));
    while let Some(state) = queue.pop_front() {
        let mut actions = Vec::new();
        model.actions(&state, &mut actions);
        for action in actions {
            let (next, outcome) = model.law.apply(&state, action);
            kinds.entry(Kind::of(&state, action, outcome)).or_insert_with(|| {
                let mut way = way_to(&from, state);
                way.push(action);
                way
            });
            from.entry(next).or_insert_with(|| {
                queue.push_back(next);
                Some((state, action))
            });
        }
    }
    let ways: Vec<Vec<Action>> = kinds.into_values().collect();
    let begun: BTreeSet<String> =
        ways.iter().flat_map(|way| (1..way.len()).map(|end| name(&way[..end]))).collect();
    ways.into_iter().filter(|way| !begun.contains(&name(way))).collect()
}

fn name(way: &[Action]) -> String {
    format!("{way:?}")
}

fn way_to(from: &HashMap<State, Option<(State, Action)>>, state: State) -> Vec<Action> {
    let mut way = Vec::new();
    let mut at = state;
    while let Some(Some((before, action))) = from.get(&at) {
        way.push(*action);
        at = *before;
    }
    way.reverse();
    way
}

impl Kind {
    fn of(state: &State, action: Action, outcome: Outcome) -> Self {
        let (call, packet, header, claim) = match action {
            Action::Send { .. } => ("send", None, None, None),
            Action::Receive { packet, header } => ("receive", Some(packet), Some(header), None),
            Action::Acknowledge { packet, header, answer } => {
                ("acknowledge", Some(packet), Some(header), Some(answer))
            }
            Action::Timeout { packet, header } => ("timeout", Some(packet), Some(header), None),
            Action::Idle(_) => ("idle", None, None, None),
            Action::Freeze(_) => ("freeze", None, None, None),
            Action::Recover(_) => ("recover", None, None, None),
        };
        let client = state.client(action.side());
        // The floor matters once a client was recovered; before that it is below everything.
        let known = if client.standing == Standing::Sound { client.latest } else { client.floor };
        let shown = header.map(|header| header.cmp(&known));
        let packet = packet.and_then(|packet| state.packets[packet]);
        let of_packet = |packet: Packet| {
            let holds = [
                packet.is_committed(),
                packet.receipt.is_some(),
                header.is_some_and(|at| packet.is_received_at(at)),
            ];
            let now = state.height(Side::Target) + 1;
            (packet.answer, holds, [now.cmp(&packet.deadline), header.unwrap_or(0).cmp(&packet.deadline)])
        };
        Self { call, outcome, claim, client: (client.standing as u8, shown), packet: packet.map(of_packet) }
    }
}
