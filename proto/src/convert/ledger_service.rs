//! `catenary/api/v1/ledger_service.proto`: how requests name transactions and accounts.

use super::{bytes, hash, required, text};
use crate::{
    Malformed,
    api::{self, get_account_request::Account, get_transaction_request::Name},
};
use catenary_apps::accounts::AccountName;
use catenary_relay::query::TransactionName;
use catenary_types::{AccountId, RequestId, TxId};

impl From<&TransactionName> for Name {
    fn from(name: &TransactionName) -> Self {
        match name {
            TransactionName::Id(tx_id) => Self::TxId(tx_id.0.0.to_vec()),
            TransactionName::Request(sender, request_id) => Self::Request(api::RequestName {
                sender: sender.0.to_vec(),
                request_id: request_id.0.to_vec(),
            }),
            TransactionName::Reference(sender, reference) => Self::Reference(api::ReferenceName {
                sender: sender.0.to_vec(),
                reference: reference.to_string(),
            }),
        }
    }
}

impl TryFrom<&api::GetTransactionRequest> for TransactionName {
    type Error = Malformed;

    fn try_from(request: &api::GetTransactionRequest) -> Result<Self, Malformed> {
        Ok(match required("name", request.name.as_ref())? {
            Name::TxId(tx_id) => Self::Id(TxId(hash("tx_id", tx_id)?)),
            Name::Request(name) => Self::Request(
                AccountId(bytes("request.sender", &name.sender)?),
                RequestId(bytes("request.request_id", &name.request_id)?),
            ),
            Name::Reference(name) => Self::Reference(
                AccountId(bytes("reference.sender", &name.sender)?),
                text("reference.reference", &name.reference)?,
            ),
        })
    }
}

impl TryFrom<&api::GetAccountRequest> for AccountId {
    type Error = Malformed;

    fn try_from(request: &api::GetAccountRequest) -> Result<Self, Malformed> {
        match required("account", request.account.as_ref())? {
            Account::AccountId(id) => bytes("account_id", id).map(Self),
            Account::Name(name) => {
                let name = AccountName {
                    organisation: text("name.organisation", &name.organisation)?,
                    number: text("name.number", &name.number)?,
                };
                Ok(name.id())
            }
        }
    }
}
