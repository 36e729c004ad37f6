//! A library whose constructor hangs blocks the system's loader, and so every test of the same
//! process that loads a library. Therefore this test has its own program.

#![cfg(unix)]

#[expect(dead_code, reason = "shared with the other tests of libraries")]
#[path = "../libraries/compile.rs"]
mod compile;
#[expect(dead_code, reason = "shared with the other tests of libraries")]
#[path = "../libraries/site.rs"]
mod site;

use std::time::{Duration, Instant};

use plugbay_core::Reason;
use plugbay_native::Libraries;
use serde_json::json;

use compile::{can_compile, plugin};
use site::Site;

#[test]
fn a_constructor_that_hangs_does_not_block_its_caller() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let gate = site.path("gate");
    std::fs::write(&gate, b"").unwrap();
    let at = format!("-DGATE=\"{}\"", gate.display());
    let stuck = plugin("fixture.c", &["-shared", "-DLOAD_HANGS", &at], &site.path("stuck.so"));
    let good = plugin("fixture.c", &["-shared"], &site.path("good.so"));

    let refusal = site.refusal(&stuck);
    assert_eq!(refusal.reason, Reason::Describe, "{refusal}");
    for part in [&*stuck.to_string_lossy(), "load: expected it to return", "keeps running"] {
        assert!(refusal.message.contains(part), "expected {part:?}, found: {refusal}");
    }
    // The refusal of the next library says which library hangs.
    let refusal = site.refusal(&good);
    assert_eq!(refusal.reason, Reason::Describe, "{refusal}");
    for part in
        [&*good.to_string_lossy(), "load: expected the loader to be free", "is still loading"]
    {
        assert!(refusal.message.contains(part), "expected {part:?}, found: {refusal}");
    }
    assert!(Libraries::of_this_process().loaded().is_empty());

    // The constructor returns after all: both libraries can be used.
    std::fs::remove_file(&gate).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    while Libraries::of_this_process().loaded().is_empty() {
        assert!(Instant::now() < deadline, "the library was not loaded");
        std::thread::yield_now();
    }
    for path in [stuck, good] {
        assert_eq!(site.run(&path, json!({})).unwrap().encode(0, b"\xf6").unwrap(), b"\xf6");
    }
}
