//! Plugins that hang, callers that disconnect, and calls beyond the queue.

use std::time::{Duration, Instant};

use plugbay_fixtures::{Behaviour, Export, Guest};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{Serving, Setup, ask, host, raw, until};

const HANGS: Behaviour = Behaviour::Spin;

/// A short timeout for requests and calls, and no limit of CPU time.
fn short() -> Setup {
    host()
        .set("server.timeout", "300ms")
        .set("defaults.deadline", "300ms")
        .set("defaults.cpu", "20s")
        .set("defaults.health_every", "0s")
        .set("defaults.breaker_open", "1h")
}

async fn plugins(serving: &Serving) -> Vec<Value> {
    serving.admin_get("/v1/plugins").await.json()["plugins"].as_array().unwrap().clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_hangs_opens_its_breaker() {
    let hangs = Guest::handler("hangs").on(Export::Handle, HANGS);
    let serving =
        short().plugin("hangs.wasm", &hangs).set("defaults.breaker_failures", "2").serve().await;
    for _ in 0..2 {
        let answer = serving.get("/hangs").await;
        assert_eq!((answer.status, &*answer.code()), (504, "deadline"), "{answer:?}");
    }
    let answer = serving.get("/hangs").await;
    assert_eq!((answer.status, &*answer.code()), (503, "breaker-open"), "{answer:?}");
    let calls = &plugins(&serving).await[0]["calls"];
    assert_eq!((&calls["failed"]["deadline"], &calls["cancelled"]), (&2.into(), &0.into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_version_that_hangs_fails_its_trial() {
    let good = Guest::handler("h").version("1.0.0");
    let toml = "[capabilities.'handler:h']\nstrategy = 'canary'\nsteps = [50, 100]\nevery = '1h'\n";
    let serving = short().plugin("h.wasm", &good).toml(toml).serve().await;
    let hangs = Guest::handler("h").version("2.0.0").on(Export::Handle, HANGS);
    serving.deploy("h.wasm", &hangs);
    until("the timeouts of the new version count as errors", || async {
        serving.get("/h").await;
        let plugins = plugins(&serving).await;
        plugins.iter().any(|it| it["trial"]["errors"].as_u64().is_some_and(|errors| errors > 0))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_provider_gets_the_remaining_time() {
    let toml = "[capabilities.'handler:h']\nstrategy = 'failover'\nproviders = ['one', 'two']\n";
    let one = Guest::handler("h").named("one").on(Export::Handle, HANGS);
    let two = Guest::handler("h").named("two");
    let serving = short()
        .plugin("one.wasm", &one)
        .plugin("two.wasm", &two)
        .toml(toml)
        .set("server.timeout", "1min")
        .serve()
        .await;
    let answer = serving.get("/h").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(plugins(&serving).await[0]["calls"]["failed"]["deadline"] == 1);
}

/// A slow client must not count as a slow plugin.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_body_does_not_reduce_the_time_of_the_plugin() {
    let slow =
        Guest::handler("slow").on(Export::Handle, Behaviour::Wait(Duration::from_millis(600)));
    let serving = short()
        .plugin("slow.wasm", &slow)
        .set("server.timeout", "2s")
        .set("defaults.deadline", "2s")
        .serve()
        .await;
    let mut stream = TcpStream::connect(serving.data()).await.unwrap();
    let head = "POST /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: 1\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    tokio::time::interval_at(
        tokio::time::Instant::now() + Duration::from_millis(1700),
        Duration::from_secs(1),
    )
    .tick()
    .await;
    stream.write_all(b"x").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn codec_calls_beyond_the_queue_are_refused_at_once() {
    let spin = Guest::codec("spin").on(Export::Encode, HANGS);
    let serving = host()
        .plugin("spin.wasm", &spin)
        .plugin("echo.wasm", &Guest::codec("echo"))
        .set("defaults.cpu", "1min")
        .set("defaults.deadline", "10s")
        .set("plugins.spin.instances", "1")
        .set("plugins.spin.queue", "1")
        .serve()
        .await;
    let data = serving.data();
    let call = move || ask(data, "POST", "/v1/codecs/spin/encode", &[], b"1".into());
    // One call is served and one waits, for a long time.
    let held = [(); 2].map(|()| tokio::spawn(call()));
    // A call has its lease before it waits for an instance.
    until("the queue is full", || async {
        let plugins = plugins(&serving).await;
        plugins.iter().any(|it| it["name"] == "spin" && it["stats"]["waiting"] == 1)
    })
    .await;
    let begun = Instant::now();
    let answer = call().await;
    assert_eq!((answer.status, &*answer.code()), (503, "overloaded"), "{answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"));
    // A call that gets no instance fails after half of its time. This call is refused earlier.
    assert!(begun.elapsed() < Duration::from_secs(3), "{:?}", begun.elapsed());
    let echo = serving.send("POST", "/v1/codecs/echo/encode", &[], "1").await;
    assert_eq!(echo.status, 200, "{echo:?}");
    held.iter().for_each(tokio::task::JoinHandle::abort);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_codec_call_ends_when_its_client_disconnects() {
    let spin = Guest::codec("spin").on(Export::Encode, HANGS);
    let serving = host()
        .plugin("spin.wasm", &spin)
        .set("defaults.cpu", "1h")
        .set("defaults.deadline", "1h")
        .set("server.timeout", "1h")
        .serve()
        .await;
    let plugin = async || plugins(&serving).await.swap_remove(0);
    let mut stream = TcpStream::connect(serving.data()).await.unwrap();
    let head = "POST /v1/codecs/spin/encode HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\n\r\n1";
    stream.write_all(head.as_bytes()).await.unwrap();
    until("the codec is called", || async { plugin().await["leases"] == 1 }).await;
    drop(stream);
    until("the call ends", || async { plugin().await["leases"] == 0 }).await;
    let calls = &plugin().await["calls"];
    assert_eq!((&calls["cancelled"], &calls["failed"]), (&1.into(), &serde_json::json!({})));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_codec_whose_breaker_is_open_is_refused_before_its_body() {
    let trap = Guest::codec("trap").on(Export::Encode, Behaviour::Trap);
    let serving =
        short().plugin("trap.wasm", &trap).set("defaults.breaker_failures", "1").serve().await;
    assert_eq!(serving.send("POST", "/v1/codecs/trap/encode", &[], "1").await.code(), "trap");
    let head = "POST /v1/codecs/trap/encode HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\
                expect: 100-continue\r\ncontent-length: 1000\r\n\r\n";
    let answer = raw(serving.data(), head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 503") && answer.contains("breaker-open"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn before_the_first_generation_every_path_is_unavailable() {
    let rule = "[[migrations]]\nremove = 'codec:v1'\nrequires = 'codec:v2'\n";
    let serving = host().plugin("echo.wasm", &Guest::handler("echo")).toml(rule).serve().await;
    for path in ["/echo", "/v1/codecs"] {
        let answer = serving.get(path).await;
        assert_eq!((answer.status, &*answer.code()), (503, "starting"), "{answer:?}");
        assert_eq!(answer.header("retry-after"), Some("1"));
    }
    let ready = serving.admin_get("/readyz").await;
    assert_eq!(ready.status, 503);
    assert!(ready.text().contains("refused") && ready.text().contains("codec:v1"), "{ready:?}");
    std::fs::write(serving.setup.plugins().parent().unwrap().join("config.toml"), "").unwrap();
    until("the host is ready", || async { serving.get("/echo").await.status == 200 }).await;
}
