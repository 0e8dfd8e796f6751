//! What is final on every node, and whether everything is settled.

use crate::world::World;
use catenary_ledger::{ReplayWindow, State};
use catenary_relay::{gateway::SharedBlock, query::Activity};
use catenary_runtime::ChainMailbox;
use catenary_transfer::audit;
use catenary_types::Height;
use std::{collections::BTreeMap, rc::Rc, time::Duration};
use tokio::time::sleep;

/// How often all nodes are looked at.
const LOOK: Duration = Duration::from_millis(100);

/// What was seen.
#[derive(Default)]
pub struct Seen {
    /// Final blocks of each chain, from height 1 on.
    blocks: BTreeMap<usize, Vec<SharedBlock>>,
    /// How far each chain of a node was looked at, in which life.
    heights: BTreeMap<(usize, usize), (u64, Height)>,
}

impl World {
    /// Looks at all nodes, for ever.
    pub async fn observe(self: Rc<Self>) {
        loop {
            sleep(LOOK).await;
            for node in 0..self.nodes() {
                for chain in 0..self.chains() {
                    self.look(node, chain).await;
                }
            }
        }
    }

    /// A node's newest blocks and state of a chain. What it cannot tell just now it tells later.
    async fn look(&self, node: usize, chain: usize) {
        let Some(mailbox) = self.mailbox(node, chain) else { return };
        let life = self.life(node);
        let state = mailbox.read(|state| (state.height(), state.app_hash()));
        let Some(Ok((height, app_hash))) = self.answer(node, "a read is answered", state).await else {
            return;
        };
        self.witness(|witness| witness.state(node, chain, (height, app_hash)));
        let seen = self.seen.borrow().heights.get(&(node, chain)).copied();
        let mut next = seen.filter(|(of, _)| *of == life).map_or(Height(1), |(_, height)| height.next());
        while next <= height {
            let block = self.answer(node, "a final block is there", mailbox.final_block(next)).await;
            let Some(Ok(block)) = block else { return };
            self.note(node, chain, &block);
            self.seen.borrow_mut().heights.insert((node, chain), (life, next));
            next = next.next();
        }
    }

    fn note(&self, node: usize, chain: usize, block: &SharedBlock) {
        let (height, hash) = (block.height(), block.signed.header.hash());
        self.witness(|witness| witness.header(node, chain, block));
        self.say("block seen", || format!("node {node} chain {chain} height {height} {hash}"));
        let mut seen = self.seen.borrow_mut();
        let blocks = seen.blocks.entry(chain).or_default();
        if blocks.len() as u64 + 1 == height.0 {
            blocks.push(block.clone());
        }
    }

    /// The first blocks of all chains, once they are there.
    pub fn first_blocks(&self) -> Option<Vec<SharedBlock>> {
        let seen = self.seen.borrow();
        (0..self.chains()).map(|chain| seen.blocks.get(&chain)?.first().cloned()).collect()
    }

    /// The height that was seen of every chain on every node that runs.
    pub fn lowest(&self) -> Height {
        let seen = self.seen.borrow();
        let all = (0..self.nodes()).flat_map(|node| (0..self.chains()).map(move |chain| (node, chain)));
        let height = |place: (usize, usize)| {
            let seen = seen.heights.get(&place).filter(|(life, _)| *life == self.life(place.0));
            seen.map_or(Height(0), |(_, height)| *height)
        };
        all.map(height).min().unwrap_or_default()
    }

    /// Why not everything is settled; nothing if it is: all nodes have all blocks, none works, no packet waits.
    pub async fn unsettled(&self) -> Option<String> {
        let mut states = Vec::new();
        for chain in 0..self.chains() {
            let highest = self.witness(|witness| witness.highest(chain));
            for node in 0..self.nodes() {
                let Some(mailbox) = self.mailbox(node, chain) else {
                    return Some(format!("node {node} is off"));
                };
                let status = self.answer(node, "a status is answered", mailbox.status()).await?;
                match status {
                    Ok(status)
                        if status.height != highest
                            || status.activity != Activity::Idle
                            || status.pool > 0 =>
                    {
                        return Some(format!("node {node}, highest {highest}: {status:?}"));
                    }
                    Ok(_) => {}
                    Err(error) => return Some(format!("node {node}, chain {chain}: {error}")),
                }
            }
            states.push(self.state(&self.mailbox(0, chain)?).await?);
        }
        let lagging = |(chain, state): (usize, &State)| {
            let seen = self.seen.borrow().blocks.get(&chain).map_or(0, Vec::len) as u64;
            (seen != state.height().0).then(|| format!("chain {chain}: {seen} blocks were looked at"))
        };
        if let Some(lagging) = states.iter().enumerate().find_map(lagging) {
            return Some(lagging);
        }
        self.with_network(&states, |network| audit::all_settled(network).err().map(|open| open.to_string()))
    }

    /// Checks packets and supply over all that was final.
    pub async fn audit(&self) {
        let mut states = Vec::new();
        for chain in 0..self.chains() {
            let Some(mailbox) = self.mailbox(0, chain) else { return };
            let Some(state) = self.state(&mailbox).await else { return };
            states.push(state);
        }
        self.with_network(&states, |network| {
            self.count_many("packet sent", network.packets().len() as u64);
            self.witness(|witness| witness.audit(network));
        });
    }

    /// A copy of a state.
    async fn state(&self, mailbox: &ChainMailbox) -> Option<State> {
        let copy = |state: &State| State::restore(state.height(), state.content(), ReplayWindow::default());
        self.answer(0, "a read is answered", mailbox.read(copy)).await?.ok()
    }

    fn with_network<T>(&self, states: &[State], work: impl FnOnce(&audit::Network<'_>) -> T) -> T {
        let seen = self.seen.borrow();
        let record = |(chain, state)| {
            let blocks = seen.blocks.get(&chain).into_iter().flatten().map(|block| audit::BlockRecord {
                height: block.height(),
                time: block.signed.header.time,
                receipts: &block.receipts,
            });
            audit::ChainRecord { state, blocks: blocks.collect() }
        };
        let chains = states.iter().enumerate().map(record).collect();
        work(&audit::Network { chains, lanes: self.setup.lanes.clone() })
    }
}
