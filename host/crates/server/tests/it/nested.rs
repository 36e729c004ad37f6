//! Plugins that call plugins, and wait for them.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use plugbay_fixtures::{Behaviour, Export, Guest};

use super::support::{SOON, host, try_ask};

/// Requests at once: more than the server has threads for them.
const CALLS: u64 = 8;

/// What a server says that serves nobody but us. On the test's own thread: those of the server
/// may all be taken.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer in time");
    answer
}

/// Handlers that wait for a codec hold up no thread of the server, however many they are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_that_wait_for_codecs_hold_up_nobody() {
    let slow = Guest::codec("slow").on(Export::Encode, Behaviour::Wait(Duration::from_hours(1)));
    let outer = Guest::handler("outer").on(Export::Handle, Behaviour::CallCodec("slow".into()));
    let serving = host()
        .plugin("slow.wasm", &slow)
        .plugin("outer.wasm", &outer)
        .plugin("echo.wasm", &Guest::handler("echo").stamp("here"))
        .set("defaults.instances", &CALLS.to_string())
        .set("defaults.deadline", "1h")
        .set("server.timeout", "1h")
        .serve()
        .await;
    let data = serving.data();
    let calls: Vec<_> = (0..CALLS)
        .map(|_| {
            tokio::spawn(
                async move { try_ask(data, "GET", "/outer", &[], Vec::new()).await.is_ok() },
            )
        })
        .collect();
    let waiting = || {
        let status = serving.server.host().status();
        status.plugins.iter().find(|it| it.name == "slow").unwrap().stats.instances
    };
    let end = std::time::Instant::now() + SOON;
    while waiting() < CALLS {
        assert!(std::time::Instant::now() < end, "{} of {CALLS} calls of the codec", waiting());
        std::thread::park_timeout(Duration::from_millis(1));
    }
    for _ in 0..3 {
        assert!(get(serving.admin(), "/livez").starts_with("HTTP/1.1 200"));
        assert!(get(data, "/echo").ends_with("here"));
    }
    // Their clients go, and with them all that they waited for.
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    while waiting() > 0 {
        assert!(std::time::Instant::now() < end, "{} calls go on", waiting());
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
