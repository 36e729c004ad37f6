//! Limits of tables, of the queue, of open files, and of log lines and host calls a second.

use std::sync::Arc;
use std::time::Duration;

use futures_lite::future::poll_once;
use plugbay_core::{
    CallErrorKind, FolderGrant, Grants, HostPattern, NetworkGrant, Notice, Policy, Reuse,
};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::support::{lines, lines_labelled, probe_under, start, tokio, until, wait};

#[test]
fn tables_are_bounded_by_the_policy() {
    let guest = Guest::codec("tables").on(Export::Encode, Behaviour::GrowTable);
    let plugin = start(&guest, "tables", Policy { tables: 5000, ..Policy::default() });
    let error = plugin.encode().unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Memory);
    assert!(error.message().contains("at most 5000 table elements"), "{error}");
}

#[test]
fn a_full_queue_refuses_at_once() {
    let long = Duration::from_secs(50);
    let guest = Guest::handler("full").on(Export::Handle, Behaviour::Wait(long));
    let policy = Policy { instances: 1, queue: 2, deadline: long, ..Policy::default() };
    let plugin = Arc::new(start(&guest, "full", policy));
    let calls: Vec<_> = (0..3)
        .map(|_| {
            let plugin = Arc::clone(&plugin);
            tokio().spawn(async move { plugin.ask("in").await })
        })
        .collect();
    until("two calls wait", || plugin.stats().waiting == 2);
    let error = wait(plugin.ask("in")).unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Overloaded);
    assert_eq!(error.wait(), Some(Duration::from_secs(1)));
    assert!(error.message().contains("queue is full: at most 2 calls wait"), "{error}");
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    until("no call waits", || plugin.stats().waiting == 0);
}

#[test]
fn log_lines_are_bounded() {
    let guest = Guest::codec("floods").on(Export::Encode, Behaviour::Log(500));
    let plugin = start(&guest, "floods", Policy { logs: 10, ..Policy::default() });
    plugin.encode().unwrap();
    let written = u64::try_from(lines("floods").len()).unwrap();
    // The limit of ten a second, and more if the call took longer than a second.
    assert!((10..400).contains(&written), "{written}");
    assert_eq!(plugin.stats().limited["logs"], 500 - written);
    assert_eq!(plugin.notices(), [Notice::Limited { limit: "logs".into(), times: 1 }]);
}

#[test]
fn lines_of_describe_name_the_file() {
    let guest = Guest::codec("early").on(Export::Describe, Behaviour::Log(2));
    start(&guest, "early", Policy::default());
    assert_eq!(lines_labelled("early.wasm").len(), 2);
    assert_eq!(lines("early"), [], "its name and version are not known yet");
}

#[test]
fn calls_of_the_host_are_bounded() {
    let guest = Guest::codec("calls").on(Export::Encode, Behaviour::Log(500));
    let plugin = start(&guest, "calls", Policy { host_calls: 20, logs: 0, ..Policy::default() });
    let error = plugin.encode().unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::HostCalls);
    assert_eq!(
        error.message(),
        "expected at most 20 calls of the host in a second over all instances"
    );
    let written = lines("calls").len();
    assert!((20..400).contains(&written), "{written}");
    assert_eq!((plugin.stats().discarded, plugin.stats().limited["host_calls"]), (1, 1));
    assert_eq!(plugin.notices(), [Notice::Limited { limit: "host_calls".into(), times: 1 }]);
}

#[test]
fn after_a_while_the_host_can_be_called_again() {
    let guest = Guest::codec("again").on(Export::Encode, Behaviour::Log(1));
    let plugin = start(&guest, "again", Policy { host_calls: 5, ..Policy::default() });
    until("too many calls", || {
        plugin.encode().is_err_and(|error| error.kind() == CallErrorKind::HostCalls)
    });
    until("another call", || plugin.encode().is_ok());
}

