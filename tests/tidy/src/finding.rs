//! What a rule reports.

use std::fmt;

/// The rules, by the name that findings show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// A file without `//!` at its top.
    FileDoc,
    /// A crate whose root doc does not end with `# Invariants`.
    CrateInvariants,
    /// A file that is too long.
    FileSize,
    /// A function that is too long.
    FunctionSize,
    /// A heavy dependency outside its owner.
    DependencyOwner,
    /// A dependency against the one-way street of folders.
    FolderOrder,
    /// A package that does not take the workspace's lints.
    WorkspaceLints,
    /// Something below the pure line that depends on more than its arguments.
    PureLine,
    /// `unwrap` outside tests.
    Unwrap,
    /// A marker of unfinished work.
    Marker,
    /// A path that exists on one machine only.
    MachinePath,
    /// A package source other than the public index.
    PackageSource,
    /// A test that asserts nothing.
    TestAssertion,
    /// A fixture that no test reads.
    FixtureUse,
    /// A top-level folder that the README does not name.
    ReadmeFolders,
    /// A link of a document, or a document named in a comment, that leads nowhere.
    DeadLink,
    /// A failpoint that no place of the product reaches, or more than one.
    FailpointPlace,
    /// An exception that nothing needs.
    StaleException,
}

/// One breach of one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// The file, relative to the root of the repository.
    pub path: String,
    /// The line, from 1.
    pub line: usize,
    /// What is wrong, in facts.
    pub why: String,
}

impl Finding {
    /// A finding at a line of a file.
    pub fn new(rule: Rule, path: &str, line: usize, why: impl Into<String>) -> Self {
        Self { rule, path: path.to_owned(), line, why: why.into() }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}: {:?}: {}", self.path, self.line, self.rule, self.why)
    }
}
