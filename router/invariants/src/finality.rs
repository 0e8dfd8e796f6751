//! Final blocks of one chain, as all nodes tell them over all their lives.

use crate::Violation;
use catenary_crypto::{Hash, VerificationItem, sha256, verify_batch};
use catenary_types::{
    AccountId, Block, Certificate, Header, Height, Parameters, RequestId, SignedHeader, Timestamp,
    ValidatorSet, envelope::Transaction,
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
    time: Timestamp,
    validators: ValidatorSet,
    parameters: Parameters,
}

/// The final blocks of a chain, compared over nodes and over their lives.
#[derive(Clone, Debug, Default)]
pub struct Finality {
    blocks: BTreeMap<Height, Seen>,
    states: BTreeMap<Height, Hash>,
    requests: BTreeSet<(AccountId, RequestId)>,
}

impl Finality {
    /// The highest block that any node called final.
    pub fn highest(&self) -> Height {
        self.blocks.last_key_value().map(|(height, _)| *height).unwrap_or_default()
    }

    /// Some node calls a block final. Judged in full when it is the first to; afterwards the block must be the same.
    pub fn told(&mut self, told: Told<'_>) -> Result<(), Violation> {
        let height = told.block.header.height;
        let is_new = !self.blocks.contains_key(&height);
        if is_new {
            self.carries_certificate(told.block)?;
            self.is_signed(told.block)?;
        }
        let (header, certificate) = (told.block.header.clone(), told.certificate.clone());
        self.header(&SignedHeader { header, certificate }, told.validators, told.parameters)?;
        self.state(height, told.app_hash)
    }

    /// Some node calls a header final; its body is not at hand.
    pub fn header(
        &mut self,
        signed: &SignedHeader,
        validators: &ValidatorSet,
        parameters: &Parameters,
    ) -> Result<(), Violation> {
        let (height, block) = (signed.header.height, signed.header.hash());
        if let Some(seen) = self.blocks.get(&height) {
            let detail = || format!("height {height}: {} and {block}", seen.block);
            return if seen.block == block { Ok(()) } else { Err(Violation::new("agreement", detail())) };
        }
        self.follows(&signed.header)?;
        if let Err(error) = signed.verify(validators, parameters) {
            let detail = format!("height {height}: {error}");
            return Err(Violation::new("certificates verify", detail));
        }
        let (validators, parameters) = (validators.clone(), parameters.clone());
        self.blocks.insert(height, Seen { block, time: signed.header.time, validators, parameters });
        Ok(())
    }

    /// Some node has this state after a block.
    pub fn state(&mut self, height: Height, app_hash: Hash) -> Result<(), Violation> {
        let first = *self.states.entry(height).or_insert(app_hash);
        let detail = || format!("height {height}: {first} and {app_hash}");
        if first == app_hash { Ok(()) } else { Err(Violation::new("one state", detail())) }
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

    fn follows(&self, header: &Header) -> Result<(), Violation> {
        let Some(before) = self.before(header.height) else { return Ok(()) };
        let (expected, actual) = (Some(before.block), header.last_block);
        if expected == actual && header.time > before.time {
            return Ok(());
        }
        let times = (before.time.0, header.time.0);
        let detail = format!(
            "height {}: after {expected:?} at {}, not {actual:?} at {}",
            header.height, times.0, times.1
        );
        Err(Violation::new("a block follows the one before", detail))
    }

    fn carries_certificate(&self, block: &Block) -> Result<(), Violation> {
        let header = &block.header;
        let (Some(before), Some(carried)) = (self.before(header.height), &block.last_certificate) else {
            return Ok(());
        };
        let Seen { validators, parameters, time, .. } = before;
        let verified = carried.verify(&header.chain_id, validators, parameters, *time);
        match verified.map_err(|error| error.to_string()) {
            Ok(()) if carried.block == before.block => Ok(()),
            verdict => {
                let error = verdict.err().unwrap_or("it is of another block".into());
                let detail = format!("height {}, of the one before: {error}", header.height);
                Err(Violation::new("certificates verify", detail))
            }
        }
    }

    fn is_signed(&mut self, block: &Block) -> Result<(), Violation> {
        let height = block.header.height;
        if Block::data_hash(&block.envelopes) != block.header.data_hash {
            let detail = format!("height {height}: other envelopes than its header names");
            return Err(Violation::new("transactions are signed, and count once", detail));
        }
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
