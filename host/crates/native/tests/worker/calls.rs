//! Calls that succeed, and calls that fail with an error of the plugin.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use plugbay_core::handler::Request;
use plugbay_core::{CallErrorKind, Environment, GuestMetric, Plugin as _, Policy, Reason};

use crate::support::{
    Host, Setup, describe_library, eventually, hostile, kill, library, logged, tests,
};

tests!(
    a_worker_describes_the_plugin,
    lines_of_describe_name_the_file,
    bodies_of_all_sizes_come_back,
    a_nested_call_is_answered_in_the_callers_context,
    the_plugin_logs_counts_and_prints,
    handlers_answer,
    an_error_of_the_plugin_keeps_its_kind_and_message,
    an_answer_beyond_the_limit_is_refused_and_the_worker_keeps_running,
    a_panic_replaces_the_instance_and_keeps_the_worker,
    an_instance_that_cannot_be_replaced_ends_the_worker,
    lanes_run_at_the_same_time_and_further_calls_wait,
    the_queue_is_bounded_and_a_wait_ends_at_the_deadline,
    a_call_that_waits_for_a_worker_to_start_is_not_the_plugins_fault,
    a_request_that_is_too_large_is_refused_before_it_is_sent,
    a_dropped_call_runs_to_its_end,
    shutdown_is_the_last_call,
    a_shutdown_that_hangs_is_killed,
);

fn lines_of_describe_name_the_file() {
    let library = library("prints_early.so", &["-DDESCRIBE_PRINTS"]);
    describe_library(&library, &Policy::default()).unwrap();
    let line = eventually("the line", || logged("printed by describe").pop());
    assert!(line.contains("prints_early.so") && !line.contains('@'), "{line}");
}

fn a_worker_describes_the_plugin() {
    let description = describe_library(&hostile(), &Policy::default()).unwrap();
    assert_eq!(description.name, "hostile");
    assert_eq!(description.capabilities.len(), 2);
    let missing = describe_library(Path::new("/nowhere.so"), &Policy::default());
    let refusal = missing.unwrap_err();
    assert_eq!(refusal.reason, Reason::Loader);
    assert!(refusal.message.contains("expected a library that the system can load"), "{refusal}");
}

fn bodies_of_all_sizes_come_back() {
    let host = Host::new();
    for size in [0, 1, 64, 8 * 1024 - 16, 8 * 1024, 64 * 1024, 1 << 20, 8 << 20] {
        let body: Vec<u8> = (0_u8..251).cycle().take(size).collect();
        assert!(host.echo(&body).unwrap() == body, "{size} bytes");
    }
}

fn a_nested_call_is_answered_in_the_callers_context() {
    let host = Host::new();
    assert_eq!(host.tell("nested abc"), "cba");
    assert_eq!(host.tell("codecs"), "other:2 ");
    let large = [b"nested ".as_slice(), &vec![7; 1 << 20]].concat();
    assert_eq!(host.ask(large).unwrap().len(), 1 << 20);
}

