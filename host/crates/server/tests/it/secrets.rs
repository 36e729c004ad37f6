//! Secrets are in no line of the log, no event and no answer; and hostile text stays within its line.

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::Command;

use plugbay_fixtures::{Behaviour, ErrorKind, Export, Guest};
use rustix::process::Signal;
use serde_json::Value;

use super::cli::plugbay;
use super::support::{Setup, deploy, host};
use super::up::{Up, connect};

/// What must not be shown, in each place where it can be.
const CANARY: &str = "c4n4ry";
/// A secret that only the plugin's schema marks. `config show` loads no plugins, and so does not know it.
const MARKED: &str = "m4rked";

/// A host with a canary in every place where a secret may be.
fn with_canaries() -> Setup {
    let schema = r#"{"type":"object","properties":{"pin":{"type":"integer","writeOnly":true}}}"#;
    let picky = Behaviour::Error(ErrorKind::InvalidInput, format!("cannot use {CANARY}-repeated"));
    host()
        .plugin("echo.wasm", &Guest::both("echo").schema(r#"{"type":"object"}"#))
        .plugin("marked.wasm", &Guest::codec("marked").schema(schema))
        .plugin(
            "named.wasm",
            &Guest::codec("named").schema(r#"{"properties":{"token":{"type":"integer"}}}"#),
        )
        .plugin("picky.wasm", &Guest::codec("picky").schema("true").on(Export::Init, picky))
        .toml(&format!(
            "[plugins.echo.config]\napi_token = '{CANARY}-config'\n\
             nested = {{ password = ['{CANARY}-nested'] }}\n\
             [plugins.echo.grants.environment]\nSETTING = '{CANARY}-environment'\n\
             [plugins.marked.config]\npin = '{MARKED}'\n\
             [plugins.named.config]\ntoken = '{CANARY}-named'\n\
             [plugins.picky.config]\npassword = '{CANARY}-repeated'\n"
        ))
        .set("plugins.echo.config.secret", &format!("{CANARY}-flag"))
}

/// Runs the program with all that it logs of this level, in this format, while `work` uses it. Returns the log.
fn log_of(setup: Setup, level: &str, format: &str, work: impl FnOnce(&mut Up)) -> (String, Setup) {
    let path = setup.plugins().join("../log");
    let mut command = Command::new(env!("CARGO_BIN_EXE_plugbay"));
    command.stderr(fs::File::create(&path).unwrap());
    command.args(["--log-format", format]).env("PLUGBAY_LOG", level);
    let mut up = Up::start_by(command, setup);
    work(&mut up);
    up.signal(Signal::TERM);
    let setup = up.into_setup();
    (fs::read_to_string(path).unwrap(), setup)
}

/// The answer to a request with this head.
fn ask(address: std::net::SocketAddr, head: &str) -> String {
    let mut stream = connect(address).unwrap();
    write!(stream, "{head}\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// Sends requests with a canary in each place, and returns all that the host tells.
fn use_with_canaries(up: &mut Up) -> String {
    let (data, admin) = (up.data, up.admin);
    let secrets = format!(
        "authorization: Bearer {CANARY}-bearer\r\ncookie: id={CANARY}-cookie\r\n\
         proxy-authorization: {CANARY}-proxy\r\nx-api-key: {CANARY}-key"
    );
    let query = format!("?token={CANARY}-query");
    for head in [
        format!("GET /echo{query} HTTP/1.1\r\nhost: x\r\n{secrets}"),
        format!("GET http://me:{CANARY}-user@x/echo{query} HTTP/1.1\r\nhost: x\r\n{secrets}"),
        format!("GET /none{query} HTTP/1.1\r\nhost: me:{CANARY}-host@x\r\n{secrets}"),
        format!(
            "GET /v1/codecs/none/decode{query} HTTP/1.1\r\nhost: x\r\nreferer: http://x/{query}"
        ),
    ] {
        assert!(ask(data, &head).starts_with("HTTP/1.1 "));
    }
    let foreign = format!(
        "GET /v1/status{query} HTTP/1.1\r\nhost: me:{CANARY}-host@evil.example\r\n\
         origin: https://me:{CANARY}-origin@evil.example\r\n{secrets}"
    );
    assert!(ask(admin, &foreign).starts_with("HTTP/1.1 421 "));
    // A mistake in the file of a running host is shown with its line.
    let config = up.setup.plugins().join("../config.toml");
    let good = fs::read_to_string(&config).unwrap();
    let wrong = format!("{good}[plugins.late.config]\npassword = {CANARY}-syntax\n");
    replace(&config, &wrong);
    up.wait_for_event("rejected");
    replace(&config, &good);
    up.wait_for_event("recovered");
    deploy(&up.setup.plugins(), "late.wasm", &Guest::codec("late"));
    up.wait_for_event("loaded");
    fs::remove_file(up.setup.plugins().join("late.wasm")).unwrap();
    up.wait_for_event("drained");

    let mut told = String::new();
    for path in [
        "/v1/status",
        "/v1/plugins/echo",
        "/v1/generations",
        "/v1/rejected",
        "/debug/registry/plugins",
        "/metrics",
    ] {
        told += &ask(admin, &format!("GET {path}{query} HTTP/1.1\r\nhost: localhost\r\n{secrets}"));
    }
    for arguments in [
        &["status"][..],
        &["status", "--json"],
        &["list", "rejected"],
        &["inspect", "echo", "--json"],
        &["config", "show"],
        &["config", "show", "--json"],
        &["config", "check"],
    ] {
        let output = up.run(arguments);
        told += &String::from_utf8_lossy(&output.stdout);
        told += &String::from_utf8_lossy(&output.stderr);
    }
    told
}

fn replace(file: &Path, text: &str) {
    let half = file.with_extension("half");
    fs::write(&half, text).unwrap();
    fs::rename(half, file).unwrap();
}

#[test]
fn secrets_are_shown_nowhere_at_any_level() {
    let mut setup = with_canaries();
    for format in ["text", "json"] {
        // The lines of `trace` include those of all other levels.
        for level in ["trace", "warn"] {
            let mut told = String::new();
            let log;
            (log, setup) = log_of(setup, level, format, |up| told = use_with_canaries(up));
            assert!(log.contains("refused an admin request"), "{log}");
            for refused in ["marked", "named", "picky"] {
                assert!(
                    told.contains(&format!("{refused}.wasm")),
                    "{refused} is not refused: {told}"
                );
            }
            for text in [&told, &log] {
                let is_shown = |line: &&str| {
                    let is_setting = line.trim_start_matches([' ', '"']).starts_with("pin");
                    line.contains(CANARY) || line.contains(MARKED) && !is_setting
                };
                let line = text.lines().find(is_shown);
                assert_eq!(line, None, "shown by {level} in {format}");
            }
        }
    }
}

#[test]
fn secrets_of_the_environment_are_not_shown() {
    let mut command = plugbay(&["config", "check"]);
    command.env("PLUGBAY_TOKEN", format!("{CANARY}-unknown"));
    command.env("PLUGBAY_SERVER_PASSWORD", format!("{CANARY}-unknown"));
    let output = command.output().unwrap();
    let told = [output.stdout, output.stderr].map(|it| String::from_utf8_lossy(&it).into_owned());
    assert!(told.concat().contains("PLUGBAY_TOKEN"), "{told:?}");
    assert!(!told.concat().contains(CANARY), "{told:?}");
}

#[test]
fn hostile_text_stays_within_its_line() {
    let forged = "\n2026-12-01T00:00:00Z ERROR plugbay: \u{1b}[2J\u{202e}forged \u{9b}31m";
    let rude = Behaviour::Error(ErrorKind::Internal, format!("rude{forged}"));
    let mut setup = host()
        .plugin("rude.wasm", &Guest::handler("rude").on(Export::Handle, rude))
        .plugin(
            "long.wasm",
            &Guest::handler("long").on(Export::Handle, Behaviour::LogLong(2, 60 << 20)),
        )
        .toml("[plugins.long]\nmemory = '128MiB'\ncpu = '1m'\n");
    for format in ["text", "json"] {
        let log;
        (log, setup) = log_of(setup, "warn,plugbay::plugin=info", format, |up| {
            for path in ["/rude", "/long"] {
                ask(up.data, &format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: 0"));
            }
        });
        let lines: Vec<_> = log.lines().collect();
        let cut = lines.iter().filter(|line| line.contains("xxxxxxxx")).count();
        let rude: Vec<_> = lines.iter().filter(|line| line.contains("forged")).collect();
        assert_eq!((cut, rude.len()), (2, 1), "{format}: {log:.2000}");
        assert!(!log.contains(['\u{1b}', '\u{202e}', '\u{9b}']), "{format}: {rude:?}");
        for line in lines {
            assert!(line.len() < 64 << 10, "{} bytes", line.len());
            assert!(!line.starts_with("2026-12-01T00:00:00Z"), "{line}");
            if format == "json" {
                let line: Value = serde_json::from_str(line).unwrap();
                assert!(line["timestamp"].is_string() && line["level"] != "forged", "{line}");
            }
        }
    }
}
