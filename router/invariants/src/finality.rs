//! Final blocks of one chain, as all nodes tell them over all their lives.

use crate::Violation;
use catenary_crypto::{Hash, VerificationItem, sha256, verify_batch};
use catenary_types::{
    AccountId, Block, Certificate, Height, Parameters, RequestId, SignedHeader, Timestamp, ValidatorSet,
    envelope::Transaction,
};
use std::collections::{BTreeMap, BTreeSet};

/// A final block as a node tells it.
#[derive(Clone, Copy, Debug)]
pub struct Told<'a> {
    /// The block.
    pub block: &'a Block,
    /// What makes it final.
    pub certificate: &'a Certificate,
    /// The set that signed it.
    pub validators: &'a ValidatorSet,
    /// The parameters that it was decided under.
    pub parameters: &'a Parameters,
    /// Root of the state after it, on this node.
    pub app_hash: Hash,
}

#[derive(Clone, Debug)]
struct Seen {
    block: Hash,
    app_hash: Hash,
    time: Timestamp,
    validators: ValidatorSet,
    parameters: Parameters,
}

/// The final blocks of a chain, compared over nodes and over their lives.
#[derive(Clone, Debug, Default)]
pub struct Finality {
    blocks: BTreeMap<Height, Seen>,
    requests: BTreeSet<(AccountId, RequestId)>,
}

impl Finality {
    /// The highest block that any node called final.
    pub fn highest(&self) -> Height {
        self.blocks.last_key_value().map(|(height, _)| *height).unwrap_or_default()
    }

    /// Some node calls a block final. Judged in full when it is the first to; afterwards the block must be the same.
    pub fn told(&mut self, told: Told<'_>) -> Result<(), Violation> {
        let header = &told.block.header;
        let (height, hash) = (header.height, header.hash());
        if let Some(seen) = self.blocks.get(&height) {
            let differs = |what, first: Hash, second: Hash| {
                Err(Violation::new(what, format!("height {height}: {first} and {second}")))
            };
            return match () {
                () if seen.block != hash => differs("agreement", seen.block, hash),
                () if seen.app_hash != told.app_hash => differs("one state", seen.app_hash, told.app_hash),
                () => Ok(()),
            };
        }
        self.follows(told.block)?;
        self.is_certified(told)?;
        self.is_signed(told.block)?;
        let seen = Seen {
            block: hash,
            app_hash: told.app_hash,
            time: header.time,
            validators: told.validators.clone(),
            parameters: told.parameters.clone(),
        };
        self.blocks.insert(height, seen);
        Ok(())
    }

    /// A node that starts has these blocks: each was final before.
    pub fn still_has(&self, blocks: impl IntoIterator<Item = (Height, Hash)>) -> Result<(), Violation> {
        let changed =
            |(height, hash): &(Height, Hash)| self.blocks.get(height).is_none_or(|seen| seen.block != *hash);
        match blocks.into_iter().find(changed) {
            None => Ok(()),
            Some((height, hash)) => Err(Violation::new(
                "what was final stays final",
                format!("height {height}: {hash} was never final"),
            )),
        }
    }

    /// The block before, if it was seen.
    fn before(&self, height: Height) -> Option<&Seen> {
        self.blocks.get(&Height(height.0.checked_sub(1)?))
    }

    fn follows(&self, block: &Block) -> Result<(), Violation> {
        let header = &block.header;
        let Some(before) = self.before(header.height) else { return Ok(()) };
        let (expected, actual) = (Some(before.block), header.last_block);
        if expected != actual || header.time <= before.time {
            let times = (before.time.0, header.time.0);
            let detail = format!(
                "height {}: after {expected:?} at {}, not {actual:?} at {}",
                header.height, times.0, times.1
            );
            return Err(Violation::new("a block follows the one before", detail));
        }
        if Block::data_hash(&block.envelopes) != header.data_hash {
            let detail = format!("height {}: other envelopes than its header names", header.height);
            return Err(Violation::new("a block follows the one before", detail));
        }
        Ok(())
    }

    fn is_certified(&self, told: Told<'_>) -> Result<(), Violation> {
        let header = &told.block.header;
        let failed = |what: &str, error: String| {
            Err(Violation::new("certificates verify", format!("height {}: {what}: {error}", header.height)))
        };
        let signed = SignedHeader { header: header.clone(), certificate: told.certificate.clone() };
        if let Err(error) = signed.verify(told.validators, told.parameters) {
            return failed("its own", error.to_string());
        }
        let (Some(before), Some(carried)) = (self.before(header.height), &told.block.last_certificate) else {
            return Ok(());
        };
        if carried.block != before.block {
            return failed("the one that it carries", "of another block".into());
        }
        let Seen { validators, parameters, time, .. } = before;
        match carried.verify(&header.chain_id, validators, parameters, *time) {
            Ok(()) => Ok(()),
            Err(error) => failed("the one that it carries", error.to_string()),
        }
    }

    fn is_signed(&mut self, block: &Block) -> Result<(), Violation> {
        let height = block.header.height;
        for (index, bytes) in block.envelopes.iter().enumerate() {
            let failed = |what: &str| {
                let detail = format!("height {height}, envelope {index}: {what}");
                Err(Violation::new("transactions are signed, and count once", detail))
            };
            let Ok(transaction) = Transaction::decode(bytes) else { return failed("does not decode") };
            let items: Vec<_> = transaction
                .signatures
                .iter()
                .map(|one| VerificationItem {
                    key: one.key,
                    message: &transaction.signed_bytes,
                    signature: one.signature,
                })
                .collect();
            let valid = verify_batch(&items, sha256(bytes).0).iter().all(Result::is_ok);
            if items.is_empty() || !valid {
                return failed("is not signed");
            }
            if !self.requests.insert((transaction.body.sender, transaction.body.request_id)) {
                return failed("stood in a block before");
            }
        }
        Ok(())
    }
}
