//! Workers that die, and the errors that their callers get.

use std::io::Write;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use plugbay_core::{CallErrorKind, Plugin as _, Policy, Reason};
use plugbay_guard::RestartRules;
use plugbay_native::worker::{WorkerCommand, WorkerState};

use crate::support::{
    Host, Setup, children, describe_library, descriptors, eventually, kill, library, logged,
    shared_mappings, tests,
};

tests!(
    a_crash_names_the_plugin_and_the_signal,
    a_hanging_worker_is_killed_and_its_other_calls_name_the_cause,
    memory_beyond_the_budget_is_refused_or_ends_the_worker,
    a_worker_that_breaks_the_protocol_is_killed,
    a_worker_that_closes_everything_is_killed,
    a_rogue_program_is_refused,
    a_program_that_is_not_a_worker_is_refused,
    a_program_that_exits_early_says_why,
    a_library_that_does_not_open_is_refused_as_in_process,
    a_constructor_that_crashes_is_refused,
    create_that_refuses_hangs_or_crashes_is_refused,
    restarts_back_off_and_end,
    a_panic_of_the_host_is_an_error_of_the_nested_call,
    a_hundred_kills_under_load_lose_no_call,
    what_workers_have_used_outlives_them,
);

fn a_crash_names_the_plugin_and_the_signal() {
    for (input, kind, end) in [
        ("segv", CallErrorKind::Crashed, "the worker died: signal 11 (SIGSEGV)"),
        ("abort", CallErrorKind::Crashed, "the worker died: signal 6 (SIGABRT)"),
        ("exit", CallErrorKind::Crashed, "the worker exited with code 3"),
        (
            "starve",
            CallErrorKind::Memory,
            "the worker reached its memory limit: \
             memory allocation of 99 bytes failed",
        ),
    ] {
        let host = Host::new();
        let first = host.pid();
        assert_eq!(host.fails(input), (kind, format!("plugin hostile@1.0.0: {end}")));
        // The first new worker starts immediately.
        assert_eq!(host.tell("again"), "again");
        assert_ne!(host.pid(), first);
        assert_eq!(host.plugin.stats().instantiations, 2);
        assert_eq!(host.plugin.stats().discarded, 1);
    }
}

fn what_workers_have_used_outlives_them() {
    let host = Host::new();
    host.tell("compute");
    let used = || host.plugin.stats();
    let (first, memory) = (used().cpu_seconds.unwrap(), used().memory);
    assert!((0.15..10.0).contains(&first) && memory > 0, "{first} s, {memory} bytes");
    host.fails("abort");
    eventually("the worker to be replaced", || host.ask("compute").ok());
    let second = used().cpu_seconds.unwrap();
    assert!((first + 0.15..20.0).contains(&second), "{second} s after {first} s");
    assert!(used().peak_memory >= memory);
}

fn a_hanging_worker_is_killed_and_its_other_calls_name_the_cause() {
    let host = Setup::deadline(Duration::from_secs(1)).host();
    thread::scope(|scope| {
        let before = logged("hangs").len();
        let hang = scope.spawn(|| host.fails("hang"));
        // This call begins later, so its deadline is later, too.
        eventually("the call to hang", || (logged("hangs").len() > before).then_some(()));
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_millis(300) {
            host.echo(b"meanwhile").unwrap();
        }
        let other = scope.spawn(|| host.fails("hang"));
        let (kind, message) = hang.join().unwrap();
        assert_eq!(kind, CallErrorKind::Deadline);
        assert_eq!(message, "plugin hostile@1.0.0: did not answer within 1s and was killed");
        let (kind, message) = other.join().unwrap();
        assert_eq!(kind, CallErrorKind::Crashed, "{message}");
        assert!(message.contains("another call did not answer"), "{message}");
    });
    eventually("the worker to be replaced", || host.ask("again").ok());
}

fn memory_beyond_the_budget_is_refused_or_ends_the_worker() {
    let mut setup = Setup::default();
    setup.policy.total_memory = 100 << 20;
    let host = setup.host();
    // The system refuses at the hard limit, or the host sees the soft one before that.
    let (kind, message) = host.fails("hog");
    match kind {
        CallErrorKind::Internal => assert!(message.contains("out of memory at"), "{message}"),
        kind => assert_eq!(kind, CallErrorKind::Memory, "{message}"),
    }
    eventually("the worker to be replaced", || host.ask("again").ok());
    let (kind, message) = host.fails("hold 130");
    assert_eq!(kind, CallErrorKind::Memory, "{message}");
    assert!(message.contains("bytes of memory of at most"), "{message}");
}

