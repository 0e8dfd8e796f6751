//! Files and functions stay small enough to read in one go.

use crate::{Finding, Outline, Repository, Rule, tokens};

/// The longest file, in lines.
pub const FILE_LINES_MAX: usize = 600;
/// The longest function, in lines from `fn` to its closing brace.
pub const FUNCTION_LINES_MAX: usize = 69;

/// Findings of this kind.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut found = Vec::new();
    for file in repository.files.iter().filter(|file| file.has_extension("rs") || file.has_extension("proto"))
    {
        let lines = file.lines().count();
        if lines > FILE_LINES_MAX {
            let why = format!("{lines} lines, at most {FILE_LINES_MAX}");
            found.push(Finding::new(Rule::FileSize, &file.path, FILE_LINES_MAX + 1, why));
        }
    }
    for file in repository.rust() {
        let tokens = tokens(&file.text);
        for function in Outline::new(&tokens).functions {
            if function.lines > FUNCTION_LINES_MAX {
                let why =
                    format!("`{}` has {} lines, at most {FUNCTION_LINES_MAX}", function.name, function.lines);
                found.push(Finding::new(Rule::FunctionSize, &file.path, function.line, why));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::lines;

    #[test]
    fn a_long_file_is_found() {
        let found =
            |count: usize| lines(Rule::FileSize, check, "chains/x/src/a.rs", &"//! x\n".repeat(count));
        assert!(found(FILE_LINES_MAX).is_empty());
        assert_eq!(found(FILE_LINES_MAX + 1), [FILE_LINES_MAX + 1]);
    }

    #[test]
    fn a_long_function_is_found_and_braces_in_strings_do_not_end_it() {
        let function = |count: usize| format!("\nfn a() {{\n{}}}\n", "x(\"}\");\n".repeat(count));
        let found = |count| lines(Rule::FunctionSize, check, "chains/x/src/a.rs", &function(count));
        assert!(found(FUNCTION_LINES_MAX - 2).is_empty());
        assert_eq!(found(FUNCTION_LINES_MAX - 1), [2]);
    }
}
