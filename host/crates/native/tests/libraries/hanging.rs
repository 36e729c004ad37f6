//! Libraries that hang outside their calls, each as long as its gate file exists.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use plugbay_core::{CallErrorKind, Digest, Isolation, Reason, Refusal, Runtime as _};
use plugbay_native::Libraries;
use serde_json::json;

use crate::compile::{can_compile, plugin};
use crate::log::logged_on_any_thread;
use crate::site::{Site, Started};

/// How long a step may take here: longer than a step that does not hang takes on a busy machine.
const BOUND: Duration = Duration::from_secs(5);
/// How long to wait for a step that hangs.
const SHORT: Duration = Duration::from_millis(20);

/// A library that hangs in one function, and the file that makes it hang.
struct Hanging {
    site: Site,
    path: PathBuf,
    gate: PathBuf,
}

impl Hanging {
    /// A library that hangs in the function of `flag` while the gate is closed.
    fn new(flag: &str) -> Self {
        Self::at(&[flag])
    }

    /// A library that hangs in the functions of `flags`.
    fn at(flags: &[&str]) -> Self {
        let site = Site::new();
        let gate = site.path("gate");
        let at = format!("-DGATE=\"{}\"", gate.display());
        let flags = [&["-shared", &*at], flags].concat();
        let path = plugin("fixture.c", &flags, &site.path("hanging.so"));
        Self { site, path, gate }
    }

    fn close(&self) {
        std::fs::write(&self.gate, b"").unwrap();
    }

    fn start(&self) -> Result<Started, Refusal> {
        let prepared = self.site.runtime().prepare(&Site::read(&self.path))?;
        Site::start_within(BOUND, &*prepared, json!({}))
    }

    fn digest(&self) -> Digest {
        Site::read(&self.path).digest
    }

    fn hung_threads(&self) -> usize {
        let digest = self.digest();
        let loaded = Libraries::of_this_process().loaded();
        loaded.iter().find(|it| it.digest == digest).unwrap().hung_threads
    }

    /// Opens the gate, and waits until all threads that hung in the library have ended.
    fn open(&self) {
        std::fs::remove_file(&self.gate).unwrap();
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.hung_threads() > 0 {
            assert!(Instant::now() < deadline, "{} threads still hang", self.hung_threads());
            std::thread::yield_now();
        }
    }

    /// Asserts that the plugin is refused while it hangs, and works after the gate is opened.
    #[track_caller]
    fn assert_refused(&self, reason: Reason, step: &str) {
        self.close();
        let refusal = self.start().err().expect("a refusal");
        assert_eq!(refusal.reason, reason, "{refusal}");
        let within = format!("{step}: expected it to return within ");
        assert!(refusal.message.starts_with(&*self.path.to_string_lossy()), "{refusal}");
        for part in [&*within, "its thread keeps running"] {
            assert!(refusal.message.contains(part), "expected {part:?}, found: {refusal}");
        }
        assert_eq!(self.hung_threads(), 1);
        self.open();
        assert_eq!(self.start().unwrap().encode(0, b"\xf6").unwrap(), b"\xf6");
    }
}

#[test]
fn a_describe_that_hangs_keeps_its_thread() {
    if can_compile() {
        Hanging::new("-DDESCRIBE_HANGS").assert_refused(Reason::Describe, "describe");
    }
}

#[test]
fn a_create_that_hangs_keeps_its_thread() {
    if can_compile() {
        Hanging::new("-DCREATE_HANGS").assert_refused(Reason::InitDeadline, "init");
    }
}

#[test]
fn a_first_health_that_hangs_keeps_its_thread() {
    if can_compile() {
        Hanging::new("-DHEALTH_HANGS").assert_refused(Reason::Unhealthy, "health");
    }
}

