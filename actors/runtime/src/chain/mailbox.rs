//! The public handle of a chain: what anybody may ask of it.

use super::actor::{ChainActor, ChainMessage};
use crate::{
    consensus::Group,
    door::Door,
    executor::Lane,
    feed::Feed,
    host::Host,
    meter::{ChainMeter, ChainStats},
    reader::Reader,
    verification::GroupView,
};
use actix::Addr;
use catenary_apps::asset::AssetKey;
use catenary_crypto::Hash;
use catenary_ledger::{ReferenceEntry, State, View, records::ReadRecords, reference_key, stores};
use catenary_links::{BlockStream, ChainClient, Reply, async_trait};
use catenary_platform::Platform;
use catenary_relay::{
    gateway::{GatewayError, ProofRequest, SharedBlock, SubmitOutcome},
    query::{
        AccountView, Activity, At, BlockView, ChainStatus, HeaderView, ProofView, TransactionName,
        TransactionView, TransferView,
    },
};
use catenary_types::{AccountId, Amount, AssetId, ChainId, Height, Message};
use std::sync::{Arc, PoisonError, RwLock};
use tokio::sync::oneshot;

type Answer<T> = Result<T, GatewayError>;

/// Where a chain's running parts are, if it runs. Outlives stops and restarts.
pub struct Slot {
    occupant: RwLock<Occupant>,
    meter: Arc<ChainMeter>,
    door: Door,
}

enum Occupant {
    /// The chain runs.
    Running(Arc<Running>),
    /// It does not; why, and how it was last seen.
    Halted { reason: String, last: Option<ChainStatus> },
}

/// The running parts of a chain. They are shared, never cloned: actix takes one message of each new clone of an address,
/// however full the mailbox is.
pub(crate) struct Running {
    pub(crate) platform: Platform,
    /// Reads that may wait in the lane.
    pub(crate) reads_waiting_max: usize,
    pub(crate) chain: Addr<ChainActor>,
    pub(crate) consensus: Group,
    pub(crate) view: GroupView,
    pub(crate) lane: Arc<Lane<Host>>,
    pub(crate) feed: Arc<Feed>,
    pub(crate) reader: Reader,
}

/// A chain on this node. Cheap to clone; every method answers "busy" when the chain's queues are full and "unavailable"
/// while it is stopped.
#[derive(Clone)]
pub struct ChainMailbox {
    chain_id: ChainId,
    slot: Arc<Slot>,
}

impl Slot {
    /// A slot whose chain has not started, on a node with this door.
    pub(crate) fn empty(door: Door) -> Arc<Self> {
        let halted = Occupant::Halted { reason: "it has not started yet".into(), last: None };
        Arc::new(Self { occupant: RwLock::new(halted), meter: Arc::default(), door })
    }

    /// The counters of the chain, over all its lives.
    pub(crate) fn meter(&self) -> Arc<ChainMeter> {
        self.meter.clone()
    }

    pub(crate) fn occupy(&self, running: Running) {
        *self.occupant.write().unwrap_or_else(PoisonError::into_inner) = Occupant::Running(Arc::new(running));
    }

    /// Tells the chain and its consensus group to stop, ends all subscriptions, closes the chain's lane and remembers why it stopped.
    pub(crate) fn stop(&self, reason: &str, last: Option<ChainStatus>) {
        let mut occupant = self.occupant.write().unwrap_or_else(PoisonError::into_inner);
        let left = std::mem::replace(&mut *occupant, Occupant::Halted { reason: reason.into(), last });
        if let Occupant::Running(running) = left {
            running.chain.do_send(ChainMessage::Stop);
            running.consensus.stop();
            running.feed.close(reason);
            running.lane.close();
        }
    }

    pub(crate) fn running(&self) -> Answer<Arc<Running>> {
        match &*self.occupant.read().unwrap_or_else(PoisonError::into_inner) {
            Occupant::Running(running) => Ok(running.clone()),
            Occupant::Halted { reason, .. } => Err(GatewayError::Unavailable(reason.clone())),
        }
    }

    fn last_seen(&self) -> Option<ChainStatus> {
        match &*self.occupant.read().unwrap_or_else(PoisonError::into_inner) {
            Occupant::Running(_) => None,
            Occupant::Halted { reason, last } => last.clone().map(|status| ChainStatus {
                activity: Activity::Halted { reason: reason.clone() },
                ..status
            }),
        }
    }
}

