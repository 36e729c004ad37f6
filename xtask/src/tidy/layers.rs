//! Who may know whom.
//!
//! ```text
//! registry ← core ← {wasm, native} ← host ← server      discovery ← server
//! guard ← {wasm, native, host}
//! abi ← {native, sdk}      document ← {core, sdk, server}
//! toolchain ← server       accept ← server
//! ```
//!
//! Knowing reaches downwards along the arrows as far as one likes, never up or across.

use cargo_metadata::DependencyKind;

use super::Violation;
use crate::place::Place;

/// The rooms, and which other rooms each may depend on.
const ROOMS: [(&str, &[&str]); 14] = [
    ("plugbay-registry", &[]),
    ("plugbay-guard", &[]),
    ("plugbay-document", &[]),
    ("plugbay-abi", &[]),
    ("plugbay-accept", &[]),
    ("plugbay-discovery", &[]),
    ("plugbay-toolchain", &[]),
    ("plugbay-core", &["plugbay-registry", "plugbay-document"]),
    ("plugbay-sdk", &["plugbay-abi", "plugbay-document", "plugbay-macros"]),
    ("plugbay-macros", &[]),
    ("plugbay-wasm", &["plugbay-core", "plugbay-registry", "plugbay-guard"]),
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
            "plugbay-toolchain",
            "plugbay-document",
            // The bundled plugins are linked into it, and that needs the SDK's feature `linked`.
            "plugbay-sdk",
            "plugbay-accept",
        ],
    ),
];

/// Who may name wasmtime: its room, the fixtures, whose tests run guests bare, and the
/// benchmarks, whose limit it is.
const WASMTIME: [&str; 3] = ["plugbay-wasm", "plugbay-fixtures", "plugbay-bench"];

/// Crates outside the house: they may know every room, and no room may know them but in its tests.
fn is_outside(name: &str) -> bool {
    name == "xtask"
        || name == "plugbay-bench"
        || name == "plugbay-fixtures"
        || name.contains("-example")
        || name.starts_with("plugbay-plugin-")
}

/// One line of a crate's dependencies.
pub(crate) struct Edge {
    from: String,
    to: String,
    manifest: String,
    /// Only the crate's tests see it.
    dev: bool,
}

/// Every dependency that a member of the workspace declares.
pub(crate) fn edges(place: &Place) -> Vec<Edge> {
    let mut edges = Vec::new();
    for package in &place.metadata.packages {
        let path = package.manifest_path.strip_prefix(&place.metadata.workspace_root);
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
        return Some(format!("{from} names {to}; only plugbay-wasm may"));
    }
    let is_bundled = from == "plugbay-server" && to.starts_with("plugbay-plugin-");
    let is_ours = to == "plugbay" || to.starts_with("plugbay-") && !is_bundled;
    // Tests may look at a room from any side: a cycle of dev-dependencies compiles, and ships nothing.
    if !is_ours || edge.dev || is_outside(from) {
        return None;
    }
    match ROOMS.iter().find(|(room, _)| room == from) {
        None => Some(format!(
            "{from} is no room that tidy knows; give it a line in xtask/src/tidy/layers.rs"
        )),
        Some((_, known)) if !known.contains(&to.as_str()) => {
            Some(format!("{from} may not know {to}"))
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
    fn downwards_is_allowed_and_upwards_is_not() {
        assert_eq!(problems("plugbay-core", "plugbay-registry", false), 0);
        assert_eq!(problems("plugbay-registry", "plugbay-core", false), 1);
        assert_eq!(problems("plugbay-wasm", "plugbay-native", false), 1);
        assert_eq!(problems("plugbay", "plugbay-server", false), 1);
        assert_eq!(problems("plugbay-wasm", "plugbay-guard", false), 0);
        assert_eq!(problems("plugbay-guard", "plugbay-core", false), 1);
    }

    #[test]
    fn only_one_room_names_wasmtime_even_in_tests() {
        assert_eq!(problems("plugbay-wasm", "wasmtime", false), 0);
        assert_eq!(problems("plugbay-core", "wasmtime-wasi", true), 1);
    }

    #[test]
    fn fixtures_are_for_tests() {
        assert_eq!(problems("plugbay-wasm", "plugbay-fixtures", true), 0);
        assert_eq!(problems("plugbay-wasm", "plugbay-fixtures", false), 1);
    }

    #[test]
    fn a_new_crate_needs_a_room() {
        assert_eq!(problems("plugbay-attic", "plugbay-core", false), 1);
    }
}
