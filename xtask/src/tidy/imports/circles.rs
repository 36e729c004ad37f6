//! Circles of imports between the files of a crate: such files cannot be read one after the other.
//!
//! An import of an enclosing module does not count: nested modules use what the enclosing module
//! defines, and the enclosing module uses them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::tree::Import;
use crate::tidy::Violation;

/// The circles that are allowed, each by all of its files. Do not add one: move what both files need
/// into a third.
const ALLOWED: [&[&str]; 1] = [
    // wasmtime's host state holds the state of each interface, and each interface's functions
    // take the whole state.
    &[
        "host/crates/wasm/src/sandbox/state.rs",
        "host/crates/wasm/src/wasi/files.rs",
        "host/crates/wasm/src/wasi/keyvalue/arguments.rs",
        "host/crates/wasm/src/wasi/keyvalue/atomics.rs",
        "host/crates/wasm/src/wasi/keyvalue/batch.rs",
        "host/crates/wasm/src/wasi/keyvalue/mod.rs",
        "host/crates/wasm/src/wasi/keyvalue/store.rs",
        "host/crates/wasm/src/wasi/mod.rs",
        "host/crates/wasm/src/wasi/names.rs",
        "host/crates/wasm/src/wasi/network.rs",
        "host/crates/wasm/src/wasi/otel/logs.rs",
        "host/crates/wasm/src/wasi/otel/metrics.rs",
        "host/crates/wasm/src/wasi/otel/mod.rs",
        "host/crates/wasm/src/wasi/otel/read.rs",
        "host/crates/wasm/src/wasi/otel/tracing.rs",
        "host/crates/wasm/src/wasi/random.rs",
        "host/crates/wasm/src/wasi/stdio.rs",
    ],
];

type Graph<'a> = BTreeMap<&'a str, BTreeMap<&'a str, &'a Import>>;

pub(super) fn check(imports: &[Import]) -> Vec<Violation> {
    check_against(imports, &ALLOWED)
}

fn check_against(imports: &[Import], allowed: &[&[&str]]) -> Vec<Violation> {
    let mut graph: Graph<'_> = BTreeMap::new();
    for import in imports.iter().filter(|import| !import.to_parent) {
        graph.entry(&import.from).or_default().insert(&import.to, import);
    }
    let mut seen = BTreeSet::new();
    let mut violations = Vec::new();
    let mut used = BTreeSet::new();
    for &file in graph.keys() {
        if seen.contains(file) {
            continue;
        }
        let circle = circle(&graph, file);
        seen.extend(circle.iter().copied());
        let allowance = allowed.iter().position(|it| circle.iter().all(|file| it.contains(file)));
        match allowance {
            _ if circle.is_empty() => {}
            Some(index) => {
                used.insert(index);
            }
            None => violations.push(describe(&graph, file, &circle)),
        }
    }
    for (_, files) in allowed.iter().enumerate().filter(|(index, _)| !used.contains(index)) {
        let message = format!(
            "ALLOWED has a circle among {}, which does not exist: remove the entry",
            files.join(", ")
        );
        violations.push(Violation::new("xtask/src/tidy/imports/circles.rs", 1, message));
    }
    violations
}

/// All files that `file` imports, directly or not, and that import it; empty if there are none.
fn circle<'a>(graph: &Graph<'a>, file: &'a str) -> BTreeSet<&'a str> {
    let there = reached(graph, file);
    let back = |it: &&str| reached(graph, it).contains(file);
    there.into_iter().filter(back).collect()
}

fn reached<'a>(graph: &Graph<'a>, from: &str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open: Vec<&str> = vec![from];
    while let Some(file) = open.pop() {
        for &next in graph.get(file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(next) {
                open.push(next);
            }
        }
    }
    reached
}

