//! Both sides of the ABI against each other: what crosses the boundary, and what must not.
//!
//! Worth running under `AddressSanitizer`, which sees the buffers that are freed twice or never:
//! `RUSTFLAGS=-Zsanitizer=address cargo +nightly test -p plugbay-abi --all-features --target
//! x86_64-unknown-linux-gnu`.

use std::cell::RefCell;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use plugbay_abi::guest::{self, Exports};
use plugbay_abi::host::{CallInfo, Guest, HostCalls, Incompatible, Instance, NoHost};
use plugbay_abi::kind::codec::CodecExports;
use plugbay_abi::kind::handler::HandlerExports;
use plugbay_abi::raw;
use plugbay_abi::{
    CodecInfo, Error, ErrorKind, Level, Metric, MetricKind, Request, Response, VERSION, Vtable,
};

/// How many instances with the config `counted` are alive.
static ALIVE: AtomicUsize = AtomicUsize::new(0);

/// A plugin whose capability 0 works, while each of the others fails in its own way.
struct Probe {
    config: String,
}

impl Drop for Probe {
    fn drop(&mut self) {
        match self.config.as_str() {
            "counted" => drop(ALIVE.fetch_sub(1, Ordering::SeqCst)),
            "panic in drop" => panic!("dropped"),
            _ => {}
        }
    }
}

impl Exports for Probe {
    const KINDS: &'static [raw::Kind] = &[Self::CODEC, Self::HANDLER];

    fn describe() -> Result<Vec<u8>, Error> {
        Ok(b"{}".to_vec())
    }

    fn create(config: &str) -> Result<Self, Error> {
        match config {
            "refuse" => Err(Error::new(ErrorKind::InvalidInput, "expected another config")),
            "panic" => panic!("no config"),
            config => {
                ALIVE.fetch_add(usize::from(config == "counted"), Ordering::SeqCst);
                Ok(Probe { config: config.to_owned() })
            }
        }
    }

    fn health(&self) -> Result<(), Error> {
        match self.config.as_str() {
            "ill" => Err(Error::new(ErrorKind::Unavailable, "warming up")),
            _ => Ok(()),
        }
    }

    fn shutdown(&self) {
        guest::log(Level::Info, "bye", &[]);
        assert_ne!(self.config, "panic in shutdown", "as asked");
    }
}

impl CodecExports for Probe {
    fn encode(&self, index: u32, document: &[u8]) -> Result<Vec<u8>, Error> {
        match index {
            0 => Ok(document.to_vec()),
            1 => Err(Error::new(ErrorKind::Unsupported, "")),
            2 => panic!("capability {index}"),
            3 => std::panic::panic_any(Bomb),
            5 => Ok(elsewhere()),
            6 => Ok(about_the_call().into_bytes()),
            7 => {
                guest::metric_observe("sizes", 0.5);
                let metric = |kind| Metric { kind, help: "h", unit: "u", buckets: &[1.0, 2.0] };
                guest::metric_describe("sizes", &metric(MetricKind::Histogram))?;
                guest::metric_describe("full", &metric(MetricKind::Gauge))?;
                Ok(Vec::new())
            }
            _ => Ok(guest::encode("other", document)?.into_vec()),
        }
    }

    fn decode(&self, index: u32, bytes: &[u8]) -> Result<Vec<u8>, Error> {
        guest::log(Level::Warn, "decoding", &[("index", &index.to_string()), ("kind", "probe")]);
        guest::metric_add("decoded", bytes.len() as u64);
        guest::metric_set("ratio", 0.5);
        if !guest::log_enabled(Level::Trace) {
            return Err(Error::new(ErrorKind::InvalidInput, "trace is off"));
        }
        let names: Vec<String> = guest::codecs()
            .into_iter()
            .map(|codec| codec.name + &codec.media_types.join("+"))
            .collect();
        Ok(names.join(",").into_bytes())
    }
}

impl HandlerExports for Probe {
    fn handle(&self, index: u32, request: Request<'_>) -> Result<Response, Error> {
        assert_eq!(index, 0, "no such handler");
        let Request { method, path, query, params, headers, body } = request;
        Ok(Response {
            status: 207,
            headers: headers.iter().map(|(key, value)| ((*key).into(), value.to_vec())).collect(),
            body: format!("{method} {path} {query:?} {params:?} {body:?}").into_bytes(),
        })
    }
}

