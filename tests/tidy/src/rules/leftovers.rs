//! Nothing unfinished, nothing that panics for want of thought, nothing that holds on one machine only.

use crate::{File, Finding, Kind, Outline, Repository, Rule, tokens};

/// Markers in any text. Written in two parts, so that this file holds none.
const MARKERS: [&str; 4] =
    [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("XX", "X"), concat!("HA", "CK")];

/// Macros that stand for unfinished work.
const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];

/// Folders that exist on one machine only.
const MACHINE_FOLDERS: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/ro", "ot/"),
    concat!("/wo", "rk/"),
    concat!("/t", "mp/"),
];

/// Settings that lead packages to come from elsewhere.
const MIRRORS: [&str; 6] = [
    concat!("[regis", "tries"),
    concat!("replace", "-with"),
    concat!("GO", "PROXY="),
    concat!("sparse+", "http"),
    concat!("CARGO_REGIS", "TRIES_"),
    concat!("index", "-url"),
];

/// The only index that packages come from.
const INDEX: &str = "registry+https://github.com/rust-lang/crates.io-index";

/// Findings of this kind.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in &repository.files {
        found.extend(markers(file));
        found.extend(machine_paths(file));
        found.extend(sources(file));
    }
    for file in repository.rust() {
        found.extend(in_code(file, repository.is_test(file)));
    }
    found
}

fn markers(file: &File) -> Vec<Finding> {
    let is_word = |line: &str, marker: &str| {
        line.match_indices(marker).any(|(at, _)| {
            let letter = |next: Option<char>| next.is_some_and(|next| next.is_alphanumeric() || next == '_');
            !letter(line[..at].chars().next_back()) && !letter(line[at + marker.len()..].chars().next())
        })
    };
    let found = file.lines().flat_map(|(number, line)| {
        let here = MARKERS.iter().filter(move |marker| is_word(line, marker));
        here.map(move |marker| {
            Finding::new(Rule::Marker, &file.path, number, format!("`{marker}` is left over"))
        })
    });
    found.collect()
}

fn machine_paths(file: &File) -> Vec<Finding> {
    // `docs/home/x` and `https://x/home/` are no absolute paths: what stands before the slash is part of them.
    let is_absolute = |line: &str, folder: &str| {
        line.match_indices(folder).any(|(at, _)| {
            let before = line[..at].chars().next_back();
            before.is_none_or(|before| {
                !before.is_alphanumeric() && !['.', '_', '-', '/', '}', '>'].contains(&before)
            })
        })
    };
    let found = file.lines().flat_map(|(number, line)| {
        let here = MACHINE_FOLDERS.iter().filter(move |folder| is_absolute(line, folder));
        here.map(move |folder| {
            Finding::new(
                Rule::MachinePath,
                &file.path,
                number,
                format!("a path below `{folder}` is one machine's"),
            )
        })
    });
    found.collect()
}

fn sources(file: &File) -> Vec<Finding> {
    let is_lock = file.name() == "Cargo.lock";
    let why = |line: &str| -> Option<String> {
        if is_lock {
            let source = line.strip_prefix("source = ")?.trim_matches('"');
            return (source != INDEX).then(|| format!("`{source}` is not the public index"));
        }
        let setting = MIRRORS.iter().find(|setting| line.contains(**setting))?;
        Some(format!("`{setting}` takes packages from elsewhere"))
    };
    let found = file.lines().filter_map(|(number, line)| Some((number, why(line)?)));
    found.map(|(number, why)| Finding::new(Rule::PackageSource, &file.path, number, why)).collect()
}

fn in_code(file: &File, is_test: bool) -> Vec<Finding> {
    let tokens = tokens(&file.text);
    let outline = Outline::new(&tokens);
    let mut found = Vec::new();
    for (at, token) in outline.code.iter().enumerate().filter(|(_, token)| token.kind == Kind::Name) {
        let is_call = outline.is_mark(at.wrapping_sub(1), ".") && outline.is_mark(at + 1, "(");
        if is_call && ["unwrap", "unwrap_err"].contains(&token.text) && !is_test && !outline.is_test(at) {
            let why = format!("`{}` outside tests: `expect` with the reason, or an error", token.text);
            found.push(Finding::new(Rule::Unwrap, &file.path, token.line, why));
        }
        if MACROS.contains(&token.text) && outline.is_mark(at + 1, "!") && !outline.is_mark(at + 2, "=") {
            let why = format!("`{}!` is left over", token.text);
            found.push(Finding::new(Rule::Marker, &file.path, token.line, why));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::lines;

    #[test]
    fn markers_are_found_in_any_file() {
        for marker in MARKERS {
            let text = format!("one\n// {marker}: two\n{marker}S and A{marker}\n");
            assert_eq!(lines(Rule::Marker, check, "docs/a.md", &text), [2], "{marker}");
        }
    }

    #[test]
    fn unfinished_macros_are_found_also_in_tests() {
        for name in MACROS {
            let text = format!("fn a() {{\n {name}!()\n}}\nlet x = {name} != 1; // {name}!\n");
            assert_eq!(lines(Rule::Marker, check, "chains/x/tests/a.rs", &text), [2], "{name}");
        }
    }

    #[test]
    fn unwrap_is_found_outside_tests() {
        let text = "fn a() { x.unwrap(); x.unwrap_or(1); \".unwrap()\"; }\n#[cfg(test)]\nmod t { fn a() { x.unwrap() } }";
        assert_eq!(lines(Rule::Unwrap, check, "gateway/x/src/a.rs", text), [1]);
        assert_eq!(lines(Rule::Unwrap, check, "gateway/x/src/a.rs", "\nfn a() { x\n.unwrap_err() }"), [3]);
        assert!(lines(Rule::Unwrap, check, "gateway/x/tests/a.rs", text).is_empty());
    }

    #[test]
    fn paths_of_one_machine_are_found() {
        for folder in MACHINE_FOLDERS {
            let text = format!("a\nlet x = \"{folder}x\";\nhttps://x{folder}\ndocs{folder}x\n");
            assert_eq!(lines(Rule::MachinePath, check, "a.md", &text), [2], "{folder}");
        }
    }

    #[test]
    fn packages_from_elsewhere_are_found() {
        let lock = format!("source = \"{INDEX}\"\nsource = \"git+https://example.org/x\"\n");
        assert_eq!(lines(Rule::PackageSource, check, "Cargo.lock", &lock), [2]);
        for setting in MIRRORS {
            assert_eq!(
                lines(Rule::PackageSource, check, "x.toml", &format!("\n{setting} x\n")),
                [2],
                "{setting}"
            );
        }
    }
}
