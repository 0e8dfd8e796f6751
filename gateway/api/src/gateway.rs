//! `GatewayService`: what the router needs.

use crate::{
    authorise::Action,
    ledger::submit_many,
    limits::BLOCK_STREAM_BUFFER,
    node::{Node, check_keys, context, shutting_down},
    outbox::{Outbox, Outgoing, Stopped, outbox},
};
use catenary_links::BlockStream;
use catenary_proto::{
    Fault, Malformed,
    api::{
        self, ErrorReason, StreamBlocksResponse, gateway_service_server::GatewayService,
        stream_blocks_response::Item,
    },
};
use catenary_relay::gateway::{GatewayError, ProofRequest};
use catenary_types::Height;
use futures::StreamExt;
use tonic::{Request, Response, Status};

/// The service.
#[derive(Clone)]
pub(crate) struct Gateway {
    pub(crate) node: Node,
}

type Answer<T> = Result<Response<T>, Status>;

impl Gateway {
    async fn stream(
        &self,
        request: &api::StreamBlocksRequest,
    ) -> Result<Outgoing<StreamBlocksResponse>, Fault> {
        if request.from_height == 0 {
            return Err(Malformed::new("from_height", "expected a height from 1 on, got 0").into());
        }
        let chain = self.node.chain(&request.chain)?;
        let permit = self.node.subscribe()?;
        let status = self.node.ask(chain.status()).await?;
        let stream = self.node.ask(chain.final_blocks(Height(request.from_height))).await?;
        let begun = context(&*chain, stream.tip, status.trust);
        let (outbox, outgoing) = outbox(BLOCK_STREAM_BUFFER, self.node.limits.slow_consumer_time, permit);
        tokio::spawn(send_blocks(self.node.clone(), stream, begun, outbox));
        Ok(outgoing)
    }

    async fn proof(&self, request: api::GetProofRequest) -> Result<api::GetProofResponse, Fault> {
        check_keys("keys", &request.keys)?;
        let chain = self.node.chain(&request.chain)?;
        let request = ProofRequest::try_from(request)?;
        let height = request.height;
        let proof = self.node.ask(chain.prove(request)).await?;
        let read = self.node.context(&*chain, height).await?;
        Ok(api::GetProofResponse { read: Some(read), proof: Some((&proof).into()) })
    }
}

/// Sends blocks until somebody has enough. A block that is not sent is read again by whoever asks from its height.
async fn send_blocks(
    node: Node,
    mut stream: BlockStream,
    begun: api::ReadContext,
    outbox: Outbox<StreamBlocksResponse>,
) {
    let mut item = Item::Begun(begun);
    let fault = loop {
        match outbox.send(StreamBlocksResponse { item: Some(item) }).await {
            Ok(()) => {}
            Err(Stopped::Gone) => return,
            Err(Stopped::Slow) => {
                let message = "the reader took no block for too long; ask again from the next height";
                break Fault::new(ErrorReason::SlowConsumer, message);
            }
        }
        let block = tokio::select! {
            biased;
            () = node.stopped() => break shutting_down(),
            () = outbox.closed() => return,
            block = stream.blocks.next() => block,
        };
        item = match block {
            Some(Ok(block)) => Item::Block((&*block).into()),
            Some(Err(error)) => break error.into(),
            None => break GatewayError::Unavailable("the chain ended the stream".into()).into(),
        };
    };
    outbox.finish(fault);
}

#[tonic::async_trait]
impl GatewayService for Gateway {
    type StreamBlocksStream = Outgoing<StreamBlocksResponse>;

    async fn stream_blocks(
        &self,
        request: Request<api::StreamBlocksRequest>,
    ) -> Answer<Self::StreamBlocksStream> {
        self.node.permit(&request, &Action::StreamBlocks(&request.get_ref().chain))?;
        Ok(Response::new(self.stream(request.get_ref()).await?))
    }

    async fn get_proof(&self, request: Request<api::GetProofRequest>) -> Answer<api::GetProofResponse> {
        self.node.permit(&request, &Action::ReadHeader(&request.get_ref().chain))?;
        Ok(Response::new(self.proof(request.into_inner()).await?))
    }

    async fn submit_batch(
        &self,
        request: Request<api::SubmitBatchRequest>,
    ) -> Answer<api::SubmitBatchResponse> {
        let permitted = self.node.permit(&request, &Action::Submit(&request.get_ref().chain));
        permitted.map_err(|fault| fault.of_submission(None))?;
        let api::SubmitBatchRequest { chain, envelopes } = request.into_inner();
        let results = submit_many(&self.node, &chain, envelopes).await;
        let results = results.map_err(|fault| fault.of_submission(None))?;
        Ok(Response::new(api::SubmitBatchResponse { results }))
    }
}
