//! Every file says what it is, every crate what it must never do.

use crate::{File, Finding, Repository, Rule};

/// Findings of this kind.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in repository.rust() {
        let doc = doc(file);
        if doc.first().is_none_or(|line| line.trim().is_empty()) {
            let why = "the first line is not a `//!` that says what the file is";
            found.push(Finding::new(Rule::FileDoc, &file.path, 1, why));
        } else if is_crate_root(repository, file) {
            found.extend(missing_invariants(file, &doc));
        }
    }
    found
}

/// The lines of the doc at the top of a file.
fn doc(file: &File) -> Vec<&str> {
    file.text.lines().map_while(|line| line.strip_prefix("//!")).collect()
}

fn is_crate_root(repository: &Repository, file: &File) -> bool {
    let Some(package) = repository.package(file) else { return false };
    ["lib.rs", "main.rs"].iter().any(|name| file.path == format!("{}/src/{name}", package.folder))
}

/// The last section of a crate's doc is a list of invariants.
fn missing_invariants(file: &File, doc: &[&str]) -> Option<Finding> {
    let mut fenced = false;
    let last = doc.iter().rposition(|line| {
        fenced ^= line.trim_start().starts_with("```");
        !fenced && line.trim_start().starts_with("# ")
    });
    let is_list = |from: usize| doc[from + 1..].iter().any(|line| line.trim_start().starts_with("- "));
    match last {
        Some(at) if doc[at].trim() == "# Invariants" && is_list(at) => None,
        _ => {
            let why = "the crate's doc does not end with a list under `# Invariants`";
            Some(Finding::new(Rule::CrateInvariants, &file.path, doc.len(), why))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{lines, places};

    const MANIFEST: (&str, &str) = ("chains/x/Cargo.toml", "[package]\nname = \"x\"\n");

    fn invariants(text: &str) -> Vec<(String, usize)> {
        places(Rule::CrateInvariants, check, &[MANIFEST, ("chains/x/src/lib.rs", text)])
    }

    #[test]
    fn a_file_without_a_doc_is_found() {
        let found = |text| lines(Rule::FileDoc, check, "chains/x/src/a.rs", text);
        assert_eq!(found("use x;\n//! Late.\n"), [1]);
        assert_eq!(found("//!\nfn a() {}\n"), [1]);
        assert_eq!(found("// A comment.\n"), [1]);
        assert!(found("//! What it is.\nfn a() {}\n").is_empty());
    }

    #[test]
    fn a_crate_without_invariants_is_found() {
        let place = |line| vec![("chains/x/src/lib.rs".to_owned(), line)];
        assert_eq!(invariants("//! A crate.\n"), place(1));
        assert_eq!(invariants("//! A crate.\n//!\n//! # Invariants\n//!\n//! Some day.\n"), place(5));
        assert_eq!(invariants("//! A.\n//! # Invariants\n//! - One.\n//! # More\n//! - Two.\n"), place(5));
        assert!(invariants("//! A.\n//! # Invariants\n//! - One.\n").is_empty());
        assert!(invariants("//! A.\n//! # Invariants\n//! - One.\n//! ```\n//! # x\n//! ```\n").is_empty());
    }
}
