//! `LedgerService`: submitting and reading.

use crate::{
    authorise::Action,
    events, inclusion,
    limits::{ASSETS_PER_REQUEST_MAX, PAGE_SIZE_MAX},
    node::{Node, check_envelopes, check_keys, context, not_found},
    outbox::Outgoing,
};
use catenary_apps::asset::AssetKey;
use catenary_ledger::{
    records::AdminKey,
    stores::{ADMIN, ASSET},
};
use catenary_links::ChainClient;
use catenary_proto::{
    Fault, Malformed,
    api::{self, ErrorReason, ledger_service_server::LedgerService},
    convert::{store, text},
};
use catenary_relay::{
    gateway::{GatewayError, ProofRequest, SubmitOutcome},
    query::{At, HeaderView, ProofView, TransactionName, TransactionView},
};
use catenary_state::StoreName;
use catenary_types::{AccountId, AssetId, ChainId, Envelope, Height, Message, TxId};
use tonic::{Request, Response, Status};

/// The service.
#[derive(Clone)]
pub(crate) struct Ledger {
    pub(crate) node: Node,
}

type Answer<T> = Result<Response<T>, Status>;

/// The id of the transaction in an envelope, if it can be read.
pub(crate) fn tx_id(envelope: &[u8]) -> Option<TxId> {
    let envelope = Envelope::decode(envelope).ok()?;
    Some(TxId(catenary_crypto::sha256(&envelope.body)))
}

/// Submits one envelope; a refusal is an error.
pub(crate) async fn submit(
    node: &Node,
    chain: &dyn ChainClient,
    envelope: Vec<u8>,
) -> Result<api::SubmitResponse, Fault> {
    let id = tx_id(&envelope);
    let outcomes = node.ask(chain.submit(vec![envelope])).await;
    let mut outcomes = outcomes.map_err(|fault| fault.of_submission(id))?;
    let outcome = outcomes.pop().ok_or_else(|| {
        let none = GatewayError::Unavailable("the chain gave no outcome".into());
        Fault::from(none).of_submission(id)
    })?;
    match outcome {
        SubmitOutcome::Accepted(tx_id) => {
            Ok(api::SubmitResponse { tx_id: tx_id.0.0.to_vec(), known: false, height: 0 })
        }
        SubmitOutcome::Known { tx_id, height } => {
            let height = height.map_or(0, |height| height.0);
            Ok(api::SubmitResponse { tx_id: tx_id.0.0.to_vec(), known: true, height })
        }
        SubmitOutcome::Refused(refusal) => Err(Fault::from(refusal).of_submission(id)),
    }
}

/// Submits many envelopes, each with a result of its own.
pub(crate) async fn submit_many(
    node: &Node,
    chain: &str,
    envelopes: Vec<Vec<u8>>,
) -> Result<Vec<api::SubmitResult>, Fault> {
    check_envelopes(&envelopes)?;
    let chain = node.chain(chain)?;
    let outcomes = node.ask(chain.submit(envelopes)).await?;
    Ok(outcomes.iter().map(Into::into).collect())
}

/// A proof in the state after a block; if the next header, which carries its root, is not there yet, in the newest
/// state that has one.
async fn prove_newest(
    node: &Node,
    chain: &dyn ChainClient,
    height: Height,
    store: StoreName,
    keys: Vec<Vec<u8>>,
) -> Result<ProofView, Fault> {
    let request = ProofRequest { height, store, keys };
    let earlier = match tokio::time::timeout(node.limits.request_time, chain.prove(request.clone())).await {
        Ok(Err(GatewayError::Height { newest, .. })) if newest < height => newest,
        Ok(answer) => return Ok(answer?),
        Err(_) => height,
    };
    node.ask(chain.prove(ProofRequest { height: earlier, ..request })).await
}

impl Ledger {
    /// The newest height of a chain where a request says 0.
    async fn height(&self, chain: &dyn ChainClient, height: u64) -> Result<Height, Fault> {
        match height {
            0 => Ok(self.node.ask(chain.status()).await?.height),
            height => Ok(Height(height)),
        }
    }

