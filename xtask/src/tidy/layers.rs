//! The dependencies between the crates of the workspace that are allowed.
//!
//! ```text
//! registry ← core ← {wasm, native} ← host ← server      {registry, guard} ← discovery ← server
//! guard ← {wasm, native, host}
//! abi ← {native, sdk}      document ← {core, sdk, server}
//! {scaffold, toolchain} ← server       accept ← server      telemetry ← {host, server, discovery, otlp}
//! core ← {otlp, profile} ← server       state ← {wasm, host}
//! kind ← {scaffold, kind-macro}        kind-macro ← host
//! ```
//!
//! A crate may depend on every crate from which a chain of arrows leads to it, and on no other.

use cargo_metadata::DependencyKind;

use super::Violation;
use crate::repository::Repository;

/// The crates of the workspace, each with those on which it may depend.
const ROOMS: [(&str, &[&str]); 21] = [
    ("plugbay-registry", &[]),
    ("plugbay-guard", &[]),
    ("plugbay-document", &[]),
    ("plugbay-abi", &[]),
    ("plugbay-accept", &[]),
    ("plugbay-discovery", &["plugbay-registry", "plugbay-guard", "plugbay-telemetry"]),
    ("plugbay-telemetry", &[]),
    ("plugbay-otlp", &["plugbay-core", "plugbay-telemetry"]),
    ("plugbay-profile", &["plugbay-core"]),
    ("plugbay-kind", &[]),
    ("plugbay-kind-macro", &["plugbay-kind"]),
    ("plugbay-scaffold", &["plugbay-kind"]),
    ("plugbay-state", &[]),
    ("plugbay-toolchain", &[]),
    ("plugbay-core", &["plugbay-registry", "plugbay-document"]),
    ("plugbay-sdk", &["plugbay-abi", "plugbay-document", "plugbay-macros"]),
    ("plugbay-macros", &[]),
    ("plugbay-wasm", &["plugbay-core", "plugbay-registry", "plugbay-guard", "plugbay-state"]),
    ("plugbay-native", &["plugbay-core", "plugbay-registry", "plugbay-guard", "plugbay-abi"]),
    (
        "plugbay",
        &[
            "plugbay-wasm",
            "plugbay-native",
            "plugbay-core",
            "plugbay-registry",
            "plugbay-guard",
            "plugbay-document",
            "plugbay-state",
            "plugbay-telemetry",
            "plugbay-kind-macro",
        ],
    ),
    (
        "plugbay-server",
        &[
            "plugbay",
            "plugbay-wasm",
            "plugbay-native",
            "plugbay-core",
            "plugbay-registry",
            "plugbay-discovery",
            "plugbay-telemetry",
            "plugbay-otlp",
            "plugbay-profile",
            "plugbay-scaffold",
            "plugbay-toolchain",
            "plugbay-document",
            // The server links the bundled plugins, which needs the SDK's feature `linked`.
            "plugbay-sdk",
            "plugbay-accept",
        ],
    ),
];

/// The crates that may depend on wasmtime: the WASM runtime, the fixtures, whose tests run guests
/// without Plugbay, and the benchmarks, which compare with it.
const WASMTIME: [&str; 3] = ["plugbay-wasm", "plugbay-fixtures", "plugbay-bench"];

/// Crates that may depend on every other, and on which others may depend in their tests only.
fn is_outside(name: &str) -> bool {
    name == "xtask"
        || name.starts_with("plugbay-bench")
        || name == "plugbay-fixtures"
        || name.contains("-example")
        || name.starts_with("plugbay-plugin-")
}

/// A dependency of a crate.
pub(crate) struct Edge {
    from: String,
    to: String,
    manifest: String,
    /// Whether it is a dev-dependency.
    dev: bool,
}

/// All dependencies that the members of the workspace declare.
pub(crate) fn edges(repository: &Repository) -> Vec<Edge> {
    let mut edges = Vec::new();
    for package in &repository.metadata.packages {
        let path = package.manifest_path.strip_prefix(&repository.metadata.workspace_root);
        let manifest = path.unwrap_or(&package.manifest_path).to_string();
        for dependency in &package.dependencies {
            edges.push(Edge {
                from: package.name.to_string(),
                to: dependency.name.clone(),
                manifest: manifest.clone(),
                dev: dependency.kind == DependencyKind::Development,
            });
        }
    }
    edges
}

pub(crate) fn check(edges: &[Edge]) -> Vec<Violation> {
    let mut violations = Vec::new();
    for edge in edges {
        if let Some(problem) = problem(edge) {
            violations.push(Violation::new(&edge.manifest, 1, problem));
        }
    }
    violations
}

fn problem(edge: &Edge) -> Option<String> {
    let Edge { from, to, .. } = edge;
    if (to == "wasmtime" || to.starts_with("wasmtime-")) && !WASMTIME.contains(&from.as_str()) {
        return Some(format!(
            "expected only plugbay-wasm to depend on {to}, found it in the manifest of {from}"
        ));
    }
    let is_bundled = from == "plugbay-server" && to.starts_with("plugbay-plugin-");
    let is_ours = to == "plugbay" || to.starts_with("plugbay-") && !is_bundled;
    // Tests may use every crate: a circle of dev-dependencies compiles.
    if !is_ours || edge.dev || is_outside(from) {
        return None;
    }
    match ROOMS.iter().find(|(room, _)| room == from) {
        None => Some(format!(
            "expected {from} in ROOMS of xtask/src/tidy/layers.rs, found none: add a line for it"
        )),
        Some((_, known)) if !known.contains(&to.as_str()) => {
            let known =
                if known.is_empty() { "no other crate".to_owned() } else { known.join(", ") };
            Some(format!("expected {from} to depend on {known}, found {to}"))
        }
        Some(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(from: &str, to: &str, dev: bool) -> usize {
        check(&[Edge { from: from.into(), to: to.into(), manifest: "Cargo.toml".into(), dev }])
            .len()
    }

    #[test]
    fn dependencies_follow_the_order_of_the_crates() {
        assert_eq!(problems("plugbay-core", "plugbay-registry", false), 0);
        assert_eq!(problems("plugbay-registry", "plugbay-core", false), 1);
        assert_eq!(problems("plugbay-wasm", "plugbay-native", false), 1);
        assert_eq!(problems("plugbay", "plugbay-server", false), 1);
        assert_eq!(problems("plugbay-wasm", "plugbay-guard", false), 0);
        assert_eq!(problems("plugbay-guard", "plugbay-core", false), 1);
    }

    #[test]
    fn only_one_crate_depends_on_wasmtime_even_in_tests() {
        assert_eq!(problems("plugbay-wasm", "wasmtime", false), 0);
        assert_eq!(problems("plugbay-core", "wasmtime-wasi", true), 1);
    }

    #[test]
    fn fixtures_are_for_tests() {
        assert_eq!(problems("plugbay-wasm", "plugbay-fixtures", true), 0);
        assert_eq!(problems("plugbay-wasm", "plugbay-fixtures", false), 1);
    }

    #[test]
    fn a_new_crate_needs_a_line_in_rooms() {
        assert_eq!(problems("plugbay-attic", "plugbay-core", false), 1);
    }
}
