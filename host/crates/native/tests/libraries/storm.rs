//! Many versions of a library, one after the other, while calls run.

use std::collections::BTreeSet;
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use plugbay_native::Libraries;
use serde_json::json;

use crate::compile::{can_compile, patched, plugin};
use crate::site::{Site, Started};

const VERSIONS: u32 = 500;
const CALLERS: u64 = 3;

/// Bytes of this process that are in memory.
fn resident() -> Option<u64> {
    let pages = std::fs::read_to_string("/proc/self/statm").ok()?;
    Some(pages.split(' ').nth(1)?.parse::<u64>().ok()? * 4096)
}

#[test]
fn five_hundred_versions_run_one_after_the_other() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let path = plugin("storm.c", &["-shared", "-pthread"], &site.path("storm.so"));
    let bytes = std::fs::read(&path).unwrap();
    let marker = |version: u32| format!("marker:{version:08}");
    let load = |version: u32| -> (u32, Started) {
        let bytes = patched(&bytes, b"marker:00000000", marker(version).as_bytes());
        let prepared = site.drop("storm.so", &bytes).unwrap();
        (version, Site::start(&*prepared, json!({})).unwrap())
    };
    let before = resident();
    // A caller's read guard is its lease: none is left when a version is replaced.
    let current = RwLock::new(load(1));
    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    let mut old = Vec::new();
    std::thread::scope(|scope| {
        let caller = || {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    let (version, storm) = &*current.read().unwrap();
                    let answer = storm.encode(0, b"\xf6").unwrap();
                    assert_eq!(&answer[1..], marker(*version).as_bytes());
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let callers: Vec<_> = (0..CALLERS).map(|_| caller()).collect();
        for version in 2..=VERSIONS {
            let new = load(version);
            let (_, replaced) = std::mem::replace(&mut *current.write().unwrap(), new);
            replaced.plugin.shutdown();
            // One version in fifty is kept, to be called afterwards.
            if version % 50 == 0 {
                old.push(replaced);
            }
            let seen = calls.load(Ordering::Relaxed);
            while calls.load(Ordering::Relaxed) < seen + CALLERS {
                std::thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
        // The scope waits for the closures of the threads, but not for the threads to end.
        for caller in callers {
            caller.join().unwrap();
        }
    });
    // The callers' threads have ended, and their thread-local destructors ran, in the code of versions
    // that were retired long ago.
    for storm in &old {
        let ended = storm.decode(0, b"").unwrap();
        assert!((1..=CALLERS).contains(&u64::from(ended[0])), "{ended:?}");
    }
    let loaded = Libraries::of_this_process().loaded();
    let ours: BTreeSet<_> =
        loaded.iter().filter(|it| it.path.starts_with(site.folder())).map(|it| it.digest).collect();
    assert_eq!(ours.len(), VERSIONS as usize);
    let calls = calls.load(Ordering::Relaxed);
    if let (Some(before), Some(after)) = (before, resident()) {
        let each = after.saturating_sub(before) / u64::from(VERSIONS) / 1024;
        eprintln!("{VERSIONS} versions, {calls} calls, {each} KiB for each version");
    }
}
