//! O7: clients that are slow, that smuggle, or that send too much. Each is answered or cut off, and meanwhile a
//! neighbour is served.

use std::net::SocketAddr;
use std::time::Duration;

use plugbay_fixtures::Guest;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use super::support::{SOON, Serving, host, raw};

async fn echo() -> Serving {
    host()
        .plugin("echo.wasm", &Guest::handler("echo"))
        .set("server.timeout", "10s")
        .set("server.header_timeout", "1s")
        .set("server.idle_timeout", "1s")
        .set("server.max_header", "16KiB")
        .set("server.max_header_fields", "20")
        .set("server.max_body", "4KiB")
        .serve()
        .await
}

async fn neighbour_is_served(serving: &Serving) {
    assert_eq!(serving.send("POST", "/echo", &[], "beside").await.text(), "beside");
}

/// The status and the code of a problem as it is on the wire.
fn problem(answer: &str) -> (&str, String) {
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let head = head.to_ascii_lowercase();
    assert!(head.contains("content-type: application/problem+json"), "{answer}");
    assert!(head.contains("connection: close"), "{answer}");
    let id = head.split_once("x-request-id: ").unwrap().1.lines().next().unwrap();
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert!(problem["instance"].as_str().unwrap().ends_with(&format!("#{id}")), "{answer}");
    let status = answer.split(' ').nth(1).unwrap();
    assert_eq!(problem["status"].to_string(), status);
    (status, problem["code"].as_str().unwrap().to_owned())
}

/// Sends the bytes one by one, and returns the answer.
async fn drip(data: SocketAddr, head: &'static [u8], drops: &'static [u8]) -> String {
    let mut stream = TcpStream::connect(data).await.unwrap();
    stream.write_all(head).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let dripping = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        for drop in drops.iter().cycle() {
            tick.tick().await;
            if write.write_all(&[*drop]).await.is_err() {
                return;
            }
        }
    });
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(SOON, read.read_to_end(&mut answer)).await.expect("an end");
    dripping.abort();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn slowloris_a_dripped_header_ends_in_time() {
    let serving = echo().await;
    let (data, head) = (serving.data(), b"GET /echo HTTP/1.1\r\nhost: x\r\nx-slow: ");
    let (answer, ()) = tokio::join!(drip(data, head, b"a"), neighbour_is_served(&serving));
    assert_eq!(problem(&answer), ("408", "request-timeout".into()));
    // The same after a first request on the connection.
    let second = b"GET /echo HTTP/1.1\r\nhost: x\r\n\r\nGET /echo HTTP/1.1\r\nhost: x\r\nx-slow: ";
    let answer = drip(data, second, b"a").await;
    let last = answer.rfind("HTTP/1.1 ").unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(last == 0 || problem(&answer[last..]).0 == "408", "{answer}");
    // And many of them at once.
    let many: JoinSet<String> = (0..50).map(|_| drip(data, head, b"a")).collect();
    let (answers, ()) = tokio::join!(many.join_all(), neighbour_is_served(&serving));
    assert!(answers.iter().all(|answer| problem(answer).0 == "408"));
}

