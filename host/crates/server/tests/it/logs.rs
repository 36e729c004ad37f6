//! O2: each line of a request has its id, its generation, and the plugin that wrote it, in each form.

use std::io;
use std::sync::{Mutex, Once, PoisonError};

use plugbay_fixtures::{Behaviour, Export, Guest};
use plugbay_server::log::{LogFormat, LogLayer};
use serde_json::{Value, json};
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use super::call_context::{COMPONENT, TRACE_PARENT, native, serve};
use super::support::{Setup, host};

/// What all servers of this process wrote since [`collect`] was called.
static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Collects the lines of requests and plugins.
fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let targets = [("plugbay_server", Level::INFO), ("plugbay::plugin", Level::INFO)];
        let log = tracing_subscriber::registry()
            .with(Targets::new().with_targets(targets))
            .with(LogLayer::new(LogFormat::Json, || Log));
        tracing::subscriber::set_global_default(log).unwrap();
    });
}

struct Log;

impl io::Write for Log {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        assert!(line.ends_with(b"\n"), "one write has a whole line");
        WRITTEN.lock().unwrap_or_else(PoisonError::into_inner).extend_from_slice(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The lines of this request so far, in the order in which they were written.
fn lines(request_id: &str) -> Vec<Value> {
    let written = WRITTEN.lock().unwrap_or_else(PoisonError::into_inner);
    let lines = written.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let lines = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    lines.filter(|line| line["request_id"] == request_id).collect()
}

/// Sends a request to the reporter, whose handler calls its own codec and one of another plugin; and follows it
/// by its id.
async fn assert_lines(setup: Setup, request_id: &str) {
    collect();
    let inner = Guest::codec("inner").version("3.1.0").on(Export::Decode, Behaviour::Log(1));
    let serving = serve(setup.plugin("inner.wasm", &inner)).await;
    let status = serving.server.host().status();
    let version = &status.plugins.iter().find(|it| it.name == "reporter").unwrap().version;
    let headers = [("x-request-id", request_id), ("traceparent", TRACE_PARENT)];
    let answer = serving.send("GET", "/report?codec=inner", &headers, "").await;
    assert_eq!(answer.status, 200, "{answer:?}");

    let lines = lines(request_id);
    let said = |line: &Value| {
        let part = line["fields"]["part"].as_str().map(str::to_owned);
        json!([line["plugin"], line["version"], line["message"], part])
    };
    assert_eq!(
        lines.iter().map(said).collect::<Vec<_>>(),
        [
            json!(["reporter", version, "reports", "handler"]),
            json!(["inner", "3.1.0", "a line of inner", null]),
            json!(["reporter", version, "reports", "codec"]),
            json!(["reporter", version, "answered", null]),
        ]
    );
    for line in &lines {
        assert_eq!(line["generation"], status.generation, "{line}");
        assert_eq!((&line["method"], &line["route"]), (&json!("GET"), &json!("/report")), "{line}");
    }
    // A plugin cannot write the host's fields.
    assert_eq!(lines[0]["fields"]["request_id"], "forged");
    assert_eq!(lines[0]["trace_id"], TRACE_PARENT[3..35]);

    let answered = &lines[3];
    assert_eq!(answered["target"], "plugbay_server::request");
    assert_eq!((&answered["level"], &answered["status"]), (&json!("INFO"), &json!(200)));
    assert_eq!((&answered["path"], &answered["handler"]), (&json!("/report"), &json!("reporter")));
    assert_eq!(answered["bytes"], answer.body.len());
    assert!(answered["duration_us"].as_u64().unwrap() > 0, "{answered}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_followed_into_a_component() {
    assert_lines(host().file("reporter.wasm", &COMPONENT), "followed-component").await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_followed_into_a_library_in_this_process() {
    let _alone = super::support::mapping_alone().await;
    assert_lines(native("in-process"), "followed-in-process").await;
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_followed_into_a_worker_process() {
    assert_lines(native("process"), "followed-worker").await;
}

#[cfg(feature = "bundled")]
#[tokio::test(flavor = "multi_thread")]
async fn a_request_is_followed_into_a_linked_plugin() {
    assert_lines(host().bundled(), "followed-linked").await;
}

/// The line of a request without a plugin, and that of a capability that several plugins offer.
#[tokio::test(flavor = "multi_thread")]
async fn every_answered_request_has_one_line() {
    collect();
    let shared = |name: &str| Guest::codec(name).capability("codec", "shared").version("1.2.3");
    let serving = host()
        .plugin("one.wasm", &shared("one"))
        .plugin("two.wasm", &shared("two"))
        .toml("[capabilities.'codec:shared']\nstrategy = 'failover'\nproviders = ['two', 'one']\n")
        .serve()
        .await;
    let path = format!("/{}%0aforged?token=hidden", "x".repeat(2000));
    let cases = [
        ("GET", &*path, "line-missing", json!(404)),
        ("PUT", "/v1/codecs/shared/encode", "line-method", json!(405)),
        ("POST", "/v1/codecs/shared/encode", "line-shared", json!(200)),
        ("POST", "/v1/codecs/none/encode", "line-none", json!(404)),
    ];
    for (method, path, id, status) in cases {
        serving.send(method, path, &[("x-request-id", id)], "1").await;
        let lines = lines(id);
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        assert_eq!((&line["status"], &line["method"]), (&status, &json!(method)), "{line}");
        assert!(line["path"].as_str().unwrap().len() < 600, "{line}");
        assert!(!line.to_string().contains("hidden"), "{line}");
        let plugin =
            if id == "line-shared" { json!(["two", "1.2.3"]) } else { json!([null, null]) };
        assert_eq!(json!([line["plugin"], line["version"]]), plugin, "{line}");
    }
}
