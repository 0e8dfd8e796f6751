//! One node of four on a small disk that fills up: it refuses submissions, then stops, then starts again with its reserve, then
//! waits without it, and goes on with room. The network does not notice, and nothing is lost.

#![cfg(target_os = "linux")]

use crate::{
    load::Load,
    net::{Net, until},
    operations::verify,
};
use catenary_relay::gateway::{RefusalReason, SubmitOutcome};
use catenary_store::disk::space;
use std::{
    fs::{self, File},
    io::Write,
    path::{Path, PathBuf},
    process::Command,
};

/// Where the inner test finds the small disk.
const FOLDER: &str = "CATENARY_SMALL_DISK_TEST";
/// Mounts a small disk for the rest of the script alone.
const SCRIPT: &str = r#"mount -t tmpfs -o size=200m none "$0" && exec "$@""#;

#[test]
fn a_node_whose_disk_fills_up_refuses_stops_waits_and_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    fs::create_dir(&disk).unwrap();
    let mut command = Command::new("unshare");
    command.args(["--user", "--map-root-user", "--mount", "sh", "-c", SCRIPT]).arg(&disk);
    command.arg(std::env::current_exe().unwrap());
    command.args(["--ignored", "--exact", "small_disk::goes_through_all_of_it", "--nocapture"]);
    let output = command.env(FOLDER, folder.path()).output();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    match output {
        Ok(output) if folder.path().join("mounted").exists() => {
            assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
            assert!(folder.path().join("went-through").exists(), "{}", text(&output.stdout));
        }
        refused => println!("notice: no disk can be mounted here, so nothing is tested: {refused:?}"),
    }
}

#[tokio::test]
#[ignore = "runs on the disk that the other test mounts"]
async fn goes_through_all_of_it() {
    let folder = PathBuf::from(std::env::var(FOLDER).expect("started by the test of this file"));
    File::create(folder.join("mounted")).unwrap();
    let disk = folder.join("disk");
    let [some, all, more] = ["some", "all", "more"].map(|name| disk.join(name));
    let mut net = Net::start(4).await;
    net.kill(0);
    let data = net.folder(0).join("data");
    copy(&data, &disk.join("data"));
    fs::remove_dir_all(&data).unwrap();
    std::os::unix::fs::symlink(disk.join("data"), &data).unwrap();
    net.configure(0, |text| text.replace("[node]\n", "[node]\ndisk_reserve_mib = 64\n"));
    net.spawn(0);
    net.answering(0).await;
    let load = Load::start(&net);

    // Nearly full: what is submitted here is refused, and the node votes and follows.
    fill(&some, space(&disk).unwrap().free - (48 << 20));
    until("it refuses", async || is_refused(&net).await).await;
    follows(&net).await;
    fs::remove_file(&some).unwrap();
    until("it takes submissions again", async || !is_refused(&net).await).await;

    // Full: every chain of the node stops.
    fill(&all, u64::MAX);
    assert_eq!(net.ended(0).await, Some(1));
    let log = net.log(0);
    assert!(log.contains("the disk is full: the reserve of 32 MiB is released"), "{log}");
    assert!(log.contains("the disk is full: cannot"), "the file is named: {log}");
    assert!(!disk.join("data/reserve").exists());

    // It starts while the disk is full, in the room of the reserve.
    net.spawn(0);
    net.answering(0).await;
    follows(&net).await;
    assert!(is_refused(&net).await);

    // Without a reserve it waits, and goes on by itself.
    assert_eq!(net.terminate(0).await, Some(0));
    fill(&more, u64::MAX);
    net.spawn(0);
    until("it says that it abstains", async || net.log(0).contains("this node abstains")).await;
    fs::remove_file(&more).unwrap();
    fs::remove_file(&all).unwrap();
    net.answering(0).await;
    follows(&net).await;
    until("its reserve is there again", async || disk.join("data/reserve").exists()).await;

    let loaded = load.stop().await;
    net.judge(&loaded).await;
    assert_eq!(net.terminate(0).await, Some(0));
    let (sound, said) = verify(&net, 0);
    assert!(sound, "{said}");
    File::create(folder.join("went-through")).unwrap();
}

/// Whether the first node refuses submissions for want of room.
async fn is_refused(net: &Net) -> bool {
    // No envelope at all, which would be refused for another reason where there is room.
    let outcomes = net.client(0, 0).submit(vec![vec![1]]).await;
    outcomes.is_ok_and(|outcomes| match &outcomes[..] {
        [SubmitOutcome::Refused(refusal)] => refusal.reason == RefusalReason::DiskFull,
        _ => false,
    })
}

/// The first node comes to blocks that are made from now on.
async fn follows(net: &Net) {
    let before = net.heights().await;
    net.progress(&before).await;
    let tip = net.height(1).await;
    until("it follows", async || net.status(0, 1).await.is_some_and(|status| status.height >= tip)).await;
}

/// Takes so much of the disk, or all that is left to the last page.
fn fill(ballast: &Path, bytes: u64) {
    let mut file = File::create(ballast).unwrap();
    let (mut written, mut size) = (0, 1 << 20);
    while size > 0 && written + size as u64 <= bytes {
        match file.write_all(&vec![0; size]) {
            Ok(()) => written += size as u64,
            Err(_) => size /= 2,
        }
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap()) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else if entry.path().is_file() {
            // A socket is what a process left.
            fs::copy(entry.path(), target).unwrap();
        }
    }
}
