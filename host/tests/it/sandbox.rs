//! Grants in `config.toml`, end to end: a WASI guest is denied access, the operator gets a notice
//! and grants it, and the plugin has access without a restart of the host.

use std::fs;

use plugbay::{Grant, Notice, Outcome, Reason};

use crate::probe::PROBE;
use crate::support::place;

fn denied(outcome: &Outcome, wanted: Grant) -> bool {
    matches!(outcome, Outcome::Noticed { plugin, notice: Notice::Denied { grant, .. } }
        if plugin == "probe@1.0.0" && *grant == wanted)
}

#[test]
fn denials_are_reported_and_grants_apply_at_once() {
    let data = tempfile::tempdir().unwrap();
    fs::write(data.path().join("a"), "content").unwrap();
    let site = place().plugin("probe.wasm", PROBE.clone()).unwatched().host();
    assert_eq!(site.handle("probe", "time\nvariable MODE").unwrap(), "0\nunset");
    assert!(site.handle("probe", "read /data/a").unwrap().starts_with("error"));
    for grant in [Grant::Clocks, Grant::Environment] {
        site.wait_for_event(grant.as_str(), |outcome| denied(outcome, grant));
    }
    let status = site.running("probe").unwrap();
    assert_eq!(status.stats.denied["clocks"], 1);
    // Some libraries look for folders once, at their start, before this test subscribed to events.
    assert!(status.stats.denied["files"] >= 1);
    assert!(status.granted.is_empty(), "{:?}", status.granted);
    assert!(status.requested.contains(&Grant::Files), "{:?}", status.requested);

    let grants = format!(
        "[plugins.probe.grants]\nread = [{{ host = {:?}, guest = \"/data\" }}]\n\
         environment = {{ MODE = 'fast' }}\nclocks = true",
        data.path()
    );
    site.configure(&grants);
    site.reconcile();
    let found = site.handle("probe", "read /data/a\nvariable MODE\ntime").unwrap();
    let found: Vec<&str> = found.lines().collect();
    assert_eq!(found[..2], ["content", "fast"]);
    assert_ne!(found[2], "0");
    let status = site.running("probe").unwrap();
    assert_eq!(status.granted, [Grant::Files, Grant::Environment, Grant::Clocks]);
    assert!(!status.stats.denied.contains_key("clocks"), "{:?}", status.stats.denied);

    // A grant of a missing folder is refused, and the plugin stays as it was.
    site.configure(&grants.replace(data.path().to_str().unwrap(), "/no/such/folder"));
    site.reconcile();
    site.refuses("probe.wasm", Reason::Grant, &["/no/such/folder"]);
    assert!(site.handle("probe", "read /data/a").unwrap().contains("content"));

    site.configure("");
    site.reconcile();
    assert_eq!(site.handle("probe", "time").unwrap(), "0");
}
