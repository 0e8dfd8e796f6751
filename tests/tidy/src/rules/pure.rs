//! Below the pure line nothing depends on more than its arguments.

use std::collections::BTreeSet;

use crate::{File, Finding, Kind, Outline, Repository, Rule, tokens};

/// Folders below the line.
const PURE: [&str; 2] = ["chains", "router"];

/// Modules of the standard library that read or change the world outside.
const MODULES: [&str; 5] = ["env", "fs", "net", "process", "thread"];

/// Names that stand for a clock, a float or a crate from above the line.
const NAMES: [&str; 9] =
    ["SystemTime", "Instant", "f32", "f64", "actix", "tokio", "sled", "tonic", "RandomState"];

/// Maps and sets whose order differs from run to run.
const HASHED: [&str; 4] = ["HashMap", "HashSet", "DashMap", "DashSet"];

/// Methods that walk a map in its order.
const WALKS: [&str; 8] =
    ["iter", "iter_mut", "keys", "values", "values_mut", "into_iter", "into_keys", "into_values"];

/// Findings of this kind.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let below = |file: &&File| PURE.iter().any(|folder| file.path.starts_with(&format!("{folder}/")));
    repository
        .rust()
        .filter(below)
        .filter(|file| !repository.is_test(file))
        .flat_map(|file| {
            let tokens = tokens(&file.text);
            let outline = Outline::new(&tokens);
            let places = (0..outline.code.len()).filter(|at| !outline.is_test(*at));
            let maps = hashed_names(&outline);
            let why = |at| impurity(&outline, at).or_else(|| walk(&outline, at, &maps));
            let found = places.filter_map(|at| Some((outline.code[at].line, why(at)?)));
            found.map(|(line, why)| Finding::new(Rule::PureLine, &file.path, line, why)).collect::<Vec<_>>()
        })
        .collect()
}

/// What at this place is not a function of arguments.
fn impurity(outline: &Outline<'_>, at: usize) -> Option<String> {
    let token = outline.code[at];
    match token.kind {
        // `x.0.1` is a field of a field.
        Kind::Number if outline.is_mark(at.wrapping_sub(1), ".") => None,
        Kind::Number => is_float(token.text).then(|| format!("`{}` is a float", token.text)),
        Kind::Name if NAMES.contains(&token.text) => {
            Some(format!("`{}` stands below the pure line", token.text))
        }
        Kind::Name if MODULES.contains(&token.text) => {
            let direct = at >= 3 && outline.is_path(at - 3, &["std", token.text]);
            let imported = in_std_import(outline, at) && !outline.is_mark(at.wrapping_sub(1), ":");
            (direct || imported).then(|| format!("`std::{}` stands below the pure line", token.text))
        }
        _ => None,
    }
}

fn is_float(number: &str) -> bool {
    let is_decimal = !number.starts_with("0x") && !number.starts_with("0b") && !number.starts_with("0o");
    is_decimal && (number.contains('.') || number.contains(['e', 'E']) && !number.ends_with("size"))
}

/// Whether a place stands in the braces of `use std::{…}`.
fn in_std_import(outline: &Outline<'_>, at: usize) -> bool {
    let start =
        (0..at).rev().find(|&place| outline.is_mark(place, ";") || outline.code[place].is_name("use"));
    let opened = |place: usize| outline.is_path(place + 1, &["std"]) && outline.is_mark(place + 4, "{");
    start.is_some_and(|place| {
        outline.code[place].is_name("use") && opened(place) && outline.closed(place + 4) > at
    })
}

/// Names that the file declares as a hashed map or set.
fn hashed_names<'a>(outline: &Outline<'a>) -> BTreeSet<&'a str> {
    let code = &outline.code;
    let declared = |at: &usize| {
        // `name: HashMap<…>`, `name: &mut HashMap<…>`, `name = HashMap::new()`.
        let before =
            (0..*at).rev().find(|&place| !code[place].is_mark("&") && !code[place].is_name("mut"))?;
        let is_bound = code[before].is_mark(":") || code[before].is_mark("=");
        let name = code.get(before.checked_sub(1)?)?;
        (is_bound && name.kind == Kind::Name).then_some(name.text)
    };
    (0..code.len()).filter(|&at| HASHED.contains(&code[at].text)).filter_map(|at| declared(&at)).collect()
}

/// A walk over one of these maps.
fn walk(outline: &Outline<'_>, at: usize, maps: &BTreeSet<&str>) -> Option<String> {
    let token = outline.code[at];
    if token.kind != Kind::Name || !maps.contains(token.text) {
        return None;
    }
    let next = outline.code.get(at + 2).filter(|_| outline.is_mark(at + 1, "."));
    let is_method = next.is_some_and(|next| WALKS.contains(&next.text) || next.text == "drain");
    // `for x in &map {`, `for x in self.map {`
    let statement =
        (0..at).rev().take_while(|&place| !outline.is_mark(place, "{") && !outline.is_mark(place, ";"));
    let is_loop = outline.is_mark(at + 1, "{")
        && statement.clone().any(|place| outline.code[place].is_name("in"))
        && statement.clone().any(|place| outline.code[place].is_name("for"));
    (is_method || is_loop).then(|| format!("`{}` is walked in the order of its hashes", token.text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::lines;

    fn found(text: &str) -> Vec<usize> {
        lines(Rule::PureLine, check, "chains/x/src/a.rs", text)
    }

    #[test]
    fn clocks_threads_and_io_are_found() {
        assert_eq!(found("use std::time::{Duration, Instant};\nfn a() { SystemTime::now(); }"), [1, 2]);
        assert_eq!(
            found("use std::{collections::BTreeMap, thread};\nuse std::{io::Read, fs::File};"),
            [1, 2]
        );
        assert_eq!(found("\nfn a() { std::thread::yield_now(); std::env::var(\"x\"); }"), [2, 2]);
        assert_eq!(found("\nuse tokio::sync::mpsc;"), [2]);
        assert!(
            found("use std::time::Duration;\nuse crate::{fs, net};\nfn a(thread: u8) { \"Instant\"; }")
                .is_empty()
        );
    }

    #[test]
    fn floats_are_found() {
        assert_eq!(found("fn a(x: f64) {}\nconst B: u8 = (2.5 * 1e3) as u8;"), [1, 2, 2]);
        assert!(found("const A: u8 = 0x1e; const B: usize = 7usize; fn c() { 0..9; x.0.1; }").is_empty());
    }

    #[test]
    fn walks_in_hash_order_are_found() {
        let text = "struct A { map: HashMap<u8, u8> }\nfn a(x: &A) { x.map.get(&1); }\nfn b(x: &A) { x.map.keys(); }\n\
                    fn c(x: A) { for y in &x.map {} }\nfn d() { let mut set = HashSet::new(); set.drain(); }";
        assert_eq!(found(text), [3, 4, 5]);
    }

    #[test]
    fn tests_and_folders_above_may() {
        assert!(found("#[cfg(test)]\nmod tests { use std::fs; fn a(x: f32) {} }").is_empty());
        assert!(lines(Rule::PureLine, check, "actors/x/src/a.rs", "use std::fs;").is_empty());
        assert!(lines(Rule::PureLine, check, "chains/x/tests/a.rs", "use std::fs;").is_empty());
    }
}
