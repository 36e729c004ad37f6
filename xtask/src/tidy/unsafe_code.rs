//! Where hand-written `unsafe` may stand.

use super::scan::{Keep, blank, is_generated, word};
use super::{Source, Violation};

/// Folders and files in which it may, and how often at most. A count is a list of argued places: raise it only
/// together with the argument.
const ALLOWED: [(&str, Option<usize>); 7] = [
    ("host/crates/native/", None),
    ("plugin-sdk/abi/", None),
    // The glue that exports a plugin: generated bindings, and the entry symbols.
    ("plugin-sdk/src/form/", None),
    // Its tests call those symbols as a host would.
    ("plugin-sdk/tests/", None),
    // A document that is lent across the C ABI without a copy.
    ("plugin-sdk/document/", Some(1)),
    // The allocator of a test that gives a freed block out again at once.
    ("host/crates/registry/tests/address_reuse.rs", Some(5)),
    // Taking compiled code from the cache.
    ("host/crates/wasm/", Some(1)),
];

pub(crate) fn check(sources: &[Source]) -> Vec<Violation> {
    let mut found: Vec<Vec<Violation>> = ALLOWED.iter().map(|_| Vec::new()).collect();
    let mut violations = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust() && !is_generated(&source.text)) {
        let room = ALLOWED.iter().position(|(folder, _)| source.path.starts_with(folder));
        for line in word(&blank(&source.text, Keep::Code), "unsafe") {
            match room {
                Some(room) => found[room].push(Violation::new(
                    &source.path,
                    line,
                    "one more unsafe than was argued",
                )),
                None => {
                    violations.push(Violation::new(&source.path, line, "unsafe has no place here"));
                }
            }
        }
    }
    for ((_, most), found) in ALLOWED.iter().zip(found) {
        violations.extend(found.into_iter().skip(most.unwrap_or(usize::MAX)));
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_counted_by_room() {
        let sources = [
            Source::of("host/crates/native/src/lib.rs", "unsafe { a() } unsafe { b() }"),
            Source::of("host/crates/wasm/src/load/cache.rs", "unsafe { a() }\nunsafe { b() }"),
            Source::of(
                "host/crates/core/src/lib.rs",
                "// unsafe\n#![forbid(unsafe_code)]\nunsafe fn c() {}",
            ),
        ];
        let lines: Vec<String> = check(&sources).iter().map(ToString::to_string).collect();
        assert_eq!(
            lines,
            [
                "host/crates/core/src/lib.rs:3: unsafe has no place here",
                "host/crates/wasm/src/load/cache.rs:2: one more unsafe than was argued",
            ]
        );
    }
}
