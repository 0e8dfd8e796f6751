//! The files of the repository, read once.

use std::{collections::BTreeSet, fs, io, path::Path};

use crate::{Outline, Package, tokens};

/// One text file.
#[derive(Clone, Debug)]
pub struct File {
    /// Path relative to the root of the repository, with `/` between.
    pub path: String,
    /// Its text; empty for a file that is not UTF-8.
    pub text: String,
}

impl File {
    /// A file with this text.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned() }
    }

    /// Whether the name ends in `.` and the given extension.
    pub fn has_extension(&self, extension: &str) -> bool {
        self.path.rsplit_once('.').is_some_and(|(_, end)| end == extension)
    }

    /// The folder, without a slash at its end; empty at the root.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }

    /// The name without folders.
    pub fn name(&self) -> &str {
        self.path.rsplit_once('/').map_or(&self.path, |(_, name)| name)
    }

    /// Lines with their numbers, from 1.
    pub fn lines(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(index, line)| (index + 1, line))
    }
}

/// All files and packages.
#[derive(Debug)]
pub struct Repository {
    /// The files, in order of their paths.
    pub files: Vec<File>,
    /// The packages of the workspace.
    pub packages: Vec<Package>,
    /// Rust files, or folders of them, that only a test build compiles.
    test_files: BTreeSet<String>,
}

impl Repository {
    /// Reads everything below a folder but hidden files, build output and what `.gitignore` names at the root.
    pub fn read(root: &Path) -> io::Result<Self> {
        let ignored = fs::read_to_string(root.join(".gitignore")).unwrap_or_default();
        let ignored: Vec<&str> = ignored.lines().filter_map(|line| line.strip_prefix('/')).collect();
        let mut files = Vec::new();
        walk(root, "", &ignored, &mut files)?;
        Ok(Self::of(files))
    }

    /// A repository of these files.
    pub fn of(mut files: Vec<File>) -> Self {
        files.sort_by(|one, other| one.path.cmp(&other.path));
        let packages = files.iter().filter_map(Package::read).collect();
        let test_files =
            files.iter().filter(|file| file.has_extension("rs")).flat_map(test_modules).collect();
        Self { files, packages, test_files }
    }

    /// The Rust files.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.has_extension("rs"))
    }

    /// The package that a file belongs to.
    pub fn package(&self, file: &File) -> Option<&Package> {
        let holds = |package: &&Package| file.path.starts_with(&format!("{}/", package.folder));
        self.packages.iter().filter(holds).max_by_key(|package| package.folder.len())
    }

    /// Whether all of a Rust file is test code: below `tests` or `benches`, or a module of test builds only.
    pub fn is_test(&self, file: &File) -> bool {
        let in_folder = file.folder().split('/').any(|part| part == "tests" || part == "benches");
        in_folder
            || self.test_files.iter().any(|path| file.path == *path || file.path.starts_with(path.as_str()))
    }
}

/// The files and folders of the modules that a file declares for test builds only.
fn test_modules(file: &File) -> Vec<String> {
    let folder = match file.name() {
        "lib.rs" | "main.rs" | "mod.rs" => file.folder().to_owned(),
        _ => file.path.trim_end_matches(".rs").to_owned(),
    };
    let tokens = tokens(&file.text);
    let modules = Outline::new(&tokens).test_modules;
    modules.iter().flat_map(|name| [format!("{folder}/{name}.rs"), format!("{folder}/{name}/")]).collect()
}

fn walk(root: &Path, folder: &str, ignored: &[&str], files: &mut Vec<File>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = if folder.is_empty() { name.clone() } else { format!("{folder}/{name}") };
        // `.ci` is ours, and `.cargo` could lead packages astray; whatever else is hidden belongs to tools.
        let hidden = name.starts_with('.') && ![".ci", ".cargo"].contains(&path.as_str());
        if hidden || ignored.contains(&path.as_str()) || name.starts_with("mutants.out") {
            continue;
        }
        let kind = entry.file_type()?;
        if kind.is_dir() && !entry.path().join("CACHEDIR.TAG").exists() {
            walk(root, &path, ignored, files)?;
        } else if kind.is_file() {
            let text = String::from_utf8(fs::read(entry.path())?).unwrap_or_default();
            files.push(File { path, text });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn test_files_are_known_by_folder_and_by_declaration() {
        let repository = Repository::of(vec![
            File::new("chains/a/src/lib.rs", "#[cfg(test)]\nmod checks;\nmod real;"),
            File::new("chains/a/src/real.rs", "#[cfg(test)]\nmod more;"),
        ]);
        let is_test = |path| repository.is_test(&File::new(path, ""));
        assert!(is_test("chains/a/src/checks.rs"));
        assert!(is_test("chains/a/src/checks/deep.rs"));
        assert!(is_test("chains/a/src/real/more.rs"));
        assert!(is_test("chains/a/tests/x.rs"));
        assert!(is_test("tests/sim/src/lib.rs"));
        assert!(!is_test("chains/a/src/real.rs"));
    }

    #[test]
    fn a_file_belongs_to_the_innermost_package() {
        let repository = Repository::of(vec![
            File::new("Cargo.toml", "[workspace]"),
            File::new("chains/a/Cargo.toml", "[package]\nname = \"a\""),
            File::new("chains/a/b/Cargo.toml", "[package]\nname = \"b\""),
        ]);
        let owner = |path| repository.package(&File::new(path, "")).map(|package| package.name.clone());
        assert_eq!(owner("chains/a/src/lib.rs").as_deref(), Some("a"));
        assert_eq!(owner("chains/a/b/src/lib.rs").as_deref(), Some("b"));
        assert_eq!(owner("README.md"), None);
    }
}
