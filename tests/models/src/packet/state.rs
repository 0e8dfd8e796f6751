//! Two chains, their clients of each other, and the packets between them.

/// Packets in the model; two, so that one can be confused with the other.
pub const PACKETS: usize = 2;

/// One of the two chains.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Side {
    /// Where packets start.
    Source,
    /// Where packets go.
    Target,
}

/// What the target's app answers to a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// It took it in.
    Ok,
    /// It refused it.
    Error,
}

/// What a client is worth.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It never saw a contradiction.
    #[default]
    Sound,
    /// It saw one.
    Frozen,
    /// Governance put it on a new header after one.
    Recovered,
}

/// A client: what one chain knows of the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Client {
    /// The newest header that was shown.
    pub latest: u8,
    /// No header below counts.
    pub floor: u8,
    /// Whether it believes anything.
    pub standing: Standing,
}

/// How often a packet ended in each way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Ends {
    /// Acknowledged.
    pub acknowledged: u8,
    /// Refunded for an error.
    pub error: u8,
    /// Refunded for a timeout.
    pub timeout: u8,
}

/// A packet that was sent. What only properties read is marked: no law may look at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Packet {
    /// Its deadline, a second of the target.
    pub deadline: u8,
    /// What the target's app will answer.
    pub answer: Answer,
    /// The source's block that sent it.
    pub sent: u8,
    /// The source's block that took its commitment away.
    pub settled: Option<u8>,
    /// The target's block that wrote its receipt.
    pub receipt: Option<u8>,
    /// The target's block that wrote its acknowledgement.
    pub acknowledgement: Option<u8>,
    /// For properties: how often it had its effect on the target.
    pub effects: u8,
    /// For properties: how it ended.
    pub ends: Ends,
    /// For properties: it was received in a block not before its deadline.
    pub late: bool,
    /// For properties: it timed out with a proof of a time before its deadline.
    pub early: bool,
    /// For properties: it had its effect when the header that was shown did not commit to it.
    pub unfounded: bool,
}

impl Packet {
    /// Whether the source holds its commitment.
    pub fn is_committed(&self) -> bool {
        self.settled.is_none()
    }

    /// Whether the state that the source's header of a height commits to holds the commitment: that before the block.
    pub fn is_committed_at(&self, height: u8) -> bool {
        self.sent < height && self.settled.is_none_or(|settled| settled >= height)
    }

    /// Whether the target's header of a height commits to the receipt.
    pub fn is_received_at(&self, height: u8) -> bool {
        self.receipt.is_some_and(|receipt| receipt < height)
    }

    /// Whether the target's header of a height commits to this acknowledgement.
    pub fn is_answered_at(&self, height: u8, answer: Answer) -> bool {
        self.answer == answer && self.acknowledgement.is_some_and(|written| written < height)
    }
}

/// Units of money; each packet carries one. Signed, so that a mistake shows instead of stopping the search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Money {
    /// Held on the source.
    pub escrow: i8,
    /// Held on the source for good, since the target answered well.
    pub delivered: i8,
    /// Given back on the source.
    pub refunded: i8,
    /// Given out on the target.
    pub received: i8,
}

/// Both chains. A chain makes one block a second, so the height of a block is its second too; each at its own pace, so
/// either clock may be behind the other.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct State {
    /// Blocks of the source.
    pub source: u8,
    /// Blocks of the target.
    pub target: u8,
    /// The client on the source that follows the target.
    pub source_client: Client,
    /// The client on the target that follows the source.
    pub target_client: Client,
    /// The packets; none where none was sent yet.
    pub packets: [Option<Packet>; PACKETS],
    /// The money.
    pub money: Money,
    /// For properties: a frozen client had something believed.
    pub believed_frozen: bool,
}

impl State {
    /// The client on a chain.
    pub fn client(&self, side: Side) -> &Client {
        match side {
            Side::Source => &self.source_client,
            Side::Target => &self.target_client,
        }
    }

    /// The same, to be changed.
    pub fn client_mut(&mut self, side: Side) -> &mut Client {
        match side {
            Side::Source => &mut self.source_client,
            Side::Target => &mut self.target_client,
        }
    }

    /// Blocks of a chain.
    pub fn height(&self, side: Side) -> u8 {
        match side {
            Side::Source => self.source,
            Side::Target => self.target,
        }
    }

    /// Packets that were sent.
    pub fn sent(&self) -> impl Iterator<Item = &Packet> {
        self.packets.iter().flatten()
    }
}

impl Side {
    /// The other chain.
    pub fn other(self) -> Self {
        match self {
            Self::Source => Self::Target,
            Self::Target => Self::Source,
        }
    }
}