    async fn list_pages(&self, request: api::ListChainsRequest) -> Result<api::ListChainsResponse, Fault> {
        let after: Option<ChainId> = match &*request.page_token {
            "" => None,
            token => Some(text("page_token", token)?),
        };
        let size = match request.page_size as usize {
            0 => PAGE_SIZE_MAX,
            size => size.min(PAGE_SIZE_MAX),
        };
        let all = self.node.directory.all();
        let rest = all.iter().filter(|chain| after.as_ref().is_none_or(|after| chain.chain_id() > after));
        let rest: Vec<_> = rest.collect();
        let page = &rest[..rest.len().min(size)];
        let statuses = page.iter().map(|chain| async {
            match self.node.ask(chain.status()).await {
                Ok(status) => api::ChainStatus::from(&status),
                // One chain that does not answer must not hide the others.
                Err(fault) => unreachable(chain.chain_id(), &fault),
            }
        });
        let chains = futures::future::join_all(statuses).await;
        let next_page_token = match page.last() {
            Some(last) if rest.len() > page.len() => last.chain_id().to_string(),
            _ => String::new(),
        };
        Ok(api::ListChainsResponse { chains, next_page_token })
    }

    async fn transaction(
        &self,
        request: &api::GetTransactionRequest,
    ) -> Result<api::GetTransactionResponse, Fault> {
        let name = TransactionName::try_from(request)?;
        let chain = self.node.chain(&request.chain)?;
        let At { height, value } = self.node.ask(chain.transaction(name)).await?;
        let view = value.ok_or_else(|| not_found(ErrorReason::TransactionNotFound, "transaction", height))?;
        let proof = match request.include_proof {
            true => Some(self.transaction_proof(&*chain, &view).await?),
            false => None,
        };
        let read = self.node.context(&*chain, height).await?;
        Ok(api::GetTransactionResponse { read: Some(read), transaction: Some((&view).into()), proof })
    }

    async fn transaction_proof(
        &self,
        chain: &dyn ChainClient,
        view: &TransactionView,
    ) -> Result<api::TransactionProof, Fault> {
        let missing = || not_found(ErrorReason::BlockNotFound, "block", view.height);
        let block = self.node.ask(chain.block(view.height)).await?.ok_or_else(missing)?;
        let next = match self.node.ask(chain.header(Some(view.height.next()))).await {
            Ok(next) => Some(next),
            Err(fault) if fault.reason == ErrorReason::HeightNotAvailable => None,
            Err(fault) => return Err(fault),
        };
        Ok(inclusion::prove(&block, next.as_ref(), view.position))
    }

    async fn account(&self, request: &api::GetAccountRequest) -> Result<api::GetAccountResponse, Fault> {
        let id = AccountId::try_from(request)?;
        if request.assets.len() > ASSETS_PER_REQUEST_MAX {
            let reason =
                format!("expected at most {ASSETS_PER_REQUEST_MAX} assets, got {}", request.assets.len());
            return Err(Malformed::new("assets", reason).into());
        }
        let assets = request.assets.iter().map(|asset| text("assets", asset));
        let assets: Vec<AssetId> = assets.collect::<Result<_, _>>()?;
        let chain = self.node.chain(&request.chain)?;
        let At { height, value } = self.node.ask(chain.account(id, assets.clone())).await?;
        let view = value.ok_or_else(|| not_found(ErrorReason::AccountNotFound, "account", height))?;
        let (mut account_proof, mut balances_proof) = (None, None);
        if request.include_proof {
            let key = AdminKey::Account(&id).bytes();
            let proof = prove_newest(&self.node, &*chain, height, ADMIN, vec![key]).await?;
            account_proof = Some((&proof).into());
            if !assets.is_empty() {
                let keys = assets.iter().map(|asset| AssetKey::Balance { account: &id, asset }.bytes());
                let proof = prove_newest(&self.node, &*chain, height, ASSET, keys.collect()).await?;
                balances_proof = Some((&proof).into());
            }
        }
        let read = self.node.context(&*chain, height).await?;
        let account = Some((&view).into());
        Ok(api::GetAccountResponse { read: Some(read), account, account_proof, balances_proof })
    }

    async fn block(&self, request: &api::GetBlockRequest) -> Result<api::GetBlockResponse, Fault> {
        let chain = self.node.chain(&request.chain)?;
        let status = self.node.ask(chain.status()).await?;
        let height = if request.height == 0 { status.height } else { Height(request.height) };
        let block = self.node.ask(chain.block(height)).await?;
        let missing = || {
            let message = format!("block {height} is not there yet, the newest is {}", status.height);
            let fault = Fault::new(ErrorReason::BlockNotFound, message);
            fault.with("requested", height).with("height", status.height)
        };
        let block = block.ok_or_else(missing)?;
        let read = context(&*chain, height, status.trust);
        Ok(api::GetBlockResponse { read: Some(read), block: Some((&block).into()) })
    }

