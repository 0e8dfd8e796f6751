//! Every failpoint stands at one place of the product, so that its name says where a node died.

use crate::{File, Finding, Kind, Outline, Repository, Rule, tokens};

/// Where their names are.
const LIST: &str = "chains/failpoint/src/lib.rs";

/// The type that a place names.
const TYPE: &str = "Failpoint";

/// Findings of this kind.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let Some(list) = repository.files.iter().find(|file| file.path == LIST) else { return Vec::new() };
    let product = repository.rust().filter(|file| file.path != LIST && !repository.is_test(file));
    let places: Vec<_> = product.flat_map(reached).collect();
    let mut found = Vec::new();
    for (point, line) in listed(list) {
        let mut here = places.iter().filter(|place| place.point == point);
        if here.next().is_none() {
            let why = format!("no place of the product reaches `{point}`");
            found.push(Finding::new(Rule::FailpointPlace, LIST, line, why));
        }
        for Place { path, line, .. } in here {
            let why = format!("`{point}` stands at another place too");
            found.push(Finding::new(Rule::FailpointPlace, path, *line, why));
        }
    }
    found
}

struct Place {
    point: String,
    path: String,
    line: usize,
}

/// The variants of the list, each with its line.
fn listed(list: &File) -> Vec<(String, usize)> {
    let tokens = tokens(&list.text);
    let outline = Outline::new(&tokens);
    let code = &outline.code;
    let is_variant = |at: &usize| {
        code[*at].kind == Kind::Name
            && outline.is_mark(at + 1, "=")
            && code.get(at + 2).is_some_and(|token| token.kind == Kind::Text)
            && outline.is_mark(at + 3, ",")
    };
    let variants = (0..code.len()).filter(is_variant);
    variants.map(|at| (code[at].text.to_owned(), code[at].line)).collect()
}

/// The failpoints that a file of the product names.
fn reached(file: &File) -> Vec<Place> {
    let tokens = tokens(&file.text);
    let outline = Outline::new(&tokens);
    let named = (0..outline.code.len()).filter(|at| outline.is_path(*at, &[TYPE]) && !outline.is_test(*at));
    let variant = |at: usize| {
        let token = outline.code.get(at + 3)?;
        outline.is_path(at, &[TYPE, token.text]).then(|| Place {
            point: token.text.to_owned(),
            path: file.path.clone(),
            line: token.line,
        })
    };
    named.filter_map(variant).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::places;

    const NAMES: &str =
        "failpoints! {\n /// A.\n BatchWritten = \"batch-written\",\n /// B.\n Sent = \"sent\",\n}";

    fn found(product: &str) -> Vec<(String, usize)> {
        let files = [
            (LIST, NAMES),
            ("actors/x/src/a.rs", product),
            ("tests/sim/src/b.rs", "fn b() { reached(Failpoint::Sent) }"),
        ];
        places(Rule::FailpointPlace, check, &files)
    }

    #[test]
    fn a_failpoint_that_nothing_reaches_is_found() {
        let once = "use x::{Failpoint, reached};\nfn a() { reached(Failpoint::BatchWritten) }\n";
        assert_eq!(found(once), [(LIST.to_owned(), 5)]);
        let also_in_a_test = format!("{once}#[cfg(test)]\nmod tests {{ fn a() {{ Failpoint::Sent }} }}");
        assert_eq!(found(&also_in_a_test), [(LIST.to_owned(), 5)]);
    }

    #[test]
    fn a_failpoint_at_two_places_is_found() {
        let twice =
            "reached(Failpoint::Sent);\nreached(Failpoint::BatchWritten);\nreached(Failpoint::Sent);\n";
        assert_eq!(found(twice), [("actors/x/src/a.rs".to_owned(), 3)]);
    }
}
