//! A partner's chain: what its `ibc` store says of the packets that came from home.

use crate::{
    evidence::{Answer, EvidenceError, Frames, LaneProof, PartnerRecord, Record, partner_file},
    follow::{ChainError, Follower, runs},
};
use catenary_crypto::Hash;
use catenary_ledger::stores::IBC;
use catenary_packet::{ClientId, Sequence};
use catenary_state::{Multiproof, ProofError, Query, TreeKind};
use catenary_types::{ChainId, Genesis, Height, Timestamp};
use std::{collections::BTreeMap, io::ErrorKind, path::Path};

/// A partner's chain, verified.
pub(crate) struct Partner {
    /// Its id.
    pub(crate) chain_id: ChainId,
    /// By client on the partner's chain and sequence: the answer, and the time of the header that shows it.
    pub(crate) answers: BTreeMap<(ClientId, Sequence), (Answer, Timestamp)>,
}

impl Partner {
    /// Reads and verifies a partner's file. A partner without one can prove no order.
    pub(crate) fn read(dir: &Path, bank: &str) -> Result<Option<Self>, EvidenceError> {
        let mut frames = match Frames::open(dir, &partner_file(bank)) {
            Err(EvidenceError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let Some(Record::Genesis(genesis)) = frames.next()? else {
            return Err(frames.damaged("expected the genesis"));
        };
        let fault =
            |frames: &Frames, height, error| EvidenceError::Chain { file: frames.file(), height, error };
        let started =
            Follower::new(&genesis).and_then(|follower| is_partner(&genesis, bank).map(|()| follower));
        let mut follower = started.map_err(|error| fault(&frames, Height(0), error))?;
        let mut partner = Self { chain_id: follower.chain_id().clone(), answers: BTreeMap::new() };
        while let Some(record) = frames.next()? {
            let Record::Partner(record) = record else {
                return Err(frames.damaged("expected a partner's header"));
            };
            let absorbed = follower.later(&record.certified).and_then(|()| partner.absorb(&record));
            absorbed.map_err(|error| fault(&frames, record.certified.signed.header.height, error))?;
        }
        Ok(Some(partner))
    }

    /// Takes in what is proven under a header that is believed.
    fn absorb(&mut self, record: &PartnerRecord) -> Result<(), ChainError> {
        let header = &record.certified.signed.header;
        for proof in &record.proofs {
            let refused = |error: ProofError| ChainError::Proof {
                client: proof.client.to_string(),
                reason: error.to_string(),
            };
            verify_answers(proof, &header.app_hash).map_err(refused)?;
            for one in &proof.answers {
                let name = (proof.client.clone(), one.sequence);
                if self.answers.insert(name, (one.answer, header.time)).is_some() {
                    return Err(ChainError::Content("a packet is answered twice"));
                }
            }
        }
        Ok(())
    }
}

fn is_partner(genesis: &Genesis, bank: &str) -> Result<(), ChainError> {
    if !genesis.organisations.iter().any(|name| name.as_str() == bank) {
        return Err(ChainError::Genesis(format!("{bank} is no organisation of it")));
    }
    match runs(genesis, catenary_transfer::KIND) {
        true => Ok(()),
        false => Err(ChainError::Genesis(format!("it has no app {}", catenary_transfer::KIND))),
    }
}

fn verify_answers(proof: &LaneProof, app_hash: &Hash) -> Result<(), ProofError> {
    let claim = |one: &crate::evidence::PacketAnswer| {
        (one.answer.key(&proof.client, one.sequence), one.answer.value())
    };
    let claims: BTreeMap<_, _> = proof.answers.iter().map(claim).collect();
    let queries: Vec<Query<'_>> = claims.iter().map(|(key, value)| (&key[..], value.as_deref())).collect();
    Multiproof::decode(&proof.multiproof)?.verify(app_hash, IBC.as_str(), TreeKind::CritBit, &queries)
}
