//! The packets of one call: which of them are settled already, and what is said about each.

use crate::{
    commitment::{commitment_key, receipt_key},
    events,
    ids::{ClientId, Sequence},
    law::Outcome,
    messages::{Packet, PacketCall},
    proof::Claim,
};
use catenary_ledger::{Ctx, View, stores::IBC};

/// The three steps that come in batches.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Receive,
    Acknowledge,
    Timeout,
}

impl Step {
    fn name(self) -> &'static str {
        match self {
            Self::Receive => "receive",
            Self::Acknowledge => "acknowledge",
            Self::Timeout => "timeout",
        }
    }

    /// Whether the step was taken before: a receipt stands, or no commitment does.
    fn is_taken(self, client: &ClientId, sequence: Sequence, has: &dyn Fn(&[u8]) -> bool) -> bool {
        match self {
            Self::Receive => has(&receipt_key(client, sequence)),
            Self::Acknowledge | Self::Timeout => !has(&commitment_key(client, sequence)),
        }
    }
}

/// The packets of one call with what the proof must show of each.
pub(crate) struct Batch<'a> {
    pub(crate) step: Step,
    pub(crate) client: &'a ClientId,
    pub(crate) packets: Vec<(&'a Packet, Claim)>,
}

impl Batch<'_> {
    /// Whether the step was taken before for every packet.
    pub(crate) fn is_redundant(&self, ctx: &Ctx<'_, '_>) -> bool {
        let has = |key: &[u8]| ctx.get(IBC, key).is_some();
        self.packets.iter().all(|(packet, _)| self.step.is_taken(self.client, packet.sequence, &has))
    }

    /// Says what became of a packet, if the step was not taken: taking it says so itself.
    pub(crate) fn emit(&self, ctx: &mut Ctx<'_, '_>, packet: &Packet, outcome: &Outcome) {
        let (name, failure) = match outcome {
            Outcome::Done => return,
            Outcome::Duplicate => ("duplicate", None),
            Outcome::Expired => ("expired", None),
            Outcome::Refused(failure) => ("refused", Some(failure)),
        };
        events::packet_outcome(ctx, self.client, packet.sequence, self.step.name(), name, failure);
    }
}

/// Whether a call would deliver nothing but what was delivered before: such a call is refused at admission, so that a
/// second router costs its chain nothing.
pub fn is_redundant(view: &dyn View, call: &PacketCall) -> bool {
    let has = |key: &[u8]| view.get(IBC, key).is_some();
    let (step, client, packets): (_, _, Vec<&Packet>) = match call {
        PacketCall::Receive(call) => (Step::Receive, &call.client, call.packets.iter().collect()),
        PacketCall::Acknowledge(call) => {
            (Step::Acknowledge, &call.client, call.packets.iter().map(|one| &one.packet).collect())
        }
        PacketCall::Timeout(call) => (Step::Timeout, &call.client, call.packets.iter().collect()),
        _ => return false,
    };
    packets.iter().all(|packet| step.is_taken(client, packet.sequence, &has))
}
