//! O2: each line of a request has its id, its generation, and the plugin that wrote it, in each form.

use std::io;
use std::sync::{Mutex, Once, PoisonError};
use std::time::Duration;

use plugbay_fixtures::{Behaviour, Export, Guest};
use plugbay_server::log::{LogFormat, LogLayer};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;
use tracing::Level;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;

use super::call_context::{COMPONENT, TRACE_PARENT, native, serve};
use super::support::{Setup, ask, host, until};

/// What all servers of this process wrote since [`collect`] was called.
static WRITTEN: Mutex<Vec<u8>> = Mutex::new(Vec::new());

/// Collects the lines of requests and plugins.
fn collect() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let targets = [
            ("plugbay_server", Level::INFO),
            ("plugbay_server::admin::request", Level::DEBUG),
            ("plugbay::plugin", Level::INFO),
        ];
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

/// Each request to the admin plane has a line as well, without what is secret; those that come all the time are for
/// debugging.
#[tokio::test(flavor = "multi_thread")]
async fn requests_to_the_admin_plane_have_lines() {
    collect();
    let serving = host().serve().await;
    let cases = [
        ("GET", "/v1/status?token=hidden", "admin-status", 200, "INFO"),
        ("POST", "/v1/reload", "admin-reload", 200, "INFO"),
        ("GET", "/nowhere", "admin-missing", 404, "INFO"),
        ("PUT", "/livez", "admin-method", 405, "DEBUG"),
        ("GET", "/livez", "admin-live", 200, "DEBUG"),
        ("GET", "/readyz?verbose", "admin-ready", 200, "DEBUG"),
        ("GET", "/metrics", "admin-metrics", 200, "DEBUG"),
    ];
    for (method, path, id, status, level) in cases {
        let fields =
            [("x-request-id", id), ("authorization", "Bearer hidden"), ("prefer", "wait=60")];
        let answer = ask(serving.admin(), method, path, &fields, Vec::new()).await;
        assert_eq!((answer.status, answer.header("x-request-id")), (status, Some(id)));
        let lines = lines(id);
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = &lines[0];
        assert_eq!(line["target"], "plugbay_server::admin::request");
        assert_eq!((&line["level"], &line["status"]), (&json!(level), &json!(status)), "{line}");
        let plain = path.split('?').next().unwrap();
        assert_eq!((&line["method"], &line["path"]), (&json!(method), &json!(plain)), "{line}");
        assert_eq!(line["bytes"], answer.body.len(), "{line}");
        assert!(line["duration_us"].is_u64() && !line.to_string().contains("hidden"), "{line}");
    }
    // Refused requests have one as well, and a new id if the client's is not valid.
    let fields = [("x-request-id", "not valid"), ("host", "evil.example")];
    let refused = ask(serving.admin(), "GET", "/v1/status", &fields, Vec::new()).await;
    assert_eq!(refused.status, 421);
    let lines = lines(refused.header("x-request-id").unwrap());
    let line = lines.iter().find(|line| line["message"] == "answered").unwrap();
    assert_eq!(line["status"], 421, "{line}");
}

/// A request whose client goes away before its answer has a line that says so.
#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_gets_no_answer_has_a_line() {
    collect();
    let slow = Behaviour::Wait(Duration::from_secs(600));
    let slow = Guest::handler("slow").on(Export::Handle, slow).route("GET", "/slow");
    let setup = host().plugin("slow.wasm", &slow).set("server.timeout", "10m");
    let serving = setup.set("defaults.deadline", "10m").serve().await;
    let leaves = async |address, path: &str, id: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nx-request-id: {id}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        stream
    };
    let line = async |id: &str| {
        until("the line", async || !lines(id).is_empty()).await;
        let mut lines = lines(id);
        assert_eq!(lines.len(), 1, "{lines:?}");
        let line = lines.remove(0);
        assert_eq!(
            (&line["reason"], &line["message"]),
            (&json!("cancelled"), &json!("not answered"))
        );
        assert!(line["duration_us"].is_u64() && line["status"].is_null(), "{line}");
        line
    };

    let stream = leaves(serving.data(), "/slow", "left-data").await;
    let in_flight = "plugbay_calls_in_flight{plugin=\"slow\",version=\"1.0.0\"} 1";
    until("the plugin is called", async || {
        serving.admin_get("/metrics").await.text().contains(in_flight)
    })
    .await;
    drop(stream);
    let left = line("left-data").await;
    assert_eq!(
        (&left["target"], &left["plugin"]),
        (&json!("plugbay_server::request"), &json!("slow"))
    );
    assert_eq!((&left["level"], &left["path"]), (&json!("INFO"), &json!("/slow")));

    #[cfg(target_os = "linux")]
    {
        let (path, mut attempt) = ("/debug/pprof/profile?seconds=300", 0);
        let (stream, id) = loop {
            attempt += 1;
            assert!(attempt < 20, "no profile is recorded");
            let id = format!("left-admin-{attempt}");
            let stream = leaves(serving.admin(), path, &id).await;
            let other = async || serving.admin_get("/debug/pprof/profile?seconds=1").await.status;
            until("a profile is recorded", async || other().await == 409 || !lines(&id).is_empty())
                .await;
            // Otherwise the other one was recorded when this one arrived.
            if lines(&id).is_empty() {
                break (stream, id);
            }
        };
        drop(stream);
        let left = line(&id).await;
        assert_eq!(left["target"], "plugbay_server::admin::request");
        assert_eq!(left["path"], "/debug/pprof/profile");
    }
}