#[test]
fn a_later_health_that_hangs_is_called_a_few_times_and_calls_continue() {
    if !can_compile() {
        return;
    }
    let hanging = Hanging::new("-DHEALTH_HANGS");
    let started = hanging.start().unwrap();
    started.plugin.health(BOUND).unwrap();
    hanging.close();
    for asked in 1..=8 {
        let error = started.plugin.health(SHORT).unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::Deadline);
        assert!(error.message().contains("keeps running"), "{error}");
        assert_eq!(hanging.hung_threads(), asked);
        assert_eq!(started.encode(0, b"\xf6").unwrap(), b"\xf6");
    }
    let error = started.plugin.health(BOUND).unwrap_err();
    assert!(error.message().contains("expected at most 8 hung threads"), "{error}");
    assert_eq!(hanging.hung_threads(), 8);
    hanging.open();
    started.plugin.health(BOUND).unwrap();
}

#[test]
fn a_shutdown_that_hangs_does_not_block_its_caller() {
    if !can_compile() {
        return;
    }
    for (flag, logs) in
        [("-DSHUTDOWN_HANGS", "shutdown failed"), ("-DDESTROY_HANGS", "an instance was not freed")]
    {
        let hanging = Hanging::new(flag);
        let started = hanging.start().unwrap();
        hanging.close();
        let lines = logged_on_any_thread(|| {
            started.plugin.shutdown();
            drop(started);
        });
        assert_eq!(lines.len(), 1, "{lines:?}");
        assert!(lines[0].contains(logs) && lines[0].contains("keeps running"), "{lines:?}");
        assert_eq!(hanging.hung_threads(), 1);
        hanging.open();
    }
}

#[test]
fn dropping_an_instance_does_not_wait_for_it() {
    if !can_compile() {
        return;
    }
    let hanging = Hanging::new("-DDESTROY_HANGS");
    let started = hanging.start().unwrap();
    hanging.close();
    let begun = Instant::now();
    let lines = logged_on_any_thread(|| {
        drop(started);
        assert!(begun.elapsed() < BOUND, "dropping the plugin waited for its instance");
    });
    assert!(begun.elapsed() >= BOUND, "the instance was reported before its deadline");
    assert!(lines[0].contains("an instance was not freed"), "{lines:?}");
    hanging.open();
}

#[test]
fn an_instance_that_no_thread_can_free_leaks() {
    if !can_compile() {
        return;
    }
    let hanging = Hanging::at(&["-DHEALTH_HANGS", "-DDESTROY_HANGS"]);
    let (started, other) = (hanging.start().unwrap(), hanging.start().unwrap());
    hanging.close();
    // Each of these calls keeps its instance.
    while hanging.hung_threads() < 8 {
        other.plugin.health(SHORT).unwrap_err();
    }
    // Freed on this thread, the instance would hang for ever.
    let lines = logged_on_any_thread(|| drop(started));
    let says = "an instance was not freed";
    assert!(lines[0].contains(says) && lines[0].contains("at most 8 hung threads"), "{lines:?}");
    assert_eq!(hanging.hung_threads(), 8);
    hanging.open();
}

#[test]
fn a_describe_that_hangs_does_not_block_another_one() {
    if !can_compile() {
        return;
    }
    let hanging = Hanging::new("-DDESCRIBE_HANGS");
    hanging.close();
    let prepared = hanging.site.runtime().prepare(&Site::read(&hanging.path)).unwrap();
    std::thread::scope(|scope| {
        let describing = scope.spawn(|| prepared.describe(Isolation::InProcess));
        let other = Hanging::new("-DCREATE_HANGS");
        assert_eq!(other.start().unwrap().encode(0, b"\xf6").unwrap(), b"\xf6");
        assert!(!describing.is_finished(), "expected `describe` to wait for its library");
        std::fs::remove_file(&hanging.gate).unwrap();
        // The hang was shorter than its bound, and is not reported.
        assert_eq!(describing.join().unwrap().unwrap().name, "fixture");
    });
    assert_eq!(hanging.hung_threads(), 0);
}
