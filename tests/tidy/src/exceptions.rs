//! The exceptions to the rules, and the judgement of a whole repository.

use crate::{Finding, Repository, Rule, rules};

/// One file that one rule leaves alone.
#[derive(Clone, Copy, Debug)]
pub struct Exception {
    /// The rule.
    pub rule: Rule,
    /// The file, relative to the root of the repository.
    pub path: &'static str,
    /// Why the rule would make the code worse.
    pub reason: &'static str,
}

/// All exceptions there are.
pub const EXCEPTIONS: &[Exception] = &[];

/// Runs every rule; findings that an exception covers are left out, exceptions that cover none are findings.
pub fn judge(repository: &Repository, exceptions: &[Exception]) -> Vec<Finding> {
    let covers = |exception: &Exception, finding: &Finding| {
        exception.rule == finding.rule && exception.path == finding.path
    };
    let all = rules::all(repository);
    let stale = exceptions
        .iter()
        .filter(|exception| !all.iter().any(|finding| covers(exception, finding)))
        .map(|exception| {
            let why = format!("{:?} has no finding here any more: {}", exception.rule, exception.reason);
            Finding::new(Rule::StaleException, exception.path, 1, why)
        })
        .collect::<Vec<_>>();
    let open =
        all.into_iter().filter(|finding| !exceptions.iter().any(|exception| covers(exception, finding)));
    open.chain(stale).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::File;

    #[test]
    fn an_exception_covers_its_file_and_must_be_needed() {
        let exception = |path| Exception { rule: Rule::FileDoc, path, reason: "a reason" };
        let repository = Repository::of(vec![File::new("chains/a/src/x.rs", "fn x() {}\n")]);
        let found = judge(&repository, &[]);
        assert!(found.iter().any(|finding| finding.rule == Rule::FileDoc));

        let covered = judge(&repository, &[exception("chains/a/src/x.rs")]);
        assert!(covered.iter().all(|finding| finding.rule != Rule::FileDoc));

        let stale = judge(&repository, &[exception("chains/a/src/y.rs")]);
        assert!(stale.iter().any(|finding| finding.rule == Rule::StaleException));
        assert!(stale.iter().any(|finding| finding.rule == Rule::FileDoc));
    }
}
