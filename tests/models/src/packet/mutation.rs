//! Mistakes that the packet law could make, each of which the checker must find.

/// A mistake.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Mutation {
    /// A packet is received in the second of its deadline.
    ReceiveAtDeadline,
    /// A packet is received whatever the time.
    ReceiveAtAnyTime,
    /// A packet is received although its receipt is there.
    NoReceiptCheck,
    /// A packet that came too late leaves a receipt.
    ReceiptOfExpired,
    /// A packet is received without a proof that it was sent.
    NoCommitmentProof,
    /// Any answer is believed.
    NoAcknowledgementProof,
    /// A packet times out by the clock of its own chain.
    RefundOnLocalClock,
    /// A packet times out a second before its deadline.
    RefundBeforeDeadline,
    /// A packet times out without a proof that it was not received.
    NoAbsenceProof,
    /// The commitment stays after the packet is settled.
    CommitmentStays,
    /// An error is applied again after the packet is settled.
    ErrorAppliedAgain,
    /// A refused packet has its effect all the same.
    EffectOfRefused,
    /// A frozen client goes on believing.
    FrozenBelieves,
    /// A client cannot be recovered.
    NoRecovery,
}

impl Mutation {
    /// All of them, each with a property that it violates.
    pub const ALL: [(Self, &'static str); 14] = [
        (Self::ReceiveAtDeadline, super::RECEIVED_IN_TIME),
        (Self::ReceiveAtAnyTime, super::NO_REFUND_OF_RECEIVED),
        (Self::NoReceiptCheck, super::ONE_EFFECT),
        (Self::ReceiptOfExpired, super::ENDS_AFTER_FAULTS),
        (Self::NoCommitmentProof, super::EFFECT_OF_COMMITTED),
        (Self::NoAcknowledgementProof, super::ENDS_AS_RECEIVED),
        (Self::RefundOnLocalClock, super::REFUNDED_IN_TIME),
        (Self::RefundBeforeDeadline, super::NO_REFUND_OF_RECEIVED),
        (Self::NoAbsenceProof, super::NO_REFUND_OF_RECEIVED),
        (Self::CommitmentStays, super::ONE_END),
        (Self::ErrorAppliedAgain, super::MONEY),
        (Self::EffectOfRefused, super::EFFECT_IF_OK),
        (Self::FrozenBelieves, super::FROZEN),
        (Self::NoRecovery, super::ENDS_AFTER_FAULTS),
    ];
}
