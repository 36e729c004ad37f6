//! Guests that misbehave: the call's error names the cause, the instance is discarded, the next
//! call works, and other plugins are not affected.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use plugbay::{CallError, CallErrorKind, Error};
use plugbay_fixtures::{Behaviour, ErrorKind, Export, Guest};

use crate::support::{Site, lines, place, request, until, wait};

/// A host with the plugin `bad`, whose codec and handler work once, and then have this behaviour.
fn site(behaviour: &Behaviour, limits: &str) -> Site {
    let late = || behaviour.clone().after(1);
    let bad = Guest::both("bad").on(Export::Encode, late()).on(Export::Handle, late());
    place()
        .plugin("bad.wasm", bad)
        .plugin("neighbour.wasm", Guest::codec("neighbour").stamp("here"))
        .config(&format!("[plugins.bad]\ninstances = 1\n{limits}"))
        .unwatched()
        .host()
}

fn encode(site: &Site, codec: &str) -> Result<Vec<u8>, CallError> {
    call_error(site.codec(codec).unwrap().encode_document(b"in"))
}

fn handle(site: &Site, handler: &str) -> Result<String, CallError> {
    call_error(site.handle(handler, "in"))
}

fn call_error<T>(answer: Result<T, Error>) -> Result<T, CallError> {
    answer.map_err(|error| match error {
        Error::Call(error) => error,
        error => panic!("expected a failed call, found {error}"),
    })
}

fn discarded(site: &Site) -> u64 {
    site.running("bad").unwrap().stats.discarded
}

/// Asserts that a call of a misbehaving guest fails with this error, that its instance is discarded
/// if `is_fatal`, and that the next call works.
fn assert_fails(
    behaviour: &Behaviour,
    limits: &str,
    is_fatal: bool,
    kind: CallErrorKind,
    part: &str,
) {
    let site = site(behaviour, limits);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        // The neighbour answers meanwhile.
        let neighbour = scope.spawn(|| {
            let mut answers = 0_u32;
            while !over.load(Ordering::Relaxed) || answers == 0 {
                assert_eq!(encode(&site, "neighbour").unwrap(), b"inhere");
                answers += 1;
                std::thread::park_timeout(Duration::from_millis(1));
            }
        });
        let mut expected = 0;
        let mut check = |error: CallError| {
            assert_eq!(error.kind(), kind, "{error}");
            assert!(error.message().contains(part), "{part:?} in {:?}", error.message());
            assert_eq!(error.plugin(), Some("bad@1.0.0"));
            assert!(error.to_string().starts_with("plugin bad@1.0.0: "), "{error}");
            expected += u64::from(is_fatal);
            assert_eq!(discarded(&site), expected);
        };
        if is_fatal {
            for _ in 0..2 {
                assert_eq!(encode(&site, "bad").unwrap(), b"in");
                check(encode(&site, "bad").unwrap_err());
                assert_eq!(handle(&site, "bad").unwrap(), "in");
                check(handle(&site, "bad").unwrap_err());
            }
        } else {
            assert_eq!(encode(&site, "bad").unwrap(), b"in");
            assert_eq!(handle(&site, "bad").unwrap(), "in");
            check(encode(&site, "bad").unwrap_err());
            check(handle(&site, "bad").unwrap_err());
        }
        over.store(true, Ordering::Relaxed);
        neighbour.join().unwrap();
    });
    let stats = site.running("bad").unwrap().stats;
    assert!(stats.instances <= 1, "{stats:?}");
}

#[test]
fn a_trap_has_a_backtrace() {
    assert_fails(&Behaviour::Trap, "", true, CallErrorKind::Trap, "unreachable");
    let site = site(&Behaviour::Trap, "");
    encode(&site, "bad").unwrap();
    let error = encode(&site, "bad").unwrap_err();
    assert_eq!(error.backtrace().unwrap().lines().next(), Some("fixture_trap"));
}

#[test]
fn a_spinning_guest_runs_out_of_cpu_time() {
    let part = "expected to finish within 300ms of CPU time";
    assert_fails(&Behaviour::Spin, "cpu = '300ms'", true, CallErrorKind::Cpu, part);
}

