//! `TransferService`: payments to other chains.

use crate::{
    authorise::Action,
    ledger::{submit, tx_id},
    limits::TRANSFER_WAIT_MS_MAX,
    node::{Node, not_found},
};
use catenary_crypto::Hash;
use catenary_links::{BlockStream, ChainClient};
use catenary_proto::{
    Fault, Malformed,
    api::{self, ErrorReason, WriteEffect, transfer_service_server::TransferService},
    convert,
};
use catenary_relay::query::{At, TransactionName};
use catenary_transfer::{KIND, TransferCall, events::kind};
use catenary_types::{Body, Envelope, Height, Message, Receipt, TxId};
use futures::StreamExt;
use std::time::Duration;
use tokio::time::timeout;
use tonic::{Request, Response, Status};

/// The service.
#[derive(Clone)]
pub(crate) struct Transfer {
    pub(crate) node: Node,
}

/// Fails unless the envelope holds one transfer call and nothing else. Signatures are for the ledger to check.
fn check_transfer(envelope: &[u8]) -> Result<(), Fault> {
    let malformed = |detail: String| {
        Fault::new(ErrorReason::MalformedEnvelope, format!("MALFORMED_ENVELOPE: {detail}"))
            .field("envelope", detail)
    };
    let envelope = Envelope::decode(envelope).map_err(|error| malformed(error.to_string()))?;
    let body = Body::decode(&envelope.body).map_err(|error| malformed(format!("body: {error}")))?;
    let is_transfer = matches!(
        body.calls.as_slice(),
        [call] if call.instance.as_str() == KIND && TransferCall::decode(&call.message).is_ok()
    );
    if is_transfer {
        return Ok(());
    }
    let message =
        format!("expected an envelope with one call of {KIND:?} that sends; use Submit for anything else");
    Err(Fault::new(ErrorReason::NotATransfer, message.clone()).field("envelope", message))
}

/// The transfer that a receipt reports.
fn transfer_id(receipt: &Receipt) -> Result<Hash, Fault> {
    if !receipt.succeeded() {
        let message = format!("the transaction failed with {}: {}", receipt.reason, receipt.detail);
        return Err(Fault::new(ErrorReason::TransactionFailed, message)
            .with("receipt_reason", &receipt.reason)
            .with("receipt_code", receipt.code)
            .effect(WriteEffect::NotApplied)
            .with("tx_id", receipt.tx_id));
    }
    let sent = receipt.events.iter().find(|event| event.kind == kind::SENT);
    let hex = sent.and_then(|event| event.text("transfer_id"));
    hex.and_then(from_hex).ok_or_else(|| {
        let message = "the transfer is sent, but its receipt names none; ask GetTransaction";
        Fault::new(ErrorReason::DataDamaged, message)
            .effect(WriteEffect::Applied)
            .with("tx_id", receipt.tx_id)
    })
}

fn from_hex(text: &str) -> Option<Hash> {
    let bytes = text.as_bytes();
    if bytes.len() != 2 * Hash::LEN || !text.is_ascii() {
        return None;
    }
    let mut hash = Hash::default();
    for (at, byte) in hash.0.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&text[2 * at..2 * at + 2], 16).ok()?;
    }
    Some(hash)
}

/// The receipt of a transaction in the first block that has it.
async fn receipt_of(mut stream: BlockStream, tx_id: &TxId) -> Option<(Height, Receipt)> {
    while let Some(Ok(block)) = stream.blocks.next().await {
        if let Some(receipt) = block.receipts.iter().find(|receipt| receipt.tx_id == *tx_id) {
            return Some((block.height(), receipt.clone()));
        }
    }
    None
}

impl Transfer {
    async fn send(&self, request: api::SendTransferRequest) -> Result<api::SendTransferResponse, Fault> {
        let api::SendTransferRequest { chain, envelope, wait_ms } = request;
        let id = tx_id(&envelope);
        let prepared = self.prepare(&chain, &envelope, wait_ms).await;
        let (chain, stream) = prepared.map_err(|fault| fault.of_submission(id))?;
        let taken = submit(&self.node, &*chain, envelope).await?;
        let tx_id = TxId(convert::hash("tx_id", &taken.tx_id)?);
        let found = match stream {
            None => None,
            Some(_) if taken.height > 0 => self.known(&*chain, tx_id).await?,
            Some(stream) => {
                let wait = Duration::from_millis(u64::from(wait_ms));
                timeout(wait, receipt_of(stream, &tx_id)).await.ok().flatten()
            }
        };
        let api::SubmitResponse { tx_id, known, height } = taken;
        match found {
            None => Ok(api::SendTransferResponse { tx_id, height, transfer_id: Vec::new(), known }),
            Some((height, receipt)) => {
                let transfer_id = transfer_id(&receipt)?.0.to_vec();
                Ok(api::SendTransferResponse { tx_id, height: height.0, transfer_id, known })
            }
        }
    }

    /// Everything that can fail before anything is submitted. The stream is opened first, so that it cannot miss the
    /// transaction's block.
    async fn prepare(
        &self,
        chain: &str,
        envelope: &[u8],
        wait_ms: u32,
    ) -> Result<(std::sync::Arc<dyn ChainClient>, Option<BlockStream>), Fault> {
        if u64::from(wait_ms) > TRANSFER_WAIT_MS_MAX {
            let reason = format!("expected at most {TRANSFER_WAIT_MS_MAX}, got {wait_ms}");
            return Err(Malformed::new("wait_ms", reason).into());
        }
        let chain = self.node.chain(chain)?;
        check_transfer(envelope)?;
        if wait_ms == 0 {
            return Ok((chain, None));
        }
        let tip = self.node.ask(chain.status()).await?.height;
        let stream = self.node.ask(chain.final_blocks(tip.next())).await?;
        Ok((chain, Some(stream)))
    }

    /// The receipt of a transaction that was in a block before.
    async fn known(&self, chain: &dyn ChainClient, tx_id: TxId) -> Result<Option<(Height, Receipt)>, Fault> {
        let asked = self.node.ask(chain.transaction(TransactionName::Id(tx_id))).await;
        let applied = |fault: Fault| fault.effect(WriteEffect::Applied).with("tx_id", tx_id);
        Ok(asked.map_err(applied)?.value.map(|view| (view.height, view.receipt)))
    }
}

#[tonic::async_trait]
impl TransferService for Transfer {
    async fn send_transfer(
        &self,
        request: Request<api::SendTransferRequest>,
    ) -> Result<Response<api::SendTransferResponse>, Status> {
        let permitted = self.node.permit(&request, &Action::Submit(&request.get_ref().chain));
        permitted.map_err(|fault| fault.of_submission(None))?;
        Ok(Response::new(self.send(request.into_inner()).await?))
    }

    async fn get_transfer(
        &self,
        request: Request<api::GetTransferRequest>,
    ) -> Result<Response<api::GetTransferResponse>, Status> {
        self.node.permit(&request, &Action::ReadTransfer(&request.get_ref().chain))?;
        let api::GetTransferRequest { chain, transfer_id } = request.into_inner();
        let id = convert::hash("transfer_id", &transfer_id).map_err(Fault::from)?;
        let chain = self.node.chain(&chain)?;
        let At { height, value } = self.node.ask(chain.transfer(id)).await?;
        let view = value.ok_or_else(|| not_found(ErrorReason::TransferNotFound, "transfer", height))?;
        let read = Some(self.node.context(&*chain, height).await?);
        Ok(Response::new(api::GetTransferResponse { read, transfer: Some((&view).into()) }))
    }
}
