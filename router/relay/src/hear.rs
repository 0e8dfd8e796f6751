//! What the relay hears: events of final blocks, read into what they mean for a lane.
//!
//! Events are hints. Whatever they say wrongly costs a refused call, since every claim is proven on chain.

use catenary_packet::{ClientId, Packet, Sequence, events};
use catenary_types::{Event, Height, Message};

/// News of a lane's end; clients are those of the chain that speaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum News {
    /// A packet was committed.
    Sent(Packet),
    /// A packet was received and answered.
    Received {
        /// The packet.
        packet: Packet,
        /// The answer.
        acknowledgement: Vec<u8>,
    },
    /// A packet's commitment is gone: acknowledged or timed out.
    Settled {
        /// Its source client.
        client: ClientId,
        /// Its number.
        sequence: Sequence,
    },
    /// A client knows this height.
    Trusts {
        /// The client.
        client: ClientId,
        /// The height.
        height: Height,
    },
    /// A client is frozen.
    Frozen {
        /// The client.
        client: ClientId,
    },
    /// A client was put on the state of another and knows the other's newest height alone.
    Recovered {
        /// The client.
        client: ClientId,
        /// The other.
        substitute: ClientId,
    },
}

/// Reads an event; none if it says nothing about packets or clients.
pub(crate) fn read(event: &Event) -> Option<News> {
    match event.kind.as_str() {
        events::SEND_PACKET => packet(event).map(News::Sent),
        events::RECEIVE_PACKET => {
            let acknowledgement = event.attribute("acknowledgement")?.to_vec();
            Some(News::Received { packet: packet(event)?, acknowledgement })
        }
        events::ACKNOWLEDGE_PACKET | events::TIMEOUT_PACKET => {
            let sequence = Sequence(event.text("sequence")?.parse().ok()?);
            Some(News::Settled { client: client(event, "client")?, sequence })
        }
        events::CLIENT_CREATED | events::CLIENT_UPDATED => {
            let height = Height(event.text("height")?.parse().ok()?);
            Some(News::Trusts { client: client(event, "client")?, height })
        }
        events::CLIENT_FROZEN => Some(News::Frozen { client: client(event, "client")? }),
        events::CLIENT_RECOVERED => {
            let substitute = client(event, "substitute")?;
            Some(News::Recovered { client: client(event, "client")?, substitute })
        }
        _ => None,
    }
}

fn client(event: &Event, name: &str) -> Option<ClientId> {
    event.text(name)?.parse().ok()
}

fn packet(event: &Event) -> Option<Packet> {
    Packet::decode(event.attribute("packet")?).ok()
}
