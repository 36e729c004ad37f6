//! Every crate has a documentation comment, uses the workspace's lints, and takes versions of
//! dependencies from the workspace.

use std::fs;
use std::path::Path;

use cargo_metadata::Metadata;
use toml::{Table, Value};

use super::Violation;

pub(crate) fn check(root: &Path, metadata: &Metadata) -> Vec<Violation> {
    let mut violations = Vec::new();
    for package in &metadata.packages {
        let manifest = relative(root, package.manifest_path.as_std_path());
        let text = fs::read_to_string(&package.manifest_path).unwrap_or_default();
        violations.extend(check_manifest(&manifest, &text));
        for target in package.targets.iter().filter(|target| target.name == target_of(package)) {
            let path = relative(root, target.src_path.as_std_path());
            if path.ends_with("/lib.rs") {
                let text = fs::read_to_string(&target.src_path).unwrap_or_default();
                violations.extend(check_documentation(&path, &text));
            }
        }
    }
    violations
}

/// The name of a package's library.
fn target_of(package: &cargo_metadata::Package) -> String {
    let library = package.targets.iter().find(|target| target.src_path.ends_with("src/lib.rs"));
    library.map(|target| target.name.clone()).unwrap_or_default()
}

fn relative(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).to_string_lossy().replace('\\', "/")
}

fn check_documentation(path: &str, text: &str) -> Option<Violation> {
    let opens = text.lines().next().is_some_and(|line| line.starts_with("//!"));
    // The documentation may be in a file: `#![doc = include_str!("../README.md")]`.
    let includes = text.lines().next().is_some_and(|line| line.starts_with("#![doc"));
    (!opens && !includes).then(|| {
        Violation::new(
            path,
            1,
            "expected a comment //! on the first line that says what the crate is for",
        )
    })
}

fn check_manifest(path: &str, text: &str) -> Vec<Violation> {
    let Ok(manifest) = text.parse::<Table>() else {
        return vec![Violation::new(path, 1, "expected a manifest, found other text")];
    };
    let mut violations = Vec::new();
    let shared =
        manifest.get("lints").and_then(|lints| lints.get("workspace")).and_then(Value::as_bool);
    if shared != Some(true) {
        violations.push(Violation::new(path, 1, "expected [lints] workspace = true, found none"));
    }
    let platforms = manifest.get("target").and_then(Value::as_table);
    let tables = platforms
        .into_iter()
        .flat_map(Table::values)
        .filter_map(Value::as_table)
        .chain([&manifest]);
    for table in tables {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let Some(dependencies) = table.get(section).and_then(Value::as_table) else {
                continue;
            };
            for (name, value) in dependencies {
                if has_own_version(value) {
                    let message = format!(
                        "expected {name}.workspace = true, found a version: put it into the workspace's manifest"
                    );
                    violations.push(Violation::new(path, line_of(text, name), message));
                }
            }
        }
    }
    violations
}

/// Whether a dependency has a version here: `"1"`, or a table that names one.
fn has_own_version(value: &Value) -> bool {
    match value {
        Value::Table(table) => {
            ["version", "git", "registry"].iter().any(|key| table.contains_key(*key))
        }
        _ => true,
    }
}

fn line_of(text: &str, name: &str) -> usize {
    let found =
        text.lines().position(|line| line.trim_start().trim_start_matches('"').starts_with(name));
    found.map_or(1, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_and_lints_come_from_the_workspace() {
        let text = "[lints]\nworkspace = true\n[dependencies]\na.workspace = true\nb = \"1\"\n\
                    c = { path = \"c\" }\n[target.'cfg(unix)'.dev-dependencies]\nd = { version = \"1\" }\n";
        let lines: Vec<usize> = check_manifest("Cargo.toml", text).iter().map(|v| v.line).collect();
        assert_eq!(lines.len(), 2);
        assert!(lines.contains(&5) && lines.contains(&8), "{lines:?}");
        assert_eq!(check_manifest("Cargo.toml", "[package]\n").len(), 1);
    }

    #[test]
    fn a_crate_begins_with_its_documentation() {
        let check = |text| check_documentation("a/src/lib.rs", text);
        assert!(check("//! What it is.\n").is_none());
        assert!(check("#![doc = include_str!(\"../README.md\")]\n").is_none());
        assert!(check("mod a;\n").is_some());
    }
}