/// What the plugin learns about its call.
fn about_the_call() -> String {
    let (id, generation) = (guest::request_id(), guest::generation());
    let (parent, state) = (guest::trace_parent(), guest::trace_state());
    format!("{id:?} {generation:?} {parent:?} {state:?} {:?}", guest::time_left())
}

/// What a thread that the plugin started can reach of the host, while a call waits for it.
fn elsewhere() -> Vec<u8> {
    let ask = || {
        guest::log(Level::Error, "unheard", &[]);
        guest::metric_add("uncounted", 1);
        let codec = guest::encode("other", b"").unwrap_err();
        let (enabled, codecs) = (guest::log_enabled(Level::Error), guest::codecs().len());
        format!("{} {enabled} {codecs} {:?}", guest::inside(), codec.kind).into_bytes()
    };
    std::thread::scope(|scope| scope.spawn(ask).join()).unwrap()
}

/// A panic payload that cannot be printed, and panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("the payload was dropped");
    }
}

/// Records the plugin's calls; its codec `other` calls `nested`.
#[derive(Default)]
struct Host<'a> {
    seen: RefCell<Vec<String>>,
    trace: bool,
    nested: Option<&'a Instance>,
    call: CallInfo<'a>,
}

impl HostCalls for Host<'_> {
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        self.seen.borrow_mut().push(format!("{level:?} {message} {fields:?}"));
    }

    fn log_enabled(&self, level: Level) -> bool {
        assert_eq!(level, Level::Trace);
        self.trace
    }

    fn metric_add(&self, name: &str, delta: u64) {
        self.seen.borrow_mut().push(format!("{name}+{delta}"));
    }

    fn metric_set(&self, name: &str, value: f64) {
        self.seen.borrow_mut().push(format!("{name}={value}"));
        // The host's panics stay on the host's side.
        panic!("a host that panics");
    }

    fn metric_observe(&self, name: &str, value: f64) {
        self.seen.borrow_mut().push(format!("{name}~{value}"));
    }

    fn metric_describe(&self, name: &str, metric: &Metric<'_>) -> Result<(), Error> {
        self.seen.borrow_mut().push(format!("{name}: {metric:?}"));
        if name == "full" { Err(Error::new(ErrorKind::Unsupported, "too many")) } else { Ok(()) }
    }

    fn call(&self) -> CallInfo<'_> {
        self.call
    }

    fn codecs(&self) -> Vec<CodecInfo> {
        let codec = |name: &str, types: &[&str]| CodecInfo {
            name: name.into(),
            media_types: types.iter().map(ToString::to_string).collect(),
        };
        vec![codec("a", &["x/a", "x/b"]), codec("b", &[])]
    }

    fn encode(&self, name: &str, document: &[u8]) -> Result<Vec<u8>, Error> {
        match self.nested {
            Some(instance) => {
                let inner = Host { trace: true, ..Host::default() };
                let codecs = instance.decode(&inner, 0, document)?;
                self.seen.borrow_mut().push(format!("inside: {}", inner.seen.borrow().len()));
                Ok(codecs.into_vec())
            }
            None => panic!("no codec {name}"),
        }
    }

    fn decode(&self, _: &str, _: &[u8]) -> Result<Vec<u8>, Error> {
        unreachable!()
    }
}

static VTABLE: Vtable = guest::vtable::<Probe>();

fn probe() -> Guest {
    // SAFETY: it is a static table of `guest::vtable`.
    unsafe { Guest::from_raw(&raw const VTABLE) }.unwrap()
}

fn instance(config: &str) -> Instance {
    probe().create(&NoHost, config).unwrap()
}

fn failure<T>(result: Result<T, Error>) -> (ErrorKind, String) {
    let error = result.err().expect("an error");
    (error.kind, error.message)
}

