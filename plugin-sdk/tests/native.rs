//! A plugin in its native form, called as a host calls it: through the vtable alone.

use std::cell::RefCell;

use plugbay_abi::host::{CallInfo, Guest, HostCalls, Instance, NoHost};
use plugbay_abi::{CodecInfo, Error as AbiError, ErrorKind, Level, Metric};
use plugbay_sdk::prelude::*;
use serde_json::{Value, json};

/// Tables as text.
struct Tabular {
    settings: Settings,
    tsv: Tsv,
    stats: Stats,
}

#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Settings {
    /// What stands between two cells.
    separator: char,
    #[serde(default)]
    healthy: Option<bool>,
}

impl Plugin for Tabular {
    const NAME: &'static str = "tabular";
    const DESCRIPTION: &'static str = "tables as text";
    type Config = Settings;

    fn new(settings: Settings) -> Result<Self> {
        let unit = if settings.separator == '!' { "bad unit" } else { "seconds" };
        let wait = metrics::Metric::histogram("How long a table waits.").unit(unit);
        metrics::describe("wait_seconds", wait.buckets(&[0.1, 1.0]))?;
        ensure!(settings.separator != '\n', invalid_input, "expected a separator, found a newline");
        Ok(Tabular { settings, tsv: Tsv, stats: Stats })
    }

    fn health(&self) -> Result<()> {
        ensure!(self.settings.healthy != Some(false), unavailable, "asked to be ill");
        Ok(())
    }

    fn shutdown(&self) {
        info!("done");
    }
}

impl Codec for Tabular {
    const NAME: &'static str = "csv";
    const MEDIA_TYPES: &'static [&'static str] = &["text/csv"];

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        let row: Vec<String> = document.to_value()?;
        Ok(row.join(&self.settings.separator.to_string()).into_bytes())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        let line = std::str::from_utf8(bytes)?;
        let row: Vec<&str> = line.split(self.settings.separator).collect();
        let (user, count) = ("ada", row.len());
        info!(user = %user, count, cells.first = ?row[0], "split into {count}");
        debug!(never = off(), "{}", off());
        warn!(count = count + 1);
        Ok(Document::from_value(&row)?)
    }
}

/// An argument of a line whose level is off: the argument is not evaluated.
fn off() -> u8 {
    panic!("its level is off")
}

struct Tsv;

impl Codec for Tsv {
    const NAME: &'static str = "tsv";

    fn encode(&self, _: &Document) -> Result<Vec<u8>> {
        panic!("tsv cannot");
    }

    /// Calls the host's codec `csv`.
    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        let names: Vec<_> = codecs::available().into_iter().map(|codec| codec.name).collect();
        ensure!(names == ["csv"], internal, "found {names:?}");
        let document = codecs::decode("csv", bytes)?;
        ensure!(codecs::encode("csv", &document)? == bytes, internal, "they differ");
        Ok(document)
    }
}

struct Stats;

impl Handler for Stats {
    const NAME: &'static str = "stats";
    const ROUTES: &'static [Route] = &[Route::new(&["GET"], "/stats/{table}")];
    const DESCRIPTION: &'static str = "counts";

    fn handle(&self, request: Request) -> Result<Response> {
        metrics::add("asked", 1);
        metrics::set("load", 0.25);
        let Some(table) = request.param("table") else {
            bail!(invalid_input, "expected a table in {}", request.path);
        };
        metrics::observe("wait_seconds", 0.5);
        let accept = request.header("Accept").unwrap_or("none");
        let depth: u8 = request.query_param("depth").unwrap_or_default().parse()?;
        let (id, generation) = (call::request_id(), call::generation());
        let (parent, state) = (call::trace_parent(), call::trace_state());
        ensure!(parent.is_none() && state.is_none(), internal, "expected no trace");
        ensure!(call::time_left().is_none(), internal, "expected no deadline");
        let answer = json!({
            "table": table, "accept": accept, "depth": depth, "id": id, "generation": generation,
        });
        Ok(Response::json(&answer)?.status(201).header("X-Body", request.body))
    }
}

export!(Tabular: codec, codec tsv, handler stats);

#[cfg(not(feature = "linked"))]
fn guest() -> Guest {
    unsafe extern "C" {
        fn plugbay_entry_v2() -> *const plugbay_abi::Vtable;
        #[link_name = "plugbay_abi"]
        static HEADER: plugbay_abi::Header;
    }
    // SAFETY: `export!` above defines both.
    let (header, vtable) = unsafe { (HEADER, plugbay_entry_v2()) };
    assert_eq!(header, plugbay_abi::Header::CURRENT);
    // SAFETY: it is a static table of `guest::vtable`.
    unsafe { Guest::from_raw(vtable) }.unwrap()
}

