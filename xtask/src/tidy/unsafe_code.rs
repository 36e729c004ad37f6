//! Hand-written `unsafe` is only in the places that are listed here.

use super::scan::{Keep, blank, is_generated, word};
use super::{Source, Violation};

/// The folders and files that may have `unsafe`, and how often at most. A count stands for places whose
/// safety was argued: raise it only together with the argument.
const ALLOWED: [(&str, Option<usize>); 11] = [
    ("host/crates/native/", None),
    ("plugin-sdk/abi/", None),
    // The entry symbols of a plugin.
    ("plugin-sdk/src/export/", None),
    // The tests of the SDK call these symbols, as a host does.
    ("plugin-sdk/tests/", None),
    // A document that borrows its bytes across the C ABI.
    ("plugin-sdk/document/", Some(1)),
    // A value that is read while others may replace it, and the value of its models.
    ("host/crates/registry/src/cell/swap/slots.rs", Some(4)),
    ("host/crates/registry/src/cell/swap/slots/models.rs", Some(2)),
    // The allocator of a test, which reuses a freed block at once.
    ("host/crates/registry/tests/address_reuse.rs", Some(5)),
    // The allocator of a test, which counts.
    ("plugins/testing/tests/memory.rs", Some(7)),
    // The handler of a signal, what it reads, and the timers that send it: docs/adr/0030-cpu-profiles.md.
    ("host/crates/profile/src/linux/signal/", Some(13)),
    // Deserialising compiled code from the cache.
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
                    "expected no more unsafe than ALLOWED in xtask/src/tidy/unsafe_code.rs, found one more",
                )),
                None => {
                    violations.push(Violation::new(&source.path, line, "expected no unsafe in this file, found one"));
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
    fn unsafe_is_counted_for_each_entry() {
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
                "host/crates/core/src/lib.rs:3: expected no unsafe in this file, found one",
                "host/crates/wasm/src/load/cache.rs:2: expected no more unsafe than ALLOWED in \
                 xtask/src/tidy/unsafe_code.rs, found one more",
            ]
        );
    }
}