#[tokio::test(flavor = "multi_thread")]
async fn slowloris_a_dripped_body_ends_in_time() {
    let serving = host()
        .plugin("echo.wasm", &Guest::handler("echo"))
        .set("server.timeout", "1s")
        .serve()
        .await;
    let data = serving.data();
    for head in [
        "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n",
        "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n",
    ] {
        let drops: &[u8] = if head.contains("chunked") { b"1\r\na\r\n" } else { b"a" };
        let (answer, ()) =
            tokio::join!(drip(data, head.as_bytes(), drops), neighbour_is_served(&serving));
        assert_eq!(problem(&answer), ("408", "request-timeout".into()), "{head}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_ends_without_an_answer() {
    let serving = echo().await;
    assert_eq!(raw(serving.data(), b"").await, "");
    let answer = raw(serving.data(), b"GET /echo HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.matches("HTTP/1.1").count() == 1,
        "{answer}"
    );
}

/// What follows a request whose end a proxy may see elsewhere is never taken for a second request.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_is_smuggled_behind_another() {
    let serving = echo().await;
    let hidden = "GET /hidden HTTP/1.1\r\nhost: x\r\n\r\n";
    let post = "POST /echo HTTP/1.1\r\nhost: x\r\n";
    let cases = [
        (
            "cl.te",
            format!(
                "{post}content-length: 6\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n{hidden}"
            ),
            "200",
        ),
        (
            "te.cl",
            format!(
                "{post}transfer-encoding: chunked\r\ncontent-length: 4\r\n\r\n1\r\na\r\n0\r\n\r\n{hidden}"
            ),
            "200",
        ),
        (
            "two lengths",
            format!("{post}content-length: 3\r\ncontent-length: 0\r\n\r\nabc{hidden}"),
            "400",
        ),
        ("a list of lengths", format!("{post}content-length: 3, 0\r\n\r\nabc{hidden}"), "400"),
        ("a signed length", format!("{post}content-length: +3\r\n\r\nabc{hidden}"), "400"),
        (
            "obs-fold",
            format!(
                "{post}content-length: 3\r\nx: a\r\n transfer-encoding: chunked\r\n\r\nabc{hidden}"
            ),
            "400",
        ),
        ("a space before the colon", format!("{post}content-length : 3\r\n\r\nabc{hidden}"), "400"),
        (
            "identity",
            format!("{post}transfer-encoding: identity\r\ncontent-length: 3\r\n\r\nabc{hidden}"),
            "4",
        ),
        (
            "chunked twice",
            format!("{post}transfer-encoding: chunked, chunked\r\n\r\n0\r\n\r\n{hidden}"),
            "400",
        ),
        (
            "not chunked at last",
            format!("{post}transfer-encoding: chunked, gzip\r\n\r\n0\r\n\r\n{hidden}"),
            "4",
        ),
        (
            "a bad chunk",
            format!("{post}transfer-encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n{hidden}"),
            "400",
        ),
        (
            "a huge chunk",
            format!("{post}transfer-encoding: chunked\r\n\r\nfffffffffffffffff\r\nabc{hidden}"),
            "400",
        ),
        ("a bare CR", format!("{post}x: a\rb\r\ncontent-length: 0\r\n\r\n{hidden}"), "400"),
        ("a zero byte", format!("{post}x: a\0b\r\ncontent-length: 0\r\n\r\n{hidden}"), "400"),
    ];
    for (name, request, status) in cases {
        let answer = raw(serving.data(), request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{name}: {answer}");
        assert_eq!(answer.matches("HTTP/1.1 ").count(), 1, "{name}: {answer}");
        assert!(!answer.contains("/hidden"), "{name}: {answer}");
        // With both fields hyper believes the coding, as the RFC says, and the connection ends.
        assert!(answer.contains("connection: close"), "{name}: {answer}");
        if status != "200" {
            problem(&answer);
        }
        neighbour_is_served(&serving).await;
    }
}

/// What RFC 9112 allows is read in one way: a bare LF ends a line, and an extension of a chunk means nothing.
#[tokio::test(flavor = "multi_thread")]
async fn odd_but_valid_framing_is_read_in_one_way() {
    let serving = echo().await;
    let bare = "POST /echo HTTP/1.1\nhost: x\ncontent-length: 3\nconnection: close\n\nabc";
    let extended = "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n\
                    3;name=\"value\"\r\nabc\r\n0;last\r\n\r\n";
    for request in [bare, extended] {
        let answer = raw(serving.data(), request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("\r\n\r\nabc"), "{answer}");
    }
    // Extensions are bounded, too: they hide any number of bytes in a small body.
    let long = format!(
        "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n3;{}\r\nabc\r\n0\r\n\r\n",
        "x".repeat(1 << 20)
    );
    let answer = raw(serving.data(), long.as_bytes()).await;
    assert_eq!(problem(&answer), ("400", "bad-request".into()));
    neighbour_is_served(&serving).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_large_is_refused_with_a_problem() {
    let serving = echo().await;
    let get = |rest: &str| format!("GET /echo HTTP/1.1\r\nhost: x\r\n{rest}\r\n");
    let post = |rest: &str| format!("POST /echo HTTP/1.1\r\nhost: x\r\n{rest}");
    let cases = [
        (
            "a line",
            format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(17 << 10)),
            "431",
            "header-too-large",
        ),
        ("a header", get(&format!("a: {}\r\n", "x".repeat(17 << 10))), "431", "header-too-large"),
        ("fields", get(&"a: b\r\n".repeat(20)), "431", "header-too-large"),
        ("no method", "\r\n\r\nnot http\r\n\r\n".into(), "400", "bad-request"),
        ("a version", "GET /echo HTTP/3.0\r\nhost: x\r\n\r\n".into(), "400", "bad-request"),
        ("a body", post("content-length: 4097\r\n\r\n"), "413", "body-too-large"),
        (
            "a chunk",
            post(&format!(
                "transfer-encoding: chunked\r\n\r\n1001\r\n{}\r\n0\r\n\r\n",
                "x".repeat(4097)
            )),
            "413",
            "body-too-large",
        ),
    ];
    for (name, request, status, code) in cases {
        let answer = raw(serving.data(), request.as_bytes()).await;
        assert_eq!(problem(&answer), (status, code.to_owned()), "{name}");
        neighbour_is_served(&serving).await;
    }
    // What is just small enough is served.
    let fits = get(&format!(
        "connection: close\r\na: {}\r\n{}",
        "x".repeat(15 << 10),
        "b: c\r\n".repeat(17)
    ));
    let answer = raw(serving.data(), fits.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

/// The bounds follow the configuration, for new connections.
#[tokio::test(flavor = "multi_thread")]
async fn the_bounds_of_connections_are_read_again() {
    let serving = host().plugin("echo.wasm", &Guest::handler("echo")).serve().await;
    let get = "GET /echo HTTP/1.1\r\nhost: x\r\n\r\n";
    let write = |text: &str| {
        std::fs::write(serving.setup.plugins().parent().unwrap().join("config.toml"), text)
            .unwrap();
    };
    write("[server]\nmax_requests_per_connection = 2\nmax_header_fields = 8\n");
    serving.reload().await;
    let answer = raw(serving.data(), get.repeat(3).as_bytes()).await;
    assert_eq!(answer.matches("HTTP/1.1 200").count(), 2, "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    let many = format!("GET /echo HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(8));
    assert_eq!(problem(&raw(serving.data(), many.as_bytes()).await).0, "431");
    write("[server]\nmax_connections_per_client = 1\n");
    serving.reload().await;
    let held = TcpStream::connect(serving.data()).await.unwrap();
    let serving = &serving;
    super::support::until("a second connection is closed", || async {
        raw(serving.data(), get.as_bytes()).await.is_empty()
    })
    .await;
    drop(held);
}
