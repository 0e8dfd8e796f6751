//! `catenary/api/v1/views.proto`: what answers are made of.

use super::{bytes, hash, list, nested, required, text};
use crate::{Malformed, api, ledger};
use catenary_relay::{
    gateway::FinalBlock,
    query::{
        AccountView, Activity, BlockView, ChainStatus, HeaderView, ProofView, TransactionView,
        TransferStatus, TransferView,
    },
};
use catenary_types::{AccountId, Amount, AssetId, Height, Timestamp, Trust, TxId, UnixSeconds};

impl From<Trust> for ledger::Trust {
    fn from(trust: Trust) -> Self {
        match trust {
            Trust::Byzantine => Self::Byzantine,
            Trust::Crash => Self::Crash,
            Trust::Single => Self::Single,
        }
    }
}

fn trust(number: i32) -> Result<Trust, Malformed> {
    match ledger::Trust::try_from(number) {
        Ok(ledger::Trust::Byzantine) => Ok(Trust::Byzantine),
        Ok(ledger::Trust::Crash) => Ok(Trust::Crash),
        Ok(ledger::Trust::Single) => Ok(Trust::Single),
        Ok(ledger::Trust::Unspecified) | Err(_) => {
            Err(Malformed::new("trust", format!("expected a trust of 1 to 3, got {number}")))
        }
    }
}

impl From<&ChainStatus> for api::ChainStatus {
    fn from(status: &ChainStatus) -> Self {
        use api::chain_status::Activity as Wire;
        let activity = match &status.activity {
            Activity::Idle => Wire::Idle(api::Idle {}),
            Activity::Working => Wire::Working(api::Working {}),
            Activity::Waiting { on, since } => {
                Wire::Waiting(api::Waiting { on: on.clone(), since_ns: since.0 })
            }
            Activity::Halted { reason } => Wire::Halted(api::Halted { reason: reason.clone() }),
        };
        Self {
            chain_id: status.chain_id.to_string(),
            height: status.height.0,
            time_ns: status.time.0,
            app_hash: status.app_hash.0.to_vec(),
            trust: ledger::Trust::from(status.trust).into(),
            validators: u32::try_from(status.validators).unwrap_or(u32::MAX),
            pool: u32::try_from(status.pool).unwrap_or(u32::MAX),
            activity: Some(activity),
        }
    }
}

impl TryFrom<&api::ChainStatus> for ChainStatus {
    type Error = Malformed;

    fn try_from(status: &api::ChainStatus) -> Result<Self, Malformed> {
        use api::chain_status::Activity as Wire;
        let activity = match required("activity", status.activity.as_ref())? {
            Wire::Idle(_) => Activity::Idle,
            Wire::Working(_) => Activity::Working,
            Wire::Waiting(waiting) => {
                Activity::Waiting { on: waiting.on.clone(), since: Timestamp(waiting.since_ns) }
            }
            Wire::Halted(halted) => Activity::Halted { reason: halted.reason.clone() },
        };
        Ok(Self {
            chain_id: text("chain_id", &status.chain_id)?,
            height: Height(status.height),
            time: Timestamp(status.time_ns),
            app_hash: hash("app_hash", &status.app_hash)?,
            trust: trust(status.trust)?,
            validators: status.validators as usize,
            pool: status.pool as usize,
            activity,
        })
    }
}

impl From<&AccountView> for api::AccountView {
    fn from(view: &AccountView) -> Self {
        let balance = |(asset, amount): &(AssetId, Amount)| api::Balance {
            asset: asset.to_string(),
            amount: amount.to_string(),
        };
        Self {
            account_id: view.id.0.to_vec(),
            account: Some((&view.account).into()),
            frozen: view.frozen,
            balances: view.balances.iter().map(balance).collect(),
        }
    }
}

impl TryFrom<&api::AccountView> for AccountView {
    type Error = Malformed;

    fn try_from(view: &api::AccountView) -> Result<Self, Malformed> {
        let balance = |balance: &api::Balance| {
            Ok((text("balances.asset", &balance.asset)?, text("balances.amount", &balance.amount)?))
        };
        Ok(Self {
            id: AccountId(bytes("account_id", &view.account_id)?),
            account: nested("account", &view.account)?,
            frozen: view.frozen,
            balances: view.balances.iter().map(balance).collect::<Result<_, Malformed>>()?,
        })
    }
}

impl From<&HeaderView> for api::HeaderView {
    fn from(view: &HeaderView) -> Self {
        Self { signed: Some((&view.signed).into()), validators: Some((&view.validators).into()) }
    }
}

impl TryFrom<&api::HeaderView> for HeaderView {
    type Error = Malformed;

    fn try_from(view: &api::HeaderView) -> Result<Self, Malformed> {
        Ok(Self {
            signed: nested("signed", &view.signed)?,
            validators: nested("validators", &view.validators)?,
        })
    }
}

impl From<&ProofView> for api::ProofView {
    fn from(view: &ProofView) -> Self {
        Self {
            header: Some((&view.header).into()),
            proof: view.proof.clone(),
            values: values_to_wire(&view.values),
        }
    }
}

impl TryFrom<&api::ProofView> for ProofView {
    type Error = Malformed;

