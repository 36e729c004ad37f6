//! The limits of CPU time and wall time of calls, and calls whose caller no longer waits.

use std::thread;
use std::time::{Duration, Instant};

use plugbay::{CallError, CallErrorKind, CallOptions, Cancel, Codec, Error};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::support::{Site, place, request, until};

const HOUR: Duration = Duration::from_hours(1);

/// How long a step of less than a second may take on a busy machine: less than a wait that is not
/// ended early.
const SOON: Duration = Duration::from_secs(20);

fn call_error<T>(answer: Result<T, Error>) -> Result<T, CallError> {
    answer.map_err(|error| match error {
        Error::Call(error) => error,
        error => panic!("expected a failed call, found {error}"),
    })
}

fn encode(site: &Site, codec: &str) -> Result<Vec<u8>, CallError> {
    call_error(site.codec(codec).unwrap().encode_document(b"in"))
}

fn handle(site: &Site, handler: &str) -> Result<String, CallError> {
    call_error(site.handle(handler, "in"))
}

/// The kinds of failure of the codec and of the handler.
fn encode_error_kind(site: &Site, codec: &str) -> CallErrorKind {
    encode(site, codec).unwrap_err().kind()
}

fn handle_error_kind(site: &Site, handler: &str) -> CallErrorKind {
    handle(site, handler).unwrap_err().kind()
}

/// A host with the plugin `bad`, whose codec and handler have this behaviour.
fn bad(behaviour: &Behaviour, limits: &str) -> Site {
    let guest = Guest::both("bad")
        .on(Export::Encode, behaviour.clone())
        .on(Export::Handle, behaviour.clone());
    let config = format!("[plugins.bad]\nhealth_every = '0s'\n{limits}");
    place().plugin("bad.wasm", guest).config(&config).unwatched().host()
}

/// Each wait is longer than a tick of the clock that interrupts guests.
#[test]
fn waiting_for_the_host_costs_no_cpu_time() {
    let site = bad(&Behaviour::WaitRepeatedly(30, Duration::from_millis(20)), "cpu = '50ms'");
    assert_eq!(encode(&site, "bad").unwrap(), b"in");
    assert_eq!(handle(&site, "bad").unwrap(), "in");
}

#[test]
fn waiting_for_another_plugin_costs_no_cpu_time() {
    let nap = Behaviour::Wait(Duration::from_millis(20));
    let site = place()
        .plugin("nap.wasm", Guest::codec("nap").on(Export::Encode, nap))
        .plugin(
            "outer.wasm",
            Guest::codec("outer").on(Export::Encode, Behaviour::Chain(vec!["nap".into(); 30])),
        )
        .config("[plugins.outer]\ncpu = '50ms'")
        .unwatched()
        .host();
    assert_eq!(encode(&site, "outer").unwrap(), b"in");
}

/// Each copy takes many ticks, but is one instruction.
#[test]
fn a_long_instruction_counts_as_cpu_time() {
    let limits = "memory = '1100MiB'\ntotal_memory = '1100MiB'\ncpu = '400ms'\n\
                  deadline = '10m'\ninstances = 1";
    let site = bad(&Behaviour::Copies(30, 1 << 30), limits);
    assert_eq!(encode_error_kind(&site, "bad"), CallErrorKind::Cpu);
    assert_eq!(handle_error_kind(&site, "bad"), CallErrorKind::Cpu);
}

/// A nested call has the remaining time of its caller.
#[test]
fn a_nested_call_ends_with_its_caller() {
    let call = Behaviour::CallCodec("slow".into());
    let outer = Guest::both("outer").on(Export::Encode, call.clone()).on(Export::Handle, call);
    let slow = Guest::codec("slow").on(Export::Encode, Behaviour::Wait(HOUR));
    let site = place()
        .plugin("outer.wasm", outer)
        .plugin("slow.wasm", slow)
        .config("[plugins.outer]\ndeadline = '300ms'\n[plugins.slow]\ndeadline = '1h'")
        .unwatched()
        .host();
    for call in [encode_error_kind as fn(&Site, &str) -> CallErrorKind, handle_error_kind] {
        let began = Instant::now();
        // Either of the two calls may end first; the outer caller gets its error immediately.
        let kind = call(&site, "outer");
        assert!(matches!(kind, CallErrorKind::Deadline | CallErrorKind::Unavailable), "{kind:?}");
        let took = began.elapsed();
        assert!(took < SOON, "a call of 300 ms took {took:?}");
    }
    until("the instances of both calls are discarded", || {
        site.running("slow").unwrap().stats.instances == 0
    });
}

