//! Following a chain from its genesis by certificates.

use crate::evidence::Certified;
use catenary_crypto::Hash;
use catenary_types::{
    CertificateError, ChainId, Genesis, Height, Parameters, Timestamp, ValidatorSet,
    genesis::{CONSENSUS_BFT, SUITE_ED25519_SHA256},
};

/// Why a header does not follow from those before it, or a body not from its header.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// The genesis starts no chain.
    #[error("the genesis starts no chain: {0}")]
    Genesis(String),
    /// A header of another chain.
    #[error("expected a header of {expected}, got one of {actual}")]
    ChainId {
        /// The genesis' chain.
        expected: ChainId,
        /// The header's.
        actual: ChainId,
    },
    /// Heights that do not grow, or, at home, not by one.
    #[error("it does not follow height {last}")]
    Height {
        /// Of the header before.
        last: Height,
    },
    /// Not later than the header before.
    #[error("it is not later than the header before")]
    Time,
    /// It names another block before it.
    #[error("it names another block before it")]
    LastBlock,
    /// Signed by a set that the chain did not announce, or the set is missing or needless.
    #[error("its validators are not those that the chain announced")]
    Validators,
    /// The parameters under its hash are missing, needless or others.
    #[error("the parameters under its consensus hash are not given")]
    Parameters,
    /// Not final.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
    /// Transactions that the header does not cover.
    #[error("the header covers other transactions")]
    Data,
    /// Receipts that the next header does not cover.
    #[error("the next header covers other receipts")]
    Results,
    /// The state under the header says something else.
    #[error("client {client}: {reason}")]
    Proof {
        /// The lane.
        client: String,
        /// What the verifier says.
        reason: String,
    },
    /// Something stands where the chain never puts it.
    #[error("{0}")]
    Content(&'static str),
}

/// The last header that was believed.
struct Tip {
    height: Height,
    time: Timestamp,
    hash: Hash,
}

/// Believes headers of one chain, in order of heights.
///
/// A header is believed if a quorum of the set that the last believed header announced has signed it. Heights between
/// may be missing as long as the set did not change in them.
pub(crate) struct Follower {
    chain_id: ChainId,
    parameters: Parameters,
    set: ValidatorSet,
    announced: Hash,
    tip: Tip,
}

impl Follower {
    /// Starts with what the genesis says.
    pub(crate) fn new(genesis: &Genesis) -> Result<Self, ChainError> {
        let invalid = |reason: String| ChainError::Genesis(reason);
        if (genesis.suite, genesis.consensus) != (SUITE_ED25519_SHA256, CONSENSUS_BFT) {
            return Err(invalid("another suite or kind of consensus".into()));
        }
        let chain_id = genesis.chain_id().map_err(|error| invalid(error.to_string()))?;
        let set =
            ValidatorSet::new(genesis.validators.clone()).map_err(|error| invalid(error.to_string()))?;
        if !is_quorum(&genesis.parameters) {
            return Err(invalid("a quorum of less than half of the power".into()));
        }
        let tip = Tip { height: Height(0), time: genesis.time, hash: Hash::default() };
        Ok(Self { chain_id, parameters: genesis.parameters.clone(), announced: set.hash(), set, tip })
    }

    /// The chain.
    pub(crate) fn chain_id(&self) -> &ChainId {
        &self.chain_id
    }

    /// Believes the very next header.
    pub(crate) fn next(&mut self, certified: &Certified) -> Result<(), ChainError> {
        let header = &certified.signed.header;
        let Tip { height, hash, .. } = self.tip;
        if Some(height) != header.height.previous() {
            return Err(ChainError::Height { last: height });
        }
        if header.last_block != (height > Height(0)).then_some(hash) {
            return Err(ChainError::LastBlock);
        }
        self.later(certified)
    }

    /// Believes a later header.
    pub(crate) fn later(&mut self, certified: &Certified) -> Result<(), ChainError> {
        let signed = &certified.signed;
        let header = &signed.header;
        if header.chain_id != self.chain_id {
            let (expected, actual) = (self.chain_id.clone(), header.chain_id.clone());
            return Err(ChainError::ChainId { expected, actual });
        }
        if header.height <= self.tip.height {
            return Err(ChainError::Height { last: self.tip.height });
        }
        if header.time <= self.tip.time {
            return Err(ChainError::Time);
        }
        let set = self.signers(certified)?;
        // Under changed parameters another quorum may hold. Until a header under the old one has shown them, both count.
        let parameters = self.parameters_of(certified)?;
        if let Some(parameters) = parameters {
            signed.verify(&set, &self.parameters)?;
            self.parameters = parameters.clone();
        }
        signed.verify(&set, &self.parameters)?;
        self.set = set;
        self.announced = header.next_validators_hash;
        self.tip = Tip { height: header.height, time: header.time, hash: header.hash() };
        Ok(())
    }

    fn signers(&self, certified: &Certified) -> Result<ValidatorSet, ChainError> {
        let given = &certified.validators;
        let set = if self.announced == self.set.hash() {
            given.is_empty().then(|| self.set.clone())
        } else {
            let set = ValidatorSet::new(given.clone()).ok();
            set.filter(|set| set.hash() == self.announced && set.validators() == given.as_slice())
        };
        set.ok_or(ChainError::Validators)
    }

    fn parameters_of<'a>(&self, certified: &'a Certified) -> Result<Option<&'a Parameters>, ChainError> {
        let expected = certified.signed.header.consensus_hash;
        let changed = self.parameters.hash() != expected;
        match &certified.parameters {
            None if !changed => Ok(None),
            Some(parameters) if changed && parameters.hash() == expected && is_quorum(parameters) => {
                Ok(Some(parameters))
            }
            _ => Err(ChainError::Parameters),
        }
    }
}

/// Whether the parameters demand at least half of the power.
fn is_quorum(parameters: &Parameters) -> bool {
    let (numerator, denominator) = (parameters.quorum_numerator, parameters.quorum_denominator);
    denominator > 0 && u128::from(numerator) * 2 >= u128::from(denominator)
}

/// Whether a chain runs an app under its own name from its genesis on.
pub(crate) fn runs(genesis: &Genesis, kind: &str) -> bool {
    let instances = genesis.instances.iter();
    instances.filter(|instance| instance.name.as_str() == kind).any(|instance| instance.kind.as_str() == kind)
}
