//! Building transactions and getting them into blocks.

use crate::network::Holder;
use anyhow::{Result, bail};
use catenary_crypto::sha256;
use catenary_links::ChainClient;
use catenary_relay::{
    gateway::{GatewayError, SubmitOutcome},
    query::{TransactionName, TransactionView},
};
use catenary_types::{Body, Call, ChainId, Message, Reference, RequestId, TxId, UnixSeconds};
use std::time::Duration;

/// How long transactions of this program ask to be valid.
const VALID_FOR_S: u64 = 300;
/// How often a waiting program looks again.
const POLL: Duration = Duration::from_millis(20);

/// A call to one of the network's instances.
pub fn call(kind: &str, message: &impl Message) -> Call {
    Call { instance: kind.parse().expect("kinds are instance names"), message: message.encode() }
}

/// A signed transaction.
pub struct Signed {
    /// Its id.
    pub tx_id: TxId,
    /// The encoded envelope.
    pub envelope: Vec<u8>,
}

/// Signs a transaction. `salt` sets two submissions of one reference apart.
pub fn sign(
    chain_id: &ChainId,
    sender: &Holder,
    reference: &Reference,
    salt: u64,
    calls: Vec<Call>,
) -> Signed {
    let id = sha256(format!("{} {reference} {salt}", sender.account).as_bytes());
    let mut request_id = RequestId([0; 16]);
    request_id.0.copy_from_slice(&id.0[..16]);
    let body = Body {
        chain_id: chain_id.clone(),
        sender: sender.account,
        request_id,
        valid_until: UnixSeconds(catenary_runtime::now().seconds().0 + VALID_FOR_S),
        reference: Some(reference.clone()),
        calls,
    };
    let envelope = body.sign(&[&*sender.key]);
    Signed { tx_id: TxId(sha256(&envelope.body)), envelope: envelope.encode() }
}

/// Submits until every envelope has an answer other than "busy".
pub async fn submit(chain: &dyn ChainClient, envelopes: Vec<Vec<u8>>) -> Result<Vec<SubmitOutcome>> {
    Ok(submit_and_count(chain, envelopes).await?.0)
}

/// The same, with how often there was no other answer for all of them.
pub async fn submit_and_count(
    chain: &dyn ChainClient,
    envelopes: Vec<Vec<u8>>,
) -> Result<(Vec<SubmitOutcome>, u64)> {
    let mut busy_answers = 0;
    let mut outcomes = vec![None; envelopes.len()];
    loop {
        let open: Vec<_> = (0..envelopes.len()).filter(|at| outcomes[*at].is_none()).collect();
        if open.is_empty() {
            return Ok((outcomes.into_iter().flatten().collect(), busy_answers));
        }
        let batch = open.iter().map(|at| envelopes[*at].clone()).collect();
        match chain.submit(batch).await {
            Ok(answers) => {
                for (at, answer) in open.into_iter().zip(answers) {
                    let busy =
                        matches!(&answer, SubmitOutcome::Refused(refusal) if refusal.reason.may_retry());
                    if !busy {
                        outcomes[at] = Some(answer);
                    }
                }
            }
            Err(GatewayError::Busy | GatewayError::Unavailable(_)) => {}
            Err(error) => bail!("{}: {error}", chain.chain_id()),
        }
        if outcomes.contains(&None) {
            busy_answers += 1;
            tokio::time::sleep(POLL).await;
        }
    }
}

/// Does something once, however often it is asked for: the reference says whether it is done.
pub async fn once(
    chain: &dyn ChainClient,
    sender: &Holder,
    reference: &str,
    calls: Vec<Call>,
) -> Result<TransactionView> {
    let reference: Reference = reference.parse()?;
    let name = TransactionName::Reference(sender.account, reference.clone());
    if let Some(done) = chain.transaction(name.clone()).await?.value {
        return Ok(done);
    }
    let salt = catenary_runtime::now().0;
    let Signed { tx_id, envelope } = sign(chain.chain_id(), sender, &reference, salt, calls);
    if let SubmitOutcome::Refused(refusal) = &submit(chain, vec![envelope]).await?[0] {
        bail!("{}: {reference}: {refusal}", chain.chain_id());
    }
    let view = included(chain, tx_id).await?;
    if view.receipt.succeeded() {
        return Ok(view);
    }
    // A transaction from before a restart may have been first.
    if let Some(done) = chain.transaction(name).await?.value {
        return Ok(done);
    }
    bail!("{}: {reference}: {}: {}", chain.chain_id(), view.receipt.reason, view.receipt.detail);
}

/// Waits until a transaction is in a final block.
pub async fn included(chain: &dyn ChainClient, tx_id: TxId) -> Result<TransactionView> {
    loop {
        if let Some(view) = chain.transaction(TransactionName::Id(tx_id)).await?.value {
            return Ok(view);
        }
        tokio::time::sleep(POLL).await;
    }
}
