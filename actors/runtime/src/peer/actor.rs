//! The actix side of a link.

use super::links::{Counters, PeerLinks};
use crate::{
    chain::{ChainMessage, Slots},
    supervisor::LinkWatch,
    verification::Verification,
};
use actix::{
    Actor, ActorContext, ActorFutureExt, AsyncContext, Context, Handler, Message, StreamHandler, WrapFuture,
};
use catenary_consensus::Peer;
use catenary_links::{Frame, WireEnd};
use catenary_replica::{Input, Lane, PeerMessage};
use catenary_store::failpoint::{Failpoint, reached};
use std::{collections::VecDeque, sync::Arc};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

/// What a link's mailbox takes. When it is full the frame is dropped and counted.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) enum PeerLinkMessage {
    /// A frame for the other node.
    Send(Frame),
}

/// What a link is made of.
pub(crate) struct PeerLinkParts {
    /// Capacity of each lane.
    pub(crate) lane_frames_max: usize,
    pub(crate) peer: Peer,
    pub(crate) end: WireEnd,
    pub(crate) slots: Arc<Slots>,
    pub(crate) links: Arc<PeerLinks>,
    pub(crate) verification: Verification,
    pub(crate) watch: LinkWatch,
}

/// One link of this node.
pub(crate) struct PeerLinkActor {
    peer: Peer,
    wire: mpsc::Sender<Frame>,
    receiver: Option<mpsc::Receiver<Frame>>,
    lanes: [VecDeque<Frame>; Lane::ALL.len()],
    lane_frames_max: usize,
    /// Whether a future waits for room on the wire.
    waiting: bool,
    slots: Arc<Slots>,
    links: Arc<PeerLinks>,
    verification: Verification,
    /// Tells the supervisor when this actor is gone.
    _watch: LinkWatch,
}

impl PeerLinkActor {
    pub(crate) fn new(parts: PeerLinkParts) -> Self {
        let PeerLinkParts { lane_frames_max, peer, end, slots, links, verification, watch } = parts;
        let WireEnd { sender, receiver } = end;
        Self {
            peer,
            wire: sender,
            receiver: Some(receiver),
            lanes: Default::default(),
            lane_frames_max,
            waiting: false,
            slots,
            links,
            verification,
            _watch: watch,
        }
    }

    fn queue(&mut self, frame: Frame) {
        let lane = &mut self.lanes[frame.message.lane() as usize];
        if lane.len() >= self.lane_frames_max {
            lane.pop_front();
            Counters::add(&self.links.counters.dropped);
        }
        lane.push_back(frame);
    }

    /// Gives the wire what it takes, the urgent lane first.
    fn pump(&mut self, ctx: &mut Context<Self>) {
        while !self.waiting && self.lanes.iter().any(|lane| !lane.is_empty()) {
            match self.wire.clone().try_reserve_owned() {
                Ok(permit) => self.pass(permit),
                Err(mpsc::error::TrySendError::Closed(_)) => return ctx.stop(),
                Err(mpsc::error::TrySendError::Full(wire)) => {
                    self.waiting = true;
                    let room = wire.reserve_owned().into_actor(self);
                    ctx.spawn(room.map(|permit, actor, ctx| {
                        actor.waiting = false;
                        match permit {
                            Ok(permit) => {
                                actor.pass(permit);
                                actor.pump(ctx);
                            }
                            Err(_) => ctx.stop(),
                        }
                    }));
                }
            }
        }
    }

    fn pass(&mut self, permit: mpsc::OwnedPermit<Frame>) {
        if let Some(frame) = self.lanes.iter_mut().find_map(VecDeque::pop_front) {
            reached(Failpoint::FrameSent);
            permit.send(frame);
            Counters::add(&self.links.counters.sent);
        }
    }

    fn receive(&self, frame: Frame) {
        reached(Failpoint::FrameReceived);
        // A chain that does not run here, or not now: its node will catch up.
        let Some(running) = self.slots.get(&frame.chain).and_then(|slot| slot.running().ok()) else { return };
        let taken = match frame.message {
            PeerMessage::Consensus(message) => self.verification.pass(running, self.peer, message),
            PeerMessage::Raft(message) => running.consensus.raft(self.peer, message),
            message => {
                let input = Box::new(Input::Peer { peer: self.peer, message });
                running.chain.try_send(ChainMessage::Replica(input)).is_ok()
            }
        };
        if !taken {
            Counters::add(&self.links.counters.dropped);
        }
    }
}

impl Actor for PeerLinkActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(receiver) = self.receiver.take() {
            ctx.add_stream(ReceiverStream::new(receiver));
        }
    }
}

impl Handler<PeerLinkMessage> for PeerLinkActor {
    type Result = ();

    fn handle(&mut self, message: PeerLinkMessage, ctx: &mut Self::Context) {
        match message {
            PeerLinkMessage::Send(frame) => {
                self.queue(frame);
                self.pump(ctx);
            }
        }
    }
}

/// Frames from the other node; the end of the stream is the end of the link.
impl StreamHandler<Frame> for PeerLinkActor {
    fn handle(&mut self, frame: Frame, _ctx: &mut Self::Context) {
        self.receive(frame);
    }
}