#[test]
fn answers_cross_the_boundary() {
    assert_eq!(&*probe().describe(&NoHost).unwrap(), b"{}");
    let instance = instance("{}");
    instance.health(&NoHost).unwrap();
    assert_eq!(&*instance.encode(&NoHost, 0, b"document").unwrap(), b"document");
    assert!(instance.encode(&NoHost, 0, b"").unwrap().is_empty());
    let request = Request {
        method: "GET",
        path: "/a",
        query: Some(""),
        params: &[("name", "value")],
        headers: &[("accept", b"*/*"), ("x", b"\xff")],
        body: b"\0",
    };
    let response = instance.handle(&NoHost, 0, request).unwrap().copy().unwrap();
    assert_eq!(response.status, 207);
    assert_eq!(response.headers, [("accept".into(), b"*/*".to_vec()), ("x".into(), vec![0xff])]);
    assert_eq!(response.body, br#"GET /a Some("") [("name", "value")] [0]"#);
    let request = Request { query: None, params: &[], headers: &[], body: b"", ..request };
    let response = instance.handle(&NoHost, 0, request).unwrap().copy().unwrap();
    assert_eq!(response.body, b"GET /a None [] []");
}

#[test]
fn errors_keep_their_kind_and_message() {
    let refused = probe().create(&NoHost, "refuse").map(drop);
    assert_eq!(failure(refused), (ErrorKind::InvalidInput, "expected another config".into()));
    assert_eq!(
        failure(instance("ill").health(&NoHost)),
        (ErrorKind::Unavailable, "warming up".into())
    );
    assert_eq!(
        failure(instance("{}").encode(&NoHost, 1, b"")),
        (ErrorKind::Unsupported, String::new())
    );
    assert_eq!(failure(instance("{}").decode(&NoHost, 0, b"")).0, ErrorKind::InvalidInput);
}

#[test]
fn panics_do_not_cross_the_boundary() {
    let panicked = |message: &str| (ErrorKind::Panicked, format!("panicked{message}"));
    let refused = probe().create(&NoHost, "panic").map(drop);
    assert_eq!(failure(refused), panicked(": no config"));
    let instance = instance("panic in shutdown");
    assert_eq!(failure(instance.encode(&NoHost, 2, b"")), panicked(": capability 2"));
    assert_eq!(failure(instance.encode(&NoHost, 3, b"")), panicked(""));
    let request =
        Request { method: "", path: "", query: None, params: &[], headers: &[], body: b"" };
    let (kind, message) = failure(instance.handle(&NoHost, 1, request));
    assert_eq!(kind, ErrorKind::Panicked);
    assert!(message.contains("no such handler"), "{message}");
    instance.shutdown(&NoHost);
    drop(probe().create(&NoHost, "panic in drop").unwrap());
    // A panic of the host does not reach the plugin either.
    let host = Host::default();
    assert_eq!(failure(instance.encode(&host, 4, b"")), panicked(": no codec other"));
}

#[test]
fn the_call_is_known_as_far_as_the_host_says() {
    let instance = instance("{}");
    let unknown = "None None None None None";
    assert_eq!(&*instance.encode(&NoHost, 6, b"").unwrap(), unknown.as_bytes());
    assert_eq!(about_the_call(), unknown, "outside of a call");
    let call = CallInfo {
        request_id: Some("request-7"),
        generation: Some(3),
        trace_parent: Some("00-a-b-01"),
        trace_state: Some("vendor=1"),
        deadline: Some(Instant::now()),
    };
    let host = Host { call, ..Host::default() };
    let expected = "Some(\"request-7\") Some(3) Some(\"00-a-b-01\") Some(\"vendor=1\") Some(0ns)";
    assert_eq!(&*instance.encode(&host, 6, b"").unwrap(), expected.as_bytes());
}

#[test]
fn metrics_are_described_and_observed() {
    let instance = instance("{}");
    let host = Host::default();
    let refused = failure(instance.encode(&host, 7, b""));
    assert_eq!(refused, (ErrorKind::Unsupported, "too many".into()));
    assert_eq!(
        *host.seen.borrow(),
        [
            "sizes~0.5",
            r#"sizes: Metric { kind: Histogram, help: "h", unit: "u", buckets: [1.0, 2.0] }"#,
            r#"full: Metric { kind: Gauge, help: "h", unit: "u", buckets: [1.0, 2.0] }"#,
        ]
    );
    // Without a host they do nothing.
    instance.encode(&NoHost, 7, b"").unwrap();
}

#[test]
fn the_host_is_reachable_only_during_a_call() {
    let instance = instance("{}");
    let host = Host { trace: true, ..Host::default() };
    assert_eq!(&*instance.decode(&host, 7, b"abc").unwrap(), b"ax/a+x/b,b");
    instance.shutdown(&host);
    assert_eq!(
        *host.seen.borrow(),
        [
            r#"Warn decoding [("index", "7"), ("kind", "probe")]"#,
            "decoded+3",
            "ratio=0.5",
            "Info bye []",
        ]
    );
    assert!(!guest::inside());
    assert!(!guest::log_enabled(Level::Error));
    assert!(guest::codecs().is_empty());
    assert_eq!(failure(guest::encode("json", b"")).0, ErrorKind::Unavailable);
}

#[test]
fn a_thread_of_the_plugin_cannot_reach_the_host() {
    let host = Host { trace: true, ..Host::default() };
    let found = instance("{}").encode(&host, 5, b"").unwrap();
    assert_eq!(found.escape_ascii().to_string(), "false false 0 Unavailable");
    assert!(host.seen.borrow().is_empty());
}

#[test]
fn nested_calls_restore_the_host_of_the_outer_call() {
    let inner = instance("inner");
    let outer = instance("outer");
    let host = Host { nested: Some(&inner), ..Host::default() };
    assert_eq!(&*outer.encode(&host, 4, b"abc").unwrap(), b"ax/a+x/b,b");
    // The inner host got the three lines of the inner call, the outer host only this one.
    assert_eq!(*host.seen.borrow(), ["inside: 3"]);
}

#[test]
fn an_instance_is_shared_by_threads_and_dropped_once() {
    let instance = instance("counted");
    let large = vec![7; 1 << 20];
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..8 {
                    assert_eq!(instance.encode(&NoHost, 0, &large).unwrap().into_vec(), large);
                }
            });
        }
    });
    assert_eq!(ALIVE.load(Ordering::SeqCst), 1);
    drop(instance);
    assert_eq!(ALIVE.load(Ordering::SeqCst), 0);
}

