//! H8: SIGTERM drains, and no accepted request is lost.

use std::io::{Read, Write};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use plugbay_fixtures::Guest;
use rustix::process::{Pid, Signal};
use serde_json::Value;

use super::cli::clean;
use super::load::{Load, Refused};
use super::native::{hangs_in_shutdown, hangs_in_the_loader, rot13};
use super::support::{SOON, deploy, host};
use super::up::{Program, Up, connect, status_of, until_status, wait_until_stopping};

#[test]
fn sigterm_under_load_loses_no_accepted_request() {
    let up = Up::start(host().plugin("echo.wasm", &Guest::handler("echo").stamp("!")));
    let load = Load::fresh(8, up.data, Refused::Ends);
    load.wait_for_answers(200);
    up.signal(Signal::TERM);
    let (code, lines) = up.end();
    load.assert_nothing_lost();
    assert_eq!(code, Some(0));
    let stopped = lines.last().unwrap();
    assert_eq!((&stopped["type"], &stopped["cut_off"]), (&"stopped".into(), &0.into()));
    assert!(lines.iter().any(|line| line["outcome"] == "drained"), "{lines:?}");
}

/// The probes of a container in which nothing else can ask.
#[test]
fn the_program_probes_a_running_host() {
    let up = Up::start(host().plugin("echo.wasm", &Guest::handler("echo")));
    for (probe, word) in [("--ready", "ready\n"), ("--alive", "alive\n")] {
        let output = up.run(&["status", probe]);
        assert!(output.status.success(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), word);
    }
    let mut stream = connect(up.data).unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nha").unwrap();
    up.signal(Signal::TERM);
    wait_until_stopping(&up);
    let output = up.run(&["status", "--ready"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(output.stdout.starts_with(b"the server is stopping"), "{output:?}");
    assert!(up.run(&["status", "--alive"]).status.success());
    stream.write_all(b"lf").unwrap();
    assert_eq!(up.end().0, Some(0));
}

/// A request whose body is incomplete when the signal arrives is answered, and the connection ends
/// with that answer.
#[test]
fn an_incomplete_request_is_finished() {
    let up = Up::start(host().plugin("echo.wasm", &Guest::handler("echo")));
    let mut stream = connect(up.data).unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nha").unwrap();
    assert_eq!(status_of(up.admin, "/readyz").as_deref(), Some("200"));
    up.signal(Signal::TERM);
    wait_until_stopping(&up);
    let end = Instant::now() + SOON;
    // Once the port is closed, new connections are refused.
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

/// A request that never ends is cut off at the drain deadline.
#[test]
fn the_drain_deadline_ends_open_requests() {
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
    assert!(
        begun.elapsed() < Duration::from_secs(30),
        "the host waited for the default drain time"
    );
}

#[test]
fn a_second_signal_ends_the_process_at_once() {
    let up = Up::start(host().plugin("echo.wasm", &Guest::handler("echo")));
    let mut stream = connect(up.data).unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nha").unwrap();
    up.signal(Signal::TERM);
    wait_until_stopping(&up);
    let begun = Instant::now();
    up.signal(Signal::INT);
    assert_eq!(up.end().0, Some(1));
    assert!(begun.elapsed() < Duration::from_secs(25), "the process waited for the drain time");
}

/// The second signal also ends the process if code in the host's process hangs.
#[test]
fn a_second_signal_ends_the_process_whatever_hangs() {
    let elsewhere = tempfile::tempdir().unwrap();
    let gate = elsewhere.path().join("gate");
    let Some(library) = hangs_in_shutdown(elsewhere.path(), &gate) else { return };
    let setup = host()
        .toml(
            "[defaults]\nisolation = 'in-process'\ninit = '10m'\n[host]\ndrain = '1h'\n\
             [plugins.one]\nartifact = 'hanging.so'\n[plugins.two]\nartifact = 'hanging.so'\n",
        )
        .file("hanging.so", &std::fs::read(library).unwrap());
    let up = Up::start(setup);
    up.signal(Signal::TERM);
    wait_for_file(&gate);
    up.signal(Signal::TERM);
    assert_eq!(up.end().0, Some(1));
}

fn wait_for_file(file: &Path) {
    let end = Instant::now() + SOON;
    while !file.exists() {
        assert!(Instant::now() < end, "{} was not created", file.display());
        std::thread::yield_now();
    }
}

/// A library that hangs in the system's loader blocks the usual exit of a process, but not that of
/// the host.
#[test]
fn the_process_ends_although_a_library_hangs_in_the_loader() {
    let elsewhere = tempfile::tempdir().unwrap();
    let gate = elsewhere.path().join("gate");
    let Some(library) = hangs_in_the_loader(elsewhere.path(), &gate) else { return };
    let setup = host()
        .toml("[defaults]\nisolation = 'in-process'\n")
        .file("loading.so", &std::fs::read(library).unwrap());
    let mut command = clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
    command.arg("up").args(setup.arguments());
    let mut program = Program::start(command);
    wait_for_file(&gate);
    program.signal(Signal::TERM);
    assert_eq!(program.code(), Some(0));
}

/// The reader of the output is gone, for example because ctrl-c also ended `tee`: the host keeps
/// serving, and drains.
#[test]
fn a_closed_output_does_not_end_the_host() {
    let up = Up::start(host().plugin("echo.wasm", &Guest::handler("echo")));
    up.close_output();
    deploy(&up.setup.plugins(), "late.wasm", &Guest::handler("late"));
    until_status(up.data, "/late", "200");
    let mut stream = connect(up.data).unwrap();
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nha").unwrap();
    assert_eq!(status_of(up.data, "/echo").as_deref(), Some("200"));
    up.signal(Signal::TERM);
    wait_until_stopping(&up);
    stream.write_all(b"lf").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("half"), "{answer}");
    assert_eq!(up.code(), Some(0));
}

/// A reader that stops reading fills the buffer; the host does not block, and still handles
/// signals.
#[test]
fn a_stopped_reader_does_not_block_the_host() {
    let up = Up::start(host());
    for number in 0..100 {
        let file = up.setup.plugins().join(format!("text-{number}.wasm"));
        std::fs::write(file, plugbay_fixtures::not_wasm()).unwrap();
    }
    deploy(&up.setup.plugins(), "one.wasm", &Guest::handler("one"));
    until_status(up.data, "/one", "200");
    // The output is larger than the buffer. Signals are still handled.
    deploy(&up.setup.plugins(), "two.wasm", &Guest::handler("two"));
    up.signal(Signal::HUP);
    until_status(up.data, "/two", "200");
    up.signal(Signal::TERM);
    assert_eq!(up.code(), Some(0));
}

/// Clients with kept connections are told to close them, and lose no request.
#[test]
fn sigterm_closes_kept_connections_and_loses_no_request() {
    let up = Up::start(host().plugin("echo.wasm", &Guest::handler("echo").stamp("!")));
    let load = Load::kept(8, up.data, Refused::Ends);
    load.wait_for_answers(200);
    up.signal(Signal::TERM);
    let (code, lines) = up.end();
    load.assert_nothing_lost();
    assert_eq!((code, &lines.last().unwrap()["cut_off"]), (Some(0), &0.into()));
}

/// Calls of workers also finish, and no worker remains.
#[test]
fn sigterm_finishes_calls_of_workers_and_leaves_no_worker() {
    let elsewhere = tempfile::tempdir().unwrap();
    let Some(library) = rot13(elsewhere.path(), "1.0.0") else { return };
    let up = Up::start(
        host()
            .toml("defaults.isolation = 'process'")
            .file("rot13.so", &std::fs::read(library).unwrap()),
    );
    let status: Value = serde_json::from_slice(&up.run(&["inspect", "rot13", "--json"]).stdout)
        .expect("the plugin's status");
    let worker = status["stats"]["worker"]["pid"].as_i64().and_then(|it| i32::try_from(it).ok());
    let worker = Pid::from_raw(worker.expect("a worker")).unwrap();
    let data = up.data;
    let load = Load::of(4, move || {
        move || {
            let mut stream = connect(data).ok()?;
            let request = "POST /v1/codecs/rot13/encode HTTP/1.1\r\nhost: x\r\ncontent-type: \
                           application/json\r\ncontent-length: 7\r\nconnection: close\r\n\r\n\"Hello\"";
            let mut answer = String::new();
            let done = stream.write_all(request.as_bytes());
            let done = done.and_then(|()| stream.read_to_string(&mut answer));
            let good = answer.starts_with("HTTP/1.1 200") && answer.ends_with("Uryyb");
            Some(if done.is_ok() && good { Ok(()) } else { Err(format!("{done:?}: {answer:?}")) })
        }
    });
    load.wait_for_answers(50);
    up.signal(Signal::TERM);
    assert_eq!(up.end().0, Some(0));
    load.assert_nothing_lost();
    let end = Instant::now() + SOON;
    while rustix::process::test_kill_process(worker).is_ok() {
        assert!(Instant::now() < end, "the worker is still there");
    }
}

/// The output for people.
#[test]
fn the_output_of_up_is_as_recorded() {
    let setup = host()
        .plugin("echo.wasm", &Guest::both("echo").route("GET", "/echo/{name}"))
        .plugin("any.wasm", &Guest::handler("any").route("", "/any").version("2.0.0-rc.1"))
        .file("core.wasm", &plugbay_fixtures::core_module())
        .toml("[[routes]]\npath = \"/absent\"\nhandler = \"absent\"\n");
    let mut command = clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
    command.arg("up").args(setup.arguments());
    let mut program = Program::start(command);
    let mut said = String::new();
    let mut read_until = |program: &mut Program, last: &str| loop {
        let line = program.line().unwrap_or_else(|| panic!("before {last:?}: {said}"));
        said.push_str(&line);
        if line.contains(last) {
            return said.clone();
        }
    };
    read_until(&mut program, "core-module");
    let echo = Guest::both("echo").version("1.1.0");
    deploy(&setup.plugins(), "echo.wasm", &echo);
    read_until(&mut program, "echo@1.0.0 drained");
    program.signal(Signal::TERM);
    let said = read_until(&mut program, "stopped");
    assert_eq!(program.code(), Some(0));
    let mut settings = super::cli::settings();
    // Plugins are shut down in the reverse order of their start, which is parallel.
    settings.add_filter(r"(?s)(generation 2  \w+@\S+ drained in <time>\n){2}", "<both drained>\n");
    settings.bind(|| insta::assert_snapshot!("up", said));
}
