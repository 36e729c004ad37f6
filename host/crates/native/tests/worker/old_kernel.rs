//! Workers on kernels that lack the system calls with which a worker gives up its rights.
//!
//! A seccomp filter simulates such a kernel: before the program becomes the worker, it installs a filter
//! that answers these system calls with ENOSYS, as a kernel does that does not know them.

use std::collections::BTreeMap;
use std::process::ExitCode;

use plugbay_core::Plugin as _;
use plugbay_native::worker::{WorkerCommand, serve};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule, apply_filter,
};

use crate::confinement::assert_all_denied;
use crate::support::{Host, Setup, logged, tests};

tests![
    without_landlock_the_other_protections_are_active_and_reported,
    without_seccomp_the_other_protections_are_active_and_reported,
    without_landlock_seccomp_and_capabilities_a_worker_still_serves,
];

/// The argument that makes this program a worker on an old kernel. The features that it lacks follow.
pub(crate) const OLD_KERNEL: &str = "old-kernel";

/// The system calls of each feature that a kernel may lack.
fn calls(what: &str) -> &'static [i64] {
    match what {
        "landlock" => &[
            libc::SYS_landlock_create_ruleset,
            libc::SYS_landlock_add_rule,
            libc::SYS_landlock_restrict_self,
        ],
        "seccomp" => &[libc::SYS_seccomp],
        "capabilities" => &[libc::SYS_capset],
        "death-signals" => &[libc::SYS_prctl],
        other => panic!("expected something that a kernel may lack, found {other}"),
    }
}

/// Serves as a worker on a kernel that lacks `what`.
pub(crate) fn worker(what: impl Iterator<Item = String>) -> ExitCode {
    let rules = |call: i64| match call {
        libc::SYS_prctl => {
            let option = libc::PR_SET_PDEATHSIG.unsigned_abs().into();
            let (len, is) = (SeccompCmpArgLen::Dword, SeccompCmpOp::Eq);
            let condition = SeccompCondition::new(0, len, is, option).unwrap();
            vec![SeccompRule::new(vec![condition]).unwrap()]
        }
        _ => Vec::new(),
    };
    let lacking = what.flat_map(|what| calls(&what)).map(|call| (*call, rules(*call)));
    let absent = SeccompAction::Errno(libc::ENOSYS.unsigned_abs());
    let arch = std::env::consts::ARCH.try_into().unwrap();
    let rules: BTreeMap<_, _> = lacking.collect();
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, absent, arch).unwrap();
    apply_filter(&BpfProgram::try_from(filter).unwrap()).unwrap();
    serve()
}

/// A host whose worker runs on a kernel that lacks `what`.
fn host_without(what: &[&str]) -> Host {
    Setup { command: without(what), ..Setup::default() }.host()
}

/// The command of a worker on a kernel that lacks `what`.
pub(crate) fn without(what: &[&str]) -> WorkerCommand {
    WorkerCommand::this_program_with([&[OLD_KERNEL], what].concat())
}

/// The protections that the worker's status reports.
pub(crate) fn reported(host: &Host) -> Vec<String> {
    host.plugin.stats().worker.unwrap().protections
}

/// Asserts that the worker reports every protection of this system except `lacking`, and serves.
#[track_caller]
fn assert_reports_all_but(lacking: &[&str], what: &[&str]) -> Option<Host> {
    let mut expected = reported(&Host::new());
    if !expected.iter().any(|name| name == "seccomp") {
        eprintln!("skipped: no seccomp here, with which the test simulates an older kernel");
        return None;
    }
    expected.retain(|name| !lacking.iter().any(|lacking| name.starts_with(lacking)));
    let host = host_without(what);
    assert_eq!(reported(&host), expected);
    assert_eq!(host.echo(b"served").unwrap(), b"served");
    Some(host)
}

fn without_landlock_the_other_protections_are_active_and_reported() {
    let Some(host) = assert_reports_all_but(&["landlock"], &["landlock"]) else { return };
    // Nothing else keeps the plugin from reading files.
    let seen = host.tell("forbidden");
    assert!(seen.contains("\nread=allowed\n"), "{seen}");
    assert_all_denied(&seen, false);
    assert!(logged("cannot confine workers completely").last().unwrap().contains("[\"landlock\"]"));
}

fn without_seccomp_the_other_protections_are_active_and_reported() {
    let Some(host) = assert_reports_all_but(&["seccomp"], &["seccomp"]) else { return };
    assert!(logged("cannot confine workers completely").last().unwrap().contains("[\"seccomp\"]"));
    // The worker leads its session, so it cannot join another group, in which the host would not
    // find it.
    assert_eq!(host.tell("leave"), "EPERM");
}

fn without_landlock_seccomp_and_capabilities_a_worker_still_serves() {
    assert_reports_all_but(
        &["landlock", "seccomp", "no-capabilities"],
        &["landlock", "seccomp", "capabilities"],
    );
}
