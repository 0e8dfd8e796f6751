//! One chain through whichever of its nodes answers.

use crate::client::{BlockStream, ChainClient, Reply};
use catenary_crypto::Hash;
use catenary_relay::{
    gateway::{GatewayError, ProofRequest, SharedBlock, SubmitOutcome},
    query::{
        AccountView, At, BlockView, ChainStatus, HeaderView, ProofView, TransactionName, TransactionView,
        TransferView,
    },
};
use catenary_types::{AccountId, AssetId, ChainId, Height};
use futures::{StreamExt, stream};
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

/// Pause after no node answered.
const PAUSE: Duration = Duration::from_millis(200);
/// How often every node is asked before a question fails.
const ROUNDS: usize = 25;

/// A chain through several nodes: asks one as long as it answers, then the next. What was submitted through a node that
/// then fell silent is submitted again, which is safe. Nodes may lag: what one has shown the next may not know for a moment.
#[derive(Clone)]
pub struct AnyOf {
    nodes: Arc<[Arc<dyn ChainClient>]>,
    current: Arc<AtomicUsize>,
}

impl AnyOf {
    /// The same chain through each of these; at least one.
    pub fn new(nodes: Vec<Arc<dyn ChainClient>>) -> Self {
        assert!(nodes.iter().all(|node| node.chain_id() == nodes[0].chain_id()), "nodes of one chain");
        Self { nodes: nodes.into(), current: Arc::default() }
    }

    async fn ask<T, F>(&self, question: impl Fn(Arc<dyn ChainClient>) -> F) -> Reply<T>
    where
        F: Future<Output = Reply<T>>,
    {
        let mut tries = 0;
        loop {
            let at = self.current.load(Ordering::Relaxed);
            let answer = question(self.nodes[at % self.nodes.len()].clone()).await;
            let Err(GatewayError::Unavailable(reason)) = answer else { return answer };
            tries += 1;
            if tries >= ROUNDS * self.nodes.len() {
                return Err(GatewayError::Unavailable(reason));
            }
            // Whoever asked at the same time may have gone on already.
            let _ = self.current.compare_exchange(at, at + 1, Ordering::Relaxed, Ordering::Relaxed);
            if tries % self.nodes.len() == 0 {
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}

/// A stream that goes on at the next node when one ends.
struct Following {
    chain: AnyOf,
    next: Height,
    blocks: Option<stream::BoxStream<'static, Reply<SharedBlock>>>,
}

impl Following {
    async fn block(&mut self) -> Reply<SharedBlock> {
        loop {
            if self.blocks.is_none() {
                let from = self.next;
                self.blocks =
                    Some(self.chain.ask(|node| async move { node.final_blocks(from).await }).await?.blocks);
            }
            let block = match &mut self.blocks {
                Some(blocks) => blocks.next().await,
                None => None,
            };
            match block {
                Some(Ok(block)) => {
                    self.next = self.next.next();
                    return Ok(block);
                }
                None | Some(Err(GatewayError::Unavailable(_))) => {
                    self.blocks = None;
                    tokio::time::sleep(PAUSE).await;
                }
                Some(Err(error)) => return Err(error),
            }
        }
    }
}

#[tonic::async_trait]
impl ChainClient for AnyOf {
    fn chain_id(&self) -> &ChainId {
        self.nodes[0].chain_id()
    }

    async fn status(&self) -> Reply<ChainStatus> {
        self.ask(|node| async move { node.status().await }).await
    }

    async fn submit(&self, envelopes: Vec<Vec<u8>>) -> Reply<Vec<SubmitOutcome>> {
        self.ask(|node| {
            let envelopes = envelopes.clone();
            async move { node.submit(envelopes).await }
        })
        .await
    }

    async fn final_blocks(&self, from: Height) -> Reply<BlockStream> {
        let BlockStream { tip, blocks } =
            self.ask(|node| async move { node.final_blocks(from).await }).await?;
        let following = Following { chain: self.clone(), next: from.max(Height(1)), blocks: Some(blocks) };
        let blocks = stream::unfold(Some(following), async |following| {
            let mut following = following?;
            let block = following.block().await;
            let next = block.is_ok().then_some(following);
            Some((block, next))
        });
        Ok(BlockStream { tip, blocks: blocks.boxed() })
    }

    async fn prove(&self, request: ProofRequest) -> Reply<ProofView> {
        self.ask(|node| {
            let request = request.clone();
            async move { node.prove(request).await }
        })
        .await
    }

    async fn header(&self, height: Option<Height>) -> Reply<HeaderView> {
        self.ask(|node| async move { node.header(height).await }).await
    }

    async fn block(&self, height: Height) -> Reply<Option<BlockView>> {
        self.ask(|node| async move { node.block(height).await }).await
    }

    async fn account(&self, id: AccountId, assets: Vec<AssetId>) -> Reply<At<Option<AccountView>>> {
        self.ask(|node| {
            let assets = assets.clone();
            async move { node.account(id, assets).await }
        })
        .await
    }

    async fn transaction(&self, name: TransactionName) -> Reply<At<Option<TransactionView>>> {
        self.ask(|node| {
            let name = name.clone();
            async move { node.transaction(name).await }
        })
        .await
    }

    async fn transfer(&self, id: Hash) -> Reply<At<Option<TransferView>>> {
        self.ask(|node| async move { node.transfer(id).await }).await
    }
}
