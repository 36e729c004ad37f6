//! A kind of the application is called like a built-in one, also if its plugins import WASI or
//! codecs.

use std::pin::Pin;
use std::sync::Arc;

use plugbay::wasm::wasmtime::{self, component::TypedFunc};
use plugbay::wasm::{Calls, Exports, WasmKind};
use plugbay::{CallError, CallErrorKind, CallOptions, Context, Correlation, Error, Handle, Kind};
use plugbay_fixtures::{Behaviour, Export, Guest, component};

use crate::examples::own_kind;
use crate::examples::own_kind::greeter::{
    Greeter as _, GreeterHandle, GreeterKind as Greeter, GreeterMock, check_plugin,
};
use crate::support::{Site, lines, place, wait};

/// The example's guest, with more imports: `imports` are lines of its world and fields of its
/// module, and `greet` is the body of its function, with the locals `$name`, `$len` and `$at`.
fn guest(packages: &str, imports: [&str; 2], greet: &str) -> Vec<u8> {
    let [lines, fields] = imports;
    let wit = include_str!("../../examples/own_kind/greeter.wit");
    let wit = wit.replace("    export greeter;", &format!("    {lines}\n    export greeter;"));
    let module = include_str!("../../examples/own_kind/guest.wat");
    let from = module.find("(func (export \"acme:greet").unwrap();
    let to = module.find("(func (export \"cabi_post_acme").unwrap();
    let module = format!(
        "{}(func (export \"acme:greet/greeter@0.1.0#greet\")
           (param i32) (param $name i32) (param $len i32) (result i32) (local $at i32)
           {greet}
           (i32.const 192))
         {}",
        &module[..from],
        &module[to..]
    );
    let module = module.replacen("(memory ", &format!("{fields} (memory "), 1);
    component(&format!("{wit}\n{packages}"), "greeter-plugin", &module)
}

/// Answers with its name, and traps if the clock reads zero.
fn reads_the_clock() -> Vec<u8> {
    guest(
        "package wasi:clocks@0.2.6 { interface monotonic-clock { now: func() -> u64; } }",
        [
            "import wasi:clocks/monotonic-clock@0.2.6;",
            "(import \"wasi:clocks/monotonic-clock@0.2.6\" \"now\" (func $now (result i64)))",
        ],
        "(if (i64.eqz (call $now)) (then unreachable))
         (i32.store (i32.const 192) (local.get $name))
         (i32.store (i32.const 196) (local.get $len))",
    )
}

/// Answers with its name, encoded by the codec `echo`.
fn calls_a_codec() -> Vec<u8> {
    guest(
        "",
        [
            "",
            "(import \"plugbay:plugin/codecs@1.0.0\" \"encode\"
               (func $encode (param i32 i32 i32 i32 i32)))
             (data (i32.const 200) \"echo\")",
        ],
        "(call $encode (i32.const 200) (i32.const 4) (local.get $name) (local.get $len) (i32.const 208))
         (if (i32.load8_u (i32.const 208)) (then unreachable))
         (i32.store (i32.const 192) (i32.load (i32.const 212)))
         (i32.store (i32.const 196) (i32.load (i32.const 216)))",
    )
}

/// As [`calls_a_codec`], and first logs its name.
fn logs_and_calls_a_codec() -> Vec<u8> {
    guest(
        "",
        [
            "",
            "(import \"plugbay:plugin/codecs@1.0.0\" \"encode\"
               (func $encode (param i32 i32 i32 i32 i32)))
             (import \"plugbay:plugin/log@1.0.0\" \"write\"
               (func $log (param i32 i32 i32 i32 i32)))
             (data (i32.const 200) \"echo\")",
        ],
        "(call $log (i32.const 2) (local.get $name) (local.get $len) (i32.const 0) (i32.const 0))
         (call $encode (i32.const 200) (i32.const 4) (local.get $name) (local.get $len) (i32.const 208))
         (if (i32.load8_u (i32.const 208)) (then unreachable))
         (i32.store (i32.const 192) (i32.load (i32.const 212)))
         (i32.store (i32.const 196) (i32.load (i32.const 216)))",
    )
}

/// Answers with a mebibyte of zeros and one more for each byte of its name.
fn returns_a_large_answer() -> Vec<u8> {
    guest(
        "",
        ["", ""],
        "(drop (memory.grow (i32.const 17)))
         (i32.store (i32.const 192) (i32.const 65536))
         (i32.store (i32.const 196) (i32.add (i32.const 1048576) (local.get $len)))",
    )
}

fn greet(greeter: &Handle<Greeter>, name: &str) -> Result<String, CallError> {
    match greeter
        .call(CallOptions::default(), |greeter, context| greeter.greet(context, name.to_owned()))
    {
        Ok(greeting) => Ok(greeting),
        Err(Error::Call(error)) => Err(error),
        Err(error) => panic!("{error}"),
    }
}