#[test]
fn a_spinning_guest_is_ended_at_the_deadline_of_its_call() {
    let limits = "cpu = '1h'\ndeadline = '200ms'";
    assert_fails(&Behaviour::Spin, limits, true, CallErrorKind::Deadline, "within 200ms");
}

/// One copy may take longer than the whole budget, but is one instruction.
#[test]
fn a_guest_that_copies_a_gigabyte_forever_runs_out_of_cpu_time() {
    let (copy, limits) = (
        Behaviour::MemoryCopy(1 << 30),
        "memory = '1100MiB'\ntotal_memory = '3GiB'\ncpu = '100ms'",
    );
    assert_fails(&copy, limits, true, CallErrorKind::Cpu, "within 100ms");
}

#[test]
fn a_guest_that_copies_memory_forever_runs_out_of_cpu_time() {
    let copy = Behaviour::MemoryCopy(1 << 20);
    assert_fails(&copy, "cpu = '300ms'", true, CallErrorKind::Cpu, "within 300ms");
}

#[test]
fn a_guest_that_floods_the_log_runs_out_of_cpu_time() {
    assert_fails(&Behaviour::FloodLog, "cpu = '300ms'", true, CallErrorKind::Cpu, "within 300ms");
}

#[test]
fn a_guest_that_floods_other_plugins_runs_out_of_cpu_time() {
    let flood = Behaviour::FloodCodecs("neighbour".into());
    assert_fails(&flood, "cpu = '300ms'", true, CallErrorKind::Cpu, "within 300ms");
}

#[test]
fn memory_is_bounded() {
    let grow = Behaviour::GrowMemory { pages: 4 };
    let part = "expected at most 1048576 bytes of memory for an instance";
    assert_fails(&grow, "memory = '1MiB'", true, CallErrorKind::Memory, part);
}

#[test]
fn memory_is_bounded_over_all_instances() {
    let grow = Behaviour::GrowMemory { pages: 4 };
    let limits = "memory = '1MiB'\ntotal_memory = '1MiB'";
    assert_fails(
        &grow,
        limits,
        true,
        CallErrorKind::Memory,
        "expected at most 1048576 bytes of memory",
    );
}

#[test]
fn tables_are_bounded() {
    let part = "expected at most 100000 table elements";
    assert_fails(&Behaviour::GrowTable, "", true, CallErrorKind::Memory, part);
}

#[test]
fn recursion_is_bounded() {
    assert_fails(&Behaviour::Recurse, "", true, CallErrorKind::Trap, "stack overflow");
}

#[test]
fn a_panic_has_its_message() {
    let panic = Behaviour::Panic("expected a header, found none".into());
    assert_fails(&panic, "", true, CallErrorKind::Panic, "expected a header, found none");
}

#[test]
fn a_pointer_outside_of_memory_breaks_the_contract() {
    assert_fails(
        &Behaviour::BadPointer,
        "",
        true,
        CallErrorKind::Contract,
        "pointer/length out of bounds",
    );
}

#[test]
fn text_that_is_not_utf_8_breaks_the_contract() {
    assert_fails(&Behaviour::InvalidText, "", true, CallErrorKind::Contract, "utf-8");
}

#[test]
fn an_answer_that_is_too_large_is_refused() {
    let part = "expected an answer of at most 1048576 bytes, found more";
    let output = Behaviour::Output((1 << 20) + 1);
    assert_fails(&output, "output = '1MiB'", true, CallErrorKind::Output, part);
}

#[test]
fn errors_of_the_guest_are_passed_on() {
    for (said, kind) in [
        (ErrorKind::InvalidInput, CallErrorKind::InvalidInput),
        (ErrorKind::Unsupported, CallErrorKind::Unsupported),
        (ErrorKind::Unavailable, CallErrorKind::Unavailable),
        (ErrorKind::Internal, CallErrorKind::Internal),
    ] {
        let error = Behaviour::Error(said, "expected a key, found none".into());
        assert_fails(&error, "", false, kind, "expected a key, found none");
    }
}

#[test]
fn a_status_out_of_range_breaks_the_contract() {
    for status in [0, 99, 199, 600] {
        let guest = Guest::handler("bad").on(Export::Handle, Behaviour::InvalidStatus(status));
        let site = place().plugin("bad.wasm", guest).unwatched().host();
        let error = handle(&site, "bad").unwrap_err();
        assert_eq!((error.kind(), error.plugin()), (CallErrorKind::Contract, Some("bad@1.0.0")));
        let expected = format!("status {status} is not valid: expected 200 to 599");
        assert_eq!(error.message(), expected);
    }
}

