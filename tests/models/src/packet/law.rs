//! One block of one chain: what the law does with the one call in it.
//!
//! The order of the checks is that of `router/packet`, so that the outcome of every call can be compared with it.

use super::{
    action::{Action, Outcome},
    mutation::Mutation,
    state::{Answer, Packet, Side, Standing, State},
};

/// The law, right or with a mistake.
#[derive(Clone, Copy, Debug, Default)]
pub struct Law {
    /// The mistake.
    pub mutation: Option<Mutation>,
}

impl Law {
    fn has(self, mutation: Mutation) -> bool {
        self.mutation == Some(mutation)
    }

    /// Makes the block. It is made whatever becomes of the call.
    pub fn apply(self, before: &State, action: Action) -> (State, Outcome) {
        let mut state = *before;
        match action.side() {
            Side::Source => state.source += 1,
            Side::Target => state.target += 1,
        }
        let result = match action {
            Action::Send { packet, deadline, answer } => self.send(&mut state, packet, deadline, answer),
            Action::Receive { packet, header } => self.receive(&mut state, packet, header),
            Action::Acknowledge { packet, header, answer } => {
                self.acknowledge(&mut state, packet, header, answer)
            }
            Action::Timeout { packet, header } => self.timeout(&mut state, packet, header),
            Action::Idle(_) => Ok(()),
            Action::Freeze(side) => {
                state.client_mut(side).standing = Standing::Frozen;
                Ok(())
            }
            Action::Recover(side) => self.recover(&mut state, side),
        };
        (state, result.err().unwrap_or(Outcome::Done))
    }

    fn send(self, state: &mut State, index: usize, deadline: u8, answer: Answer) -> Result<(), Outcome> {
        let client = &state.source_client;
        if client.standing == Standing::Frozen {
            return Err(Outcome::Frozen);
        }
        if deadline <= state.source || deadline <= client.latest {
            return Err(Outcome::Untimely);
        }
        state.packets[index] = Some(Packet {
            deadline,
            answer,
            sent: state.source,
            settled: None,
            receipt: None,
            acknowledgement: None,
            effects: 0,
            ends: super::state::Ends::default(),
            late: false,
            early: false,
            unfounded: false,
        });
        state.money.escrow += 1;
        Ok(())
    }

    /// Judges what the courier shows to the client on a chain.
    fn believe(self, state: &mut State, side: Side, header: u8, is_proven: bool) -> Result<(), Outcome> {
        let newest = state.height(side.other());
        let client = state.client_mut(side);
        let is_frozen = client.standing == Standing::Frozen;
        if is_frozen && !self.has(Mutation::FrozenBelieves) {
            return Err(Outcome::Frozen);
        }
        if header > newest || header < client.floor.max(1) || !is_proven {
            return Err(Outcome::Unproven);
        }
        client.latest = client.latest.max(header);
        state.believed_frozen |= is_frozen;
        Ok(())
    }

    fn receive(self, state: &mut State, index: usize, header: u8) -> Result<(), Outcome> {
        let mut packet = state.packets[index].ok_or(Outcome::Unproven)?;
        if packet.receipt.is_some() && !self.has(Mutation::NoReceiptCheck) {
            return Err(Outcome::Duplicate);
        }
        let is_proven = packet.is_committed_at(header);
        self.believe(state, Side::Target, header, is_proven || self.has(Mutation::NoCommitmentProof))?;
        let now = state.target;
        let is_expired = match self.mutation {
            Some(Mutation::ReceiveAtDeadline) => now > packet.deadline,
            Some(Mutation::ReceiveAtAnyTime) => false,
            _ => now >= packet.deadline,
        };
        if is_expired {
            if self.has(Mutation::ReceiptOfExpired) {
                packet.receipt = Some(now);
                state.packets[index] = Some(packet);
            }
            return Err(Outcome::Expired);
        }
        packet.late |= now >= packet.deadline;
        packet.unfounded |= !is_proven;
        packet.receipt = packet.receipt.or(Some(now));
        packet.acknowledgement = packet.acknowledgement.or(Some(now));
        if packet.answer == Answer::Ok || self.has(Mutation::EffectOfRefused) {
            packet.effects += 1;
            state.money.received += 1;
        }
        state.packets[index] = Some(packet);
        Ok(())
    }

    fn acknowledge(self, state: &mut State, index: usize, header: u8, answer: Answer) -> Result<(), Outcome> {
        let mut packet = state.packets[index].ok_or(Outcome::Unproven)?;
        let is_applied_again = answer == Answer::Error && self.has(Mutation::ErrorAppliedAgain);
        if !packet.is_committed() && !is_applied_again {
            return Err(Outcome::Duplicate);
        }
        let is_proven = packet.is_answered_at(header, answer) || self.has(Mutation::NoAcknowledgementProof);
        self.believe(state, Side::Source, header, is_proven)?;
        self.settle(state, &mut packet);
        match answer {
            Answer::Ok => {
                packet.ends.acknowledged += 1;
                state.money.delivered += 1;
            }
            Answer::Error => {
                packet.ends.error += 1;
                state.money.refunded += 1;
            }
        }
        state.packets[index] = Some(packet);
        Ok(())
    }

    fn timeout(self, state: &mut State, index: usize, header: u8) -> Result<(), Outcome> {
        let mut packet = state.packets[index].ok_or(Outcome::Unproven)?;
        if !packet.is_committed() {
            return Err(Outcome::Duplicate);
        }
        let is_absent = !packet.is_received_at(header) || self.has(Mutation::NoAbsenceProof);
        self.believe(state, Side::Source, header, is_absent)?;
        let is_over = match self.mutation {
            Some(Mutation::RefundOnLocalClock) => state.source >= packet.deadline,
            Some(Mutation::RefundBeforeDeadline) => header + 1 >= packet.deadline,
            _ => header >= packet.deadline,
        };
        if !is_over {
            return Err(Outcome::Untimely);
        }
        packet.early |= header < packet.deadline;
        self.settle(state, &mut packet);
        packet.ends.timeout += 1;
        state.money.refunded += 1;
        state.packets[index] = Some(packet);
        Ok(())
    }

    /// Takes the commitment away and the money out of escrow.
    fn settle(self, state: &mut State, packet: &mut Packet) {
        if !self.has(Mutation::CommitmentStays) {
            packet.settled = packet.settled.or(Some(state.source));
        }
        state.money.escrow -= 1;
    }

    fn recover(self, state: &mut State, side: Side) -> Result<(), Outcome> {
        if self.has(Mutation::NoRecovery) {
            return Err(Outcome::Frozen);
        }
        let newest = state.height(side.other());
        let client = state.client_mut(side);
        *client = super::state::Client { latest: newest, floor: newest, standing: Standing::Recovered };
        Ok(())
    }
}