    fn try_from(view: &api::ProofView) -> Result<Self, Malformed> {
        Ok(Self {
            header: nested("header", &view.header)?,
            proof: view.proof.clone(),
            values: values_from_wire(&view.values),
        })
    }
}

/// A value of the state is never empty, so an empty one says that the key is absent.
fn values_to_wire(values: &[Option<Vec<u8>>]) -> Vec<Vec<u8>> {
    values.iter().map(|value| value.clone().unwrap_or_default()).collect()
}

fn values_from_wire(values: &[Vec<u8>]) -> Vec<Option<Vec<u8>>> {
    values.iter().map(|value| (!value.is_empty()).then(|| value.clone())).collect()
}

impl From<&BlockView> for api::BlockView {
    fn from(view: &BlockView) -> Self {
        Self {
            block: Some((&view.block).into()),
            certificate: Some((&view.certificate).into()),
            validators: Some((&view.validators).into()),
            receipts: view.receipts.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<&api::BlockView> for BlockView {
    type Error = Malformed;

    fn try_from(view: &api::BlockView) -> Result<Self, Malformed> {
        Ok(Self {
            block: nested("block", &view.block)?,
            certificate: nested("certificate", &view.certificate)?,
            validators: nested("validators", &view.validators)?,
            receipts: list("receipts", &view.receipts)?,
        })
    }
}

impl From<&FinalBlock> for api::FinalBlock {
    fn from(block: &FinalBlock) -> Self {
        Self {
            signed: Some((&block.signed).into()),
            validators: Some((&block.validators).into()),
            receipts: block.receipts.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<&api::FinalBlock> for FinalBlock {
    type Error = Malformed;

    fn try_from(block: &api::FinalBlock) -> Result<Self, Malformed> {
        Ok(Self {
            signed: nested("signed", &block.signed)?,
            validators: nested("validators", &block.validators)?,
            receipts: list("receipts", &block.receipts)?,
        })
    }
}

impl From<&TransactionView> for api::TransactionView {
    fn from(view: &TransactionView) -> Self {
        Self {
            tx_id: view.tx_id.0.0.to_vec(),
            height: view.height.0,
            position: view.position,
            time_ns: view.time.0,
            envelope: view.envelope.clone(),
            receipt: Some((&view.receipt).into()),
        }
    }
}

impl TryFrom<&api::TransactionView> for TransactionView {
    type Error = Malformed;

    fn try_from(view: &api::TransactionView) -> Result<Self, Malformed> {
        Ok(Self {
            tx_id: TxId(hash("tx_id", &view.tx_id)?),
            height: Height(view.height),
            position: view.position,
            time: Timestamp(view.time_ns),
            envelope: view.envelope.clone(),
            receipt: nested("receipt", &view.receipt)?,
        })
    }
}

impl From<TransferStatus> for api::TransferStatus {
    fn from(status: TransferStatus) -> Self {
        match status {
            TransferStatus::InFlight => Self::InFlight,
            TransferStatus::Completed => Self::Completed,
            TransferStatus::RefundedError => Self::RefundedError,
            TransferStatus::RefundedTimeout => Self::RefundedTimeout,
        }
    }
}

fn transfer_status(number: i32) -> Result<TransferStatus, Malformed> {
    match api::TransferStatus::try_from(number) {
        Ok(api::TransferStatus::InFlight) => Ok(TransferStatus::InFlight),
        Ok(api::TransferStatus::Completed) => Ok(TransferStatus::Completed),
        Ok(api::TransferStatus::RefundedError) => Ok(TransferStatus::RefundedError),
        Ok(api::TransferStatus::RefundedTimeout) => Ok(TransferStatus::RefundedTimeout),
        Ok(api::TransferStatus::Unspecified) | Err(_) => {
            Err(Malformed::new("status", format!("expected a status of 1 to 4, got {number}")))
        }
    }
}

impl From<&TransferView> for api::TransferView {
    fn from(view: &TransferView) -> Self {
        Self {
            transfer_id: view.transfer_id.0.to_vec(),
            tx_id: view.tx_id.0.0.to_vec(),
            height: view.height.0,
            status: api::TransferStatus::from(view.status).into(),
            settled_height: view.settled.map_or(0, |height| height.0),
            from: view.from.0.to_vec(),
            to: view.to.clone(),
            asset: view.asset.to_string(),
            amount: view.amount.to_string(),
            client: view.client.clone(),
            sequence: view.sequence,
            timeout_s: view.timeout.0,
        }
    }
}

impl TryFrom<&api::TransferView> for TransferView {
    type Error = Malformed;

    fn try_from(view: &api::TransferView) -> Result<Self, Malformed> {
        Ok(Self {
            transfer_id: hash("transfer_id", &view.transfer_id)?,
            tx_id: TxId(hash("tx_id", &view.tx_id)?),
            height: Height(view.height),
            status: transfer_status(view.status)?,
            settled: (view.settled_height > 0).then_some(Height(view.settled_height)),
            from: AccountId(bytes("from", &view.from)?),
            to: view.to.clone(),
            asset: text("asset", &view.asset)?,
            amount: text("amount", &view.amount)?,
            client: view.client.clone(),
            sequence: view.sequence,
            timeout: UnixSeconds(view.timeout_s),
        })
    }
}