#[test]
fn an_answer_that_is_not_cbor_breaks_the_contract() {
    for garbage in [&b""[..], b"\xff", b"\x81", b"\xf6\xf6", b"\x61\xff"] {
        let garbage = Behaviour::Garbage(garbage.to_vec()).after(1);
        let site = place()
            .plugin("bad.wasm", Guest::codec("bad").on(Export::Decode, garbage))
            .unwatched()
            .host();
        let codec = site.codec("bad").unwrap();
        assert_eq!(codec.decode_document(b"\xf6").unwrap().as_cbor(), b"\xf6");
        let error = call_error(codec.decode_document(b"\xf6")).unwrap_err();
        assert_eq!((error.kind(), error.plugin()), (CallErrorKind::Contract, Some("bad@1.0.0")));
        assert!(error.message().contains("expected one CBOR item"), "{error}");
    }
}

#[test]
fn a_handled_failure_does_not_explain_a_later_trap() {
    let guest = Guest::codec("bad")
        .on(Export::Encode, Behaviour::RequestMemory { pages: 1000 })
        .on(Export::Decode, Behaviour::Trap);
    let limits = "[plugins.bad]\nmemory = '1MiB'\ninstances = 1";
    let site = place().plugin("bad.wasm", guest).config(limits).unwatched().host();
    encode(&site, "bad").unwrap();
    let error = call_error(site.codec("bad").unwrap().decode_document(b"\xf6")).unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Trap, "{error}");
}

#[test]
fn the_innermost_plugin_is_blamed() {
    let call = |name: &str| Behaviour::CallCodec(name.into());
    let site = place()
        .plugin("outer.wasm", Guest::codec("outer").on(Export::Encode, call("inner")))
        .plugin("inner.wasm", Guest::codec("inner").on(Export::Encode, Behaviour::Trap))
        .unwatched()
        .host();
    let error = encode(&site, "outer").unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Internal);
    assert!(error.message().starts_with("plugin inner@1.0.0: "), "{error}");
    assert_eq!(site.running("inner").unwrap().stats.discarded, 1);
    assert_eq!(site.running("outer").unwrap().stats.discarded, 0);
}

#[test]
fn a_plugin_that_calls_itself_is_stopped() {
    let again = Behaviour::CallCodec("again".into());
    let guest = Guest::codec("again").on(Export::Encode, again);
    let limits = "[plugins.again]\ninstances = 32";
    let site = place().plugin("again.wasm", guest).config(limits).unwatched().host();
    let error = encode(&site, "again").unwrap_err();
    assert_eq!(error.kind(), CallErrorKind::Unsupported);
    assert!(error.message().contains("nested too deep: expected at most 8"), "{error}");
}

#[test]
fn a_plugin_that_calls_itself_with_all_its_stack_in_use_does_not_end_the_process() {
    // Eight calls that each use nearly all the stack that a guest may have: more than the
    // stack of a thread.
    let again = Behaviour::CallCodec("again".into()).below(DEEP);
    let guest = Guest::both("again")
        .on(Export::Encode, again)
        .on(Export::Handle, Behaviour::CallCodec("again".into()));
    let limits = "[plugins.again]\ninstances = 32";
    let site = place().plugin("again.wasm", guest).config(limits).unwatched().host();
    for _ in 0..3 {
        let error = encode(&site, "again").unwrap_err();
        assert!(error.message().contains("nested too deep: expected at most 8"), "{error}");
        let error = handle(&site, "again").unwrap_err();
        assert!(error.message().contains("nested too deep: expected at most 8"), "{error}");
    }
}

/// This many frames of a small function use most of a guest's 512 KiB of stack.
const DEEP: u32 = 7_000;

#[test]
fn the_recursion_uses_most_of_the_stack() {
    let deep = |frames| {
        let guest = Guest::codec("deep").on(Export::Encode, Behaviour::Normal.below(frames));
        let site = place().plugin("deep.wasm", guest).unwatched().host();
        encode(&site, "deep")
    };
    assert_eq!(deep(DEEP).unwrap(), b"in");
    assert_eq!(deep(DEEP * 2).unwrap_err().kind(), CallErrorKind::Trap);
}

