//! The SDK that the program carries, as a folder that cargo builds by itself.
//!
//! In the repository the crates of the SDK take versions, lints and dependencies from the workspace. Here the
//! crate `plugbay-sdk` is the root of a workspace of its own, with what the crates take from the other one.

use std::collections::BTreeSet;

use toml::{Table, Value};

use crate::choices::Language;
use crate::files::{File, ScaffoldError};

/// Every file, by its path in the SDK; `repository.toml` is the manifest of the repository's workspace.
const FILES: &[(&str, &str)] = include!(concat!(env!("OUT_DIR"), "/sdk_files.rs"));

/// The version of the SDK, which is the program's.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The folders of other languages.
const OTHERS: [&str; 2] = ["c/", "js/"];

/// The crates below `plugbay-sdk`.
const MEMBERS: [&str; 3] = ["abi", "accept", "document"];

/// The tables of a manifest that an SDK without tests of its own has no use for.
const FOR_TESTS: [&str; 3] = ["dev-dependencies", "test", "bench"];

/// The folder of the SDK in the folder of a plugin.
pub(crate) const FOLDER: &str = "sdk";

/// The files of the SDK for plugins in a language, by their paths in the folder of a plugin.
pub(crate) fn files(language: Language) -> Result<Vec<File>, ScaffoldError> {
    let files = match language {
        Language::Rust => for_rust()?,
        Language::C => for_c(),
        Language::Js => for_js(),
    };
    Ok(files.into_iter().map(|(name, text)| (format!("{FOLDER}/{name}"), text)).collect())
}

/// The files of the SDK for plugins in Rust.
pub(crate) fn for_rust() -> Result<Vec<File>, ScaffoldError> {
    let repository = parse("repository.toml", text("repository.toml"))?;
    let workspace = table(&repository, "workspace").cloned().unwrap_or_default();
    let mut files = Vec::new();
    let mut used = BTreeSet::new();
    for member in MEMBERS {
        let name = format!("{member}/Cargo.toml");
        let manifest = without_tests(parse(&name, text(&name))?);
        inherited(&manifest, &mut used);
        files.push((name, manifest.to_string()));
    }
    let mut root = without_tests(parse("Cargo.toml", text("Cargo.toml"))?);
    inherited(&root, &mut used);
    root.insert("workspace".to_owned(), Value::Table(own_workspace(&workspace, &used)));
    let note =
        "# The SDK of Plugbay, as `plugbay new` wrote it: `plugbay new --sdk` writes it again.\n\n";
    files.push(("Cargo.toml".to_owned(), format!("{note}{root}")));
    let of_others = |name: &str| OTHERS.iter().any(|folder| name.starts_with(folder));
    let is_manifest = |name: &str| name.ends_with("Cargo.toml") || name == "repository.toml";
    let rest = FILES.iter().filter(|(name, _)| !is_manifest(name) && !of_others(name));
    files.extend(rest.map(|(name, text)| ((*name).to_owned(), (*text).to_owned())));
    Ok(files)
}

/// The files of the SDK for plugins in C.
pub(crate) fn for_c() -> Vec<File> {
    of_folder("c/", &["LICENSE"])
}

/// The files of the SDK for plugins in JavaScript.
pub(crate) fn for_js() -> Vec<File> {
    of_folder("js/", &["LICENSE", "wit/"])
}

/// The files of a language's folder, without it, and those that begin with one of `also`.
fn of_folder(folder: &str, also: &[&str]) -> Vec<File> {
    let own = FILES.iter().filter_map(|(name, text)| {
        let kept = also.iter().any(|start| name.starts_with(start));
        let own = name.strip_prefix(folder).or_else(|| kept.then_some(name))?;
        Some((own.to_owned(), (*text).to_owned()))
    });
    own.collect()
}

fn text(name: &str) -> &'static str {
    FILES.iter().find(|(own, _)| *own == name).map_or("", |(_, text)| text)
}

fn parse(name: &str, text: &str) -> Result<Table, ScaffoldError> {
    text.parse().map_err(|error| ScaffoldError::Sdk(format!("{name}: {error}")))
}

fn table<'a>(of: &'a Table, key: &str) -> Option<&'a Table> {
    of.get(key).and_then(Value::as_table)
}

/// A manifest without what only the tests of the repository use.
fn without_tests(mut manifest: Table) -> Table {
    manifest.retain(|key, _| !FOR_TESTS.contains(&key));
    if let Some(targets) = manifest.get_mut("target").and_then(Value::as_table_mut) {
        for (_, target) in targets.iter_mut() {
            if let Some(target) = target.as_table_mut() {
                target.retain(|key, _| !FOR_TESTS.contains(&key));
            }
        }
    }
    manifest
}

/// The dependencies that a manifest takes from its workspace.
fn inherited(manifest: &Table, used: &mut BTreeSet<String>) {
    let targets = table(manifest, "target").into_iter().flat_map(Table::values);
    let tables = targets.filter_map(Value::as_table).chain([manifest]);
    for dependencies in tables.filter_map(|it| table(it, "dependencies")) {
        used.extend(dependencies.keys().cloned());
    }
}

/// The workspace of the SDK: of the repository's, what its crates use.
fn own_workspace(repository: &Table, used: &BTreeSet<String>) -> Table {
    let mut own = Table::new();
    own.insert("resolver".to_owned(), "3".into());
    own.insert("members".to_owned(), MEMBERS.map(Value::from).to_vec().into());
    for key in ["package", "lints"] {
        if let Some(value) = repository.get(key) {
            own.insert(key.to_owned(), value.clone());
        }
    }
    let mut dependencies = table(repository, "dependencies").cloned().unwrap_or_default();
    dependencies.retain(|name, _| used.contains(name));
    for (_, dependency) in &mut dependencies {
        let path = dependency.get("path").and_then(Value::as_str);
        let path = path.and_then(|path| path.strip_prefix("plugin-sdk/")).map(Value::from);
        if let (Some(path), Some(dependency)) = (path, dependency.as_table_mut()) {
            dependency.insert("path".to_owned(), path);
        }
    }
    own.insert("dependencies".to_owned(), Value::Table(dependencies));
    own
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_manifest_leads_out_of_the_sdk() {
        let files = for_rust().unwrap();
        let manifests: Vec<_> =
            files.iter().filter(|(name, _)| name.ends_with("Cargo.toml")).collect();
        assert_eq!(manifests.len(), 1 + MEMBERS.len());
        for (name, text) in manifests {
            assert!(!text.contains(".."), "{name}:\n{text}");
            assert!(!text.contains("dev-dependencies"), "{name}:\n{text}");
        }
        let names: Vec<_> = files.iter().map(|(name, _)| name.as_str()).collect();
        for name in ["src/lib.rs", "abi/src/lib.rs", "document/src/lib.rs", "wit/types.wit"] {
            assert!(names.contains(&name), "{name} is missing in {names:?}");
        }
    }

    #[test]
    fn other_languages_get_their_own_files_alone() {
        let names: Vec<_> = for_c().into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&"plugbay.h".to_owned()), "{names:?}");
        assert!(
            names.iter().all(|name| name.starts_with("plugbay") || name.starts_with("LICENSE"))
        );
        let names: Vec<_> = for_js().into_iter().map(|(name, _)| name).collect();
        assert!(names.contains(&"plugbay.js".to_owned()), "{names:?}");
        assert!(names.contains(&"wit/types.wit".to_owned()), "{names:?}");
    }
}
