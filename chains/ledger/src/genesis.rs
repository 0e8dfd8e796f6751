//! The state that a genesis document describes.

use crate::{
    execute::Ledger,
    records::{
        Account, AdminKey, Instance, OrganisationRecord, Roles, Validators, committee_account, consortium,
    },
    state::State,
    stores::ADMIN,
};
use catenary_crypto::Hash;
use catenary_state::Batch;
use catenary_types::{
    AccountId, Genesis, GenesisAccount, Height, IdError, Message, Organisation, Parameters, ValidatorSet,
    genesis::{AccountKey, CONSENSUS_BFT, CONSENSUS_RAFT, GenesisRoots, SUITE_ED25519_SHA256},
    limits::ROOTS_MAX,
};
use std::collections::BTreeMap;

/// Why a genesis document starts no chain.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GenesisError {
    /// The name or revision makes no chain id.
    #[error(transparent)]
    ChainId(#[from] IdError),
    /// A suite or consensus kind that this version does not have.
    #[error("{what}: expected {expected}, got {actual}")]
    Unsupported {
        /// Which field.
        what: &'static str,
        /// What this version has.
        expected: u32,
        /// What the document asks for.
        actual: u32,
    },
    /// Something in the document contradicts itself.
    #[error("{0}")]
    Invalid(String),
}

impl Ledger {
    /// The state before the first block.
    pub fn genesis(&self, genesis: &Genesis) -> Result<State, GenesisError> {
        genesis.chain_id()?;
        supported("suite", SUITE_ED25519_SHA256, genesis.suite)?;
        let set = ValidatorSet::new(genesis.validators.clone())
            .map_err(|error| GenesisError::Invalid(format!("validators: {error}")))?;
        check_consensus(genesis, &set)?;
        let mut changes = Batch::new();
        let mut put = |key: AdminKey<'_>, value: Vec<u8>| match changes.insert(key.bytes(), Some(value)) {
            None => Ok(()),
            Some(_) => Err(GenesisError::Invalid(format!("{key:?} stands twice"))),
        };
        put(AdminKey::Parameters, genesis.parameters.encode())?;
        put(AdminKey::Validators, Validators { validators: set.validators().to_vec() }.encode())?;
        for organisation in genesis.organisations.iter().chain([&consortium()]) {
            let roots = roots(genesis, organisation)?;
            let record = OrganisationRecord { joined: Height(0), name: organisation.clone(), roots };
            put(AdminKey::Organisation(organisation), record.encode())?;
        }
        let stranger =
            genesis.roots.iter().find(|given| !genesis.organisations.contains(&given.organisation));
        if let Some(GenesisRoots { organisation, .. }) = stranger {
            let detail = format!("roots: {organisation} is no organisation of it");
            return Err(GenesisError::Invalid(detail));
        }
        for instance in &genesis.instances {
            if self.apps.get(instance.kind.as_str()).is_none() {
                let detail = format!("instance {}: this version has no app {}", instance.name, instance.kind);
                return Err(GenesisError::Invalid(detail));
            }
            let record = Instance { kind: instance.kind.clone(), version: instance.version, active: true };
            put(AdminKey::Instance(&instance.name), record.encode())?;
        }
        put(AdminKey::Account(&committee_account()), committee(genesis)?.encode())?;
        for account in &genesis.accounts {
            let id = AccountId::new(&account.organisation, &account.number);
            put(AdminKey::Account(&id), opened(genesis, account)?.encode())?;
        }
        Ok(State::genesis(BTreeMap::from([(ADMIN, changes)])))
    }
}

/// The authorities of an organisation.
fn roots(genesis: &Genesis, organisation: &Organisation) -> Result<Vec<Hash>, GenesisError> {
    let mut given = genesis.roots.iter().filter(|given| given.organisation == *organisation);
    let roots = given.next().map(|given| given.roots.clone()).unwrap_or_default();
    if given.next().is_some() || roots.len() > ROOTS_MAX {
        let detail = format!("{organisation}: expected its roots once and at most {ROOTS_MAX}");
        return Err(GenesisError::Invalid(detail));
    }
    Ok(roots)
}

