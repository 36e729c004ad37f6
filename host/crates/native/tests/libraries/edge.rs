//! What crosses the boundary between a host and a running library, and what must not.

use std::io::Write;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugbay_core::handler::{Handler, Request};
use plugbay_core::{CallError, CallErrorKind, Context, Reason};
use serde_json::json;

use crate::compile::{self, can_compile, plugin};
use crate::site::Site;

#[test]
fn panics_do_not_cross_the_boundary() {
    let site = Site::new();
    let path = site.path("panicking.so");
    std::fs::write(&path, compile::panicking()).unwrap();
    let panicking = site.run(&path, json!({})).unwrap();
    for (document, message) in [(b"\xf6", "panicked: a null"), (b"\xf7", "panicked")] {
        let error = panicking.encode(0, document).unwrap_err();
        assert_eq!((error.kind(), error.message()), (CallErrorKind::Panic, message));
        assert_eq!(error.plugin(), Some("panicking@1.0.0"));
        assert_eq!(panicking.encode(0, b"\xf5").unwrap(), b"\xf5", "the next call works");
    }
    // A panic of the language itself, on several threads at the same time.
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let error = panicking.decode(0, b"").unwrap_err();
                assert_eq!(error.kind(), CallErrorKind::Panic);
                assert!(error.message().contains("index out of bounds"), "{error}");
            });
        }
    });
    let provider = panicking.plugin.provide(1).unwrap();
    let handler = provider.get::<Handler>().unwrap();
    let request = Request { method: "GET".into(), path: "/a".into(), ..Request::default() };
    let answer = handler.handle(Context::new(panicking.services()), request);
    let error = site.tokio().block_on(answer).unwrap_err();
    assert_eq!(
        (error.kind(), error.message()),
        (CallErrorKind::Panic, "panicked: no answer to /a")
    );
    let stats = panicking.plugin.stats();
    assert_eq!(stats.instantiations, stats.discarded + 1, "one for each that was discarded");
    // Calls that panicked at the same time may have shared an instance.
    assert!((4..=7).contains(&stats.discarded), "{}", stats.discarded);
}

#[test]
fn a_plugin_without_an_instance_gets_one_once_it_can_be_created() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let gate = site.path("gate");
    let at = format!("-DGATE=\"{}\"", gate.display());
    let flags = ["-shared", "-DSTATUS=5", "-DCREATE_IS_GATED", &at];
    let path = plugin("fixture.c", &flags, &site.path("gated.so"));
    let gated = site.run(&path, json!({})).unwrap();
    assert_eq!(gated.decode(0, b"").unwrap(), b"\x6fmarker:00000000");
    std::fs::write(&gate, b"").unwrap();
    let error = gated.encode(0, b"\xf6").unwrap_err();
    assert_eq!((error.kind(), error.message()), (CallErrorKind::Panic, "as asked"));
    // The instance that panicked serves neither codecs nor handlers any more.
    let refused = |error: CallError| {
        assert_eq!(error.kind(), CallErrorKind::Unavailable);
        assert_eq!(error.plugin(), Some("fixture@1.0.0"));
        assert!(error.message().contains("after a panic, found none: no licence"), "{error}");
    };
    refused(gated.decode(0, b"").unwrap_err());
    let provider = gated.plugin.provide(1).unwrap();
    let handler = provider.get::<Handler>().unwrap();
    let answer = handler.handle(Context::new(gated.services()), Request::default());
    refused(site.tokio().block_on(answer).unwrap_err());
    refused(gated.plugin.health(Duration::from_secs(5)).unwrap_err());
    let stats = gated.plugin.stats();
    assert_eq!((stats.instances, stats.discarded, stats.instantiations), (0, 1, 1));
    // A later call creates one.
    std::fs::remove_file(&gate).unwrap();
    let deadline = Instant::now() + Duration::from_secs(20);
    loop {
        match gated.decode(0, b"") {
            Ok(answer) => break assert_eq!(answer, b"\x6fmarker:00000000"),
            Err(error) => refused(error),
        }
        assert!(Instant::now() < deadline, "expected a new instance within 20 s");
    }
    let stats = gated.plugin.stats();
    assert_eq!((stats.instances, stats.discarded, stats.instantiations), (1, 1, 2));
    gated.plugin.health(Duration::from_secs(5)).unwrap();
}

#[test]
fn panics_outside_calls_are_caught_too() {
    let site = Site::new();
    let path = site.path("panicking.so");
    std::fs::write(&path, compile::panicking()).unwrap();
    for (place, reason) in [("create", Reason::Init), ("health", Reason::Unhealthy)] {
        let refusal = site.run(&path, json!({ "at": place })).err().unwrap();
        assert_eq!(refusal.reason, reason);
        assert!(refusal.message.ends_with(&format!("panicked: asked to, in {place}")), "{refusal}");
    }
    let panicking = site.run(&path, json!({ "at": ["shutdown", "destroy"] })).unwrap();
    panicking.plugin.shutdown();
    drop(panicking);
}

#[test]
fn the_source_file_can_be_overwritten_and_truncated_during_calls() {
    if !can_compile() {
        return;
    }
    let site = Site::new();
    let path = plugin("fixture.c", &["-shared"], &site.path("fixture.so"));
    let bytes = std::fs::read(&path).unwrap();
    let fixture = site.run(&path, json!({})).unwrap();
    let (stop, calls) = (AtomicBool::new(false), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    assert_eq!(fixture.encode(0, b"\x61a").unwrap(), b"\x61a");
                    assert_eq!(fixture.decode(0, b"").unwrap(), b"\x6fmarker:00000000");
                    calls.fetch_add(2, Ordering::Relaxed);
                }
            });
        }
        let more_calls = |than: u64| {
            while calls.load(Ordering::Relaxed) < than + 1000 {
                std::thread::yield_now();
            }
        };
        for round in 0..20_u8 {
            // In place: the same file, as `cp` and some editors write it.
            let mut file = std::fs::OpenOptions::new().write(true).open(&path).unwrap();
            file.write_all(&vec![round; bytes.len()]).unwrap();
            more_calls(calls.load(Ordering::Relaxed));
            file.set_len(0).unwrap();
            more_calls(calls.load(Ordering::Relaxed));
            file.write_all(&bytes).unwrap();
        }
        std::fs::remove_file(&path).unwrap();
        more_calls(calls.load(Ordering::Relaxed));
        stop.store(true, Ordering::Relaxed);
    });
    assert!(calls.load(Ordering::Relaxed) > 40_000);
}