    async fn header(&self, request: api::GetHeaderRequest) -> Result<api::GetHeaderResponse, Fault> {
        let query = match request.prove {
            Some(query) => {
                check_keys("prove.keys", &query.keys)?;
                Some((store(&query.store).map_err(|error| error.within("prove"))?, query.keys))
            }
            None => None,
        };
        let chain = self.node.chain(&request.chain)?;
        let height = self.height(&*chain, request.height).await?;
        let HeaderView { signed, validators } = self.node.ask(chain.header(Some(height))).await?;
        let (proof, values) = match query {
            Some((store, keys)) => {
                let state = height.previous().unwrap_or_default();
                let request = ProofRequest { height: state, store, keys };
                let proof = api::ProofView::from(&self.node.ask(chain.prove(request)).await?);
                (proof.proof, proof.values)
            }
            None => Default::default(),
        };
        let read = self.node.context(&*chain, signed.header.height).await?;
        Ok(api::GetHeaderResponse {
            read: Some(read),
            header: Some((&signed.header).into()),
            certificate: request.include_certificate.then(|| (&signed.certificate).into()),
            validators: request.include_certificate.then(|| (&validators).into()),
            proof,
            values,
        })
    }
}

fn unreachable(chain_id: &ChainId, fault: &Fault) -> api::ChainStatus {
    let halted = api::Halted { reason: fault.message.clone() };
    api::ChainStatus {
        chain_id: chain_id.to_string(),
        activity: Some(api::chain_status::Activity::Halted(halted)),
        ..Default::default()
    }
}

#[tonic::async_trait]
impl LedgerService for Ledger {
    type SubscribeEventsStream = Outgoing<api::SubscribeEventsResponse>;

    async fn list_chains(&self, request: Request<api::ListChainsRequest>) -> Answer<api::ListChainsResponse> {
        self.node.permit(&request, &Action::ListChains)?;
        Ok(Response::new(self.list_pages(request.into_inner()).await?))
    }

    async fn get_chain(&self, request: Request<api::GetChainRequest>) -> Answer<api::GetChainResponse> {
        self.node.permit(&request, &Action::ReadStatus(&request.get_ref().chain))?;
        let chain = self.node.chain(&request.get_ref().chain)?;
        let status = self.node.ask(chain.status()).await?;
        Ok(Response::new(api::GetChainResponse { chain: Some((&status).into()) }))
    }

    async fn submit(&self, request: Request<api::SubmitRequest>) -> Answer<api::SubmitResponse> {
        let permitted = self.node.permit(&request, &Action::Submit(&request.get_ref().chain));
        permitted.map_err(|fault| fault.of_submission(None))?;
        let api::SubmitRequest { chain, envelope } = request.into_inner();
        let chain = self.node.chain(&chain).map_err(|fault| fault.of_submission(tx_id(&envelope)))?;
        Ok(Response::new(submit(&self.node, &*chain, envelope).await?))
    }

    async fn submit_many(&self, request: Request<api::SubmitManyRequest>) -> Answer<api::SubmitManyResponse> {
        let permitted = self.node.permit(&request, &Action::Submit(&request.get_ref().chain));
        permitted.map_err(|fault| fault.of_submission(None))?;
        let api::SubmitManyRequest { chain, envelopes } = request.into_inner();
        let results = submit_many(&self.node, &chain, envelopes).await;
        let results = results.map_err(|fault| fault.of_submission(None))?;
        Ok(Response::new(api::SubmitManyResponse { results }))
    }

    async fn get_transaction(
        &self,
        request: Request<api::GetTransactionRequest>,
    ) -> Answer<api::GetTransactionResponse> {
        self.node.permit(&request, &Action::ReadTransaction(&request.get_ref().chain))?;
        Ok(Response::new(self.transaction(request.get_ref()).await?))
    }

    async fn get_account(&self, request: Request<api::GetAccountRequest>) -> Answer<api::GetAccountResponse> {
        self.node.permit(&request, &Action::ReadAccount(&request.get_ref().chain))?;
        Ok(Response::new(self.account(request.get_ref()).await?))
    }

    async fn get_block(&self, request: Request<api::GetBlockRequest>) -> Answer<api::GetBlockResponse> {
        self.node.permit(&request, &Action::ReadBlock(&request.get_ref().chain))?;
        Ok(Response::new(self.block(request.get_ref()).await?))
    }

    async fn get_header(&self, request: Request<api::GetHeaderRequest>) -> Answer<api::GetHeaderResponse> {
        self.node.permit(&request, &Action::ReadHeader(&request.get_ref().chain))?;
        Ok(Response::new(self.header(request.into_inner()).await?))
    }

    async fn subscribe_events(
        &self,
        request: Request<api::SubscribeEventsRequest>,
    ) -> Answer<Self::SubscribeEventsStream> {
        self.node.permit(&request, &Action::StreamEvents(&request.get_ref().chain))?;
        Ok(Response::new(events::subscribe(&self.node, request.into_inner()).await?))
    }
}
