//! The admin plane.

use plugbay::Host;
use plugbay_fixtures::Guest;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::support::{SOON, ask, host, port, until};

/// O5: not ready before the first generation, ready after, and not ready while stopping.
#[tokio::test(flavor = "multi_thread")]
async fn ready_from_the_first_generation_until_the_shutdown() {
    let setup = host();
    let builder = Host::builder().layers(setup.layers());
    let listening = setup.listen(builder.liveness());
    let admin = port(listening.admin_addresses());
    let get = |path: &'static str| ask(admin, "GET", path, &[], Vec::new());
    assert_eq!(get("/livez").await.status, 200);
    assert_eq!(get("/readyz").await.status, 503);
    let early = get("/v1/plugins").await;
    assert_eq!((early.status, &*early.code()), (503, "starting"));
    let host = builder.build().await.unwrap();
    let server = listening.serve(host).unwrap();
    assert_eq!(get("/readyz").await.status, 200);
    assert_eq!(get("/livez").await.status, 200);
    server.stop(SOON).await;
    assert!(TcpStream::connect(admin).await.is_err(), "the port is closed");
}

#[tokio::test(flavor = "multi_thread")]
async fn running_and_rejected_plugins_are_listed() {
    let serving = host()
        .plugin("echo.wasm", &Guest::codec("echo").version("1.2.3"))
        .file("broken.wasm", &plugbay_fixtures::core_module())
        .serve()
        .await;
    let plugins = serving.admin_get("/v1/plugins").await.json();
    assert_eq!(plugins["generation"], 1);
    assert_eq!(plugins["plugins"][0]["version"], "1.2.3");
    let plugin = serving.admin_get("/v1/plugins/echo").await.json();
    assert_eq!(plugin, plugins["plugins"][0]);
    let missed = serving.admin_get("/v1/plugins/ehco").await;
    assert_eq!((missed.status, &*missed.code()), (404, "not-found"));
    assert!(missed.text().contains("echo"), "expected the known names: {missed:?}");
    let rejected = serving.admin_get("/v1/rejected").await.json();
    assert_eq!(rejected["rejected"][0]["reason"], "core-module");

    let codecs = serving.admin_get("/debug/registry/codec").await.json();
    assert_eq!(codecs["entries"][0]["name"], "echo");
    assert_eq!(codecs["entries"][0]["state"], "running");
    assert_eq!(codecs["entries"][0]["digest"], plugin["digest"]);
    let all = serving.admin_get("/debug/registry/plugins").await.json();
    let states: Vec<_> = all["entries"].as_array().unwrap().iter().map(|it| &it["state"]).collect();
    assert_eq!(states, ["running", "rejected"]);
    assert_eq!(serving.admin_get("/debug/registry/nothing").await.code(), "not-found");
    let names = serving.admin_get("/debug/registry").await.json();
    assert_eq!(names["names"], serde_json::json!(["codec", "handler", "plugins"]));

    let post = ask(serving.admin(), "POST", "/v1/plugins", &[], Vec::new()).await;
    assert_eq!((post.status, post.header("allow")), (405, Some("GET, HEAD, OPTIONS")));
    for (name, value) in [("x-content-type-options", "nosniff"), ("x-frame-options", "DENY")] {
        assert_eq!(post.header(name), Some(value));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_is_an_event_and_stays_in_the_history() {
    let serving = host().set("host.rescan", "1day").serve().await;
    let mut stream = TcpStream::connect(serving.admin()).await.unwrap();
    let request = "GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    // Once the header of the answer arrives, events are sent.
    while !lines.next_line().await.unwrap().unwrap().is_empty() {}
    serving.deploy("echo.wasm", &Guest::codec("echo"));
    let reload = serving.reload().await.json();
    assert_eq!(reload["generation"], 2, "{reload}");
    let seen = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            if let Some(data) = line.strip_prefix("data:") {
                let event: serde_json::Value = serde_json::from_str(data.trim()).unwrap();
                if event["outcome"] == "loaded" {
                    return event;
                }
            }
        }
        panic!("the stream ended")
    };
    let event = tokio::time::timeout(SOON, seen).await.expect("the event");
    assert_eq!(event["plugin"], "echo@1.0.0");
    let serving = &serving;
    until("the event is kept", || async move {
        let generations = serving.admin_get("/v1/generations").await.json();
        let events = generations["events"].as_array().unwrap().clone();
        generations["generation"] == 2 && events.iter().any(|it| it["outcome"] == "published")
    })
    .await;
}