#[cfg(feature = "linked")]
fn guest() -> Guest {
    let mut plugins = plugbay_abi::linked::plugins();
    let plugin = plugins.next().expect("export! registered it");
    assert!(plugins.next().is_none());
    Guest::linked(plugin)
}

fn instance() -> Instance {
    guest().create(&NoHost, r#"{"separator": ";"}"#).unwrap()
}

fn failure<T>(result: std::result::Result<T, AbiError>) -> (ErrorKind, String) {
    let error = result.err().expect("an error");
    (error.kind, error.message)
}

/// A host whose one codec is the plugin's own, up to a depth.
struct Host<'a> {
    instance: &'a Instance,
    seen: RefCell<Vec<String>>,
}

impl HostCalls for Host<'_> {
    fn log(&self, level: Level, message: &str, fields: &[(&str, &str)]) {
        self.seen.borrow_mut().push(format!("{level:?} {message:?} {fields:?}"));
    }
    fn log_enabled(&self, level: Level) -> bool {
        level <= Level::Info
    }
    fn metric_add(&self, name: &str, delta: u64) {
        self.seen.borrow_mut().push(format!("{name}+{delta}"));
    }
    fn metric_set(&self, name: &str, value: f64) {
        self.seen.borrow_mut().push(format!("{name}={value}"));
    }
    fn metric_observe(&self, name: &str, value: f64) {
        self.seen.borrow_mut().push(format!("{name}~{value}"));
    }
    fn metric_describe(
        &self,
        name: &str,
        metric: &Metric<'_>,
    ) -> std::result::Result<(), AbiError> {
        self.seen.borrow_mut().push(format!("{name}: {metric:?}"));
        match metric.unit {
            "bad unit" => Err(AbiError::new(ErrorKind::InvalidInput, "expected a unit")),
            _ => Ok(()),
        }
    }
    fn call(&self) -> CallInfo<'_> {
        CallInfo { request_id: Some("request-7"), generation: Some(3), ..CallInfo::default() }
    }
    fn codecs(&self) -> Vec<CodecInfo> {
        vec![CodecInfo { name: "csv".into(), media_types: vec!["text/csv".into()] }]
    }
    fn encode(&self, _: &str, document: &[u8]) -> std::result::Result<Vec<u8>, AbiError> {
        self.instance.encode(&NoHost, 0, document).map(plugbay_abi::Buffer::into_vec)
    }
    fn decode(&self, _: &str, bytes: &[u8]) -> std::result::Result<Vec<u8>, AbiError> {
        self.instance.decode(&NoHost, 0, bytes).map(plugbay_abi::Buffer::into_vec)
    }
}

#[test]
fn the_plugin_describes_itself() {
    let mut description: Value =
        serde_json::from_slice(&guest().describe(&NoHost).unwrap()).unwrap();
    let schema = description["config_schema"].take();
    assert_eq!(
        description,
        json!({
            "name": "tabular",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "tables as text",
            "config_schema": null,
            "capabilities": [
                { "kind": "codec", "name": "csv", "description": "",
                  "media_types": ["text/csv"], "routes": [] },
                { "kind": "codec", "name": "tsv", "description": "",
                  "media_types": [], "routes": [] },
                { "kind": "handler", "name": "stats", "description": "counts", "media_types": [],
                  "routes": [{ "methods": ["GET"], "path": "/stats/{table}" }] },
            ],
        })
    );
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["required"], json!(["separator"]));
}

