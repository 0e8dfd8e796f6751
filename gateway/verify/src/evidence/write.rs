//! Writing evidence from what a node has anyway: blocks, receipts, headers, multiproofs.

use super::{
    Answer, BlockRecord, Certified, EvidenceError, HOME_FILE, LaneProof, PacketAnswer, PartnerRecord, Record,
    frames::FrameWriter, partner_file,
};
use crate::{
    follow::ChainError,
    home::{Far, Said, heard},
};
use catenary_crypto::Hash;
use catenary_packet::{ClientId, Sequence};
use catenary_types::{Genesis, Height, Parameters, Receipt, SignedHeader, ValidatorSet};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Keys in one multiproof.
const PROOF_KEYS_MAX: usize = 500;

/// What to ask a partner's chain for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lane {
    /// The client on the home chain that follows the partner.
    pub client: ClientId,
    /// The partner's chain.
    pub chain_id: String,
    /// One multiproof each.
    pub requests: Vec<Request>,
}

/// Packets whose answers go into one multiproof.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Request {
    /// The client on the partner's chain.
    pub client: ClientId,
    /// The packets, with the answer that the home chain heard.
    pub answers: Vec<(Sequence, Answer)>,
    /// Keys of the partner's `ibc` store, for the proof.
    pub keys: Vec<Vec<u8>>,
}

/// Validators and parameters, named when they change.
struct Changes {
    file: String,
    validators: Hash,
    consensus: Hash,
    known: BTreeMap<Hash, Parameters>,
}

impl Changes {
    fn new(file: String, genesis: &Genesis) -> Result<Self, EvidenceError> {
        let set = ValidatorSet::new(genesis.validators.clone());
        let set = set.map_err(|error| EvidenceError::Damaged {
            file: file.clone(),
            record: 1,
            reason: error.to_string(),
        })?;
        let (validators, consensus) = (set.hash(), genesis.parameters.hash());
        Ok(Self { file, validators, consensus, known: BTreeMap::new() })
    }

    fn certified(&mut self, signed: &SignedHeader, set: &ValidatorSet) -> Result<Certified, EvidenceError> {
        let header = &signed.header;
        let validators = if self.validators == set.hash() { Vec::new() } else { set.validators().to_vec() };
        let parameters = if self.consensus == header.consensus_hash {
            None
        } else {
            let unknown = || EvidenceError::Chain {
                file: self.file.clone(),
                height: header.height,
                error: ChainError::Parameters,
            };
            Some(self.known.get(&header.consensus_hash).cloned().ok_or_else(unknown)?)
        };
        (self.validators, self.consensus) = (set.hash(), header.consensus_hash);
        Ok(Certified { signed: signed.clone(), validators, parameters })
    }
}

/// Writes the home chain's file: give it every block from height 1 on, up to one without transactions.
pub struct HomeWriter {
    output: FrameWriter,
    changes: Changes,
    /// The block that was given last; it is written when the next one proves its receipts.
    last: Option<BlockRecord>,
    said: Said,
}

impl HomeWriter {
    /// Starts the file.
    pub fn create(dir: &Path, genesis: &Genesis) -> Result<Self, EvidenceError> {
        let mut output = FrameWriter::create(dir, HOME_FILE)?;
        output.write(&Record::Genesis(genesis.clone()))?;
        let changes = Changes::new(HOME_FILE.into(), genesis)?;
        Ok(Self { output, changes, last: None, said: Said::default() })
    }

    /// Parameters that the chain has had. Needed only of a chain that changed them.
    pub fn parameters(&mut self, parameters: Parameters) {
        self.changes.known.insert(parameters.hash(), parameters);
    }

    /// The next block: header and certificate, who signed it, its transactions and what they did.
    pub fn block(
        &mut self,
        signed: &SignedHeader,
        validators: &ValidatorSet,
        envelopes: &[Vec<u8>],
        receipts: &[Receipt],
    ) -> Result<(), EvidenceError> {
        let certified = self.changes.certified(signed, validators)?;
        if let Some(last) = self.last.take() {
            last.receipts.iter().for_each(|receipt| heard(&mut self.said, receipt));
            self.output.write(&Record::Block(last))?;
        }
        let without_detail = |receipt: &Receipt| Receipt { detail: String::new(), ..receipt.clone() };
        let receipts = receipts.iter().map(without_detail).collect();
        self.last = Some(BlockRecord { certified, envelopes: envelopes.to_vec(), receipts });
        Ok(())
    }