#[test]
fn a_table_of_another_version_is_refused() {
    // SAFETY: each is null or a table.
    let load = |vtable: *const Vtable| unsafe { Guest::from_raw(vtable) }.map(drop);
    assert_eq!(load(std::ptr::null()), Err(Incompatible::Null));
    let newer = Vtable { version: VERSION + 1, ..VTABLE };
    let refused = Incompatible::Version { expected: VERSION, found: VERSION + 1 };
    assert_eq!(load(&raw const newer), Err(refused));
    let shorter = Vtable { size: VTABLE.size - 8, ..VTABLE };
    let refused = Incompatible::Size { expected: VTABLE.size, found: VTABLE.size - 8 };
    assert_eq!(load(&raw const shorter), Err(refused));
    let longer = Vtable { size: VTABLE.size + 8, ..VTABLE };
    assert_eq!(load(&raw const longer), Ok(()));
}

#[test]
fn kinds_that_the_host_does_not_know_are_skipped() {
    let unknown = raw::Kind { name: "scorer".into(), table: std::ptr::null() };
    let kinds = Box::leak(Box::new([unknown, Probe::CODEC]));
    let vtable = Box::leak(Box::new(Vtable { kinds: raw::Array::from(&kinds[..]), ..VTABLE }));
    // SAFETY: a static table of `guest::vtable`, and a static list.
    let guest = unsafe { Guest::from_raw(vtable) }.unwrap();
    assert_eq!(
        ["codec", "handler", "scorer"].map(|it| guest.offers(it)),
        [Some(true), Some(false), None]
    );
    let instance = guest.create(&NoHost, "").unwrap();
    assert_eq!(&*instance.encode(&NoHost, 0, b"document").unwrap(), b"document");
}

#[test]
fn a_kind_that_a_plugin_does_not_list_cannot_be_called() {
    let vtable = Box::leak(Box::new(Vtable { kinds: raw::Array::from(&[][..]), ..VTABLE }));
    // SAFETY: a static table of `guest::vtable`.
    let instance = unsafe { Guest::from_raw(vtable) }.unwrap().create(&NoHost, "").unwrap();
    let expected = "expected a plugin that lists the kind codec, found none in its vtable";
    assert_eq!(failure(instance.encode(&NoHost, 0, b"")), (ErrorKind::Contract, expected.into()));
    let request =
        Request { method: "", path: "", query: None, params: &[], headers: &[], body: b"" };
    assert_eq!(failure(instance.handle(&NoHost, 0, request)).0, ErrorKind::Contract);
}