fn gone<E>(_: E) -> GatewayError {
    GatewayError::Unavailable("the chain stopped before it answered".into())
}

impl ChainMailbox {
    pub(crate) fn new(chain_id: ChainId, slot: Arc<Slot>) -> Self {
        Self { chain_id, slot }
    }

    /// The chain.
    pub fn chain_id(&self) -> &ChainId {
        &self.chain_id
    }

    /// How the chain is; of a stopped one, how it was last seen.
    pub async fn status(&self) -> Answer<ChainStatus> {
        if let Some(last) = self.slot.last_seen() {
            return Ok(last);
        }
        let (reply, answer) = oneshot::channel();
        self.send(ChainMessage::Status(reply))?;
        answer.await.map_err(gone)
    }

    /// What the chain has done on this node since the process started.
    pub fn stats(&self) -> ChainStats {
        self.slot.meter.stats()
    }

    /// Submits envelopes; one answer each, in order.
    pub async fn submit(&self, envelopes: Vec<Vec<u8>>) -> Answer<Vec<SubmitOutcome>> {
        if let Some(refusal) = self.slot.door.refusal() {
            let outcomes = vec![SubmitOutcome::Refused(refusal); envelopes.len()];
            self.slot.meter.outcomes(&outcomes);
            return Ok(outcomes);
        }
        let (reply, answer) = oneshot::channel();
        self.send(ChainMessage::Submit { envelopes, reply })?;
        answer.await.map_err(gone)
    }

    /// Waits for the final block of this height.
    pub async fn final_block(&self, height: Height) -> Answer<SharedBlock> {
        let feed = self.slot.running()?.feed.clone();
        feed.block(height).await
    }

    /// Proves keys of a recent state.
    pub async fn prove(&self, request: ProofRequest) -> Answer<ProofView> {
        let above = request.height.next();
        let header = self.header(Some(above)).await?;
        let (proof, values) = self.read(move |state| prove(state, &request)).await??;
        Ok(ProofView { header, proof, values })
    }

    /// A header with what verifies it; the newest if no height is named.
    pub async fn header(&self, height: Option<Height>) -> Answer<HeaderView> {
        let running = self.slot.running()?;
        let newest = running.feed.tip();
        let requested = height.unwrap_or(newest);
        let oldest = running.reader.oldest();
        if requested > newest || requested < oldest {
            return Err(GatewayError::Height { requested, oldest, newest });
        }
        let block = running.feed.block(requested).await?;
        Ok(HeaderView { signed: block.signed.clone(), validators: block.validators.clone() })
    }

    /// A block with everything around it; none if it is not final yet.
    pub async fn block(&self, height: Height) -> Answer<Option<BlockView>> {
        self.stored(move |reader| reader.block(height)).await
    }

    /// An account and what it holds of these assets.
    pub async fn account(&self, id: AccountId, assets: Vec<AssetId>) -> Answer<At<Option<AccountView>>> {
        self.read(move |state| {
            let value = state.account(&id).map(|account| AccountView {
                id,
                account,
                frozen: state.get(stores::ASSET, &AssetKey::Frozen(&id).bytes()).is_some(),
                balances: assets
                    .into_iter()
                    .map(|asset| (asset.clone(), balance(state, &id, &asset)))
                    .collect(),
            });
            At { height: state.height(), value }
        })
        .await
    }

    /// A transaction, if it is in a block.
    pub async fn transaction(&self, name: TransactionName) -> Answer<At<Option<TransactionView>>> {
        let newest = self.slot.running()?.feed.tip();
        let value = match name {
            TransactionName::Id(tx_id) => self.stored(move |reader| reader.transaction(&tx_id)).await?,
            TransactionName::Request(sender, request_id) => {
                self.stored(move |reader| reader.request(&sender, &request_id)).await?
            }
            TransactionName::Reference(sender, reference) => {
                let key = reference_key(&sender, &reference);
                match self.read(move |state| state.get(stores::INDEX, &key)).await? {
                    None => None,
                    Some(bytes) => {
                        let entry = ReferenceEntry::decode(&bytes);
                        let entry = entry.map_err(|error| GatewayError::Damaged(error.to_string()))?;
                        self.stored(move |reader| reader.transaction(&entry.tx_id)).await?
                    }
                }
            }
        };
        Ok(At { height: newest, value })
    }

    /// A transfer that this chain sent.
    pub async fn transfer(&self, id: Hash) -> Answer<At<Option<TransferView>>> {
        let height = self.slot.running()?.feed.tip();
        let value = self.stored(move |reader| reader.transfer(&id)).await?;
        Ok(At { height, value })
    }