#[test]
fn a_dropped_call_discards_its_instance() {
    let site = site(&Behaviour::Spin, "cpu = '5m'\ndeadline = '10m'");
    assert_eq!(handle(&site, "bad").unwrap(), "in");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    runtime.block_on(async {
        let handler = site.handler("bad").unwrap();
        let call = handler.handle(request("in"));
        // The guest yields at each tick, so that the timer can run.
        let late = tokio::time::timeout(Duration::from_millis(50), call).await;
        assert!(late.is_err());
    });
    assert_eq!(discarded(&site), 1);
    assert_eq!(site.running("bad").unwrap().leases, 0);
    assert_eq!(handle(&site, "bad").unwrap(), "in");
    assert_eq!(encode(&site, "neighbour").unwrap(), b"inhere");
}

#[test]
fn a_slow_handler_is_ended_at_its_deadline() {
    let guest = Guest::handler("bad").on(Export::Handle, Behaviour::Wait(Duration::from_secs(600)));
    let limits = "[plugins.bad]\ndeadline = '100ms'";
    let site = place().plugin("bad.wasm", guest).config(limits).unwatched().host();
    let error = handle(&site, "bad").unwrap_err();
    assert_eq!((error.kind(), error.plugin()), (CallErrorKind::Deadline, Some("bad@1.0.0")));
    assert_eq!(error.message(), "expected an answer within 100ms");
    assert_eq!(discarded(&site), 1);
}

/// Calls a plugin that counts its shutdowns. Asserts the numbers of instances that were made, live,
/// and were shut down.
fn assert_instances(
    name: &str,
    limits: &str,
    input: usize,
    calls: usize,
    expected: (u64, u64, usize),
) {
    let guest = Guest::codec(name).on(Export::Shutdown, Behaviour::Log(1));
    let site = place()
        .plugin("a.wasm", guest)
        .config(&format!("[plugins.{name}]\ninstances = 1\n{limits}"))
        .unwatched()
        .host();
    let codec = site.codec(name).unwrap();
    let input = vec![b'x'; input];
    for _ in 0..calls {
        assert_eq!(codec.encode_document(&input).unwrap().len(), input.len());
    }
    let mut found = (0, 0, 0);
    // Instances are shut down in the background.
    until(&format!("{expected:?} instances"), || {
        let stats = site.running(name).unwrap().stats;
        assert_eq!(stats.discarded, 0);
        found = (stats.instantiations, stats.instances, lines::of(&format!("{name}@1.0.0")));
        found == expected
    });
}

#[test]
fn an_instance_serves_many_calls() {
    assert_instances("again", "", 1, 100, (1, 1, 0));
}

#[test]
fn an_instance_is_replaced_after_the_set_number_of_calls() {
    assert_instances("by-calls", "recycle_calls = 3", 1, 9, (3, 0, 3));
    assert_instances("by-calls-more", "recycle_calls = 3", 1, 10, (4, 1, 3));
}

#[test]
fn an_instance_is_replaced_once_its_memory_is_large() {
    assert_instances("by-memory", "recycle_memory = '1MiB'", 2 << 20, 4, (4, 0, 4));
    assert_instances("by-memory-not", "recycle_memory = '1MiB'", 1, 4, (1, 1, 0));
}

#[test]
fn a_fresh_instance_serves_each_call() {
    // One more instance at the start, for the health check. Fresh instances are not shut down.
    assert_instances("fresh", "reuse = 'fresh'", 1, 5, (6, 0, 0));
    let site = site(&Behaviour::Trap, "reuse = 'fresh'");
    for _ in 0..5 {
        assert_eq!(encode(&site, "bad").unwrap(), b"in");
        assert_eq!(handle(&site, "bad").unwrap(), "in");
    }
}

#[test]
fn a_codec_may_wait() {
    let waits = Behaviour::Wait(Duration::from_millis(1));
    let guest = Guest::codec("slow").on(Export::Encode, waits);
    let site = place().plugin("slow.wasm", guest).unwatched().host();
    assert_eq!(encode(&site, "slow").unwrap(), b"in");
    // A codec may also be called inside a runtime.
    assert_eq!(wait(async { encode(&site, "slow") }).unwrap(), b"in");
}
