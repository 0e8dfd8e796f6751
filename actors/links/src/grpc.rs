//! A chain behind gRPC: the client half of the node's services.

use crate::client::{BlockStream, ChainClient, Reply};
use catenary_crypto::Hash;
use catenary_proto::{
    Fault, Malformed,
    api::{
        self, ErrorReason, gateway_service_client::GatewayServiceClient,
        ledger_service_client::LedgerServiceClient, stream_blocks_response::Item,
        transfer_service_client::TransferServiceClient,
    },
    gateway_error, tendermint,
};
use catenary_relay::{
    gateway::{FinalBlock, GatewayError, ProofRequest, SharedBlock, SubmitOutcome},
    query::{
        AccountView, At, BlockView, ChainStatus, HeaderView, ProofView, TransactionName, TransactionView,
        TransferView,
    },
};
use catenary_types::{AccountId, AssetId, ChainId, Height, SignedHeader, ValidatorSet};
use futures::{StreamExt, stream};
use std::{sync::Arc, time::Duration};
use tonic::{
    Status,
    transport::{Channel, Endpoint},
};

/// Time to make a connection.
const CONNECT_TIME: Duration = Duration::from_secs(5);
/// Time for one answer; streams may last.
const ANSWER_TIME: Duration = Duration::from_secs(15);
/// How often a silent connection is asked whether it lives, and how long the answer may take.
const KEEPALIVE_INTERVAL: Duration = Duration::from_secs(20);
const KEEPALIVE_TIME: Duration = Duration::from_secs(10);
/// Bytes of one answer: a full block with its receipts fits.
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Why a node cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is no `http://host:port`.
    #[error("expected an address http://host:port, got {0:?}")]
    Address(String),
}

/// A chain of another node, or of this one through its front door.
#[derive(Clone, Debug)]
pub struct GrpcChain {
    chain_id: ChainId,
    ledger: LedgerServiceClient<Channel>,
    gateway: GatewayServiceClient<Channel>,
    transfer: TransferServiceClient<Channel>,
}

impl GrpcChain {
    /// The chain at `address`, for example `http://127.0.0.1:7070`. Connects when first used and again after a loss.
    pub fn new(address: &str, chain_id: ChainId) -> Result<Self, ConnectError> {
        Ok(Self::over(Self::channel(address)?, chain_id))
    }

    /// A connection that several chains of one node can share.
    pub fn channel(address: &str) -> Result<Channel, ConnectError> {
        let endpoint = Endpoint::from_shared(address.to_owned());
        let endpoint = endpoint.map_err(|_| ConnectError::Address(address.into()))?;
        let endpoint = endpoint
            .connect_timeout(CONNECT_TIME)
            .http2_keep_alive_interval(KEEPALIVE_INTERVAL)
            .keep_alive_timeout(KEEPALIVE_TIME)
            .keep_alive_while_idle(true)
            .tcp_nodelay(true);
        Ok(endpoint.connect_lazy())
    }

    /// The chains of a node, in order of their ids.
    pub async fn list(channel: Channel) -> Reply<Vec<ChainStatus>> {
        let client = LedgerServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX);
        let (mut chains, mut page_token) = (Vec::new(), String::new());
        loop {
            let request = timed(api::ListChainsRequest { page_size: 0, page_token });
            let answer = client.clone().list_chains(request).await.map_err(failed)?.into_inner();
            for chain in &answer.chains {
                chains.push(ChainStatus::try_from(chain).map_err(malformed)?);
            }
            page_token = answer.next_page_token;
            if page_token.is_empty() {
                return Ok(chains);
            }
        }
    }

    /// The chain over a connection that is there.
    pub fn over(channel: Channel, chain_id: ChainId) -> Self {
        let ledger = LedgerServiceClient::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        let gateway = GatewayServiceClient::new(channel.clone()).max_decoding_message_size(ANSWER_BYTES_MAX);
        Self { chain_id, ledger, gateway, transfer: TransferServiceClient::new(channel) }
    }

    fn chain(&self) -> String {
        self.chain_id.to_string()
    }
}

/// A request with its deadline.
fn timed<T>(message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.set_timeout(ANSWER_TIME);
    request
}

fn failed(status: Status) -> GatewayError {
    gateway_error(&status)
}

/// Another node sent something that is no answer: as good as none.
fn malformed(error: Malformed) -> GatewayError {
    GatewayError::Unavailable(format!("malformed answer: {error}"))
}

fn present<T>(field: &str, value: Option<T>) -> Reply<T> {
    value.ok_or_else(|| malformed(Malformed::missing(field)))
}

fn convert<'a, W, D: TryFrom<&'a W, Error = Malformed>>(field: &str, value: &'a Option<W>) -> Reply<D> {
    D::try_from(present(field, value.as_ref())?).map_err(malformed)
}

fn read_height(read: Option<api::ReadContext>) -> Reply<Height> {
    present("read", read).map(|read| Height(read.height))
}

/// "Not there" is an answer, with the height it was read at.
fn absent<T>(status: Status, reason: ErrorReason) -> Reply<At<Option<T>>> {
    let fault = Fault::from_status(&status).filter(|fault| fault.reason == reason);
    match fault.and_then(|fault| fault.number("height")) {
        Some(height) => Ok(At { height: Height(height), value: None }),
        None => Err(failed(status)),
    }
}

fn signed_header(
    header: Option<tendermint::types::Header>,
    commit: Option<tendermint::types::Commit>,
) -> Reply<SignedHeader> {
    Ok(SignedHeader { header: convert("header", &header)?, certificate: convert("certificate", &commit)? })
}

#[tonic::async_trait]
impl ChainClient for GrpcChain {
    fn chain_id(&self) -> &ChainId {
        &self.chain_id
    }