/// A client that reconnects with `Last-Event-ID` misses no event.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_reconnects_misses_no_event() {
    let serving = host().serve().await;
    serving.deploy("echo.wasm", &Guest::codec("echo"));
    let serving = &serving;
    until("the plugin", || async { serving.admin_get("/v1/plugins/echo").await.status == 200 })
        .await;
    let mut stream = TcpStream::connect(serving.admin()).await.unwrap();
    let request = "GET /v1/events HTTP/1.1\r\nhost: localhost\r\nlast-event-id: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut lines = BufReader::new(stream).lines();
    let first = async {
        loop {
            let line = lines.next_line().await.unwrap().unwrap();
            if let Some(id) = line.strip_prefix("id:") {
                return id.trim().to_owned();
            }
        }
    };
    assert_eq!(tokio::time::timeout(SOON, first).await.expect("an event"), "1");
}

/// A reload does not wait longer than its client prefers, and continues after the answer.
#[tokio::test(flavor = "multi_thread")]
async fn a_reload_that_takes_longer_than_preferred_is_accepted() {
    let serving = host().set("host.rescan", "1day").serve().await;
    let unchanged = serving.reload().await;
    assert_eq!((unchanged.status, unchanged.header("preference-applied")), (200, Some("wait=60")));
    assert_eq!(unchanged.json()["preparing"], serde_json::json!([]));
    serving.deploy("echo.wasm", &Guest::codec("echo"));
    let prefer = [("prefer", "wait=0")];
    let accepted = ask(serving.admin(), "POST", "/v1/reload", &prefer, Vec::new()).await;
    assert_eq!((accepted.status, accepted.header("preference-applied")), (202, Some("wait=0")));
    assert!(accepted.json()["preparing"].is_array(), "{accepted:?}");
    let serving = &serving;
    until("the plugin", || async { serving.admin_get("/v1/plugins/echo").await.status == 200 })
        .await;
    let status = serving.admin_get("/v1/status").await.json();
    assert_eq!(status["preparing"], serde_json::json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_of_foreign_pages_are_refused() {
    let serving = host().serve().await;
    let admin = serving.admin();
    let rebound = ask(admin, "GET", "/v1/status", &[("host", "evil.example:7071")], vec![]).await;
    assert_eq!((rebound.status, &*rebound.code()), (421, "misdirected"));
    let foreign = [("origin", "http://evil.example")];
    let posted = ask(admin, "POST", "/v1/reload", &foreign, vec![]).await;
    assert_eq!((posted.status, &*posted.code()), (403, "forbidden"));
    let own = format!("http://{admin}");
    let own = [("origin", own.as_str()), ("prefer", "wait=60")];
    let own = ask(admin, "POST", "/v1/reload", &own, vec![]).await;
    assert_eq!(own.status, 200, "{own:?}");
    assert_eq!(own.header("access-control-allow-origin"), None);
}

/// Event streams have their own limit, below that of connections, so that probes are answered.
#[tokio::test(flavor = "multi_thread")]
async fn event_streams_do_not_block_probes() {
    let serving = host().serve().await;
    let request = "GET /v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    let mut streams = Vec::new();
    let refused = loop {
        let mut stream = BufReader::new(TcpStream::connect(serving.admin()).await.unwrap());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut status = String::new();
        stream.read_line(&mut status).await.unwrap();
        if !status.contains("200") {
            break status;
        }
        streams.push(stream);
    };
    assert_eq!((refused.trim(), streams.len()), ("HTTP/1.1 503 Service Unavailable", 64));
    assert_eq!(serving.admin_get("/livez").await.status, 200);
    streams.pop();
    let opens_again = async || {
        let mut stream = BufReader::new(TcpStream::connect(serving.admin()).await.unwrap());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut status = String::new();
        stream.read_line(&mut status).await.unwrap();
        status.contains("200")
    };
    until("a stream that ends makes room", opens_again).await;
}