fn the_plugin_logs_counts_and_prints() {
    let host = Host::new();
    assert_eq!(host.tell("log"), "enabled");
    let lines = logged("a line of C");
    let from = r#"plugin="hostile" version="1.0.0""#;
    assert!(lines.iter().any(|line| line.contains(from) && line.contains(r#"fields={"key":"#)));
    let metrics = host.plugin.stats().metrics;
    assert!(metrics.contains(&GuestMetric::counter("lines", 3)));
    assert!(metrics.contains(&GuestMetric::gauge("level", 0.5)));
    crate::support::eventually("the printed line", || {
        logged("printed by C").iter().any(|line| line.contains(from)).then_some(())
    });
}

fn request(path: &str) -> Request {
    Request {
        method: "PUT".into(),
        path: path.into(),
        query: Some("q=1".into()),
        params: vec![("a".into(), "b".into())],
        headers: vec![("h".into(), vec![0xff]), ("i".into(), Vec::new())],
        body: b"body".to_vec(),
    }
}

fn handlers_answer() {
    let host = Host::new();
    let response = host.handle(request("/path")).unwrap();
    assert_eq!(response.status, 201);
    assert_eq!(response.headers, [("x-c".to_owned(), b"yes".to_vec())]);
    assert_eq!(response.body, b"PUT /path q=1 1 2 body");
    let error = host.handle(request("/fail.")).unwrap_err();
    assert_eq!(error.to_string(), "plugin hostile@1.0.0: failed as asked");
    let host = Setup::deadline(Duration::from_millis(300)).host();
    let error = host.handle(request("/hang.")).unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Deadline);
    assert!(error.message().contains("was killed"), "{error}");
}

fn an_error_of_the_plugin_keeps_its_kind_and_message() {
    let host = Host::new();
    let (kind, message) = host.fails("invalid");
    assert_eq!(kind, CallErrorKind::InvalidInput);
    assert_eq!(message, "plugin hostile@1.0.0: not that");
    assert_eq!(host.plugin.stats().discarded, 0);
}

fn an_answer_beyond_the_limit_is_refused_and_the_worker_keeps_running() {
    let mut setup = Setup::default();
    setup.policy.output = 1000;
    let host = setup.host();
    let pid = host.pid();
    assert_eq!(host.ask("big 1000").unwrap().len(), 1000);
    let (kind, message) = host.fails("big 1001");
    assert_eq!(kind, CallErrorKind::Output, "{message}");
    assert_eq!(host.fails(&format!("nested {}", "x".repeat(1001))).0, CallErrorKind::Unsupported);
    assert_eq!(host.pid(), pid);
}

fn a_panic_replaces_the_instance_and_keeps_the_worker() {
    let host = Host::new();
    let pid = host.pid();
    assert_eq!(host.fails("panic").0, CallErrorKind::Panic);
    assert_eq!(host.tell("on"), "on");
    assert_eq!((host.pid(), host.plugin.stats().instantiations), (pid, 2));
}

fn an_instance_that_cannot_be_replaced_ends_the_worker() {
    let host = Setup { config: "once", ..Setup::default() }.host();
    let pid = host.pid();
    let (kind, message) = host.fails("panic");
    assert_eq!(kind, CallErrorKind::Panic, "{message}");
    assert!(message.contains("no new instance after a panic: only once"), "{message}");
    eventually("another worker", || host.ask("again").ok());
    assert_ne!(host.pid(), pid);
}

fn lanes_run_at_the_same_time_and_further_calls_wait() {
    let mut setup = Setup::default();
    setup.policy.instances = 2;
    let host = setup.host();
    thread::scope(|scope| {
        // The first two wait for each other, the others for a lane.
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(host.tell("meet"), "meet"));
        }
    });
    // At most two calls run at the same time.
    let begun = Instant::now();
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| assert_eq!(host.tell("slow"), "slow"));
        }
    });
    let took = begun.elapsed();
    assert!(took >= Duration::from_millis(600), "four calls of 300 ms on two lanes: {took:?}");
}

fn the_queue_is_bounded_and_a_wait_ends_at_the_deadline() {
    let mut setup = Setup::deadline(Duration::from_secs(20));
    (setup.policy.instances, setup.policy.queue) = (1, 1);
    let host = setup.host();
    thread::scope(|scope| {
        let hang = scope.spawn(|| host.fails("hang"));
        eventually("the only lane to be taken", || {
            let error = host.plugin.health(Duration::from_millis(10)).err()?;
            assert_eq!(error.kind(), CallErrorKind::Overloaded, "{error}");
            assert!(error.message().contains("within its deadline"), "{error}");
            Some(())
        });
        // A codec and a handler wait in one queue.
        let next = scope.spawn(|| host.handle(request("/path")));
        eventually("a call to wait", || (host.plugin.stats().waiting == 1).then_some(()));
        let begun = Instant::now();
        let error = host.ask("one too many").unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::Overloaded, "{error}");
        assert_eq!(error.wait(), Some(Duration::from_secs(1)));
        assert!(error.message().contains("at most 1 calls to wait"), "{error}");
        let error = host.handle(request("/path")).unwrap_err();
        assert_eq!(error.kind(), CallErrorKind::Overloaded, "{error}");
        assert!(begun.elapsed() < Duration::from_secs(10), "the refused calls waited");
        kill(host.pid().unwrap());
        assert_eq!(hang.join().unwrap().0, CallErrorKind::Crashed);
        assert_eq!(next.join().unwrap().unwrap().status, 201);
    });
    assert_eq!(host.plugin.stats().waiting, 0);
}