#[test]
fn config_errors_name_the_key() {
    let refusal = |config: &str| failure(guest().create(&NoHost, config).map(drop));
    let (kind, message) = refusal(r#"{"separator": 3}"#);
    assert_eq!(kind, ErrorKind::InvalidInput);
    assert!(message.starts_with("config.separator: invalid type: integer `3`"), "{message}");
    let (_, message) = refusal("{}");
    assert!(message.starts_with("config: missing field `separator`"), "{message}");
    let (kind, message) = refusal(r#"{"separator": "\n"}"#);
    assert_eq!(kind, ErrorKind::InvalidInput);
    assert_eq!(message, "expected a separator, found a newline");
}

#[test]
fn health_and_shutdown_are_called() {
    instance().health(&NoHost).unwrap();
    let ill = guest().create(&NoHost, r#"{"separator": ",", "healthy": false}"#).unwrap();
    assert_eq!(failure(ill.health(&NoHost)), (ErrorKind::Unavailable, "asked to be ill".into()));
    let host = Host { instance: &ill, seen: RefCell::default() };
    ill.shutdown(&host);
    assert_eq!(*host.seen.borrow(), [r#"Info "done" []"#]);
}

#[test]
fn metrics_are_described_when_the_plugin_is_made() {
    let instance = instance();
    let host = Host { instance: &instance, seen: RefCell::default() };
    drop(guest().create(&host, r#"{"separator": ","}"#).unwrap());
    let described = "wait_seconds: Metric { kind: Histogram, help: \"How long a table waits.\", \
                     unit: \"seconds\", buckets: [0.1, 1.0] }";
    assert_eq!(*host.seen.borrow(), [described]);
    let refused = guest().create(&host, r#"{"separator": "!"}"#).map(drop);
    assert_eq!(failure(refused), (ErrorKind::InvalidInput, "expected a unit".into()));
}

#[test]
fn codecs_convert_and_log() {
    let instance = instance();
    let host = Host { instance: &instance, seen: RefCell::default() };
    let document = instance.decode(&host, 0, b"a;b").unwrap().into_vec();
    let document = Document::from_cbor(document).unwrap();
    assert_eq!(document.to_value::<Vec<String>>().unwrap(), ["a", "b"]);
    assert_eq!(&*instance.encode(&host, 0, document.as_cbor()).unwrap(), b"a;b");
    assert_eq!(
        *host.seen.borrow(),
        [
            r#"Info "split into 2" [("user", "ada"), ("count", "2"), ("cells.first", "\"a\"")]"#,
            r#"Warn "" [("count", "3")]"#,
        ]
    );
}

#[test]
fn an_error_without_a_kind_gets_the_kind_of_its_step() {
    let instance = instance();
    assert_eq!(failure(instance.decode(&NoHost, 0, b"\xff")).0, ErrorKind::InvalidInput);
    let number = Document::from_value(&7).unwrap();
    assert_eq!(failure(instance.encode(&NoHost, 0, number.as_cbor())).0, ErrorKind::Unsupported);
    // bytes that are no CBOR
    assert_eq!(failure(instance.encode(&NoHost, 0, b"")).0, ErrorKind::Unsupported);
}

#[test]
fn codecs_reach_the_hosts_codecs() {
    let instance = instance();
    let host = Host { instance: &instance, seen: RefCell::default() };
    let document = instance.decode(&host, 1, b"x;y").unwrap().into_vec();
    let document = Document::from_cbor(document).unwrap();
    assert_eq!(document.to_value::<Vec<String>>().unwrap(), ["x", "y"]);
    let (kind, message) = failure(instance.decode(&NoHost, 1, b"x;y"));
    assert_eq!((kind, message.as_str()), (ErrorKind::Internal, "found []"));
}

#[test]
fn panics_and_wrong_indices_are_errors() {
    let instance = instance();
    let document = Document::default();
    assert_eq!(
        failure(instance.encode(&NoHost, 1, document.as_cbor())),
        (ErrorKind::Panicked, "panicked: tsv cannot".into())
    );
    assert_eq!(
        failure(instance.encode(&NoHost, 2, document.as_cbor())),
        (ErrorKind::Internal, "expected capability 2 to be a codec, found handler:stats".into())
    );
    assert_eq!(
        failure(instance.decode(&NoHost, 3, b"")),
        (ErrorKind::Internal, "expected a capability index below 3, found 3".into())
    );
}

#[test]
fn handlers_answer() {
    let instance = instance();
    let host = Host { instance: &instance, seen: RefCell::default() };
    let request = plugbay_abi::Request {
        method: "GET",
        path: "/stats/orders",
        query: Some("depth=2"),
        params: &[("table", "orders")],
        headers: &[("accept", b"*/*")],
        body: b"body",
    };
    let response = instance.handle(&host, 2, request).unwrap().copy().unwrap();
    assert_eq!(response.status, 201);
    assert_eq!(
        serde_json::from_slice::<Value>(&response.body).unwrap(),
        json!({ "table": "orders", "accept": "*/*", "depth": 2, "id": "request-7", "generation": 3 })
    );
    assert_eq!(response.headers[1], ("x-body".into(), b"body".to_vec()));
    assert_eq!(*host.seen.borrow(), ["asked+1", "load=0.25", "wait_seconds~0.5"]);

    let request = plugbay_abi::Request { params: &[], ..request };
    assert_eq!(
        failure(instance.handle(&host, 2, request)),
        (ErrorKind::InvalidInput, "expected a table in /stats/orders".into())
    );
    let request = plugbay_abi::Request { query: None, params: &[("table", "t")], ..request };
    assert_eq!(failure(instance.handle(&host, 2, request)).0, ErrorKind::Internal);
}