fn a_worker_that_breaks_the_protocol_is_killed() {
    let host = Host::new();
    let (kind, message) = host.fails("garbage");
    assert_eq!(kind, CallErrorKind::Contract, "{message}");
    assert!(message.contains("broke the protocol"), "{message}");
    eventually("the worker to be replaced", || host.ask("again").ok());
}

fn a_worker_that_closes_everything_is_killed() {
    let host = Host::new();
    // Either the host finds its lane closed, or the worker's thread that watches the host finds its
    // socket closed before it waits on it, and ends the worker.
    let (kind, message) = host.fails("close");
    match kind {
        CallErrorKind::Contract => assert!(message.contains("closed a connection"), "{message}"),
        kind => assert_eq!(kind, CallErrorKind::Crashed, "{message}"),
    }
    eventually("the worker to be replaced", || host.ask("again").ok());
}

/// The argument that makes this program a worker that breaks the protocol.
pub(crate) const ROGUE: &str = "rogue";

pub(crate) fn rogue() -> ExitCode {
    let socket = std::io::stdin();
    let mut socket = std::fs::File::from(rustix::io::dup(socket).unwrap());
    let _ = socket.write_all(&[0xff; 4096]);
    loop {
        thread::park();
    }
}

fn a_rogue_program_is_refused() {
    let command = WorkerCommand::this_program_with([ROGUE, "now"]);
    let refusal = Setup { command, ..Setup::default() }.start().err().unwrap();
    assert!(refusal.message.contains("the worker broke the protocol"), "{refusal}");
    assert_eq!(children(), 0);
}

fn a_program_that_is_not_a_worker_is_refused() {
    let refused = |program: &str| {
        let command = WorkerCommand { program: program.into(), args: Vec::new() };
        Setup { command, ..Setup::default() }.start().err().unwrap()
    };
    let refusal = refused("/bin/true");
    assert!(refusal.message.contains("the worker"), "{refusal}");
    let refusal = refused("/nowhere");
    assert!(refusal.message.contains("no worker could be started"), "{refusal}");
}

fn a_program_that_exits_early_says_why() {
    let args = ["-c", "echo one >&2; echo no licence >&2; exit 7"].map(Into::into).to_vec();
    let command = WorkerCommand { program: "/bin/sh".into(), args };
    let refusal = Setup { command, ..Setup::default() }.start().err().unwrap();
    assert_eq!(refusal.message, "the worker exited with code 7: no licence");
}

fn a_library_that_does_not_open_is_refused_as_in_process() {
    for (flag, reason, part) in [
        ("-DMISSING", Reason::Loader, "missing_symbol"),
        ("-DNO_ENTRY", Reason::NoEntry, "expected an exported symbol"),
        ("-DNULL_ENTRY", Reason::BadHeader, "expected a vtable, found null"),
        ("-DVERSION=99", Reason::AbiVersion, "99"),
    ] {
        let library = library(&format!("hostile{flag}.so"), &[flag]);
        let policy = Policy::default();
        let refusal = describe_library(&library, &policy).unwrap_err();
        assert_eq!(refusal.reason, reason, "{flag}: {refusal}");
        assert!(refusal.message.contains(part) && !refusal.hint.is_empty(), "{flag}: {refusal}");
        let started = Setup { library, ..Setup::default() }.start().err().unwrap();
        assert_eq!(started.reason, reason, "{flag}: {started}");
    }
    assert_eq!(children(), 0);
}

fn a_constructor_that_crashes_is_refused() {
    let library = library("crashing.so", &["-DCONSTRUCTOR_CRASHES"]);
    let refusal = Setup { library, ..Setup::default() }.start().err().unwrap();
    assert_eq!(refusal.reason, Reason::Init);
    assert_eq!(refusal.message, "the worker died: signal 11 (SIGSEGV)");
}

fn create_that_refuses_hangs_or_crashes_is_refused() {
    for (config, reason, message) in [
        ("refuse", Reason::Init, "init: refused"),
        ("hang", Reason::InitDeadline, "init: did not answer within 5s and was killed"),
        ("crash", Reason::Init, "init: the worker died: signal 6 (SIGABRT)"),
    ] {
        let mut setup = Setup { config, ..Setup::default() };
        setup.policy.init = Duration::from_secs(5);
        let refusal = setup.start().err().unwrap();
        assert_eq!((refusal.reason, &*refusal.message), (reason, message));
    }
    assert_eq!(children(), 0);
}

