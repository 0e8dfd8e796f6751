//! Looks at everything that happens, and keeps the first thing that must not.
//!
//! | Invariant | Checked |
//! |---|---|
//! | agreement, one state, links, certificates, signatures: [`Finality`] | at every final block |
//! | no block is later than honest clocks allow | at every final block |
//! | what was final stays final | at every start |
//! | nobody signs two messages for one step: [`SignedSteps`] | at every message that is sent |
//! | packets and supply: [`packets`] | at the end |
//! | everything goes on and is settled | at the end |

use crate::faults::CLOCK_SKEW_MS;
use catenary_crypto::Hash;
use catenary_invariants::{Finality, SignedSteps, Told, Violation, packets};
use catenary_relay::gateway::FinalBlock;
use catenary_replica::{Executed, PeerMessage};
use catenary_types::{Address, Height, Parameters, Timestamp};

/// Everything that was seen.
#[derive(Default)]
pub struct Witness {
    finality: Vec<Finality>,
    steps: Vec<SignedSteps>,
    parameters: Vec<Parameters>,
    violation: Option<Violation>,
}

impl Witness {
    /// A witness of chains with these parameters.
    pub fn new(parameters: Vec<Parameters>) -> Self {
        let chains = parameters.len();
        Self {
            finality: vec![Finality::default(); chains],
            steps: vec![SignedSteps::default(); chains],
            parameters,
            violation: None,
        }
    }

    /// The first thing that went wrong.
    pub fn violation(&self) -> Option<&Violation> {
        self.violation.as_ref()
    }

    /// Notes what went wrong.
    pub fn fail(&mut self, invariant: &'static str, detail: String) {
        self.violation.get_or_insert(Violation { invariant, detail });
    }

    fn judge(&mut self, whose: impl FnOnce() -> String, found: Result<(), Violation>) {
        if let Err(Violation { invariant, detail }) = found {
            self.fail(invariant, format!("{}: {detail}", whose()));
        }
    }

    /// The highest block of a chain that any node called final.
    pub fn highest(&self, chain: usize) -> Height {
        self.finality[chain].highest()
    }

    /// A block is final on some node, at this time of the world.
    pub fn block(&mut self, now: Timestamp, node: usize, chain: usize, executed: &Executed) {
        let told = Told {
            block: &executed.block,
            certificate: executed.certificate(),
            validators: &executed.tip.validators,
            parameters: &self.parameters[chain],
            app_hash: executed.tip.app_hash,
        };
        let found = self.finality[chain].told(told);
        self.judge(|| format!("node {node}, chain {chain}"), found);
        let limit = now.plus_ms(self.parameters[chain].clock_precision_ms + CLOCK_SKEW_MS);
        if executed.tip.time > limit {
            let detail = format!("chain {chain}: {} at {}", executed.tip.time.0, now.0);
            self.fail("no block is later than honest clocks allow", detail);
        }
    }

    /// A header is final on some node.
    pub fn header(&mut self, node: usize, chain: usize, block: &FinalBlock) {
        let found = self.finality[chain].header(&block.signed, &block.validators, &self.parameters[chain]);
        self.judge(|| format!("node {node}, chain {chain}"), found);
    }

    /// A node has this state after a block.
    pub fn state(&mut self, node: usize, chain: usize, (height, app_hash): (Height, Hash)) {
        let found = self.finality[chain].state(height, app_hash);
        self.judge(|| format!("node {node}, chain {chain}"), found);
    }

    /// A node that starts has these blocks of a chain.
    pub fn started(&mut self, node: usize, chain: usize, blocks: impl Iterator<Item = (Height, Hash)>) {
        let found = self.finality[chain].still_has(blocks);
        self.judge(|| format!("node {node}, chain {chain}"), found);
    }

    /// A message is sent by whoever made it.
    pub fn sent(&mut self, chain: usize, message: &PeerMessage) {
        let PeerMessage::Consensus(message) = message else { return };
        let found = self.steps[chain].sent(message);
        self.judge(|| format!("chain {chain}"), found);
    }

    /// Of this validator of a chain nothing is expected.
    pub fn expect_lies(&mut self, chain: usize, validator: Address) {
        self.steps[chain].expect_lies(validator);
    }

    /// Checks packets and supply over the final blocks of all chains.
    pub fn audit(&mut self, network: &packets::Network<'_>) {
        self.judge(|| "all chains".into(), packets::check(network).map_err(Violation::from));
    }
}
