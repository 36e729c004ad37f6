//! Does what hints of the program say. The unit tests of the command line check that each command and key
//! of a hint exists; here a hint is followed to its end.

use std::time::Duration;

use plugbay_fixtures::{Behaviour, Export, Guest};

use super::cli::plugbay;
use super::support::{Setup, host};

fn run(setup: &Setup, arguments: &[&str]) -> std::process::Output {
    let mut command = plugbay(arguments);
    command.args(setup.arguments()).write_stdin("null").output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn a_used_up_limit_is_raised_as_the_hint_says() {
    for (name, behaviour, limit, reason) in [
        ("x", Behaviour::Output(300_000), "output=128KiB", "output"),
        // In a key a name with a dot is quoted.
        ("a.b", Behaviour::Output(300_000), "output=128KiB", "output"),
        ("x", Behaviour::Output(20 << 20), "memory=8MiB", "memory"),
        ("x", Behaviour::Copies(40, 10 << 20), "cpu=1ms", "cpu"),
        ("x", Behaviour::Wait(Duration::from_millis(300)), "deadline=100ms", "deadline"),
    ] {
        let guest = Guest::codec(name).on(Export::Encode, behaviour);
        let setup = host().plugin("x.wasm", &guest).set("admin.enabled", "false");
        let limit = format!("defaults.{limit}");
        // The limit of all instances is too low for the raised one, and is raised too.
        let total = if reason == "memory" { "16MiB" } else { "512MiB" };
        let total = format!("defaults.total_memory={total}");
        let target = format!("codec:{name}");
        let call = ["call", &target, "encode", "--set", &limit, "--set", &total];
        let refused = run(&setup, &call);
        let message = text(&refused.stderr);
        assert_eq!(refused.status.code(), Some(1), "{name} {limit}: {message}");
        assert!(message.contains(&format!("error: {reason}: plugin {name}@")), "{message}");
        let (_, hint) = message.split_once("raise the limit: ").expect("a hint");
        let hint = hint.lines().next().unwrap().replace('\'', "");
        let flags: Vec<&str> = hint.split_whitespace().collect();
        let raised = run(&setup, &[&call[..], &flags].concat());
        assert!(raised.status.success(), "{limit}: {hint}: {}", text(&raised.stderr));
    }
}

#[test]
fn the_schema_of_a_refused_plugin_is_shown() {
    let schema = r#"{"type":"object","properties":{"times":{"type":"integer"}}}"#;
    let guest = Guest::codec("short").schema(schema);
    let setup = host().set("admin.enabled", "false");
    let setup = setup.plugin("my short one.wasm", &guest);
    let setup = setup.toml("[plugins.short.config]\ntimes = 'often'\n");
    let refused = run(&setup, &["config", "check"]);
    assert_eq!(refused.status.code(), Some(2));
    let listed = text(&refused.stdout);
    let (_, hint) = listed.split_once("`plugbay inspect ").expect("a hint");
    let file = hint.split_once('`').unwrap().0.trim_matches('\'');
    let shown = run(&setup, &["inspect", file]);
    assert!(shown.status.success(), "{}", text(&shown.stderr));
    assert!(text(&shown.stdout).contains("\"times\""), "{}", text(&shown.stdout));
}

#[test]
fn a_missing_export_and_a_static_library_are_named() {
    let empty = b"\0asm\x0d\0\x01\0";
    let setup = host().file("empty.wasm", empty).file("lib.so", b"!<arch>\nlib.rmeta");
    let setup = setup.set("admin.enabled", "false");
    for (file, parts) in [
        ("empty.wasm", ["wrong-world: ", "`export!(Type: codec)`"]),
        ("lib.so", ["not-a-library: ", "link it as a shared library: crate-type cdylib"]),
    ] {
        let path = setup.plugins().join(file).display().to_string();
        let checked = run(&setup, &["check", &path]);
        let printed = text(&checked.stdout);
        for part in parts {
            assert!(printed.contains(part), "{file}: {printed}{}", text(&checked.stderr));
        }
    }
}

#[test]
fn a_call_says_where_its_answer_leads_and_that_no_route_does() {
    let setup = host()
        .plugin("moved.wasm", &Guest::handler("moved"))
        .plugin("echo.wasm", &Guest::handler("echo"));
    let setup = setup.set("admin.enabled", "false");
    let found = run(&setup, &["call", "handler:echo", "--path", "/echo"]);
    assert_eq!((found.status.code(), text(&found.stderr)), (Some(0), String::new()));
    for (path, method, met) in [
        ("/nowhere", "GET", "status 404"),
        ("/echo", "DELETE", "status 405"),
        ("/moved", "GET", "the handler moved"),
    ] {
        let call = ["call", "handler:echo", "--path", path, "--method", method];
        let called = run(&setup, &call);
        let line = format!(
            "no route leads from {method} {path} to echo: a request over HTTP gets {met}\n"
        );
        assert_eq!((called.status.code(), text(&called.stderr)), (Some(0), line));
        let quiet = run(&setup, &[&call[..], &["--quiet"]].concat());
        assert_eq!((quiet.status.code(), text(&quiet.stderr)), (Some(0), String::new()));
    }
}

#[test]
fn a_call_shows_a_redirect() {
    let moved = Guest::handler("moved")
        .on(Export::Handle, Behaviour::InvalidStatus(302))
        .header("location", "/there");
    let setup = host().plugin("moved.wasm", &moved).set("admin.enabled", "false");
    let called = run(&setup, &["call", "handler:moved", "--path", "/moved"]);
    assert_eq!(
        (called.status.code(), text(&called.stderr).as_str()),
        (Some(0), "status 302, location /there\n")
    );
}

#[cfg(unix)]
#[test]
fn a_panic_is_logged_once() {
    use super::up::{Up, until_status};

    let bad =
        Guest::handler("bad").on(Export::Handle, Behaviour::Panic("a panic of the test".into()));
    let log = tempfile::NamedTempFile::new().unwrap();
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_plugbay"));
    command.stderr(log.reopen().unwrap());
    let up = Up::start_by(command, host().plugin("bad.wasm", &bad));
    until_status(up.data, "/bad", "502");
    up.signal(rustix::process::Signal::TERM);
    assert_eq!(up.end().0, Some(0));
    let log = std::fs::read_to_string(log.path()).unwrap();
    assert_eq!(log.matches("a panic of the test").count(), 1, "{log}");
}