/// The violation for a circle: the shortest one from `file`, with the line of each import.
fn describe(graph: &Graph<'_>, file: &str, circle: &BTreeSet<&str>) -> Violation {
    let shortest = shortest(graph, file);
    let line = shortest.first().map_or(1, |import| import.line);
    let steps: Vec<String> = shortest
        .iter()
        .map(|it| format!("{}:{} imports {} of {}", it.from, it.line, it.path, it.to))
        .collect();
    let files: Vec<&str> = circle.iter().copied().collect();
    let message = format!(
        "expected no circle of imports, found one among {}: {}",
        files.join(", "),
        steps.join("; ")
    );
    Violation::new(file, line, message)
}

fn shortest<'a>(graph: &Graph<'a>, file: &str) -> Vec<&'a Import> {
    let mut open = VecDeque::from([(file, Vec::new())]);
    let mut seen = BTreeSet::new();
    while let Some((at, steps)) = open.pop_front() {
        for (&next, &import) in graph.get(at).into_iter().flatten() {
            let steps = [steps.as_slice(), &[import]].concat();
            if next == file {
                return steps;
            }
            if seen.insert(next) {
                open.push_back((next, steps));
            }
        }
    }
    Vec::new()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::Source;
    use crate::tidy::imports::tree::{Tree, crates};

    fn found(files: &[(&str, &str)], allowed: &[&[&str]]) -> Vec<String> {
        let sources: Vec<Source> =
            files.iter().map(|(path, text)| Source::of(path, text)).collect();
        let imports: Vec<Import> = crates(&sources).iter().flat_map(Tree::imports).collect();
        check_against(&imports, allowed).iter().map(ToString::to_string).collect()
    }

    const CIRCLE: [(&str, &str); 4] = [
        ("a/src/lib.rs", "mod b; mod c; mod d;"),
        ("a/src/b.rs", "use crate::d::D;\npub struct B;"),
        ("a/src/c.rs", "\nuse super::b::B; pub struct C;"),
        ("a/src/d.rs", "use crate::c::C; pub struct D;"),
    ];

    #[test]
    fn a_circle_is_found_and_shown_step_by_step() {
        assert_eq!(
            found(&CIRCLE, &[]),
            ["a/src/b.rs:1: expected no circle of imports, found one among a/src/b.rs, \
              a/src/c.rs, a/src/d.rs: a/src/b.rs:1 imports crate::d::D of a/src/d.rs; a/src/d.rs:1 imports crate::c::C of a/src/c.rs; \
              a/src/c.rs:2 imports super::b::B of a/src/b.rs"]
        );
    }

    #[test]
    fn an_allowed_circle_may_have_these_files_and_no_others() {
        let files = ["a/src/b.rs", "a/src/c.rs", "a/src/d.rs"];
        assert_eq!(found(&CIRCLE, &[&files]), [""; 0]);
        assert_eq!(found(&CIRCLE, &[&files[..2]]).len(), 2, "the allowed circle does not exist");
    }

    #[test]
    fn an_allowed_circle_that_does_not_exist_is_a_violation() {
        let files = ["a/src/b.rs", "a/src/c.rs"];
        assert_eq!(
            found(&CIRCLE[..3], &[&files]),
            ["xtask/src/tidy/imports/circles.rs:1: ALLOWED has a circle among a/src/b.rs, \
              a/src/c.rs, which does not exist: remove the entry"]
        );
    }

    #[test]
    fn an_import_of_an_enclosing_module_does_not_count() {
        let files = [
            ("a/src/lib.rs", "mod b; pub use b::B; pub struct Error;"),
            ("a/src/b.rs", "mod c; pub struct B(c::C, crate::Error);"),
            ("a/src/b/c.rs", "use super::B; pub struct C(crate::Error);"),
        ];
        assert_eq!(found(&files, &[]), [""; 0]);
    }

    #[test]
    fn imports_of_different_crates_are_no_circle() {
        let files = [
            ("a/src/lib.rs", "mod b; mod c;"),
            ("a/src/b.rs", "use crate::c::C;"),
            ("a/src/c.rs", "pub struct C;"),
            ("d/src/lib.rs", "mod b; mod c;"),
            ("d/src/c.rs", "use crate::b::B;"),
            ("d/src/b.rs", "pub struct B;"),
        ];
        assert_eq!(found(&files, &[]), [""; 0]);
    }
}