fn a_call_that_waits_for_a_worker_to_start_is_not_the_plugins_fault() {
    let folder = tempfile::tempdir().unwrap();
    let gate = folder.path().join("gate");
    let mut setup = Setup::deadline(Duration::from_millis(300));
    (setup.policy.init, setup.policy.instances) = (Duration::from_secs(20), 1);
    let variables = [("GATE".to_owned(), gate.display().to_string())];
    setup.policy.grants.environment = Environment(variables.into());
    let host = setup.host();
    // The next worker hangs in `create` as long as the gate file exists.
    std::fs::write(&gate, b"").unwrap();
    kill(host.pid().unwrap());
    let message = eventually("a call to wait for the next worker", || {
        let error = host.echo(b"too early").err()?;
        (error.kind() == CallErrorKind::Overloaded).then(|| error.to_string())
    });
    assert!(message.contains("expected a lane of its worker within its deadline"), "{message}");
    let seen = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !seen.load(Ordering::Relaxed) {
                drop(host.echo(b"too early"));
            }
        });
        eventually("the call to count as waiting", || {
            (host.plugin.stats().waiting == 1).then_some(())
        });
        seen.store(true, Ordering::Relaxed);
    });
    std::fs::remove_file(&gate).unwrap();
    eventually("the worker to start", || host.echo(b"again").ok());
}

fn a_request_that_is_too_large_is_refused_before_it_is_sent() {
    let host = Host::new();
    let pid = host.pid();
    let headers = vec![("h".into(), vec![b'x'; 2 << 20])];
    let error = host.handle(Request { headers, ..request("/path") }).unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::InvalidInput, "{error}");
    assert_eq!(host.handle(request("/path")).unwrap().status, 201);
    assert_eq!(host.pid(), pid);
}

fn a_dropped_call_runs_to_its_end() {
    let mut setup = Setup::default();
    setup.policy.instances = 1;
    let host = setup.host();
    let pid = host.pid();
    assert!(host.handle_for(Duration::from_millis(50), request("/slow.")).is_none());
    // The only lane comes back once that call is done.
    assert_eq!(host.tell("next"), "next");
    assert_eq!(host.pid(), pid);
}

fn a_shutdown_that_hangs_is_killed() {
    let mut setup = Setup { config: "stay", ..Setup::default() };
    setup.policy.init = Duration::from_secs(2);
    let host = setup.host();
    let (pid, begun) = (host.pid().unwrap(), Instant::now());
    host.plugin.shutdown();
    assert!(begun.elapsed() >= Duration::from_secs(2));
    assert!(begun.elapsed() < Duration::from_secs(30), "{:?}", begun.elapsed());
    assert!(crate::support::is_gone(pid));
}

fn shutdown_is_the_last_call() {
    let host = Host::new();
    let pid = host.pid().unwrap();
    let before = logged("the last call").len();
    host.plugin.shutdown();
    assert_eq!(logged("the last call").len(), before + 1);
    assert!(crate::support::is_gone(pid));
    assert_eq!(host.fails("more").0, CallErrorKind::Retired);
    assert_eq!(crate::support::children(), 0);
}
