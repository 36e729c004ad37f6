//! The two clocks of a call: the CPU time that its guest uses, and the time that passes. And
//! what the host does once nobody waits for the answer.

mod support;

use std::thread;
use std::time::{Duration, Instant};

use plugbay::{CallError, CallErrorKind, CallOptions, Cancel, Codec, Error};
use plugbay_fixtures::{Behaviour, Export, Guest};
use support::{Site, place, request, until};

const HOUR: Duration = Duration::from_hours(1);

/// How long what ends within a second may take on a busy machine: less than a wait that nobody
/// cut short.
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

/// How the codec fails, and how the handler does.
fn encoded(site: &Site, codec: &str) -> CallErrorKind {
    encode(site, codec).unwrap_err().kind()
}

fn handled(site: &Site, handler: &str) -> CallErrorKind {
    handle(site, handler).unwrap_err().kind()
}

/// The plugin `bad` whose codec and handler do this, alone with `config`.
fn bad(behaviour: &Behaviour, limits: &str) -> Site {
    let guest = Guest::both("bad")
        .on(Export::Encode, behaviour.clone())
        .on(Export::Handle, behaviour.clone());
    let config = format!("[plugins.bad]\nhealth_every = '0s'\n{limits}");
    place().plugin("bad.wasm", guest).config(&config).unwatched().host()
}

/// Each wait takes more than a tick of the clock by which guests are stopped.
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

/// Each copy takes many ticks, and brings one.
#[test]
fn a_long_instruction_costs_what_it_takes() {
    let limits = "memory = '1100MiB'\ntotal_memory = '1100MiB'\ncpu = '400ms'\n\
                  deadline = '10m'\ninstances = 1";
    let site = bad(&Behaviour::Copies(30, 1 << 30), limits);
    assert_eq!(encoded(&site, "bad"), CallErrorKind::Cpu);
    assert_eq!(handled(&site, "bad"), CallErrorKind::Cpu);
}

/// A call within a call has what is left of the other's time.
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
    for call in [encoded as fn(&Site, &str) -> CallErrorKind, handled] {
        let began = Instant::now();
        // Either may notice first; whoever called them learns of it at once.
        let kind = call(&site, "outer");
        assert!(matches!(kind, CallErrorKind::Deadline | CallErrorKind::Unavailable), "{kind:?}");
        let took = began.elapsed();
        assert!(took < SOON, "a call of 300 ms took {took:?}");
    }
    until("the instances of those who waited are gone", || {
        site.running("slow").unwrap().stats.instances == 0
    });
}

/// The time for a call is also that for the instance that is made for it.
#[test]
fn an_instance_that_is_not_ready_in_time_is_its_plugins_fault() {
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

/// Whoever called is gone: the guest is stopped, and its instance and its place are free.
#[test]
fn a_call_for_which_nobody_waits_ends() {
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
            until("another that waits", || site.running("bad").unwrap().stats.waiting == 1);
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

/// Idle instances of others make room. Once there are none, nobody is blamed for it.
#[test]
fn more_instances_than_the_engine_has_room_for() {
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
    // And with it all that wait.
    drop(runtime);
    assert_eq!(site.running("idle").unwrap().stats.instances, 0);
    until("room again", || encode(&site, "idle").is_ok());
}