    /// Ends the file with the header of the last block, and says what the partners must prove.
    pub fn finish(mut self) -> Result<Vec<Lane>, EvidenceError> {
        if let Some(head) = self.last.take() {
            if !head.envelopes.is_empty() {
                return Err(EvidenceError::Unproven { height: head.certified.signed.header.height });
            }
            self.output.write(&Record::Head(head.certified))?;
        }
        self.output.finish()?;
        let Said { lanes, settled, .. } = self.said;
        let lane = |(client, far): (ClientId, Far)| {
            let dest = far.client?;
            let of_lane = settled.range((client.clone(), Sequence(0))..=(client.clone(), Sequence(u64::MAX)));
            let answers: Vec<_> = of_lane.map(|((_, sequence), answer)| (*sequence, *answer)).collect();
            let requests = answers.chunks(PROOF_KEYS_MAX).map(|answers| Request {
                client: dest.clone(),
                answers: answers.to_vec(),
                keys: answers.iter().map(|(sequence, answer)| answer.key(&dest, *sequence)).collect(),
            });
            let requests = requests.collect();
            Some(Lane { client, chain_id: far.chain_id, requests })
        };
        Ok(lanes.into_iter().filter_map(lane).collect())
    }
}

/// A header that goes into a partner's file.
struct Kept {
    signed: SignedHeader,
    validators: ValidatorSet,
    proofs: Vec<LaneProof>,
}

/// Writes a partner's file: proofs for the requests of its lane, in any order.
pub struct PartnerWriter {
    dir: PathBuf,
    bank: String,
    genesis: Genesis,
    changes: Changes,
    kept: BTreeMap<Height, Kept>,
}

impl PartnerWriter {
    /// Starts the file of a bank.
    pub fn create(dir: &Path, bank: &str, genesis: &Genesis) -> Result<Self, EvidenceError> {
        let changes = Changes::new(partner_file(bank), genesis)?;
        let (dir, bank, genesis) = (dir.to_owned(), bank.to_owned(), genesis.clone());
        Ok(Self { dir, bank, genesis, changes, kept: BTreeMap::new() })
    }

    /// Parameters that the chain has had. Needed only of a chain that changed them.
    pub fn parameters(&mut self, parameters: Parameters) {
        self.changes.known.insert(parameters.hash(), parameters);
    }

    /// A header. Needed of those that announce other validators for the next height; others are left out.
    pub fn header(&mut self, signed: &SignedHeader, validators: &ValidatorSet) {
        if signed.header.next_validators_hash != signed.header.validators_hash {
            self.keep(signed, validators);
        }
    }

    /// The answer to a request: the multiproof of its keys, and the header that it leads to.
    pub fn proof(
        &mut self,
        signed: &SignedHeader,
        validators: &ValidatorSet,
        request: &Request,
        multiproof: &[u8],
    ) {
        let answer =
            |(sequence, answer): &(Sequence, Answer)| PacketAnswer { sequence: *sequence, answer: *answer };
        let answers = request.answers.iter().map(answer).collect();
        let proof = LaneProof { client: request.client.clone(), answers, multiproof: multiproof.to_vec() };
        self.keep(signed, validators).proofs.push(proof);
    }

    /// Writes the file.
    pub fn finish(mut self) -> Result<(), EvidenceError> {
        let mut output = FrameWriter::create(&self.dir, &partner_file(&self.bank))?;
        output.write(&Record::Genesis(self.genesis))?;
        for kept in self.kept.into_values() {
            let certified = self.changes.certified(&kept.signed, &kept.validators)?;
            output.write(&Record::Partner(PartnerRecord { certified, proofs: kept.proofs }))?;
        }
        output.finish()
    }

    fn keep(&mut self, signed: &SignedHeader, validators: &ValidatorSet) -> &mut Kept {
        let kept = || Kept { signed: signed.clone(), validators: validators.clone(), proofs: Vec::new() };
        self.kept.entry(signed.header.height).or_insert_with(kept)
    }
}
