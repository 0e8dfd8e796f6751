//! The repository keeps its own rules.

use std::path::Path;

use catenary_tidy::{EXCEPTIONS, Repository, judge};

#[test]
fn the_repository_is_tidy() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
    let repository = Repository::read(root).unwrap();
    assert!(
        repository.packages.iter().any(|package| package.name == "catenary-tidy"),
        "the root is not {root:?}"
    );

    let found: Vec<String> = judge(&repository, EXCEPTIONS).iter().map(ToString::to_string).collect();
    assert!(found.is_empty(), "{} findings; docs/style.md has the rules\n{}", found.len(), found.join("\n"));
}