fn site(plugin: Vec<u8>, config: &str) -> Site {
    place()
        .plugin("hello.wasm", plugin)
        .plugin("echo.wasm", Guest::codec("echo"))
        .config(config)
        .unwatched()
        .host_with(plugbay::Builder::kind::<Greeter>)
}

const CLOCKS: &str = "[plugins.hello.grants]\nclocks = true";

#[test]
fn a_plugin_that_imports_wasi_is_called_inside_and_outside_of_a_runtime() {
    let site = site(reads_the_clock(), CLOCKS);
    let greeter = site.get::<Greeter>("hello").unwrap();
    assert_eq!(greet(&greeter, "you").unwrap(), "you");
    assert_eq!(wait(async { greet(&greeter, "you") }).unwrap(), "you");
}

#[test]
fn a_plugin_that_imports_codecs_calls_them_in_the_callers_snapshot() {
    let site = site(calls_a_codec(), "");
    let greeter = site.get::<Greeter>("hello").unwrap();
    assert_eq!(greet(&greeter, "you").unwrap(), "you");
}

#[test]
fn the_lines_of_a_call_name_its_request_without_any_span() {
    lines::listen();
    let site = place()
        .plugin("hello.wasm", logs_and_calls_a_codec())
        .plugin(
            "echo.wasm",
            Guest::codec("echo").version("3.0.0").on(Export::Encode, Behaviour::Log(1)),
        )
        .unwatched()
        .host_with(plugbay::Builder::kind::<Greeter>);
    let greeter = site.get::<Greeter>("hello").unwrap();
    let request = Arc::new(Correlation::default().request_id("own-kind-7".parse().unwrap()));
    let options = CallOptions::default().correlated(&request);
    let greeting =
        greeter.call(options, |greeter, context| greeter.greet(context, "you".to_owned()));
    assert_eq!(greeting.unwrap(), "you");
    // A call of no request is in no line of that one.
    assert_eq!(greet(&greeter, "you").unwrap(), "you");
    let lines = lines::of_request("own-kind-7");
    assert_eq!(lines, [("hello@1.0.0".into(), Some(1)), ("echo@3.0.0".into(), Some(1))]);
}

#[test]
fn the_answer_of_a_plugin_is_bounded_by_output() {
    for guest in [returns_a_large_answer(), reads_the_clock_and_returns_a_large_answer()] {
        let site = site(guest, &format!("[plugins.hello]\noutput = '1MiB'\n{CLOCKS}"));
        let greeter = site.get::<Greeter>("hello").unwrap();
        assert_eq!(greet(&greeter, "").unwrap().len(), 1 << 20);
        let error = greet(&greeter, "x").unwrap_err();
        assert_eq!((error.kind(), error.plugin()), (CallErrorKind::Output, Some("hello@1.0.0")));
        let expected = "expected an answer of at most 1048576 bytes, found more";
        assert_eq!(error.message(), expected);
        assert_eq!(greet(&greeter, "").unwrap().len(), 1 << 20);
    }
}

/// As [`returns_a_large_answer`], but called on a fiber, because it imports WASI.
fn reads_the_clock_and_returns_a_large_answer() -> Vec<u8> {
    guest(
        "package wasi:clocks@0.2.6 { interface monotonic-clock { now: func() -> u64; } }",
        [
            "import wasi:clocks/monotonic-clock@0.2.6;",
            "(import \"wasi:clocks/monotonic-clock@0.2.6\" \"now\" (func $now (result i64)))",
        ],
        "(drop (call $now))
         (drop (memory.grow (i32.const 17)))
         (i32.store (i32.const 192) (i32.const 65536))
         (i32.store (i32.const 196) (i32.add (i32.const 1048576) (local.get $len)))",
    )
}

/// A guest that imports WASI, and so runs on a fiber, with this body.
fn on_a_fiber(body: &str) -> Vec<u8> {
    guest(
        "package wasi:clocks@0.2.6 { interface monotonic-clock { now: func() -> u64; } }",
        [
            "import wasi:clocks/monotonic-clock@0.2.6;",
            "(import \"wasi:clocks/monotonic-clock@0.2.6\" \"now\" (func $now (result i64)))",
        ],
        &format!("(drop (call $now)) {body}"),
    )
}

#[test]
fn a_plugin_that_imports_wasi_keeps_its_limits() {
    let spins = "(loop $again (br $again))";
    let grows = "(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable))";
    for (body, limit, kind) in [
        (spins, "cpu = '50ms'", CallErrorKind::Cpu),
        (spins, "cpu = '60s'\ndeadline = '50ms'", CallErrorKind::Deadline),
        (grows, "memory = '1MiB'", CallErrorKind::Memory),
    ] {
        let site = site(on_a_fiber(body), &format!("[plugins.hello]\n{limit}\n{CLOCKS}"));
        let greeter = site.get::<Greeter>("hello").unwrap();
        let error = greet(&greeter, "you").unwrap_err();
        assert_eq!((error.kind(), error.plugin()), (kind, Some("hello@1.0.0")), "{error}");
    }
}

