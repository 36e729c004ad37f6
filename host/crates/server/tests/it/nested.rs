//! Plugins that wait for calls of other plugins.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use plugbay_fixtures::{Behaviour, Export, Guest};

use super::support::{SOON, host, try_ask};

/// The number of simultaneous requests: more than the server has threads.
const CALLS: u64 = 8;

/// Sends a request, and returns the answer. Blocks the test's own thread, because all threads of
/// the server may be busy.
fn get(address: SocketAddr, path: &str) -> String {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(SOON)).unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer in time");
    answer
}

/// Handlers that wait for a codec block no thread of the server, however many there are.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn handlers_that_wait_for_codecs_block_no_thread() {
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
    // When the clients disconnect, all calls that they waited for end.
    calls.iter().for_each(tokio::task::JoinHandle::abort);
    while waiting() > 0 {
        assert!(std::time::Instant::now() < end, "{} calls go on", waiting());
        std::thread::park_timeout(Duration::from_millis(1));
    }
}