#[test]
fn calls_of_wasi_are_bounded() {
    let policy = Policy { host_calls: 1000, ..Policy::default() };
    // Functions of this crate, of wasmtime-wasi's streams, and timers.
    for (name, body) in [
        ("asks", "ask-time 100000".to_owned()),
        ("prints", "print x\n".repeat(100_000)),
        ("sleeps", "passes 0\n".repeat(100_000)),
    ] {
        let plugin = probe_under(name, policy.clone());
        let error = wait(plugin.ask(&body)).unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::HostCalls, "{name}: {error}");
        let over = plugin.stats().limited["host_calls"];
        assert!((1..10).contains(&over), "{name}: {over} calls after the last allowed one");
        until("another call", || wait(plugin.ask("time")).is_ok());
    }
}

#[test]
fn a_guest_cannot_pass_more_bytes_than_output() {
    let plugin = probe_under("heavy", Policy { output: 1 << 20, ..Policy::default() });
    assert_eq!(plugin.attempt("log 900000"), "logged");
    let error = wait(plugin.ask("log 2000000")).unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Output, "{error}");
    assert!(error.message().contains("at most 1048576 bytes"), "{error}");
    assert_eq!(plugin.stats().discarded, 1);
    assert_eq!(plugin.attempt("log 10"), "logged");
}

#[test]
fn the_resources_of_an_instance_are_bounded() {
    let plugin = probe_under("holds", Policy::default());
    // A timer is two resources: the timer itself, and its pollable.
    assert_eq!(plugin.attempt("timers 400\ntimers 400"), "400\n400");
    let error = wait(plugin.ask("timers 2000")).unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Memory, "{error}");
    assert!(error.message().contains("at most 1024 resources"), "{error}");
    assert_eq!(plugin.attempt("timers 400"), "400");
}

/// A policy with a granted folder and the loopback network, and this limit of open files.
fn opens(place: &tempfile::TempDir, files: u32) -> Policy {
    std::fs::write(place.path().join("a"), "content").unwrap();
    let folder =
        FolderGrant { host: place.path().to_owned(), guest: "/data".to_owned(), write: true };
    let network = vec![NetworkGrant { host: HostPattern::Loopback, port: None }];
    Policy {
        files,
        grants: Grants { files: vec![folder], network, ..Grants::default() },
        ..Policy::default()
    }
}

#[test]
fn files_and_sockets_are_bounded() {
    let place = tempfile::tempdir().unwrap();
    let plugin = probe_under("hoards", Policy { instances: 1, ..opens(&place, 10) });
    // The file of the streams counts as one of the ten.
    for (body, found, why) in [
        ("hold /data a 10", "10", ""),
        ("hold /data a 10", "0: ", "\"quota\""),
        ("release", "10", ""),
        ("hold-streams /data a 10", "9: ", "\"quota\""),
        ("release", "9", ""),
        ("hold /data a 6", "6", ""),
        ("hold-sockets 6", "4: ", "\"new-socket-limit\""),
        ("release", "10", ""),
        ("read /data/a", "content", ""),
    ] {
        let answer = plugin.attempt(body);
        assert!(answer.starts_with(found) && answer.contains(why), "{body}: {answer}");
    }
    assert_eq!(plugin.stats().limited["files"], 3);
    assert_eq!(plugin.notices()[0], Notice::Limited { limit: "files".into(), times: 1 });
}

#[test]
fn open_files_are_bounded_over_all_instances_and_released_with_them() {
    let place = tempfile::tempdir().unwrap();
    let plugin = probe_under("shares", Policy { instances: 2, ..opens(&place, 10) });
    assert_eq!(plugin.attempt("hold /data a 10"), "10");
    // Polled once, so that this call has the instance that holds the files.
    let mut busy = Box::pin(plugin.ask("passes 50000"));
    assert!(wait(poll_once(&mut busy)).is_none());
    let answer = plugin.attempt("hold /data a 1");
    assert!(answer.starts_with("0: "), "another instance could open a file: {answer}");
    assert_eq!(plugin.stats().instances, 2);
    drop(busy);
    assert_eq!(plugin.stats().discarded, 1);
    until("all permits are released", || plugin.attempt("hold /data a 10\nrelease") == "10\n10");

    let plugin = probe_under("forgets", Policy { reuse: Reuse::Fresh, ..opens(&place, 10) });
    for _ in 0..3 {
        assert_eq!(plugin.attempt("hold /data a 10"), "10");
    }
}
