//! A guest that opens as many files as it can.

use std::time::Instant;

use plugbay_fixtures::Guest;

use crate::figures::{Figures, alone};
use crate::neighbour::{DEADLINE, Watch};
use crate::probe::PROBE;
use crate::support::{place, until};

const INSTANCES: u64 = 16;
/// The default of `files`.
const FILES: usize = 256;

/// Each instance opens a file as often as it can, and keeps it open. Another plugin reads files
/// meanwhile.
#[test]
fn many_instances_open_files_in_a_granted_folder() {
    let _alone = alone();
    let data = tempfile::tempdir().unwrap();
    std::fs::write(data.path().join("a"), "content").unwrap();
    let section = |name: &str, grants: &str| {
        format!(
            "[plugins.{name}]\nartifact = 'probe.wasm'\ninstances = {INSTANCES}\n\
             breaker_failures = 0\nhealth_every = '0s'\n[plugins.{name}.grants]\n{grants}\n"
        )
    };
    let read = format!("read = [{{ host = {:?}, guest = '/data' }}]", data.path());
    let neighbour = "[plugins.neighbour]\ndeadline = '4s'\nhealth_every = '0s'\n";
    let reader = section("reader", &read);
    let site = place()
        .plugin("probe.wasm", PROBE.clone())
        .plugin("neighbour.wasm", Guest::both("neighbour").stamp("here"))
        .config(&format!("{}{reader}{neighbour}", section("hoarder", &read)))
        .host_key("history = 0")
        .unwatched()
        .host();
    let hoard = || site.handle("hoarder", "hold /data a 1000\npasses 50").unwrap();
    let before = Figures::now();
    Watch::during(&site, || {
        until("all instances hold files", || {
            std::thread::scope(|scope| (0..INSTANCES).for_each(|_| drop(scope.spawn(hoard))));
            site.running("hoarder").unwrap().stats.instances == INSTANCES
        });
        assert!(hoard().contains("\"quota\""));
        for _ in 0..20 {
            let began = Instant::now();
            assert_eq!(site.handle("reader", "read /data/a").unwrap(), "content");
            assert!(began.elapsed() < DEADLINE, "{:?}", began.elapsed());
        }
        let more = Figures::now().files.saturating_sub(before.files);
        // Some descriptors belong to the reader, and to the test.
        assert!((FILES..FILES + 32).contains(&more), "{more}");
        assert!(site.running("hoarder").unwrap().stats.limited["files"] >= INSTANCES - 1);
    });
    site.configure(&format!("{}{reader}{neighbour}", section("hoarder", "")));
    site.reconcile();
    until("the hoarder is shut down", || site.status().draining.is_empty());
    before.wait_until_released();
    assert!(site.handle("hoarder", "hold /data a 1").unwrap().contains("no such folder"));
    assert_eq!(site.handle("reader", "read /data/a").unwrap(), "content");
}
