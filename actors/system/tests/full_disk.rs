//! A disk that fills up: every chain of the node stops, idle ones too, and names the file; with room again the same folder
//! goes on, and nothing that was acknowledged is lost.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use catenary_relay::query::TransactionName;
use catenary_system::testing::{Bank, root, run, settle, soon, start};
use catenary_types::{Message, Timestamp};
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// Where the other processes find the small disk.
const FOLDER: &str = "CATENARY_FULL_DISK_TEST";
/// Mounts a small disk for the rest of the script alone; exit code 77 says that this machine does not permit it.
const SCRIPT: &str = r#"
mount -t tmpfs -o size=12m none "$0" || exit 77
"$@" fills_the_disk && rm "$0"/ballast && "$@" goes_on_with_room
"#;
/// Transactions before the disk is full.
const SETTLED: u64 = 10;

fn bank() -> Bank {
    Bank::new("one", Timestamp(1_700_000_000_000_000_000))
}

fn folder() -> PathBuf {
    PathBuf::from(std::env::var(FOLDER).expect("started by the test of this file"))
}

#[test]
fn a_full_disk_stops_the_node_and_loses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT]).arg(disk);
    command.arg(std::env::current_exe().unwrap()).args(["--ignored", "--exact"]);
    let output = command.env(FOLDER, folder.path()).output();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output {
        Ok(output) if folder.path().join("mounted").exists() => {
            assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
            assert!(folder.path().join("went-on").exists(), "{}", text(&output.stdout));
        }
        refused => println!("notice: no disk can be mounted here, so nothing is tested: {refused:?}"),
    }
}

#[test]
#[ignore = "runs on the disk that the other test mounts"]
fn fills_the_disk() {
    let (folder, bank) = (folder(), bank());
    File::create(folder.join("mounted")).unwrap();
    run(async {
        let disk = folder.join("disk");
        let idle = Bank::new("two", bank.begins());
        let (node, _) = start(&disk.join("data"), &[bank.clone(), idle.clone()]).await.unwrap();
        let chain = &node.chains()[0];
        for number in 0..SETTLED {
            settle(chain, bank.envelope(number)).await;
        }
        fs::write(folder.join("root"), format!("{:?}", root(chain).await)).unwrap();
        fill(&disk.join("ballast"));
        // Larger than what may be left of the journal's last page.
        let mut body = bank.opening(SETTLED);
        body.calls.extend((100..200).flat_map(|number| bank.opening(number).calls));
        let mut down = node.down();
        // The answer is lost with the chain, or it came before the disk was asked.
        let _ = soon(chain.submit(vec![body.sign(&[&bank.key()]).encode()])).await;
        let down = soon(down.wait_for(|down| down.len() == 2)).await.unwrap().clone();
        let reason = &down[bank.chain_id()];
        assert_eq!(down[idle.chain_id()], *reason);
        assert!(reason.contains("the disk is full: cannot"), "{reason}");
        assert!(reason.contains(&disk.join("data").display().to_string()), "{reason}");
    });
}

#[test]
#[ignore = "runs on the disk that the other test mounts"]
fn goes_on_with_room() {
    let (folder, bank) = (folder(), bank());
    run(async {
        let data = folder.join("disk/data");
        let (node, _) = start(&data, std::slice::from_ref(&bank)).await.unwrap();
        let chain = &node.chains()[0];
        assert_eq!(format!("{:?}", root(chain).await), fs::read_to_string(folder.join("root")).unwrap());
        for number in 0..SETTLED {
            let body = bank.opening(number);
            let name = TransactionName::Request(body.sender, body.request_id);
            assert!(chain.transaction(name).await.unwrap().value.is_some(), "transaction {number}");
        }
        settle(chain, bank.envelope(1_000)).await;
    });
    File::create(folder.join("went-on")).unwrap();
}

/// Fills the disk to the last page.
fn fill(ballast: &Path) {
    let mut file = File::create(ballast).unwrap();
    let mut size = 1 << 20;
    while size > 0 {
        if file.write_all(&vec![0; size]).is_err() {
            size /= 2;
        }
    }
}
