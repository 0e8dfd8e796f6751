//! Every test can fail, and every fixture is read by one.

use std::collections::BTreeSet;

use crate::{File, Finding, Function, Kind, Outline, Repository, Rule, tokens};

/// Beginnings of the names of macros and functions that judge.
const JUDGES: [&str; 8] =
    ["assert", "debug_assert", "prop_assert", "check_", "judge", "verify_all", "panic", "unreachable"];

/// Calls that fail a test when something is not as it says.
const DEMANDS: [&str; 4] = ["expect", "expect_err", "unwrap", "unwrap_err"];

/// Findings of this kind.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut found: Vec<Finding> =
        repository.files.iter().filter_map(|file| unused(repository, file)).collect();
    let folders: BTreeSet<&str> = repository.rust().map(|file| home(repository, file)).collect();
    for folder in folders {
        found.extend(package(repository, folder));
    }
    found
}

/// The folder of the package that a file belongs to, or its own.
fn home<'a>(repository: &'a Repository, file: &'a File) -> &'a str {
    repository.package(file).map_or_else(|| file.folder(), |package| &package.folder)
}

/// The tests of one package that assert nothing.
fn package(repository: &Repository, folder: &str) -> Vec<Finding> {
    let files: Vec<&File> = repository.rust().filter(|file| home(repository, file) == folder).collect();
    let lexed: Vec<_> = files.iter().map(|file| tokens(&file.text)).collect();
    let outlines: Vec<Outline<'_>> = lexed.iter().map(|tokens| Outline::new(tokens)).collect();
    let all = || outlines.iter().flat_map(|outline| outline.functions.iter().map(move |f| (outline, f)));

    // A helper judges if it asserts, or calls one that does.
    let mut helpers = BTreeSet::new();
    loop {
        let known = helpers.len();
        for (outline, function) in all().filter(|(_, function)| !function.is_test) {
            if asserts(outline, function) || calls(outline, function, &helpers) {
                helpers.insert(function.name.as_str());
            }
        }
        if helpers.len() == known {
            break;
        }
    }
    let mut found = Vec::new();
    for (file, outline) in files.iter().zip(&outlines) {
        for test in outline.functions.iter().filter(|function| function.is_test && !function.should_panic) {
            let can_fail = asserts(outline, test) || demands(outline, test) || calls(outline, test, &helpers);
            if !can_fail {
                let why = format!("`{}` asserts nothing", test.name);
                found.push(Finding::new(Rule::TestAssertion, &file.path, test.line, why));
            }
        }
    }
    found
}

fn asserts(outline: &Outline<'_>, function: &Function) -> bool {
    function.body.clone().any(|at| {
        let token = outline.code[at];
        let is_used = outline.is_mark(at + 1, "!") || outline.is_mark(at + 1, "(");
        is_used && token.kind == Kind::Name && JUDGES.iter().any(|judge| token.text.starts_with(judge))
    })
}

/// `?`, or a call that panics on what the test does not expect.
fn demands(outline: &Outline<'_>, function: &Function) -> bool {
    function.body.clone().any(|at| {
        let is_call = outline.is_mark(at.wrapping_sub(1), ".") && outline.is_mark(at + 1, "(");
        outline.is_mark(at, "?") || (is_call && DEMANDS.contains(&outline.code[at].text))
    })
}

fn calls(outline: &Outline<'_>, function: &Function, helpers: &BTreeSet<&str>) -> bool {
    let mut body = function.body.clone();
    body.any(|at| outline.is_mark(at + 1, "(") && helpers.contains(outline.code[at].text))
}

/// A file below a folder `fixtures` whose name stands in no string of the package that holds it.
fn unused(repository: &Repository, fixture: &File) -> Option<Finding> {
    let (above, _) = fixture.path.split_once("fixtures/")?;
    let stem = fixture.name().split_once('.').map_or(fixture.name(), |(stem, _)| stem);
    let owner = repository.package(fixture).map_or(above, |package| &package.folder);
    let mut sources = repository.files.iter().filter(|file| file.path.starts_with(owner));
    let is_named = sources.any(|file| match file.path.rsplit_once('.') {
        Some((_, "rs")) => {
            tokens(&file.text).iter().any(|token| token.kind == Kind::Text && names(token.text, stem))
        }
        Some((_, "go")) => names(&file.text, stem),
        _ => false,
    });
    let why = format!("no source of {owner} names `{stem}`");
    (!is_named).then(|| Finding::new(Rule::FixtureUse, &fixture.path, 1, why))
}

/// Whether a text holds a name that is not part of a longer one.
fn names(text: &str, stem: &str) -> bool {
    let part =
        |letter: Option<char>| letter.is_some_and(|letter| letter.is_alphanumeric() || "_-".contains(letter));
    text.match_indices(stem)
        .any(|(at, _)| !part(text[..at].chars().next_back()) && !part(text[at + stem.len()..].chars().next()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::{lines, places};

    fn found(text: &str) -> Vec<usize> {
        lines(Rule::TestAssertion, check, "chains/x/src/a.rs", text)
    }

    #[test]
    fn a_test_that_asserts_nothing_is_found() {
        assert_eq!(found("#[test]\nfn a() { let x = f(); }\nfn f() { g() }\nfn g() {}"), [2]);
        assert_eq!(found("proptest! {\n#[test]\nfn a(x in 0..9u8) {\n f(x); // assert!(x)\n} }"), [3]);
        assert_eq!(found("#[test]\nfn a() { \"assert!(x)\"; }"), [2]);
    }

    #[test]
    fn a_test_that_can_fail_is_not() {
        for body in
            ["assert_eq!(1, 1)", "prop_assert!(x)", "f()", "x.unwrap_err()", "x?", "check_sums()", "panic!()"]
        {
            let text =
                format!("#[test]\nfn a() {{ {body}; }}\nfn f() {{ g(1) }}\nfn g(x: u8) {{ assert!(x > 0) }}");
            assert!(found(&text).is_empty(), "{body}");
        }
        assert!(found("#[test]\n#[should_panic]\nfn a() { f(); }").is_empty());
    }

    #[test]
    fn a_fixture_that_nothing_reads_is_found() {
        let manifest = ("chains/x/Cargo.toml", "[package]\nname = \"x\"\n");
        let test = ("chains/x/src/a.rs", "fn a() { read(\"two\"); include!(\"fixtures/one.hex\") } // three");
        let fixture = |name| (name, "00");
        let files = [
            manifest,
            test,
            fixture("chains/x/fixtures/one.hex"),
            fixture("chains/x/tests/fixtures/deep/two.json"),
            fixture("chains/x/tests/fixtures/three.json"),
        ];
        assert_eq!(
            places(Rule::FixtureUse, check, &files),
            [("chains/x/tests/fixtures/three.json".to_owned(), 1)]
        );
    }
}
