//! The process dies at every failpoint, one after the other, and a restart on the same data comes to the same final figures.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod support;

use catenary_failpoint::Failpoint;
use rand::{Rng, SeedableRng, rngs::StdRng, seq::IndexedRandom};
use std::{
    fs,
    io::Write,
    os::unix::process::ExitStatusExt,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::mpsc,
    thread,
    time::Duration,
};
use support::{assert_settled, demo};

const SIGABRT: i32 = 6;

/// Twenty for each bank.
const ORDERS: u32 = 260;
const CREDITED: &str = "260.00";
const BANKS: [&str; 13] = ["AB", "CD", "EF", "GH", "IJ", "KL", "MN", "OP", "QR", "ST", "UV", "WX", "YZ"];

/// How many failpoints are drawn, unless `FAILPOINTS` says which.
const DRAWN: usize = 12;
/// A run that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(120);

/// How a failpoint is reached.
struct Way {
    /// How the network runs.
    arguments: &'static [&'static str],
    /// What was done to the data before.
    before: Before,
    /// It is reached so often before the run is over.
    times_min: u64,
}

/// What is on the disks when the run begins that is to die.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Nothing,
    /// A run that died while it paid.
    Crash,
    /// That, and writes that the crash tore.
    TornTails,
    /// That, and a block log that has changed since.
    DamagedLog,
    /// That, and a node that has lost everything.
    LostNode,
}

const FOUR: &[&str] = &["--validators", "4"];
/// Long enough for what is done every few seconds, also where the payments would be over before.
const STALLED: &[&str] = &["--validators", "4", "--silence", "2", "--for", "3s"];
const LOSSY: &[&str] = &["--validators", "4", "--link-loss", "10%"];

/// Every failpoint is reached in some run of the demo, but for those of Raft logs and those that need a chain of thousands of
/// blocks: nodes die there in `e2e/raft.rs` and `e2e/snapshot.rs`.
fn way(point: Failpoint) -> Option<Way> {
    use Before::{Crash, DamagedLog, LostNode, Nothing, TornTails};
    use Failpoint as P;
    let (arguments, before, times_min) = match point {
        P::AppendRaft | P::RaftDurable | P::SnapshotFlushed | P::SnapshotNamed => return None,
        P::AppendFlushed => (FOUR, Crash, 10),
        P::AppendTimeout => (LOSSY, Nothing, 10),
        P::AppendPolka => (LOSSY, Nothing, 1),
        P::BlocksServed => (FOUR, LostNode, 14),
        P::ConsensusTell => (FOUR, Crash, 100),
        P::JournalSegmentTrimmed => (STALLED, Crash, 1),
        P::IndexCheckpointGathered | P::IndexCheckpointApplied => (STALLED, Nothing, 14),
        P::JournalRepaired | P::BlockLogRepaired => (FOUR, TornTails, 1),
        P::BlockLogSetAside => (FOUR, DamagedLog, 1),
        // Once for each node.
        P::JournalSegmentWritten
        | P::JournalSegmentFlushed
        | P::GuardFileReplaced
        | P::IndexOpening
        | P::DataFormatWritten => (FOUR, Nothing, 4),
        // Once for each chain.
        P::RelaySubscribe => (FOUR, Nothing, 14),
        // Once for each chain of each node.
        P::FileDraftFlushed
        | P::GenesisStored
        | P::BlockLogSegmentWritten
        | P::BlockLogSegmentFlushed
        | P::BlockLogFlushed => (FOUR, Nothing, 14),
        // Some for each batch of payments.
        P::RelayProve | P::RelayProof | P::RelaySubmit | P::RelayAnswer => (FOUR, Nothing, 20),
        P::SubmissionTaken | P::SubmissionReply | P::RelayBlock => (FOUR, Nothing, 50),
        // Some for each block.
        P::AppendBody
        | P::AppendProposal
        | P::AppendJudgement
        | P::BlockLogBlockTaken
        | P::BlockLogBlockWritten
        | P::DecisionTaken
        | P::BlockExecuted
        | P::BlockQueued => (FOUR, Nothing, 250),
        // Some for each group of signatures.
        P::JournalBatchGathered
        | P::JournalBatchWritten
        | P::JournalBatchFlushed
        | P::JournalBatchDurable
        | P::GuardBatchGathered
        | P::GuardBatchWritten
        | P::GuardBatchFlushed => (FOUR, Nothing, 150),
        // For each signature or message.
        P::AppendOwnVote | P::ConsensusPublish | P::ReplicaSend => (FOUR, Nothing, 600),
        P::AppendReceivedVote | P::FrameSent | P::FrameReceived | P::MessageVerified => {
            (FOUR, Nothing, 1_500)
        }
    };
    Some(Way { arguments, before, times_min })
}

