//! The stock Go code judges what we emit.

#![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

use catenary_conformance::{Story, emit};
use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Emits a story and has it judged. Where there is no Go, nothing is judged, except in CI, where that is a failure.
fn judge(name: &str, validators: usize) {
    let dir = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("conformance-{name}"));
    if dir.exists() {
        fs::remove_dir_all(&dir).unwrap();
    }
    emit(&Story::new(name, validators), &dir).unwrap();
    if Command::new("go").arg("version").output().is_err() {
        assert!(env::var("CI").as_deref() != Ok("true"), "CI needs Go to judge {}", dir.display());
        eprintln!("no Go here: {} was emitted and not judged", dir.display());
        return;
    }
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("go");
    let output = Command::new("go").arg("run").arg("-C").arg(source).arg(".").arg(&dir).output().unwrap();
    let (said, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}{failed}");
    for file in ["headers", "updates", "proofs", "packets", "flow"] {
        let line = said.lines().find(|line| line.starts_with(file)).unwrap_or_default();
        assert!(line.ends_with(", 0 not") && !line.contains(" 0 as expected"), "{file}: {said}");
    }
    println!("{said}");
}

#[test]
fn a_chain_of_one_validator() {
    judge("solo", 1);
}

#[test]
fn a_chain_of_four_then_five_validators() {
    judge("berka", 4);
}
