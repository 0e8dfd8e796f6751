//! `debug verify`: what stands in a data folder, what is wrong with it, and what to do about it.

use super::{ChainsArgs, folder::Folder};
use crate::{cli::Output, network};
use anyhow::Result;
use catenary_consensus::Mark;
use catenary_journal::journal::{Record, Report};
use catenary_replica::Tail;
use catenary_runtime::{
    OpenChainError, chain_tag,
    offline::{self, IndexState, Part, VerifiedChain},
};
use catenary_store::{
    DataDir, guard,
    index::{Engine, Index},
    journal,
};
use catenary_types::{ChainId, Genesis, Height};
use comfy_table::{Table, presets::UTF8_FULL_CONDENSED};
use serde::Serialize;

/// What to do about journal or guard.
const VOTES_REMEDY: &str = "start the node: with one of the two whole the validator votes on, with neither it follows until the \
                            others have told it how far they are; in a group of one see `catenary resume-voting --help`";

/// What to do about a genesis document.
const GENESIS_REMEDY: &str = "name the genesis document that all members have with --genesis; a node writes it again from its \
                              configuration when it starts";

/// What was found in a folder.
#[derive(Serialize)]
pub struct Verdict {
    journal: String,
    guard: String,
    /// What is wrong with what all chains share.
    faults: Vec<Fault>,
    chains: Vec<Row>,
}

/// What was found of one chain.
#[derive(Serialize)]
struct Row {
    chain: String,
    /// The newest block that follows from the genesis.
    height: u64,
    app_hash: String,
    /// Height of the newest own signature.
    signed: Option<u64>,
    blocks: &'static str,
    index: String,
    /// What is worth knowing and no damage.
    notices: Vec<String>,
    faults: Vec<Fault>,
}

/// What is wrong, and what to do about it.
#[derive(Serialize)]
struct Fault {
    part: &'static str,
    detail: String,
    remedy: String,
}

/// Journal and guard, as they are on the disk.
struct Votes {
    records: Vec<Record>,
    report: Report,
    found: guard::Found,
}

/// Verifies a folder, or some of its chains.
pub fn verify(arguments: &ChainsArgs) -> Result<Verdict> {
    let folder = Folder::open(&arguments.data.data, &arguments.genesis)?;
    let chains = folder.chains(&arguments.chain)?;
    let (votes, mut verdict) = votes(&folder.data, !chains.is_empty())?;
    let index = open_index(&folder.data, &mut verdict.faults);
    let is_closed = index.is_none() && folder.data.index().is_dir();
    for chain in chains {
        let row = row(&folder, &chain, &votes, index.as_ref())?;
        verdict.chains.push(if is_closed { Row { index: "does not open".into(), ..row } } else { row });
    }
    Ok(verdict)
}

/// Opens the index, if there is one. One that does not open concerns every chain.
fn open_index(data: &DataDir, faults: &mut Vec<Fault>) -> Option<Index> {
    let path = data.index();
    if !path.is_dir() {
        return None;
    }
    let open = Index::open(&path, Engine::default());
    open.map_err(|error| {
        faults.push(Fault {
            part: "index",
            detail: error.to_string(),
            remedy:
                "start the node, or run `catenary debug rebuild-index` without --chain: either rebuilds it"
                    .into(),
        });
    })
    .ok()
}

fn votes(data: &DataDir, has_chains: bool) -> Result<(Votes, Verdict)> {
    let is_there = std::fs::read_dir(data.journal()).is_ok_and(|mut files| files.next().is_some());
    let (records, report, end) = if is_there { journal::read(&data.journal())? } else { Default::default() };
    let found = guard::read(&data.guard(), end)?;
    let has_guard = data.guard().is_file();
    let mut faults = Vec::new();
    let journal = match (is_there, report.is_clean()) {
        (false, _) => "none",
        (true, true) => "intact",
        (true, false) => "damaged",
    };
    if has_chains && (!is_there || !report.is_clean()) {
        let detail = if is_there { report.to_string() } else { "there is no journal".into() };
        faults.push(Fault { part: "journal", detail, remedy: VOTES_REMEDY.into() });
    }
    let guard = match (has_guard, found.complete) {
        (false, _) => "none",
        (true, true) => "whole",
        (true, false) => "damaged",
    };
    if has_chains && !(has_guard && found.complete) {
        let detail = if has_guard { "a record does not read" } else { "there is no guard" };
        faults.push(Fault { part: "guard", detail: detail.into(), remedy: VOTES_REMEDY.into() });
    }
    let verdict = Verdict { journal: journal.into(), guard: guard.into(), faults, chains: Vec::new() };
    Ok((Votes { records, report, found }, verdict))
}

