//! The folder graph is a one-way street, and a heavy dependency has one owner.

use crate::{Dependency, Finding, Package, Repository, Rule, Section};

/// The folders, each of which may depend on itself and on those before it.
pub const ORDER: [&str; 6] = ["chains", "router", "proto", "actors", "gateway", "tests"];

/// A dependency, and the folders that may use it. `tests/` may use everything.
struct Owned {
    /// Beginnings of package names.
    names: &'static [&'static str],
    /// Folders, or packages.
    owners: &'static [&'static str],
    /// Why these.
    reason: &'static str,
}

/// Who owns what.
const OWNED: &[Owned] = &[
    Owned {
        names: &["actix"],
        owners: &["actors", "gateway/node"],
        reason: "actors are how things run; gateway/node alone starts the system",
    },
    Owned { names: &["tokio"], owners: &["actors", "gateway"], reason: "nothing below the pure line waits" },
    Owned {
        names: &["sled", "fjall", "lsm-tree"],
        owners: &["actors/store"],
        reason: "the store hides its engine",
    },
    Owned {
        names: &["ring", "ed25519-zebra", "curve25519-dalek"],
        owners: &["chains/crypto"],
        reason: "one crate does cryptography",
    },
    Owned {
        names: &["sha2"],
        owners: &["chains/crypto", "chains/state"],
        reason: "trees hash many nodes at once",
    },
    Owned {
        names: &["tonic"],
        owners: &["proto", "actors/links", "gateway"],
        reason: "gRPC is spoken at the rim: schemas, links, services",
    },
    Owned {
        names: &["prost"],
        owners: &["proto", "gateway/api", "chains/types", "chains/state", "router/packet"],
        reason: "schemas and services; below the line only for messages of the stock crates (commits, ICS-23 proofs), \
                 never for our own formats",
    },
    Owned {
        names: &["ics23"],
        owners: &["chains/state", "router/packet"],
        reason: "proofs of the stock form",
    },
    Owned {
        names: &["tendermint"],
        owners: &["chains/types", "router/packet"],
        reason: "headers, votes and their verification",
    },
    Owned {
        names: &["arc-malachitebft"],
        owners: &["chains/consensus"],
        reason: "the engine is hosted in one place",
    },
    Owned {
        names: &["openraft"],
        owners: &["actors/raft"],
        reason: "the Raft engine is hosted in one place",
    },
    Owned {
        names: &["stateright"],
        owners: &["tests/models"],
        reason: "models are searched in one place, and nothing that ships searches",
    },
    Owned {
        names: &["prometheus-client"],
        owners: &["gateway/node"],
        reason: "one place serves the monitoring",
    },
    Owned {
        names: &["clap", "config", "indicatif", "comfy-table", "tracing-subscriber", "anyhow"],
        owners: &["gateway/node"],
        reason: "only the binary talks to people",
    },
];

/// What may never stand below the pure line, not even in tests.
const ABOVE_THE_LINE: [&str; 6] = ["actix", "tokio", "sled", "tonic", "crossbeam-channel", "futures"];

/// Findings of this kind.
pub fn check(repository: &Repository) -> Vec<Finding> {
    let mut found = Vec::new();
    for package in &repository.packages {
        if !package.has_workspace_lints {
            let why = "`[lints] workspace = true` is missing";
            found.push(Finding::new(Rule::WorkspaceLints, &package.manifest(), 1, why));
        }
        for dependency in &package.dependencies {
            found.extend(against_the_street(repository, package, dependency));
            found.extend(foreign(package, dependency));
        }
    }
    found
}

fn rank(package: &Package) -> Option<usize> {
    ORDER.iter().position(|folder| *folder == package.top())
}

fn against_the_street(
    repository: &Repository,
    package: &Package,
    dependency: &Dependency,
) -> Option<Finding> {
    let at = |why: String| Finding::new(Rule::FolderOrder, &package.manifest(), dependency.line, why);
    let Some(own) = rank(package) else {
        return Some(at(format!("`{}` is none of the folders {ORDER:?}", package.top())));
    };
    let target = repository.packages.iter().find(|target| target.name == dependency.name)?;
    let why =
        format!("{} may not depend on {}, the street is {}", package.top(), target.top(), ORDER.join(" <- "));
    (rank(target) > Some(own)).then(|| at(why))
}

