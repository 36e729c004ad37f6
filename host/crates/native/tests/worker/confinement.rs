//! What a plugin in a worker can see and use, and what it is denied.

use std::fs::File;
use std::os::fd::AsFd;

use plugbay_core::Plugin as _;
use plugbay_native::worker::WorkerState;

use crate::support::{Host, tests};

tests!(
    a_plugin_finds_only_what_is_granted,
    a_plugin_cannot_make_forbidden_calls,
    protections_are_reported
);

fn a_plugin_finds_only_what_is_granted() {
    // A descriptor that this program leaks to every process that it starts.
    let leak = File::open("/dev/null").unwrap();
    rustix::io::fcntl_setfd(leak.as_fd(), rustix::io::FdFlags::empty()).unwrap();
    let host = Host::new();
    let seen = host.tell("look");
    let count = |what: &str| seen.lines().filter(|line| *line == what).count();
    assert_eq!(count("env=0"), 1, "{seen}");
    assert_eq!(count("cwd=/"), 1, "{seen}");
    assert_eq!(count("stdin=0"), 1, "{seen}");
    assert_eq!(count("fd=standard"), 3, "{seen}");
    // Four lanes; the control socket, and the watcher's copy of it.
    let lanes = 4.min(2 * std::thread::available_parallelism().unwrap().get());
    assert_eq!(count("fd=socket"), lanes + 2, "{seen}");
    assert_eq!(count("fd=other"), 0, "{seen}");
}

fn a_plugin_cannot_make_forbidden_calls() {
    let host = Host::new();
    let WorkerState::Running { protections, .. } = host.plugin.state() else {
        panic!("the worker does not run")
    };
    if !protections.seccomp {
        eprintln!("skipped: this system has no seccomp");
        return;
    }
    assert_all_denied(&host.tell("forbidden"), protections.landlock.is_some());
}

/// Asserts that the calls that the plugin must not make were denied.
#[track_caller]
pub(crate) fn assert_all_denied(seen: &str, landlock: bool) {
    let (mut allowed, mut others) = (Vec::new(), Vec::new());
    for line in seen.lines() {
        match line.split_once('=').unwrap() {
            ("read" | "read-host", answer) => assert!(!landlock || answer == "EACCES", "{line}"),
            (what, "allowed") => allowed.push(what),
            (what @ ("clone3" | "seen"), answer) => others.push((what, answer)),
            (_, answer) => assert_eq!(answer, "EPERM", "{line}"),
        }
    }
    assert_eq!(allowed, ["nice-self", "thread", "kill-self"], "{seen}");
    assert_eq!(others, [("clone3", "ENOSYS"), ("seen", "7")], "{seen}");
    assert!(seen.contains("constructor=EPERM\n"), "{seen}");
}

fn protections_are_reported() {
    let host = Host::new();
    let WorkerState::Running { protections, pid } = host.plugin.state() else {
        panic!("the worker does not run")
    };
    eprintln!("{protections:?}");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let has = |line: &str| status.lines().any(|found| found == line);
    assert_eq!(has("NoNewPrivs:\t1"), protections.no_new_privs);
    assert_eq!(has("Seccomp:\t2"), protections.seccomp);
    assert_eq!(has("CapPrm:\t0000000000000000"), protections.no_capabilities);
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    assert!(protections.limits && limits.contains("Max core file size        0"), "{limits}");
    assert!(
        limits
            .lines()
            .any(|line| { line.starts_with("Max address space") && !line.contains("unlimited") })
    );
    assert!(protections.no_new_privs && protections.dies_with_host);
    assert!(protections.no_inherited_fds && protections.watched);
    let words = host.plugin.stats().worker.unwrap().protections;
    for word in ["no-inherited-fds", "watched"] {
        assert!(words.iter().any(|found| found == word), "{words:?}");
    }
}