fn row(folder: &Folder, chain: &ChainId, votes: &Votes, index: Option<&Index>) -> Result<Row> {
    let dir = folder.chain(chain)?;
    let tag = chain_tag(chain);
    let mark = votes.found.marks.get(&tag).and_then(Mark::decode);
    let mut row = Row {
        chain: chain.to_string(),
        height: 0,
        app_hash: String::new(),
        signed: mark.map(|mark| mark.height.0),
        blocks: "not verified",
        index: "not verified".into(),
        notices: Vec::new(),
        faults: Vec::new(),
    };
    let genesis = match folder.genesis(chain, &dir) {
        Ok(genesis) => genesis,
        Err(error) => {
            row.fault("genesis", format!("{error:#}"), GENESIS_REMEDY.into());
            return Ok(row);
        }
    };
    let verified = match offline::verify_chain(&genesis, &network::ledger(), &dir, index) {
        Ok(verified) => verified,
        Err(error @ (OpenChainError::Genesis(_) | OpenChainError::ChainId(_))) => {
            row.fault("genesis", error.to_string(), GENESIS_REMEDY.into());
            return Ok(row);
        }
        Err(error) => {
            row.fault("blocks", error.to_string(), blocks_remedy(chain, &genesis, Height(0)));
            return Ok(row);
        }
    };
    row.take(chain, &genesis, verified);
    if votes.report.is_suspect(tag, row.height) {
        row.notices.push("the journal may have lost own signatures above the newest block".into());
    }
    row.look_for_a_lost_end(&genesis, votes, chain);
    Ok(row)
}

impl Row {
    fn take(&mut self, chain: &ChainId, genesis: &Genesis, verified: VerifiedChain) {
        let VerifiedChain { height, app_hash, index, torn, faults } = verified;
        (self.height, self.app_hash) = (height.0, app_hash.to_string());
        self.index = match index {
            IndexState::Empty => "empty".into(),
            IndexState::At(at) => format!("at {at}"),
            IndexState::NotCompared(at) => format!("at {at}, not compared"),
            IndexState::Ahead(at) => format!("ahead, at {at}"),
            IndexState::Damaged => "damaged".into(),
        };
        if let IndexState::Ahead(at) = index {
            self.notices.push(format!(
                "the index is at {at}, which the block log lost in a crash: a start replays the log"
            ));
        }
        self.notices.extend(
            torn.map(|torn| format!("{}: a start does so, and nobody had been told of them", torn.trim())),
        );
        self.blocks = "follow from the genesis";
        for offline::Fault { part, detail } in faults {
            let (part, remedy) = match part {
                Part::Index => (
                    "index",
                    format!(
                        "start the node, or run `catenary debug rebuild-index --chain {chain}`: either rebuilds it from the blocks"
                    ),
                ),
                Part::Blocks => {
                    self.blocks = "damaged";
                    ("blocks", blocks_remedy(chain, genesis, height))
                }
            };
            self.fault(part, detail.trim().into(), remedy);
        }
    }

    fn fault(&mut self, part: &'static str, detail: String, remedy: String) {
        self.faults.push(Fault { part, detail, remedy });
    }

    /// The journal remembers how far the log was flushed. In a group the others have what is missing.
    fn look_for_a_lost_end(&mut self, genesis: &Genesis, votes: &Votes, chain: &ChainId) {
        let tag = chain_tag(chain);
        let mut tail = Tail::default();
        tail.extend(votes.records.iter().filter(|record| record.chain == tag).cloned());
        let Some(decided) = tail.decided_beyond(Height(self.height)) else { return };
        let detail = format!("it ends with block {}, and the journal knows of block {decided}", self.height);
        if genesis.validators.len() == 1 && self.faults.is_empty() {
            let remedy = blocks_remedy(chain, genesis, Height(self.height));
            self.blocks = "end is missing";
            self.fault("blocks", detail, remedy);
        } else {
            self.notices.push(format!("{detail}: the others have what is between"));
        }
    }
}

fn blocks_remedy(chain: &ChainId, genesis: &Genesis, height: Height) -> String {
    if genesis.validators.len() == 1 {
        return "nobody else has the blocks of a group of one: put back the segment from a backup, or import a copy".into();
    }
    format!(
        "start the node: it sets a damaged log aside and fetches what is missing from the others. If it does not start, run \
         `catenary debug rollback --chain {chain} --to {height}` first; with a copy of the blocks, `catenary debug import` after it"
    )
}

impl Verdict {
    /// Whether anything is.
    pub fn is_damaged(&self) -> bool {
        self.all_faults().next().is_some()
    }

    fn all_faults(&self) -> impl Iterator<Item = (&str, &Fault)> {
        let shared = self.faults.iter().map(|fault| ("all chains", fault));
        let own = self.chains.iter().flat_map(|row| row.faults.iter().map(|fault| (&*row.chain, fault)));
        shared.chain(own)
    }

    /// Prints it on stdout.
    pub fn print(&self, output: Output) -> Result<()> {
        match output {
            Output::Json => println!("{}", serde_json::to_string(self)?),
            Output::Table => print!("{}", self.text()),
        }
        Ok(())
    }

    fn text(&self) -> String {
        let mut table = Table::new();
        table.load_preset(UTF8_FULL_CONDENSED);
        table.set_header(["chain", "height", "state", "signed", "blocks", "index", "verdict"]);
        for row in &self.chains {
            let state: String = row.app_hash.chars().take(16).collect();
            let signed = row.signed.map_or("nothing".into(), |height| height.to_string());
            let verdict = if row.faults.is_empty() { "sound" } else { "damaged" };
            let height = row.height.to_string();
            table.add_row([&row.chain, &height, &state, &signed, row.blocks, &row.index, verdict]);
        }
        let mut text = format!("journal {}, guard {}\n{table}\n", self.journal, self.guard);
        for row in &self.chains {
            row.notices.iter().for_each(|notice| text += &format!("{}: {notice}\n", row.chain));
        }
        for (chain, Fault { part, detail, remedy }) in self.all_faults() {
            text += &format!("{chain}: {part}: {detail}\n    {remedy}\n");
        }
        text
    }
}