/// The runs of one test: all on the same folder.
struct Runs {
    folder: tempfile::TempDir,
}

impl Runs {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let head = "order_id;account_id;bank_to;account_to;amount;k_symbol\n".to_owned();
        let row = |order: u32| {
            format!("{order};{};{};{};1.00;\n", order % 100, BANKS[order as usize % 13], order % 7)
        };
        let orders = (1..=ORDERS).map(row).fold(head, |all, row| all + &row);
        fs::write(folder.path().join("orders.csv"), orders).unwrap();
        Self { folder }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A run to its end, whatever that is.
    fn run(&self, arguments: &[&str], armed: Option<&str>) -> Output {
        let mut command = demo(&self.data(), arguments);
        command.arg("--orders").arg(self.folder.path().join("orders.csv"));
        command.envs(armed.map(|armed| ("CATENARY_FAILPOINT", armed)));
        let child = command.spawn().unwrap();
        let number = child.id().to_string();
        let (done, wait) = mpsc::channel();
        thread::spawn(move || done.send(child.wait_with_output().unwrap()));
        wait.recv_timeout(PATIENCE).unwrap_or_else(|_| {
            Command::new("kill").args(["-9", &number]).status().unwrap();
            let output = wait.recv().unwrap();
            panic!("armed with {armed:?} it hangs: {}", String::from_utf8_lossy(&output.stderr));
        })
    }

    /// A run that dies where it should.
    fn die(&self, arguments: &[&str], point: Failpoint, nth: u64) {
        let output = self.run(arguments, Some(&format!("{point}:{nth}")));
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.signal(), Some(SIGABRT), "{point}:{nth}, {}: {errors}", output.status);
        let told = format!("failpoint {point} reached, abort");
        assert!(errors.lines().any(|line| line == told), "{errors}");
    }

    fn prepare(&self, before: Before) {
        if before == Before::Nothing {
            return;
        }
        self.die(FOUR, Failpoint::AppendReceivedVote, 1_300);
        let node = self.data().join("node-0");
        match before {
            Before::Nothing | Before::Crash => {}
            Before::TornTails => files(&node).iter().filter(|path| is_log(path)).for_each(|path| tear(path)),
            Before::DamagedLog => {
                let mut files = files(&node).into_iter();
                flip(&files.find(|path| path.extension().is_some_and(|end| end == "blocks")).unwrap());
            }
            Before::LostNode => fs::remove_dir_all(node).unwrap(),
        }
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

fn is_log(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "journal" || end == "blocks")
}

/// Leaves what a write leaves that was cut short by the power: a sector that was never written.
fn tear(path: &Path) {
    fs::OpenOptions::new().append(true).open(path).unwrap().write_all(&[0; 512]).unwrap();
}

fn flip(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// The process dies at a failpoint; the next one finishes what it began.
fn survives(point: Failpoint, random: &mut StdRng) {
    let Some(Way { arguments, before, times_min }) = way(point) else { return };
    let runs = Runs::new();
    runs.prepare(before);
    let nth = random.random_range(1..=times_min);
    println!("{point}:{nth}");
    runs.die(arguments, point, nth);
    assert_settled(&runs.run(FOUR, None), ORDERS, CREDITED);
}

/// Those that `FAILPOINTS` names, or `all`, or some that are drawn.
fn points(random: &mut StdRng) -> Vec<Failpoint> {
    match std::env::var("FAILPOINTS").as_deref() {
        Err(_) => Failpoint::ALL.choose_multiple(random, DRAWN).copied().collect(),
        Ok("all") => Failpoint::ALL.to_vec(),
        Ok(names) => names.split(',').map(|name| name.parse().unwrap()).collect(),
    }
}

#[test]
fn dying_at_a_failpoint_changes_no_final_balance() {
    let seed: u64 = std::env::var("FAILPOINT_SEED")
        .map_or_else(|_| StdRng::from_os_rng().random(), |text| text.parse().unwrap());
    println!("FAILPOINT_SEED={seed} repeats this run");
    let mut random = StdRng::seed_from_u64(seed);
    for point in points(&mut random) {
        survives(point, &mut random);
    }
}

#[test]
fn a_network_that_dies_while_it_is_made_goes_on() {
    let runs = Runs::new();
    runs.die(FOUR, Failpoint::GenesisStored, 1);
    assert_settled(&runs.run(FOUR, None), ORDERS, CREDITED);
}

#[test]
fn a_name_that_no_failpoint_has_stops_the_process_before_it_begins() {
    let runs = Runs::new();
    let output = runs.run(FOUR, Some("journal-batch"));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(
        errors.starts_with("catenary: CATENARY_FAILPOINT: \"journal-batch\" is no failpoint"),
        "{errors}"
    );
    assert!(!runs.data().exists());
}