fn restarts_back_off_and_end() {
    let rules = RestartRules { budget: 2, base: Duration::from_secs(2), ..RestartRules::default() };
    let host = Setup { rules, ..Setup::default() }.host();
    assert_eq!(host.fails("abort").0, CallErrorKind::Crashed);
    assert_eq!(host.fails("abort").0, CallErrorKind::Crashed);
    // After the second death, calls fail immediately, and their errors say when to try again.
    let begun = Instant::now();
    let (kind, message) = host.fails("too early");
    assert_eq!(kind, CallErrorKind::Unavailable);
    assert!(message.contains("SIGABRT") && message.contains("it starts again in"), "{message}");
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert!(matches!(host.plugin.state(), WorkerState::BackingOff { .. }));
    eventually("the pause to end", || host.ask("again").ok());
    // The third death exceeds the budget.
    assert_eq!(host.fails("abort").0, CallErrorKind::Crashed);
    let (kind, message) = host.fails("never");
    assert_eq!(kind, CallErrorKind::Unavailable);
    assert!(message.contains("starts after a reload"), "{message}");
    assert!(matches!(host.plugin.state(), WorkerState::Broken { .. }));
    eventually("the end of the restarts to be logged", || {
        (logged("no new worker until a reload").len() == 1).then_some(())
    });
    // A reload asks each plugin to retry.
    host.plugin.retry();
    eventually("the worker to start after a reload", || host.ask("again").ok());
    assert!(matches!(host.plugin.state(), WorkerState::Running { .. }));
}

fn a_panic_of_the_host_is_an_error_of_the_nested_call() {
    let host = Host::new();
    let pid = host.pid();
    let (_, message) = host.fails("nested panic");
    assert!(message.contains("panicked"), "{message}");
    assert_eq!(host.tell("again"), "again");
    assert_eq!(host.pid(), pid);
}

fn a_hundred_kills_under_load_lose_no_call() {
    // The mappings of earlier tests are removed meanwhile.
    let ended = Host::new();
    drop(ended);
    eventually("earlier workers to be reaped", || (children() == 0).then_some(()));
    let before = eventually("descriptors to settle", || {
        let count = descriptors();
        thread::park_timeout(Duration::from_millis(50));
        (count == descriptors()).then_some(count)
    });
    let rules = RestartRules {
        budget: u32::MAX,
        base: Duration::from_millis(1),
        cap: Duration::from_millis(1),
        ..RestartRules::default()
    };
    assert_eq!(shared_mappings(), 0);
    let host = Setup { rules, ..Setup::default() }.host();
    let (stop, answered, failed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
    let slowest = thread::scope(|scope| {
        let callers: Vec<_> = (0..4_u8)
            .map(|caller| {
                let (host, stop, answered, failed) = (&host, &stop, &answered, &failed);
                scope.spawn(move || {
                    let mut slowest = Duration::ZERO;
                    let body = vec![caller; 100 + usize::from(caller) * 20_000];
                    while !stop.load(Ordering::Relaxed) {
                        let begun = Instant::now();
                        match host.echo(&body) {
                            Ok(answer) => {
                                assert!(answer == body, "another call's answer");
                                answered.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(error) => {
                                let (crashed, away) =
                                    (CallErrorKind::Crashed, CallErrorKind::Unavailable);
                                assert!([crashed, away].contains(&error.kind()), "{error}");
                                assert_eq!(error.plugin(), Some("hostile@1.0.0"));
                                failed.fetch_add(1, Ordering::Relaxed);
                            }
                        }
                        slowest = slowest.max(begun.elapsed());
                    }
                    slowest
                })
            })
            .collect();
        let mut last = None;
        for _ in 0..100 {
            let pid = eventually("a new worker", || host.pid().filter(|pid| Some(*pid) != last));
            // The worker is in use before it is killed.
            let count = answered.load(Ordering::Relaxed);
            eventually("answers", || (answered.load(Ordering::Relaxed) > count).then_some(()));
            kill(pid);
            last = Some(pid);
        }
        eventually("answers after the last kill", || host.echo(b"x").ok());
        stop.store(true, Ordering::Relaxed);
        callers.into_iter().map(|caller| caller.join().unwrap()).max()
    });
    eprintln!("100 kills: {answered:?} answered, {failed:?} failed, slowest {slowest:?}");
    assert!(slowest.unwrap() < Duration::from_secs(5), "{slowest:?}");
    assert!(host.plugin.stats().discarded >= 100);
    // Only the mapping of the running worker is left.
    assert_eq!(shared_mappings(), 1);
    drop(host);
    assert_eq!(children(), 0);
    assert_eq!(shared_mappings(), 0);
    eventually("descriptors to be closed", || (descriptors() <= before).then_some(()));
}