/// The time of a call includes the creation of its instance.
#[test]
fn a_slow_instantiation_is_a_failure_of_the_plugin() {
    let slow = Behaviour::Wait(Duration::from_secs(2));
    let busy = Behaviour::Count(300_000);
    for init in [slow, busy] {
        let guest = Guest::both("bad").on(Export::Init, init);
        let config = "[plugins.bad]\nreuse = 'fresh'\ndeadline = '20ms'\ninit = '60s'\n\
                      health_every = '0s'";
        let site = place().plugin("bad.wasm", guest).config(config).unwatched().host();
        for error in [encode(&site, "bad").unwrap_err(), handle(&site, "bad").unwrap_err()] {
            assert_eq!(error.kind(), CallErrorKind::Deadline, "{error}");
            assert_eq!(error.plugin(), Some("bad@1.0.0"));
        }
    }
}

/// After the caller cancels, the guest is stopped, and its instance and its place in the queue are
/// free.
#[test]
fn a_cancelled_call_ends() {
    for behaviour in [Behaviour::Spin, Behaviour::Wait(HOUR)] {
        let limits = "instances = 1\ncpu = '1h'\ndeadline = '1h'";
        let site = bad(&behaviour.after(1), limits);
        assert_eq!(encode(&site, "bad").unwrap(), b"in");
        let cancel = Cancel::default();
        let call = || {
            let lease = site.get::<Codec>("bad").unwrap().lease().unwrap();
            let how = CallOptions::default().cancelled_by(&cancel);
            call_error(lease.encode_document(how, b"in")).unwrap_err()
        };
        let began = Instant::now();
        thread::scope(|scope| {
            let under_way = scope.spawn(call);
            until("the call", || site.running("bad").unwrap().leases == 1);
            let waiting = scope.spawn(call);
            until("the waiting call", || site.running("bad").unwrap().stats.waiting == 1);
            cancel.cancel();
            for error in [under_way, waiting].map(|call| call.join().unwrap()) {
                assert_eq!(error.kind(), CallErrorKind::Cancelled, "{error}");
            }
        });
        assert!(began.elapsed() < SOON);
        let stats = site.running("bad").unwrap().stats;
        assert_eq!((stats.discarded, stats.instances, stats.waiting), (1, 0, 0));
        assert_eq!(encode(&site, "bad").unwrap(), b"in");
    }
}

/// Idle instances of other plugins are removed to make room. If there are none, no plugin is
/// blamed.
#[test]
fn calls_beyond_the_instances_of_the_engine_are_overloaded() {
    let engine = plugbay::wasm::Engine::new().unwrap();
    let Some(room) = engine.pool_size() else { return };
    let limits = format!(
        "instances = {}\nqueue = 0\ndeadline = '1h'\ncpu = '1h'\ntotal_memory = '8GiB'",
        room + 1
    );
    let hang = Guest::handler("hang").on(Export::Handle, Behaviour::Wait(HOUR));
    let site = place()
        .plugin("hang.wasm", hang)
        .plugin("idle.wasm", Guest::codec("idle").stamp("here"))
        .config(&format!("[plugins.hang]\n{limits}"))
        .engine(&engine)
        .unwatched()
        .host();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let refused = runtime.block_on(async {
        let mut calls = tokio::task::JoinSet::new();
        for _ in 0..=room {
            let handler = site.handler("hang").unwrap();
            calls.spawn(async move { handler.handle(request("in")).await });
        }
        call_error(calls.join_next().await.unwrap().unwrap()).unwrap_err()
    });
    assert_eq!(refused.kind(), CallErrorKind::Overloaded, "{refused}");
    assert!(refused.wait().is_some());
    // Waiting calls fail in the same way.
    drop(runtime);
    assert_eq!(site.running("idle").unwrap().stats.instances, 0);
    until("an instance is free again", || encode(&site, "idle").is_ok());
}
