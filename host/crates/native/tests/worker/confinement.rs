//! What a plugin finds, and what it cannot do.

use std::fs::File;
use std::os::fd::AsFd;

use plugbay_native::worker::WorkerState;

use crate::support::{Host, tests};

tests!(
    a_plugin_finds_only_what_is_granted,
    a_plugin_cannot_do_what_is_denied,
    protections_are_reported
);

fn a_plugin_finds_only_what_is_granted() {
    // A descriptor that this program leaks to whatever it starts.
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

fn a_plugin_cannot_do_what_is_denied() {
    let host = Host::new();
    let WorkerState::Running { protections, .. } = host.plugin.state() else { panic!("it runs") };
    if !protections.seccomp {
        eprintln!("skipped: no seccomp here");
        return;
    }
    let seen = host.tell("forbidden");
    let confined = protections.landlock.is_some();
    for path in ["read", "read-host"] {
        assert!(!confined || seen.contains(&format!("{path}=EACCES\n")), "{seen}");
    }
    assert!(seen.contains("clone3=ENOSYS\n"), "{seen}");
    let seen: String = seen
        .lines()
        .filter(|line| !line.starts_with("read") && !line.starts_with("clone3"))
        .fold(String::new(), |text, line| text + line + "\n");
    let (allowed, denied): (Vec<_>, Vec<_>) = seen
        .lines()
        .filter(|line| !line.contains("seen="))
        .partition(|line| line.contains("=allowed"));
    assert_eq!(allowed, ["thread=allowed", "kill-self=allowed"], "{seen}");
    for line in &denied {
        assert!(line.ends_with("=EPERM"), "{seen}");
    }
    assert!(seen.contains("seen=7\n") && seen.contains("constructor=EPERM\n"), "{seen}");
}

fn protections_are_reported() {
    let host = Host::new();
    let WorkerState::Running { protections, pid } = host.plugin.state() else { panic!("it runs") };
    eprintln!("{protections:?}");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let has = |line: &str| status.lines().any(|found| found == line);
    assert_eq!(has("NoNewPrivs:\t1"), protections.no_new_privs);
    assert_eq!(has("Seccomp:\t2"), protections.seccomp);
    assert_eq!(has("CapPrm:\t0000000000000000"), protections.no_capabilities);
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    assert!(protections.limits && limits.contains("Max core file size        0"), "{limits}");
    assert!(protections.no_new_privs && protections.dies_with_host);
}
