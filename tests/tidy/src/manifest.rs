//! Packages and their dependencies, from `Cargo.toml`.

use toml_edit::{DocumentMut, Item, TableLike};

use crate::File;

/// Which table names a dependency.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// `dependencies`, also of one target only.
    Normal,
    /// `build-dependencies`.
    Build,
    /// `dev-dependencies`.
    Dev,
}

/// One dependency of a package.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dependency {
    /// The package's name, also where it is used under another.
    pub name: String,
    /// The table.
    pub section: Section,
    /// The line, from 1.
    pub line: usize,
}

/// One package of the workspace.
#[derive(Clone, Debug)]
pub struct Package {
    /// Its name.
    pub name: String,
    /// Its folder, relative to the root of the repository.
    pub folder: String,
    /// What it depends on.
    pub dependencies: Vec<Dependency>,
    /// Whether it takes the lints of the workspace.
    pub has_workspace_lints: bool,
}

impl Package {
    /// Reads a manifest; nothing for other files, and for manifests without a package.
    pub fn read(file: &File) -> Option<Self> {
        if file.name() != "Cargo.toml" {
            return None;
        }
        let document: DocumentMut = file.text.parse().ok()?;
        let name = document.get("package")?.get("name")?.as_str()?.to_owned();
        let mut dependencies = collect(document.as_table(), &file.text);
        for (_, target) in
            document.get("target").and_then(Item::as_table_like).into_iter().flat_map(TableLike::iter)
        {
            dependencies
                .extend(target.as_table_like().map(|table| collect(table, &file.text)).unwrap_or_default());
        }
        let lints = document.get("lints").and_then(|lints| lints.get("workspace")).and_then(Item::as_bool);
        let folder = file.folder().to_owned();
        Some(Self { name, folder, dependencies, has_workspace_lints: lints == Some(true) })
    }

    /// The top-level folder.
    pub fn top(&self) -> &str {
        self.folder.split('/').next().unwrap_or_default()
    }

    /// The path of the manifest.
    pub fn manifest(&self) -> String {
        format!("{}/Cargo.toml", self.folder)
    }
}

fn collect(table: &dyn TableLike, text: &str) -> Vec<Dependency> {
    let sections = [
        ("dependencies", Section::Normal),
        ("build-dependencies", Section::Build),
        ("dev-dependencies", Section::Dev),
    ];
    let mut found = Vec::new();
    for (title, section) in sections {
        for (key, item) in
            table.get(title).and_then(Item::as_table_like).into_iter().flat_map(TableLike::iter)
        {
            let name = item.get("package").and_then(Item::as_str).unwrap_or(key).to_owned();
            found.push(Dependency { name, section, line: line_of(text, title, key) });
        }
    }
    found
}

/// The line that names a key below a section's title; the first line if it is written in some other way.
fn line_of(text: &str, title: &str, key: &str) -> usize {
    let lines = text.lines().enumerate().skip_while(|(_, line)| !line.contains(&format!("{title}]")));
    let names = |line: &str| {
        let rest = line.trim_start().strip_prefix(key);
        rest.is_some_and(|rest| rest.starts_with(['.', ' ', '=']))
    };
    lines.skip(1).find(|(_, line)| names(line)).map_or(1, |(index, _)| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dependencies_of_all_tables_are_found() {
        let text = "[package]\nname = \"x\"\n[dependencies]\na.workspace = true\nb2 = { package = \"b\", version = \"1\" }\n\
                    [dev-dependencies]\na = \"1\"\n[target.'cfg(unix)'.dependencies]\nc = \"1\"\n[lints]\nworkspace = true\n";
        let package = Package::read(&File::new("chains/x/Cargo.toml", text)).unwrap();
        let found: Vec<_> =
            package.dependencies.iter().map(|d| (d.name.as_str(), d.section, d.line)).collect();
        let expected = [
            ("a", Section::Normal, 4),
            ("b", Section::Normal, 5),
            ("a", Section::Dev, 7),
            ("c", Section::Normal, 9),
        ];
        assert_eq!(found, expected);
        assert_eq!((package.top(), package.has_workspace_lints), ("chains", true));
    }
}