fn foreign(package: &Package, dependency: &Dependency) -> Option<Finding> {
    let begins = |names: &[&str]| {
        let rest = names.iter().find_map(|name| dependency.name.strip_prefix(name));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
    };
    let at =
        |why: String| Some(Finding::new(Rule::DependencyOwner, &package.manifest(), dependency.line, why));
    let is_below = rank(package) < ORDER.iter().position(|folder| *folder == "proto");
    if is_below && begins(&ABOVE_THE_LINE) {
        return at(format!("`{}` stands above the pure line", dependency.name));
    }
    if dependency.section == Section::Dev || package.top() == "tests" {
        return None;
    }
    let owned = OWNED.iter().find(|owned| begins(owned.names))?;
    let owns = |owner: &str| package.folder == owner || package.top() == owner;
    if owned.owners.iter().any(|owner| owns(owner)) {
        return None;
    }
    at(format!("`{}` belongs to {}: {}", dependency.name, owned.owners.join(", "), owned.reason))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::testing::places;

    fn manifest(name: &str, tables: &str) -> String {
        format!("[package]\nname = \"{name}\"\n[lints]\nworkspace = true\n{tables}")
    }

    fn found(rule: Rule, tables: &str, path: &str) -> Vec<(String, usize)> {
        let ledger = manifest("catenary-ledger", "");
        let runtime = manifest("catenary-runtime", "");
        let own = manifest("own", tables);
        let files =
            [("chains/ledger/Cargo.toml", &*ledger), ("actors/runtime/Cargo.toml", &*runtime), (path, &*own)];
        places(rule, check, &files)
    }

    #[test]
    fn a_dependency_against_the_street_is_found() {
        let on_runtime = "[dependencies]\ncatenary-runtime.workspace = true\n";
        let place = |path: &str| vec![(path.to_owned(), 6)];
        assert_eq!(found(Rule::FolderOrder, on_runtime, "chains/x/Cargo.toml"), place("chains/x/Cargo.toml"));
        assert_eq!(found(Rule::FolderOrder, on_runtime, "proto/Cargo.toml"), place("proto/Cargo.toml"));
        assert_eq!(
            found(Rule::FolderOrder, on_runtime, "elsewhere/Cargo.toml"),
            place("elsewhere/Cargo.toml")
        );
        assert!(found(Rule::FolderOrder, on_runtime, "gateway/x/Cargo.toml").is_empty());
        let in_tests = "[dev-dependencies]\ncatenary-runtime.workspace = true\n";
        assert_eq!(found(Rule::FolderOrder, in_tests, "router/x/Cargo.toml"), place("router/x/Cargo.toml"));
        let on_ledger = "[dependencies]\ncatenary-ledger.workspace = true\n";
        assert!(found(Rule::FolderOrder, on_ledger, "router/x/Cargo.toml").is_empty());
    }

    #[test]
    fn a_heavy_dependency_outside_its_owner_is_found() {
        let uses = |name: &str, path: &str| {
            !found(Rule::DependencyOwner, &format!("[dependencies]\n{name} = \"1\"\n"), path).is_empty()
        };
        assert!(uses("sled", "actors/runtime2/Cargo.toml"));
        assert!(!uses("sled", "actors/store/Cargo.toml"));
        assert!(uses("tonic-health", "actors/system/Cargo.toml"));
        assert!(uses("prost", "router/transfer/Cargo.toml"));
        assert!(uses("x = { package = \"prost\", version = \"1\" }\ny", "router/transfer/Cargo.toml"));
        assert!(uses("clap", "gateway/api/Cargo.toml"));
        assert!(uses("arc-malachitebft-core-types", "chains/replica/Cargo.toml"));
        assert!(!uses("ringbuffer", "chains/replica/Cargo.toml"));
        assert!(!uses("tonic", "tests/e2e/Cargo.toml"));
    }

    #[test]
    fn even_tests_below_the_line_run_without_actors() {
        let tables = "[dev-dependencies]\ntokio = \"1\"\n";
        assert_eq!(found(Rule::DependencyOwner, tables, "chains/x/Cargo.toml").len(), 1);
        assert!(found(Rule::DependencyOwner, tables, "proto/Cargo.toml").is_empty());
    }

    #[test]
    fn a_package_without_the_lints_of_the_workspace_is_found() {
        let files = [("chains/x/Cargo.toml", "[package]\nname = \"x\"\n")];
        assert_eq!(places(Rule::WorkspaceLints, check, &files), [("chains/x/Cargo.toml".to_owned(), 1)]);
    }
}