    async fn status(&self) -> Reply<ChainStatus> {
        let request = timed(api::GetChainRequest { chain: self.chain() });
        let answer = self.ledger.clone().get_chain(request).await.map_err(failed)?.into_inner();
        convert("chain", &answer.chain)
    }

    async fn submit(&self, envelopes: Vec<Vec<u8>>) -> Reply<Vec<SubmitOutcome>> {
        let expected = envelopes.len();
        let request = timed(api::SubmitBatchRequest { chain: self.chain(), envelopes });
        let answer = self.gateway.clone().submit_batch(request).await.map_err(failed)?.into_inner();
        if answer.results.len() != expected {
            let reason = format!("expected {expected} results, got {}", answer.results.len());
            return Err(malformed(Malformed::new("results", reason)));
        }
        answer.results.iter().map(|result| result.try_into().map_err(malformed)).collect()
    }

    async fn final_blocks(&self, from: Height) -> Reply<BlockStream> {
        let request = api::StreamBlocksRequest { chain: self.chain(), from_height: from.0 };
        let mut stream = self.gateway.clone().stream_blocks(request).await.map_err(failed)?.into_inner();
        let first = stream.message().await.map_err(failed)?.and_then(|message| message.item);
        let Some(Item::Begun(begun)) = first else { return Err(malformed(Malformed::missing("begun"))) };
        let blocks = stream.scan(from, |next, message| {
            let block = message.map_err(failed).and_then(|message| next_block(message, next));
            std::future::ready(Some(block))
        });
        Ok(BlockStream { tip: Height(begun.height), blocks: until_error(blocks).boxed() })
    }

    async fn prove(&self, request: ProofRequest) -> Reply<ProofView> {
        let ProofRequest { height, store, keys } = request;
        let expected = keys.len();
        let request =
            api::GetProofRequest { chain: self.chain(), height: height.0, store: store.to_string(), keys };
        let answer = self.gateway.clone().get_proof(timed(request)).await.map_err(failed)?.into_inner();
        let view: ProofView = convert("proof", &answer.proof)?;
        if view.values.len() != expected {
            let reason = format!("expected {expected} values, got {}", view.values.len());
            return Err(malformed(Malformed::new("proof.values", reason)));
        }
        Ok(view)
    }

    async fn header(&self, height: Option<Height>) -> Reply<HeaderView> {
        let request = api::GetHeaderRequest {
            chain: self.chain(),
            height: height.map_or(0, |height| height.0),
            include_certificate: true,
            prove: None,
        };
        let answer = self.ledger.clone().get_header(timed(request)).await.map_err(failed)?.into_inner();
        let validators: ValidatorSet = convert("validators", &answer.validators)?;
        Ok(HeaderView { signed: signed_header(answer.header, answer.certificate)?, validators })
    }

    async fn block(&self, height: Height) -> Reply<Option<BlockView>> {
        // On the wire 0 asks for the newest.
        if height == Height(0) {
            return Ok(None);
        }
        let request = timed(api::GetBlockRequest { chain: self.chain(), height: height.0 });
        match self.ledger.clone().get_block(request).await {
            Ok(answer) => convert("block", &answer.into_inner().block).map(Some),
            Err(status) => Ok(absent::<BlockView>(status, ErrorReason::BlockNotFound)?.value),
        }
    }

    async fn account(&self, id: AccountId, assets: Vec<AssetId>) -> Reply<At<Option<AccountView>>> {
        let request = api::GetAccountRequest {
            chain: self.chain(),
            account: Some(api::get_account_request::Account::AccountId(id.0.to_vec())),
            assets: assets.iter().map(ToString::to_string).collect(),
            include_proof: false,
        };
        match self.ledger.clone().get_account(timed(request)).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let value = convert("account", &answer.account)?;
                Ok(At { height: read_height(answer.read)?, value: Some(value) })
            }
            Err(status) => absent(status, ErrorReason::AccountNotFound),
        }
    }

    async fn transaction(&self, name: TransactionName) -> Reply<At<Option<TransactionView>>> {
        let name = Some((&name).into());
        let request = api::GetTransactionRequest { chain: self.chain(), name, include_proof: false };
        match self.ledger.clone().get_transaction(timed(request)).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let value = convert("transaction", &answer.transaction)?;
                Ok(At { height: read_height(answer.read)?, value: Some(value) })
            }
            Err(status) => absent(status, ErrorReason::TransactionNotFound),
        }
    }

    async fn transfer(&self, id: Hash) -> Reply<At<Option<TransferView>>> {
        let request = api::GetTransferRequest { chain: self.chain(), transfer_id: id.0.to_vec() };
        match self.transfer.clone().get_transfer(timed(request)).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let value = convert("transfer", &answer.transfer)?;
                Ok(At { height: read_height(answer.read)?, value: Some(value) })
            }
            Err(status) => absent(status, ErrorReason::TransferNotFound),
        }
    }
}

/// The block of a message, if it is the one that must come next.
fn next_block(message: api::StreamBlocksResponse, next: &mut Height) -> Reply<SharedBlock> {
    let Some(Item::Block(block)) = message.item else { return Err(malformed(Malformed::missing("block"))) };
    let block = FinalBlock::try_from(&block).map_err(malformed)?;
    if block.height() != *next {
        let reason = format!("expected height {next}, got {}", block.height());
        return Err(malformed(Malformed::new("block", reason)));
    }
    *next = next.next();
    Ok(Arc::new(block))
}

/// The items up to the first error and that error.
fn until_error<T>(items: impl stream::Stream<Item = Reply<T>>) -> impl stream::Stream<Item = Reply<T>> {
    items.scan(false, |ended, item| {
        let item = (!*ended).then_some(item);
        *ended = matches!(item, Some(Err(_)));
        std::future::ready(item)
    })
}
