//! The rules, one file per kind.

pub mod assertions;
pub mod documents;
pub mod failpoints;
pub mod folders;
pub mod leftovers;
pub mod prose;
pub mod pure;
pub mod size;

use crate::{Finding, Repository};

/// Every rule, over every file.
pub fn all(repository: &Repository) -> Vec<Finding> {
    let rules = [
        prose::check,
        size::check,
        folders::check,
        pure::check,
        leftovers::check,
        assertions::check,
        documents::check,
        failpoints::check,
    ];
    let mut found: Vec<Finding> = rules.iter().flat_map(|rule| rule(repository)).collect();
    found.sort_by(|one, other| (&one.path, one.line).cmp(&(&other.path, other.line)));
    found
}

/// What self-tests share.
#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::{File, Rule};

    /// The places where a rule finds something in these files.
    pub(crate) fn places(
        rule: Rule,
        check: fn(&Repository) -> Vec<Finding>,
        files: &[(&str, &str)],
    ) -> Vec<(String, usize)> {
        let repository = Repository::of(files.iter().map(|(path, text)| File::new(path, text)).collect());
        let found = check(&repository).into_iter().filter(|finding| finding.rule == rule);
        found.map(|finding| (finding.path, finding.line)).collect()
    }

    /// The lines where a rule finds something in one file.
    pub(crate) fn lines(
        rule: Rule,
        check: fn(&Repository) -> Vec<Finding>,
        path: &str,
        text: &str,
    ) -> Vec<usize> {
        places(rule, check, &[(path, text)]).into_iter().map(|(_, line)| line).collect()
    }
}
