//! The README shows the whole tree, and links lead somewhere.

use std::collections::BTreeSet;

use crate::{File, Finding, Repository, Rule};

/// Findings of this kind.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let documents = repository.files.iter().filter(|file| file.has_extension("md"));
    let mut found: Vec<Finding> = documents.flat_map(|file| dead_links(repository, file)).collect();
    found.extend(repository.rust().flat_map(|file| missing_documents(repository, file)));
    found.extend(unnamed_folders(repository));
    found
}

/// Comments that send the reader to a document that is not there.
fn missing_documents(repository: &Repository, file: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in file.lines().filter(|(_, line)| line.trim_start().starts_with("//")) {
        let words = line.split(|letter: char| !letter.is_alphanumeric() && !"/._-".contains(letter));
        for path in words.filter(|word| word.starts_with("docs/") && word.ends_with(".md")) {
            if !repository.files.iter().any(|file| file.path == path) {
                found.push(Finding::new(
                    Rule::DeadLink,
                    &file.path,
                    number,
                    format!("`{path}` is not there"),
                ));
            }
        }
    }
    found
}

fn unnamed_folders(repository: &Repository) -> Vec<Finding> {
    let tops: BTreeSet<&str> =
        repository.files.iter().filter_map(|file| Some(file.path.split_once('/')?.0)).collect();
    let readme = repository.files.iter().find(|file| file.path == "README.md");
    let text = readme.map_or("", |file| &file.text);
    let missing = tops.into_iter().filter(|top| !text.contains(&format!("`{top}/`")));
    let why = |top: &str| format!("the folder `{top}/` is not named");
    missing.map(|top| Finding::new(Rule::ReadmeFolders, "README.md", 1, why(top))).collect()
}

/// Links of a document to files that are not there.
fn dead_links(repository: &Repository, document: &File) -> Vec<Finding> {
    let mut found = Vec::new();
    for (number, line) in document.lines() {
        for rest in line.split("](").skip(1) {
            let target = rest.split([')', '#', ' ']).next().unwrap_or_default();
            if target.is_empty() || target.contains("://") {
                continue;
            }
            let path = resolve(document.folder(), target);
            let exists = |path: &str| {
                let inside = format!("{path}/");
                repository.files.iter().any(|file| file.path == path || file.path.starts_with(&inside))
            };
            if !path.is_some_and(|path| exists(&path)) {
                let why = format!("`{target}` is not there");
                found.push(Finding::new(Rule::DeadLink, &document.path, number, why));
            }
        }
    }
    found
}

/// A path relative to a folder, or nothing if it leaves the repository.
fn resolve(folder: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::places;

    #[test]
    fn a_folder_that_the_readme_does_not_name_is_found() {
        let readme = |text| [("README.md", text), ("chains/x.rs", "//! x"), ("LICENSE", "")];
        assert_eq!(places(Rule::ReadmeFolders, check, &readme("chains")).len(), 1);
        assert!(places(Rule::ReadmeFolders, check, &readme("| `chains/` | x |")).is_empty());
        assert_eq!(places(Rule::ReadmeFolders, check, &[("chains/x.rs", "//! x")]).len(), 1);
    }

    #[test]
    fn a_document_that_a_comment_names_must_be_there() {
        let text = "//! See `docs/a.md`.\n//! See (docs/b.md).\nlet x = \"docs/c.md\";\n";
        let files = [("README.md", "`docs/` `chains/`"), ("docs/a.md", ""), ("chains/x.rs", text)];
        assert_eq!(places(Rule::DeadLink, check, &files), [("chains/x.rs".to_owned(), 2)]);
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        let text = "[a](b.md) [c](../README.md#top) [d](https://example.org/x) [e](#here) [f](adr)\n[g](h.md)\n[i](../../j)";
        let files = [("README.md", "`docs/`"), ("docs/a.md", text), ("docs/b.md", ""), ("docs/adr/1.md", "")];
        let place = |line| ("docs/a.md".to_owned(), line);
        assert_eq!(places(Rule::DeadLink, check, &files), [place(2), place(3)]);
    }
}
