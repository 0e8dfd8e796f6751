//! All that anybody asks of a chain, as a trait.

use catenary_crypto::Hash;
use catenary_relay::{
    gateway::{GatewayError, ProofRequest, SharedBlock, SubmitOutcome},
    query::{
        AccountView, At, BlockView, ChainStatus, HeaderView, ProofView, TransactionName, TransactionView,
        TransferView,
    },
};
use catenary_types::{AccountId, AssetId, ChainId, Height};
use futures::stream::BoxStream;

/// An answer, or why there is none.
pub type Reply<T> = Result<T, GatewayError>;

/// Final blocks as they come.
pub struct BlockStream {
    /// The newest final block when the stream began.
    pub tip: Height,
    /// Blocks in order of heights and without gaps. An error is the last item; so is the end.
    pub blocks: BoxStream<'static, Reply<SharedBlock>>,
}

/// One chain, wherever it runs. Handles are shared as `Arc<dyn ChainClient>`.
///
/// Nothing waits for a full queue: that is [`GatewayError::Busy`]. Reads answer with the height they were made at.
#[tonic::async_trait]
pub trait ChainClient: Send + Sync + 'static {
    /// The chain.
    fn chain_id(&self) -> &ChainId;

    /// How it stands.
    async fn status(&self) -> Reply<ChainStatus>;

    /// Submits envelopes: one outcome each, in their order. After [`GatewayError::Unavailable`] it is unknown whether
    /// they were taken; submitting them again is safe.
    async fn submit(&self, envelopes: Vec<Vec<u8>>) -> Reply<Vec<SubmitOutcome>>;

    /// Final blocks from a height on, without end. The stream goes at its reader's pace and loses nothing.
    async fn final_blocks(&self, from: Height) -> Reply<BlockStream>;

    /// A multiproof of keys in the state after a block, with the header that carries its root.
    async fn prove(&self, request: ProofRequest) -> Reply<ProofView>;

    /// A header, or the newest.
    async fn header(&self, height: Option<Height>) -> Reply<HeaderView>;

    /// A block; none if there is no such block yet.
    async fn block(&self, height: Height) -> Reply<Option<BlockView>>;

    /// An account and what it holds of these assets.
    async fn account(&self, id: AccountId, assets: Vec<AssetId>) -> Reply<At<Option<AccountView>>>;

    /// A transaction that is in a block.
    async fn transaction(&self, name: TransactionName) -> Reply<At<Option<TransactionView>>>;

    /// A transfer that this chain sent.
    async fn transfer(&self, id: Hash) -> Reply<At<Option<TransferView>>>;
}