#[test]
fn a_plugin_that_keeps_failing_gets_no_calls_and_is_counted() {
    let traps = on_a_fiber("unreachable");
    let site = site(traps, &format!("[plugins.hello]\nbreaker_failures = 2\n{CLOCKS}"));
    let greeter = GreeterHandle::find(&site, "hello").unwrap();
    let reasons: Vec<_> = (0..3).map(|_| greeter.greet("you").unwrap_err().reason()).collect();
    assert_eq!(reasons, ["trap", "trap", "breaker-open"]);
    let later = wait(greeter.greet_async("you")).unwrap_err();
    assert_eq!(later.reason(), "breaker-open");
    let status = site.status();
    let hello = status.plugins.iter().find(|plugin| plugin.name == "hello").unwrap();
    assert_eq!(hello.calls.failed.get("trap"), Some(&2));
    assert_eq!(hello.stats.discarded, 2, "a trapped instance is never used again");
}

#[test]
fn a_handle_made_from_wit_calls_every_plugin_with_and_without_a_runtime() {
    for plugin in [own_kind::guest(), reads_the_clock(), calls_a_codec()] {
        let site = site(plugin, CLOCKS);
        let greeter = GreeterHandle::find(&site, "hello").unwrap();
        assert!(greeter.greet("you").unwrap().ends_with("you"));
        assert!(wait(greeter.greet_async("you")).unwrap().ends_with("you"));
        let missed = GreeterHandle::find(&site, "helo").unwrap_err().to_string();
        assert!(missed.contains("did you mean \"hello\""), "{missed}");
    }
}

#[test]
fn a_mock_answers_in_place_of_a_plugin() {
    /// A function of an application.
    fn welcome(greeter: &dyn crate::examples::own_kind::greeter::Greeter) -> String {
        greeter.greet("Ada").unwrap_or_else(|error| error.to_string())
    }
    let mock = GreeterMock::default().on_greet(|name| Ok(format!("Welcome, {name}")));
    assert_eq!(welcome(&mock), "Welcome, Ada");
    assert_eq!(wait(mock.greet_async("Bob")).unwrap(), "Welcome, Bob");
    assert!(welcome(&GreeterMock::default()).contains("expected GreeterMock::on_greet"));
}

#[test]
fn a_check_of_a_plugin_says_what_it_failed() {
    check_plugin(own_kind::guest()).unwrap();
    let traps = check_plugin(guest("", ["", ""], "unreachable")).unwrap_err();
    assert_eq!(traps.lines().count(), 2, "{traps}");
    assert!(traps.starts_with("greeter:hello: greet of empty values: trap: "), "{traps}");
    let other = check_plugin(Guest::codec("echo").build()).unwrap_err();
    assert_eq!(other, "expected a capability of the kind greeter, found none");
    let broken = check_plugin(*b"no plugin").unwrap_err();
    assert!(broken.starts_with("refused: unknown-format"), "{broken}");
}

/// A greeter with asynchronous calls.
struct AsyncGreeter;

type Greeting<'a> = Pin<Box<dyn Future<Output = Result<String, CallError>> + Send + 'a>>;

trait GreetAsync: Send + Sync {
    fn greet<'a>(&'a self, context: Context<'a>, name: String) -> Greeting<'a>;
}

impl Kind for AsyncGreeter {
    const NAME: &'static str = "greeter";
    type Call = dyn GreetAsync;
}

impl WasmKind for AsyncGreeter {
    const INTERFACE: &'static str = "acme:greet/greeter@0.1.0";
    type Guest = TypedFunc<(u32, String), (String,)>;

    fn load(exports: &mut Exports<'_>) -> wasmtime::Result<Self::Guest> {
        exports.function("greet")
    }

    fn provide(calls: Calls<Self>) -> Arc<dyn GreetAsync> {
        Arc::new(calls)
    }
}

impl GreetAsync for Calls<AsyncGreeter> {
    fn greet<'a>(&'a self, context: Context<'a>, name: String) -> Greeting<'a> {
        let params = (self.capability(), name);
        Box::pin(self.call_async(context, |greet| greet, params, |(greeting,)| Ok(greeting)))
    }
}

#[test]
fn the_same_plugins_serve_asynchronous_calls() {
    for guest in [own_kind::guest(), reads_the_clock(), calls_a_codec()] {
        let site = place()
            .plugin("hello.wasm", guest)
            .plugin("echo.wasm", Guest::codec("echo"))
            .config(CLOCKS)
            .unwatched()
            .host_with(plugbay::Builder::kind::<AsyncGreeter>);
        let lease = site.get::<AsyncGreeter>("hello").unwrap().lease().unwrap();
        let greeting = wait(lease.call_async(CallOptions::default(), |greeter, context| {
            greeter.greet(context, "you".to_owned())
        }));
        assert!(greeting.unwrap().ends_with("you"));
    }
}
