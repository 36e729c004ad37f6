//! O7: requests that are too large, too slow or not HTTP are refused, with bounded resources.

use std::time::{Duration, Instant};

use plugbay_fixtures::{Behaviour, Export, Guest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{SOON, host, raw};

#[tokio::test(flavor = "multi_thread")]
async fn oversized_bodies_are_refused() {
    let serving = host()
        .plugin("echo.wasm", &Guest::handler("echo"))
        .set("server.max_body", "1KiB")
        .serve()
        .await;
    let send = |length: usize| serving.send("POST", "/echo", &[], vec![b'x'; length]);
    assert_eq!(send(1024).await.body.len(), 1024);
    assert_eq!(send(1025).await.code(), "body-too-large");
    // A body that is announced as too large is refused before it is sent.
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 99999999\r\n\r\n";
    let answer = raw(serving.data(), head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    // A body without an announced length is refused once it is too large.
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n";
    let answer = raw(serving.data(), format!("{head}{}", chunk.repeat(3)).as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

/// What a header announces takes nothing of the budget of bodies: only what arrives counts.
#[tokio::test(flavor = "multi_thread")]
async fn announced_bodies_do_not_use_up_the_budget() {
    let serving = host()
        .plugin("echo.wasm", &Guest::handler("echo"))
        .set("server.max_buffered", "1MiB")
        .set("server.max_body", "512KiB")
        .serve()
        .await;
    let mut clients = Vec::new();
    for _ in 0..20 {
        let mut client = TcpStream::connect(serving.data()).await.unwrap();
        let head = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 524288\r\n\r\nx";
        client.write_all(head.as_bytes()).await.unwrap();
        clients.push(client);
    }
    let send = |length: usize| serving.send("POST", "/echo", &[], vec![b'x'; length]);
    // All clients of this test have one address, which may have half of the budget.
    let most = (512 << 10) - 1;
    assert_eq!(send(most).await.body.len(), most);
    // The bytes that arrive count, until their client leaves.
    for client in &mut clients[..2] {
        client.write_all(&vec![b'x'; 300 << 10]).await.unwrap();
    }
    let send = &send;
    super::support::until("the budget is used up", || async {
        let answer = send(most).await;
        answer.status == 503 && answer.code() == "overloaded"
    })
    .await;
    drop(clients);
    super::support::until("it is free again", || async { send(most).await.status == 200 }).await;
}

/// The limits follow changes of the configuration.
#[tokio::test(flavor = "multi_thread")]
async fn limits_follow_the_configuration() {
    let serving = host().plugin("echo.wasm", &Guest::handler("echo")).serve().await;
    let send = || serving.send("POST", "/echo", &[], vec![b'x'; 2048]);
    assert_eq!(send().await.status, 200);
    let serving = &serving;
    let config = serving.setup.plugins().parent().unwrap().join("config.toml");
    std::fs::write(config, "[server]\nmax_body = \"1KiB\"\n").unwrap();
    super::support::until("the limit", || async { send().await.status == 413 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_clients_are_disconnected() {
    let serving = host()
        .plugin("echo.wasm", &Guest::handler("echo"))
        .set("server.timeout", "3s")
        .serve()
        .await;
    let begun = Instant::now();
    // A header that never ends, a body that never ends, a connection without a request.
    let header = raw(serving.data(), b"GET /echo HTTP/1.1\r\nhost: x\r\n").await;
    assert!(header.starts_with("HTTP/1.1 408") && header.contains("request-timeout"), "{header}");
    let body =
        raw(serving.data(), b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 9\r\n\r\nx").await;
    assert!(body.starts_with("HTTP/1.1 408") && body.contains("request-timeout"), "{body}");
    assert!(body.contains("connection: close"), "{body}");
    let idle = raw(serving.data(), b"GET /echo HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert!(idle.starts_with("HTTP/1.1 200"), "{idle}");
    assert_eq!(raw(serving.data(), b"").await, "");
    assert!(begun.elapsed() < SOON, "all requests end");
}

/// A slow stream of bytes does not extend the timeout, which is that of the whole request.
#[tokio::test(flavor = "multi_thread")]
async fn a_trickling_body_does_not_extend_the_timeout() {
    let serving = host()
        .plugin("echo.wasm", &Guest::handler("echo"))
        .set("server.timeout", "300ms")
        .serve()
        .await;
    let mut stream = TcpStream::connect(serving.data()).await.unwrap();
    let head = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 100000\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    let (mut read, mut write) = stream.into_split();
    let trickle = tokio::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(20));
        while write.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    });
    let mut answer = Vec::new();
    let _ = tokio::time::timeout(SOON, read.read_to_end(&mut answer)).await.expect("an end");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    trickle.abort();
}

/// A client that does not read its answer holds its connection for a bounded time.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_is_disconnected() {
    let large = Guest::handler("large").on(Export::Handle, Behaviour::Output(32 << 20));
    let serving = host().plugin("large.wasm", &large).set("server.timeout", "2s").serve().await;
    let mut stream = TcpStream::connect(serving.data()).await.unwrap();
    stream.write_all(b"GET /large HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).await.unwrap();
    assert_eq!(&first, b"HTTP/1.1 200");
    // Writing to a connection that the server has dropped fails, sooner or later.
    let dropped = async {
        let mut tick = tokio::time::interval(Duration::from_millis(50));
        while stream.write_all(b"x").await.is_ok() {
            tick.tick().await;
        }
    };
    tokio::time::timeout(SOON, dropped).await.expect("the connection ends");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_are_not_http_are_refused() {
    let serving = host().plugin("echo.wasm", &Guest::handler("echo")).serve().await;
    let large = format!("GET /echo HTTP/1.1\r\nhost: x\r\na: {}\r\n\r\n", "x".repeat(200_000));
    let many = format!("GET /echo HTTP/1.1\r\nhost: x\r\n{}\r\n", "a: b\r\n".repeat(200));
    let long = format!("GET /{} HTTP/1.1\r\nhost: x\r\n\r\n", "x".repeat(200_000));
    let cases = [
        // A minor version that HTTP/1 does not have deserves 505 (RFC 9110, section 15.6.6). hyper's parser
        // reads only 1.0 and 1.1, and answers its own errors by itself, before any code of this server.
        ("GET /echo HTTP/1.2\r\nhost: x\r\n\r\n", "400"),
        ("GET /echo HTTP/3.0\r\nhost: x\r\n\r\n", "400"),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\r\n\r\n", "400"),
        ("GET /echo HTTP/1.1\r\n\r\n", "400"),
        ("GET /echo HTTP/1.1\r\nhost: x\r\nhost: y\r\n\r\n", "400"),
        ("GET /echo HTTP/1.1\r\nhost: x\r\nbad header\r\n\r\n", "400"),
        (
            "GET /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nab",
            "400",
        ),
        ("GET /echo HTTP/1.1\r\nhost: x\r\ncontent-length: -1\r\n\r\n", "400"),
        ("POST /echo HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n", "400"),
        (large.as_str(), "431"),
        (many.as_str(), "431"),
        (long.as_str(), "4"),
    ];
    for (request, status) in cases {
        let answer = raw(serving.data(), request.as_bytes()).await;
        let shown = &request[..request.len().min(80)];
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{shown:?}: {answer}");
    }
    assert_eq!(serving.get("/echo").await.status, 200, "expected that the server still serves");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_late_handler_is_answered_with_504() {
    let spin = Guest::handler("spin").on(Export::Handle, Behaviour::Spin);
    let serving = host()
        .plugin("spin.wasm", &spin)
        .set("defaults.cpu", "20s")
        .set("server.timeout", "300ms")
        .serve()
        .await;
    let answer = serving.get("/spin").await;
    assert_eq!((answer.status, &*answer.code()), (504, "deadline"), "{answer:?}");
}
