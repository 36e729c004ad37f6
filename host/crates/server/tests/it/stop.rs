//! H8: SIGTERM drains, and no accepted request is lost.

use std::io::{BufRead, BufReader, Read, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::{Duration, Instant};

use plugbay_fixtures::Guest;
use rustix::process::Signal;

use super::cli::clean;
use super::support::{SOON, host};
use super::up::{Up, connect, status_of};

#[test]
fn sigterm_under_load_loses_no_accepted_request() {
    let up = Up::start(host().plugin("echo.wasm", &Guest::handler("echo").stamp("!")));
    let (answered, stop) = (Arc::new(AtomicU32::new(0)), Arc::new(AtomicBool::new(false)));
    let data = up.data;
    let client = || {
        let (answered, stop) = (Arc::clone(&answered), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut lost = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                // A refused connection was not accepted: nothing is lost.
                let Ok(mut stream) = connect(data) else { break };
                let request = "POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 2\r\n\
                               connection: close\r\n\r\nhi";
                let mut answer = String::new();
                let done = stream.write_all(request.as_bytes());
                let done = done.and_then(|()| stream.read_to_string(&mut answer));
                if done.is_ok() && answer.starts_with("HTTP/1.1 200") && answer.ends_with("hi!") {
                    answered.fetch_add(1, Ordering::Relaxed);
                } else {
                    lost.push(format!("{done:?}: {answer:?}"));
                }
            }
            lost
        })
    };
    let clients: Vec<_> = (0..8).map(|_| client()).collect();
    let end = Instant::now() + SOON;
    while answered.load(Ordering::Relaxed) < 200 {
        assert!(Instant::now() < end, "the load does not come up");
        std::thread::yield_now();
    }
    up.signal(Signal::TERM);
    let (code, lines) = up.end();
    stop.store(true, Ordering::Relaxed);
    let lost: Vec<String> = clients.into_iter().flat_map(|it| it.join().unwrap()).collect();
    assert!(lost.is_empty(), "{} lost, such as {}", lost.len(), lost[0]);
    assert_eq!(code, Some(0));
    let stopped = lines.last().unwrap();
    assert_eq!((&stopped["type"], &stopped["cut_off"]), (&"stopped".into(), &0.into()));
    assert!(lines.iter().any(|line| line["outcome"] == "drained"), "{lines:?}");
}

/// A request whose body is still on its way when the signal comes is answered, and the
/// connection ends with that answer.
#[test]
fn a_request_on_its_way_is_finished() {
    let up = Up::start(host().plugin("echo.wasm", &Guest::handler("echo")));
    let mut stream = connect(up.data).unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nha").unwrap();
    assert_eq!(status_of(up.admin, "/readyz").as_deref(), Some("200"));
    up.signal(Signal::TERM);
    let end = Instant::now() + SOON;
    while status_of(up.admin, "/readyz").as_deref() == Some("200") {
        assert!(Instant::now() < end, "still ready");
    }
    // Nobody new is let in once the port is closed.
    while connect(up.data).is_ok() {
        assert!(Instant::now() < end, "still open");
    }
    stream.write_all(b"lf").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("half"), "{answer}");
    assert!(answer.contains("connection: close"), "{answer}");
    assert_eq!(up.end().0, Some(0));
}

/// Who never finishes is cut off at the drain deadline.
#[test]
fn the_drain_deadline_ends_it() {
    let setup = host().plugin("echo.wasm", &Guest::handler("echo")).set("host.drain", "300ms");
    let up = Up::start(setup);
    let mut stream = connect(up.data).unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nha").unwrap();
    assert_eq!(status_of(up.data, "/none").as_deref(), Some("404"));
    let begun = Instant::now();
    up.signal(Signal::TERM);
    let (code, lines) = up.end();
    assert_eq!(code, Some(0));
    assert_eq!(lines.last().unwrap()["cut_off"], 1);
    assert!(begun.elapsed() < Duration::from_secs(30), "not the default drain time");
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let up = Up::start(host().plugin("echo.wasm", &Guest::handler("echo")));
    let mut stream = connect(up.data).unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nha").unwrap();
    up.signal(Signal::TERM);
    let end = Instant::now() + SOON;
    while status_of(up.admin, "/readyz").as_deref() == Some("200") {
        assert!(Instant::now() < end, "still ready");
    }
    let begun = Instant::now();
    up.signal(Signal::INT);
    assert_eq!(up.end().0, Some(1));
    assert!(begun.elapsed() < Duration::from_secs(25), "it did not wait for the drain time");
}

/// What a person sees.
#[test]
fn what_up_says() {
    let setup = host()
        .plugin("echo.wasm", &Guest::both("echo").route("GET", "/echo/{name}"))
        .plugin("any.wasm", &Guest::handler("any").route("", "/any").version("2.0.0-rc.1"))
        .file("core.wasm", &plugbay_fixtures::core_module())
        .toml("[[routes]]\npath = \"/absent\"\nhandler = \"absent\"\n");
    let mut command = clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
    command.arg("up").args(setup.arguments()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let (mut said, mut line) = (String::new(), String::new());
    let mut read_until = |last: &str| {
        loop {
            line.clear();
            assert_ne!(out.read_line(&mut line).unwrap(), 0, "before {last:?}: {said}");
            said.push_str(&line);
            if line.contains(last) {
                return said.clone();
            }
        }
    };
    read_until("core-module");
    let echo = Guest::both("echo").version("1.1.0");
    super::support::deploy(&setup.plugins(), "echo.wasm", &echo);
    read_until("echo@1.0.0 drained");
    super::support::signal(child.id(), Signal::TERM);
    let said = read_until("stopped");
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let mut settings = super::cli::settings();
    // Plugins are shut down in the reverse order of their start, which is parallel.
    settings.add_filter(r"(?s)(generation 2  \w+@\S+ drained in <time>\n){2}", "<both drained>\n");
    settings.bind(|| insta::assert_snapshot!("up", said));
}
