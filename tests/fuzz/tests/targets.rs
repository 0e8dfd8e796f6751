//! The fuzzer has a binary for every target, and no other.

use catenary_fuzz::TARGETS;
use std::{collections::BTreeSet, fs, path::Path};

#[test]
fn every_target_has_its_binary() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cargo-fuzz");
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).expect("the fuzzer has a manifest");
    let names: BTreeSet<String> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
    let files = fs::read_dir(folder.join("fuzz_targets")).expect("the fuzzer has binaries");
    let files = files.map(|entry| entry.expect("a folder can be read").file_name().into_string());
    let files: BTreeSet<String> =
        files.map(|name| name.expect("ASCII names").trim_end_matches(".rs").to_owned()).collect();
    assert_eq!(files, names);
    for name in names {
        let path = format!("fuzz_targets/{name}.rs");
        assert!(manifest.contains(&format!("name = \"{name}\"\npath = \"{path}\"\n")), "{name}");
        let text = fs::read_to_string(folder.join(path)).expect("the file was listed");
        assert!(text.contains(&format!("|data: &[u8]| catenary_fuzz::{name}(data)")), "{name}");
    }
}
