//! Workers that exceed their limits, and hosts that run out of descriptors.

use std::thread;
use std::time::{Duration, Instant};

use plugbay_core::{CallErrorKind, Environment, Plugin as _, Policy, Reason};
use plugbay_guard::RestartRules;
use plugbay_native::worker::WorkerState;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::support::{
    Setup, describe_library, descriptors, eventually, kill, library, logged, tests,
};

tests!(
    memory_is_bounded_from_the_first_instruction,
    threads_are_bounded,
    a_plugin_ends_while_its_worker_starts,
    a_host_short_of_descriptors_blames_no_plugin,
);

fn memory_is_bounded_from_the_first_instruction() {
    // Less than the limit at which the system refuses, and more than the plugin may use.
    let policy =
        Policy { total_memory: 100 << 20, init: Duration::from_secs(60), ..Policy::default() };
    for flags in ["-DCONSTRUCTOR_HOLDS=130", "-DDESCRIBE_HOLDS=130"] {
        let library = library(&format!("hostile{flags}.so"), &[flags]);
        let begun = Instant::now();
        let refusal = describe_library(&library, &policy).unwrap_err();
        assert!(refusal.message.contains(", and was killed"), "{flags}: {refusal}");
        assert!(begun.elapsed() < policy.init, "{flags}");
    }
    let library = library("hostile-DCONSTRUCTOR_HOLDS=130.so", &[]);
    let refusal = Setup { library, policy, ..Setup::default() }.start().err().unwrap();
    assert_eq!(refusal.reason, Reason::Init);
    assert!(refusal.message.contains(", and was killed"), "{refusal}");
}

fn threads_are_bounded() {
    let host = Setup::deadline(Duration::from_secs(60)).host();
    let (kind, message) = host.fails("threads 1000");
    assert_eq!(kind, CallErrorKind::Crashed, "{message}");
    assert!(message.contains("threads of at most"), "{message}");
}

fn a_plugin_ends_while_its_worker_starts() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let mut setup = Setup::deadline(Duration::from_millis(300));
    setup.policy.init = Duration::from_secs(60);
    let variables = [("GATE".to_owned(), gate.display().to_string())];
    setup.policy.grants.environment = Environment(variables.into());
    let host = setup.host();
    // The next worker hangs in `create` for ever.
    std::fs::write(&gate, b"").unwrap();
    kill(host.pid().unwrap());
    eventually("a call to wait for the next worker", || {
        let error = host.echo(b"too early").err()?;
        (error.kind() == CallErrorKind::Overloaded).then_some(())
    });
    let begun = Instant::now();
    host.plugin.shutdown();
    drop(host);
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(crate::support::children(), 0);
}

/// Restores the limit of descriptors.
struct Limit(Rlimit);

impl Drop for Limit {
    fn drop(&mut self) {
        setrlimit(Resource::Nofile, self.0).unwrap();
    }
}

fn a_host_short_of_descriptors_blames_no_plugin() {
    let rules = RestartRules { budget: 1, ..RestartRules::default() };
    let host = Setup { rules, ..Setup::default() }.host();
    let failures = || logged("no worker could be started: Too many open files").len();
    let limit = getrlimit(Resource::Nofile);
    let short = Limit(limit);
    kill(host.pid().unwrap());
    eventually("the worker to be reaped", || host.pid().is_none().then_some(()));
    let few = Rlimit { current: Some(descriptors() as u64 + 2), ..limit };
    setrlimit(Resource::Nofile, few).unwrap();
    for _ in 0..3 {
        let before = failures();
        eventually("another attempt", || {
            let error = host.echo(b"x").unwrap_err();
            assert_eq!(error.kind(), CallErrorKind::Overloaded, "{error}");
            thread::yield_now();
            (failures() > before).then_some(())
        });
    }
    let WorkerState::BackingOff { reason, .. } = host.plugin.state() else {
        panic!("{:?}", host.plugin.state())
    };
    assert!(reason.contains("no worker could be started: Too many open files"), "{reason}");
    drop(short);
    eventually("a worker", || host.echo(b"again").ok());
}