fn supported(what: &'static str, expected: u32, actual: u32) -> Result<(), GenesisError> {
    if expected == actual { Ok(()) } else { Err(GenesisError::Unsupported { what, expected, actual }) }
}

/// Quorum and trust are those that the kind of consensus gives; no transaction changes them later.
fn check_consensus(genesis: &Genesis, set: &ValidatorSet) -> Result<(), GenesisError> {
    let (kind, size) = (genesis.consensus, set.validators().len());
    let expected = match kind {
        CONSENSUS_RAFT => Parameters::for_raft_group_of(size),
        _ => Parameters::for_group_of(size),
    };
    if ![CONSENSUS_BFT, CONSENSUS_RAFT].contains(&kind) {
        let actual = kind;
        return Err(GenesisError::Unsupported { what: "consensus", expected: CONSENSUS_BFT, actual });
    }
    let shown = |given: &Parameters| {
        let Parameters { quorum_numerator, quorum_denominator, trust, .. } = given;
        format!("a quorum of {quorum_numerator}/{quorum_denominator} and trust {}", trust.label())
    };
    let (expected, actual) = (shown(&expected), shown(&genesis.parameters));
    if expected != actual {
        let detail = format!("consensus {kind} with {size} validators: expected {expected}, got {actual}");
        return Err(GenesisError::Invalid(detail));
    }
    if kind == CONSENSUS_RAFT && !set.has_equal_powers() {
        let detail = "consensus 2 counts heads: expected validators of equal power";
        return Err(GenesisError::Invalid(detail.into()));
    }
    Ok(())
}

fn committee(genesis: &Genesis) -> Result<Account, GenesisError> {
    let keys: Vec<_> = genesis.committee.keys.iter().copied().map(AccountKey::ed25519).collect();
    let number = "committee".parse()?;
    let threshold = genesis.committee.threshold;
    let roles = Roles::default();
    let account = Account { organisation: consortium(), number, threshold, keys, roles, opened: Height(0) };
    reachable(&account)?;
    Ok(account)
}

fn opened(genesis: &Genesis, account: &GenesisAccount) -> Result<Account, GenesisError> {
    if !genesis.organisations.contains(&account.organisation) {
        let detail = format!("account {}: {} is no organisation of it", account.number, account.organisation);
        return Err(GenesisError::Invalid(detail));
    }
    let account = Account {
        organisation: account.organisation.clone(),
        number: account.number.clone(),
        threshold: account.threshold,
        keys: account.keys.clone(),
        roles: account.roles.iter().fold(Roles::default(), |roles, given| roles.with(given.role)),
        opened: Height(0),
    };
    reachable(&account)?;
    Ok(account)
}

/// An account of the genesis must be able to sign from the first block on, and no key may weigh twice: one signature
/// would then pass for two.
fn reachable(account: &Account) -> Result<(), GenesisError> {
    let weighs_twice = |(index, key): (usize, &AccountKey)| {
        let overlaps = |other: &AccountKey| other.is_active(key.from) || key.is_active(other.from);
        account.keys[..index].iter().any(|other| other.key == key.key && overlaps(other))
    };
    if account.keys.iter().enumerate().any(weighs_twice) {
        let detail = format!("account {}: a key counts twice at one height", account.number);
        return Err(GenesisError::Invalid(detail));
    }
    let weight = account.weight(Height(1), |_| true);
    let threshold = account.threshold;
    if threshold >= 1 && weight >= u64::from(threshold) {
        return Ok(());
    }
    let detail = format!("account {}: its keys weigh {weight}, its threshold is {threshold}", account.number);
    Err(GenesisError::Invalid(detail))
}