    /// Reads the newest state, in turn with the chain's other work.
    pub async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&State) -> T + Send + 'static,
    ) -> Answer<T> {
        let running = self.slot.running()?;
        if running.lane.waiting() >= running.reads_waiting_max {
            return Err(GatewayError::Busy);
        }
        let (reply, answer) = oneshot::channel();
        let task = move |host: &mut Host| {
            // Whoever asked may be gone.
            let _ = reply.send(read(host.worker().state()));
        };
        running.lane.run(task).map_err(gone)?;
        drop(running);
        answer.await.map_err(gone)
    }

    async fn stored<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Reader) -> Answer<T> + Send + 'static,
    ) -> Answer<T> {
        let running = self.slot.running()?;
        let (platform, reader) = (running.platform.clone(), running.reader.clone());
        drop(running);
        platform.read(move || read(&reader)).await.ok_or_else(|| gone(()))?
    }

    fn send(&self, message: ChainMessage) -> Answer<()> {
        let running = self.slot.running()?;
        running.chain.try_send(message).map_err(|error| match error {
            actix::prelude::SendError::Full(_) => GatewayError::Busy,
            actix::prelude::SendError::Closed(_) => gone(()),
        })
    }
}

fn balance(state: &State, account: &AccountId, asset: &AssetId) -> Amount {
    let bytes = state.get(stores::ASSET, &AssetKey::Balance { account, asset }.bytes());
    bytes
        .and_then(|bytes| bytes.try_into().ok())
        .map_or(Amount::ZERO, |bytes| Amount(u128::from_be_bytes(bytes)))
}

type Proven = (Vec<u8>, Vec<Option<Vec<u8>>>);

fn prove(state: &State, request: &ProofRequest) -> Answer<Proven> {
    let (version, store) = (request.height.0, request.store);
    let (stores, newest) = (state.stores(), state.height());
    let keys: Vec<&[u8]> = request.keys.iter().map(Vec::as_slice).collect();
    let unavailable = |_| GatewayError::Height {
        requested: request.height,
        oldest: stores.versions().next().map_or(newest, Height),
        newest,
    };
    let proof = stores.multiproof(version, store, &keys).map_err(unavailable)?;
    let value =
        |key: &&[u8]| Ok(stores.get_at(version, store, key).map_err(unavailable)?.map(<[u8]>::to_vec));
    let values = keys.iter().map(value).collect::<Answer<_>>()?;
    Ok((proof.encode(), values))
}

#[async_trait]
impl ChainClient for ChainMailbox {
    fn chain_id(&self) -> &ChainId {
        self.chain_id()
    }

    async fn status(&self) -> Reply<ChainStatus> {
        self.status().await
    }

    async fn submit(&self, envelopes: Vec<Vec<u8>>) -> Reply<Vec<SubmitOutcome>> {
        self.submit(envelopes).await
    }

    async fn final_blocks(&self, from: Height) -> Reply<BlockStream> {
        let running = self.slot.running()?;
        let (oldest, tip, from) = (running.reader.oldest(), running.feed.tip(), from.max(Height(1)));
        drop(running);
        if from < oldest {
            return Err(GatewayError::Height { requested: from, oldest, newest: tip });
        }
        let first = Some((self.clone(), from));
        // An error is the last item.
        let blocks = futures::stream::unfold(first, async |next| {
            let (mailbox, height) = next?;
            let block = mailbox.final_block(height).await;
            let next = block.is_ok().then(|| (mailbox, height.next()));
            Some((block, next))
        });
        Ok(BlockStream { tip, blocks: Box::pin(blocks) })
    }

    async fn prove(&self, request: ProofRequest) -> Reply<ProofView> {
        self.prove(request).await
    }

    async fn header(&self, height: Option<Height>) -> Reply<HeaderView> {
        self.header(height).await
    }

    async fn block(&self, height: Height) -> Reply<Option<BlockView>> {
        self.block(height).await
    }

    async fn account(&self, id: AccountId, assets: Vec<AssetId>) -> Reply<At<Option<AccountView>>> {
        self.account(id, assets).await
    }

    async fn transaction(&self, name: TransactionName) -> Reply<At<Option<TransactionView>>> {
        self.transaction(name).await
    }

    async fn transfer(&self, id: Hash) -> Reply<At<Option<TransferView>>> {
        self.transfer(id).await
    }
}
