//! HTTP/2 with prior knowledge: served beside HTTP/1.1, and bounded.

use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use plugbay_fixtures::{Behaviour, Export, Guest};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::support::{SOON, Serving, host};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const GOAWAY: u8 = 7;
const CONTINUATION: u8 = 9;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;
const ENHANCE_YOUR_CALM: u32 = 11;

async fn echo() -> Serving {
    host().plugin("echo.wasm", &Guest::handler("echo")).serve().await
}

/// What curl prints: the body, and then the version and the status.
pub(crate) fn curl(arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command
        .args(["-sS", "--max-time", "60", "-w", " %{http_version} %{http_code}"])
        .args(arguments);
    let output = command.output().expect("curl");
    String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned()
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// `GET /` of `http://x`, compressed.
const GET: &[u8] = &[0x82, 0x86, 0x84, 0x01, 1, b'x'];

/// A connection on which the preface and the settings have been sent.
async fn connect(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat()).await.unwrap();
    stream
}

/// The frames until the server closes the connection: kind and payload.
async fn frames(stream: &mut (impl AsyncRead + Unpin)) -> Vec<(u8, Vec<u8>)> {
    let mut bytes = Vec::new();
    // An error is the end as well.
    let _ = tokio::time::timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("an end");
    let (mut rest, mut frames) = (&*bytes, Vec::new());
    while let Some((head, after)) = rest.split_first_chunk::<9>() {
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]) as usize;
        frames.push((head[3], after[..length.min(after.len())].to_vec()));
        rest = after.get(length..).unwrap_or_default();
    }
    frames
}

/// The code of the first GOAWAY that has one.
fn goaway(frames: &[(u8, Vec<u8>)]) -> Option<u32> {
    let codes = frames.iter().filter(|(kind, _)| *kind == GOAWAY);
    codes.map(|(_, it)| u32::from_be_bytes(it[4..8].try_into().unwrap())).find(|code| *code != 0)
}

#[tokio::test(flavor = "multi_thread")]
async fn both_versions_are_served_on_one_port() {
    let serving = echo().await;
    let url = format!("http://{}/echo", serving.data());
    let admin = format!("http://{}/readyz", serving.admin());
    tokio::task::spawn_blocking(move || {
        let two = "--http2-prior-knowledge";
        assert_eq!(curl(&["--data", "hi", &url]), "hi 1.1 200");
        assert_eq!(curl(&[two, "--data", "hi", &url]), "hi 2 200");
        let large = "x".repeat(3_000_000);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("large");
        std::fs::write(&file, &large).unwrap();
        let body = format!("@{}", file.display());
        assert_eq!(curl(&[two, "--data-binary", &body, &url]), format!("{large} 2 200"));
        assert!(curl(&[two, &admin]).ends_with(" 2 200"));
        // The fields of a request are bounded.
        let field = format!("x-large: {}", "x".repeat(40_000));
        let refused = curl(&[two, "-H", &field, "--data", "hi", &url]);
        assert!(!refused.ends_with(" 200"), "{refused}");
    })
    .await
    .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_says_its_bounds() {
    let serving = host().set("server.timeout", "500ms").serve().await;
    let mut stream = connect(serving.data()).await;
    let sent = frames(&mut stream).await;
    let settings = &sent.iter().find(|(kind, it)| *kind == SETTINGS && !it.is_empty()).unwrap().1;
    let value = |id: u16| {
        let mut entries = settings.chunks_exact(6);
        let entry = entries.find(|it| it[..2] == id.to_be_bytes())?;
        Some(u32::from_be_bytes(entry[2..].try_into().unwrap()))
    };
    assert_eq!(value(3), Some(128), "concurrent streams");
    assert_eq!(value(4), Some(256 << 10), "the bytes of a body in advance");
    assert_eq!(value(6), Some(32 << 10), "the size of all fields");
    // An idle connection has ended, after a GOAWAY.
    assert!(sent.iter().any(|(kind, _)| *kind == GOAWAY), "{sent:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rapid_reset_ends_the_connection() {
    let serving = echo().await;
    let mut stream = connect(serving.data()).await;
    let resets: Vec<u8> = (0..400_u32)
        .flat_map(|number| {
            let id = 2 * number + 1;
            let open = frame(HEADERS, END_HEADERS | END_STREAM, id, GET);
            [open, frame(RST_STREAM, 0, id, &8_u32.to_be_bytes())].concat()
        })
        .collect();
    // The server may end the connection while the test still writes.
    let _ = stream.write_all(&resets).await;
    let sent = frames(&mut stream).await;
    assert_eq!(goaway(&sent), Some(ENHANCE_YOUR_CALM), "{sent:?}");
    assert_eq!(serving.get("/v1/codecs").await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_continuations_ends_the_connection() {
    let serving = echo().await;
    let mut stream = connect(serving.data()).await;
    stream.write_all(&frame(HEADERS, END_STREAM, 1, GET)).await.unwrap();
    // A field that is not remembered, with a name and a value of 100 bytes each.
    let field = [&[0, 100][..], &[b'a'; 100], &[100], &[b'b'; 100]].concat();
    let part = frame(CONTINUATION, 0, 1, &field.repeat(80));
    let (mut from, mut to) = stream.into_split();
    let reading = tokio::spawn(async move { frames(&mut from).await });
    let mut written = 0;
    while !reading.is_finished() && to.write_all(&part).await.is_ok() {
        written += part.len();
        // What follows the end of the connection is read and dropped, within bounds.
        assert!(written < 64 << 20, "the server read {written} bytes of one header");
    }
    let sent = reading.await.unwrap();
    assert_eq!(goaway(&sent), Some(ENHANCE_YOUR_CALM), "{sent:?}");
    assert_eq!(serving.get("/v1/codecs").await.status, 200);
}

/// The client must not begin with more than one byte a while.
#[tokio::test(flavor = "multi_thread")]
async fn a_preface_that_does_not_end_is_bounded_in_time() {
    let serving = host().set("server.timeout", "300ms").serve().await;
    for begin in [&PREFACE[..5], b""] {
        let mut stream = TcpStream::connect(serving.data()).await.unwrap();
        stream.write_all(begin).await.unwrap();
        let mut bytes = Vec::new();
        tokio::time::timeout(SOON, stream.read_to_end(&mut bytes)).await.expect("an end").unwrap();
        assert!(bytes.is_empty(), "{bytes:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_answers_the_requests_in_flight() {
    let wait = Behaviour::Wait(Duration::from_secs(1));
    let slow = Guest::handler("slow").on(Export::Handle, wait);
    let serving = host().plugin("slow.wasm", &slow).serve().await;
    let url = format!("http://{}/slow", serving.data());
    let asking = tokio::task::spawn_blocking(move || {
        curl(&["--http2-prior-knowledge", "--data", "hi", &url])
    });
    super::support::until("the request has arrived", || async {
        let status = serving.admin_get("/v1/plugins/slow").await.json();
        status["leases"] == 1
    })
    .await;
    let stopped = serving.server.stop(SOON).await;
    assert_eq!(stopped.cut_off, 0);
    assert!(asking.await.unwrap().ends_with(" 2 200"));
}
