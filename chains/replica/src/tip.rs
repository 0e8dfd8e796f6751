//! The newest final block and everything that the next header follows from.

use catenary_consensus::leader;
use catenary_crypto::{Hash, empty_root};
use catenary_ledger::{State, records::ReadRecords};
use catenary_types::{
    Address, Block, Certificate, ChainId, FormatError, Genesis, Header, Height, Parameters, Timestamp,
    ValidatorSet,
};
use std::sync::Arc;

/// What is final, as far as the next block needs it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tip {
    /// The chain.
    pub chain_id: ChainId,
    /// Height of the block; 0 is the genesis.
    pub height: Height,
    /// Its header's time; the genesis time at 0.
    pub time: Timestamp,
    /// The time of the header before it.
    pub time_before: Timestamp,
    /// Header hash, certificate and builder; none at 0.
    pub block: Option<TipBlock>,
    /// Whether it changed no state; the genesis counts as empty, it needs no seal.
    pub empty: bool,
    /// The set that signed it.
    pub validators: Arc<ValidatorSet>,
    /// The set that signs the next block.
    pub next_validators: Arc<ValidatorSet>,
    /// The set of the block after the next.
    pub after_next_validators: Arc<ValidatorSet>,
    /// Parameters of the next block.
    pub parameters: Parameters,
    /// Root of the state after it.
    pub app_hash: Hash,
    /// Root over its results.
    pub results_hash: Hash,
}

/// The final block itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TipBlock {
    /// Hash of its header.
    pub hash: Hash,
    /// Its certificate.
    pub certificate: Certificate,
    /// Who built it.
    pub proposer: Address,
}

impl Tip {
    /// Where a chain starts.
    pub fn genesis(genesis: &Genesis, chain_id: ChainId, state: &State) -> Result<Self, FormatError> {
        let set = Arc::new(ValidatorSet::new(state.validators())?);
        Ok(Self {
            chain_id,
            height: Height(0),
            time: genesis.time,
            time_before: genesis.time,
            block: None,
            empty: true,
            validators: set.clone(),
            next_validators: set.clone(),
            after_next_validators: set,
            parameters: state.parameters(),
            app_hash: state.app_hash(),
            results_hash: empty_root(),
        })
    }

    /// The tip after the next block, which left the state and results as given.
    pub fn advance(
        &self,
        block: &Block,
        certificate: Certificate,
        state: &State,
        results_hash: Hash,
    ) -> Result<Self, FormatError> {
        let header = &block.header;
        let after_next = state.validators();
        let after_next_validators = if after_next == self.after_next_validators.validators() {
            self.after_next_validators.clone()
        } else {
            Arc::new(ValidatorSet::new(after_next)?)
        };
        Ok(Self {
            chain_id: self.chain_id.clone(),
            height: header.height,
            time: header.time,
            time_before: self.time,
            block: Some(TipBlock { hash: certificate.block, certificate, proposer: header.proposer }),
            empty: block.envelopes.is_empty(),
            validators: self.next_validators.clone(),
            next_validators: self.after_next_validators.clone(),
            after_next_validators,
            parameters: state.parameters(),
            app_hash: state.app_hash(),
            results_hash,
        })
    }

    /// The header of the next block: time, builder and envelopes are the builder's choice, all else follows.
    pub fn next_header<E: AsRef<[u8]>>(&self, time: Timestamp, proposer: Address, envelopes: &[E]) -> Header {
        let certificate = self.block.as_ref().map(|block| &block.certificate);
        self.next_header_on(certificate, time, proposer, envelopes)
    }

    /// As [`Self::next_header`], on a certificate that another validator chose.
    pub fn next_header_on<E: AsRef<[u8]>>(
        &self,
        last_certificate: Option<&Certificate>,
        time: Timestamp,
        proposer: Address,
        envelopes: &[E],
    ) -> Header {
        let body = (last_commit_hash(last_certificate), Block::data_hash(envelopes));
        self.next_header_over(body, time, proposer)
    }

    /// As [`Self::next_header`], over a body of which the hashes of last certificate and envelopes are known.
    pub(crate) fn next_header_over(
        &self,
        (last_commit_hash, data_hash): (Hash, Hash),
        time: Timestamp,
        proposer: Address,
    ) -> Header {
        Header {
            protocol_version: self.parameters.protocol_version,
            chain_id: self.chain_id.clone(),
            height: self.height.next(),
            time,
            last_block: self.block.as_ref().map(|block| block.hash),
            last_commit_hash,
            data_hash,
            validators_hash: self.next_validators.hash(),
            next_validators_hash: self.after_next_validators.hash(),
            consensus_hash: self.parameters.hash(),
            app_hash: self.app_hash,
            last_results_hash: self.results_hash,
            proposer,
        }
    }

    /// The earliest time that a next header may have, for a builder whose clock says `now`.
    pub fn next_time(&self, now: Timestamp) -> Timestamp {
        now.max(Timestamp(self.time.0 + 1))
    }

    /// Index of the leader of the next height's round 0.
    pub fn next_leader(&self) -> usize {
        let previous = self.block.as_ref().map(|block| leader::Previous {
            validators: &self.validators,
            proposer: block.proposer,
            time: self.time,
            time_before: self.time_before,
        });
        leader::of_height(self.height.next(), &self.next_validators, previous)
    }

    /// When an idle chain makes its next block.
    pub fn heartbeat(&self) -> Timestamp {
        self.time.plus_ms(self.parameters.idle_interval_s.saturating_mul(1_000))
    }

    /// Whether the next block may be empty at this time: as seal, or as heartbeat.
    pub fn allows_empty(&self, time: Timestamp) -> bool {
        !self.empty || (self.block.is_some() && time >= self.heartbeat())
    }
}

/// What a header says of the certificate of the block before.
pub(crate) fn last_commit_hash(last_certificate: Option<&Certificate>) -> Hash {
    last_certificate.map_or_else(empty_root, Certificate::hash)
}
