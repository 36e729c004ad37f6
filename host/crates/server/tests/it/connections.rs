//! How connections end: answers arrive even if the client still sends, or has finished sending.

use std::time::{Duration, Instant};

use plugbay_fixtures::{Behaviour, Export, Guest};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{SOON, Serving, host, raw};

async fn echo() -> Serving {
    host().plugin("echo.wasm", &Guest::handler("echo")).serve().await
}

/// Sends a whole request before it reads, as many HTTP libraries do, and returns the first line of the
/// answer.
async fn ask(serving: &Serving, head: &str, body: &[u8], half_close: bool) -> String {
    let mut stream = TcpStream::connect(serving.data()).await.unwrap();
    let head = format!("{head} HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n", body.len());
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body).await.unwrap();
    if half_close {
        stream.shutdown().await.unwrap();
    }
    let mut answer = Vec::new();
    tokio::time::timeout(SOON, stream.read_to_end(&mut answer)).await.expect("an end").unwrap();
    String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_before_the_end_of_the_request_arrives() {
    let serving = echo().await;
    let body = vec![0; 20_000_000];
    for _ in 0..20 {
        let answer = ask(&serving, "POST /echo", &body, false).await;
        assert_eq!(answer, "HTTP/1.1 413 Payload Too Large");
    }
    // The same holds for answers to requests whose body is not read.
    for (head, status) in [("POST /nowhere", "404"), ("BREW /v1/codecs", "405")] {
        let answer = ask(&serving, head, &body, true).await;
        assert!(answer.contains(status), "{head}: {answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_has_finished_sending_gets_its_answer() {
    let serving = echo().await;
    for size in [0, 3, 1_000_000, 8_000_000] {
        for _ in 0..5 {
            let answer = ask(&serving, "POST /echo", &vec![b'a'; size], true).await;
            assert_eq!(answer, "HTTP/1.1 200 OK", "{size} bytes");
        }
    }
}

/// A client that finishes sending early, or that pipelines requests, has not disconnected.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_answer_arrives_after_a_half_close_and_with_pipelining() {
    let wait = Behaviour::Wait(Duration::from_millis(300));
    let serving = host()
        .plugin("slow.wasm", &Guest::handler("slow").on(Export::Handle, wait))
        .toml("[plugins.slow.grants]\nclocks = true\n")
        .serve()
        .await;
    assert_eq!(ask(&serving, "POST /slow", b"", true).await, "HTTP/1.1 200 OK");
    let two = "GET /slow HTTP/1.1\r\nhost: x\r\n\r\n";
    let last = "GET /slow HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    let answers = raw(serving.data(), format!("{two}{two}{last}").as_bytes()).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_does_not_wait_for_unfinished_headers() {
    let serving = echo().await;
    let mut clients = Vec::new();
    for sent in ["", "G", "GET /echo HTTP/1.1\r\nhost: x\r\n"] {
        let mut client = TcpStream::connect(serving.data()).await.unwrap();
        client.write_all(sent.as_bytes()).await.unwrap();
        clients.push(client);
    }
    // A connection with an answered request and a part of another one.
    let mut used = TcpStream::connect(serving.data()).await.unwrap();
    let request = b"GET /echo HTTP/1.1\r\nhost: x\r\n\r\n";
    used.write_all(request).await.unwrap();
    let mut answer = [0; 12];
    used.read_exact(&mut answer).await.unwrap();
    used.write_all(b"GET /echo HTTP/1.1\r\n").await.unwrap();
    clients.push(used);
    let begun = Instant::now();
    let drain = Duration::from_mins(10);
    let stopped = serving.server.stop(drain).await;
    assert_eq!(stopped.cut_off, 0);
    assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
}
