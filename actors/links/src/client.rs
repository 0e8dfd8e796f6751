//! The gateway interface as code: what router, services and tools ask of a chain, wherever it runs.
//!
//! Two implementations: the mailbox of a chain in this process (`catenary-runtime`) and a gRPC client ([`crate::grpc`]).

use catenary_crypto::Hash;
use catenary_relay::{
    gateway::{GatewayError, ProofRequest, SharedBlock, SubmitOutcome},
    query::{
        AccountView, At, BlockView, ChainStatus, HeaderView, ProofView, TransactionName, TransactionView,
        TransferView,
    },
};
use catenary_types::{AccountId, AssetId, ChainId, Height};
use futures::{future::BoxFuture, stream::BoxStream};
use std::sync::Arc;

/// An answer that comes later.
pub type Reply<'a, T> = BoxFuture<'a, Result<T, GatewayError>>;

/// A chain, here or elsewhere.
pub trait ChainClient: Send + Sync {
    /// Its id.
    fn chain_id(&self) -> &ChainId;

    /// How it is.
    fn status(&self) -> Reply<'_, ChainStatus>;

    /// Submits up to 1,000 envelopes; one answer each, in order.
    fn submit(&self, envelopes: Vec<Vec<u8>>) -> Reply<'_, Vec<SubmitOutcome>>;

    /// Final blocks from a height on, in order and without gaps, as they become final. An error ends the stream; nothing
    /// is skipped when the reader is slow.
    fn final_blocks(&self, from: Height) -> BoxStream<'static, Result<SharedBlock, GatewayError>>;

    /// Proves keys of a recent state.
    fn prove(&self, request: ProofRequest) -> Reply<'_, ProofView>;

    /// A header with what verifies it; the newest if no height is named.
    fn header(&self, height: Option<Height>) -> Reply<'_, HeaderView>;

    /// A block with everything around it; none if it is not final yet.
    fn block(&self, height: Height) -> Reply<'_, Option<BlockView>>;

    /// An account and what it holds of these assets.
    fn account(&self, id: AccountId, assets: Vec<AssetId>) -> Reply<'_, At<Option<AccountView>>>;

    /// A transaction, if it is in a block.
    fn transaction(&self, name: TransactionName) -> Reply<'_, At<Option<TransactionView>>>;

    /// A transfer that the chain sent.
    fn transfer(&self, id: Hash) -> Reply<'_, Option<TransferView>>;
}

/// The chains that somebody can reach, in a fixed order.
#[derive(Clone, Default)]
pub struct Directory {
    chains: Vec<Arc<dyn ChainClient>>,
}

impl Directory {
    /// A directory of these chains.
    pub fn new(chains: Vec<Arc<dyn ChainClient>>) -> Self {
        Self { chains }
    }

    /// All chains.
    pub fn chains(&self) -> &[Arc<dyn ChainClient>] {
        &self.chains
    }

    /// The chain of a full id, or of a name that only one chain has.
    pub fn get(&self, id_or_name: &str) -> Option<&Arc<dyn ChainClient>> {
        let by_id = self.chains.iter().find(|chain| chain.chain_id().as_str() == id_or_name);
        let mut by_name = self.chains.iter().filter(|chain| chain.chain_id().name() == id_or_name);
        by_id.or_else(|| by_name.next().filter(|_| by_name.next().is_none()))
    }
}
