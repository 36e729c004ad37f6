//! Events around a worker's calls for which the worker is not to blame.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use plugbay_core::{CallErrorKind, Environment, Plugin as _};
use plugbay_native::worker::WorkerState;
use rustix::process::Signal;

use crate::support::{Host, Setup, eventually, signal, subscribed, tests};

tests!(
    a_late_answer_to_health_does_not_kill_the_worker,
    another_slow_plugin_does_not_kill_the_worker,
    a_caller_with_little_time_does_not_kill_the_worker,
    termination_signals_do_not_end_the_worker,
    a_subscriber_of_the_log_may_read_the_state_and_panic,
);

fn a_late_answer_to_health_does_not_kill_the_worker() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let mut setup = Setup::default();
    setup.policy.init = Duration::from_secs(60);
    let variables = [("HEALTH_GATE".to_owned(), gate.display().to_string())];
    setup.policy.grants.environment = Environment(variables.into());
    let host = setup.host();
    let pid = host.pid();
    std::fs::write(&gate, b"").unwrap();
    let error = host.plugin.health(Duration::from_millis(10)).unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Deadline, "{error}");
    assert_eq!(error.message(), "did not answer within 10ms");
    assert_eq!(host.tell("meanwhile"), "meanwhile");
    std::fs::remove_file(&gate).unwrap();
    assert!(host.plugin.health(Duration::from_secs(20)).is_ok());
    assert_eq!(host.pid(), pid);
}

fn another_slow_plugin_does_not_kill_the_worker() {
    let host = Setup::deadline(Duration::from_millis(300)).host();
    let pid = host.pid();
    // The nested call takes a second. The worker may still answer within the grace.
    assert_eq!(host.tell("nested wait"), "tiaw");
    assert_eq!(host.pid(), pid);
}

fn a_caller_with_little_time_does_not_kill_the_worker() {
    let mut setup = Setup::default();
    setup.policy.instances = 1;
    let host = setup.host();
    let pid = host.pid();
    let error = host.ask_within(Duration::from_millis(50), "slow").unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Deadline, "{error}");
    assert!(error.message().starts_with("did not answer within"), "{error}");
    assert!(!error.message().contains("killed"), "{error}");
    // The only lane comes back once that call is done.
    assert_eq!(host.tell("next"), "next");
    assert_eq!(host.pid(), pid);

    // The plugin's own deadline still applies.
    let mut setup = Setup::deadline(Duration::from_secs(1));
    setup.policy.instances = 1;
    let host = setup.host();
    let pid = host.pid();
    let error = host.ask_within(Duration::from_millis(50), "hang").unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Deadline, "{error}");
    eventually("the worker to be replaced", || host.ask("again").ok());
    assert_ne!(host.pid(), pid);
}

fn termination_signals_do_not_end_the_worker() {
    let host = Host::new();
    let pid = host.pid().unwrap();
    thread::scope(|scope| {
        let call = scope.spawn(|| host.tell("meet"));
        for which in [Signal::TERM, Signal::INT, Signal::HUP] {
            signal(pid, which);
        }
        assert_eq!(host.tell("meet"), "meet");
        assert_eq!(call.join().unwrap(), "meet");
    });
    assert_eq!(host.pid(), Some(pid));
}

fn a_subscriber_of_the_log_may_read_the_state_and_panic() {
    let host = Arc::new(Host::new());
    let asked = Arc::new(AtomicU64::new(0));
    let weak: Weak<Host> = Arc::downgrade(&host);
    let count = Arc::clone(&asked);
    let asks = move |line: &str| {
        if line.contains("exited with code 3")
            && let Some(host) = weak.upgrade()
        {
            drop(host.plugin.stats());
            count.fetch_add(1, Ordering::Relaxed);
        }
    };
    subscribed(asks, || {
        assert_eq!(host.fails("exit").0, CallErrorKind::Crashed);
        eventually("the worker to be replaced", || host.ask("again").ok());
    });
    assert_eq!(asked.load(Ordering::Relaxed), 1);

    let panics = |line: &str| assert!(!line.contains("exited with code 3"), "as asked");
    subscribed(panics, || {
        assert_eq!(host.fails("exit").0, CallErrorKind::Crashed);
        eventually("the supervisor to give up", || {
            matches!(host.plugin.state(), WorkerState::Broken { .. }).then_some(())
        });
    });
    let (kind, message) = host.fails("never");
    assert_eq!(kind, CallErrorKind::Unavailable);
    assert!(message.contains("the host's supervisor of the worker panicked"), "{message}");
    assert_eq!(crate::support::children(), 0);
}
