//! Operations on a running host: rollback, resume, reload, and the service manager.

use std::os::unix::net::UnixDatagram;
use std::process::Command;
use std::time::Duration;

use plugbay_fixtures::{Behaviour, Export, Guest};
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::AsyncWriteExt;

use super::cli::{clean, plugbay};
use super::support::{SOON, deploy, host, until, unused_address};
use super::up::{Program, Up, answer, status_of};

fn stamped(stamp: &str) -> Guest {
    Guest::codec("a").version(&format!("1.0.{stamp}")).stamp(stamp)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[test]
fn rollback_serves_an_earlier_generation_until_resume() {
    let mut up = Up::start(host().plugin("a.wasm", &stamped("1")));
    deploy(&up.setup.plugins(), "a.wasm", &stamped("2"));
    up.wait_for_event("drained");

    let listed = up.run(&["generations", "--json"]);
    let listed: Value = serde_json::from_slice(&listed.stdout).unwrap();
    assert_eq!(listed["generation"], 2);
    assert_eq!(listed["history"][0]["plugins"], serde_json::json!(["a@1.0.1"]));
    assert_eq!(listed["history"][1]["plugins"], serde_json::json!(["a@1.0.2"]));

    let back = up.run(&["rollback"]);
    assert!(back.status.success(), "{}", text(&back.stderr));
    assert!(text(&back.stdout).starts_with("generation 3 serves what generation 1 served"));
    let inspected: Value =
        serde_json::from_slice(&up.run(&["inspect", "a", "--json"]).stdout).unwrap();
    assert_eq!(inspected["version"], "1.0.1");
    up.wait_for_event("rolled-back");
    assert!(text(&up.run(&["generations"]).stdout).contains("rolled back to generation 1"));

    let unknown = up.run(&["rollback", "77"]);
    assert_eq!(unknown.status.code(), Some(1));
    assert!(text(&unknown.stderr).contains("expected one of the generations 1, 2, 3, found 77"));
    assert_eq!(up.run(&["rollback", "minus"]).status.code(), Some(2));

    let on = up.run(&["resume", "--json"]);
    let on: Value = serde_json::from_slice(&on.stdout).unwrap();
    assert_eq!((&on["generation"], &on["loaded"]), (&4.into(), &serde_json::json!(["a@1.0.2"])));
    up.signal(Signal::TERM);
    assert_eq!(up.end().0, Some(0));
}

#[test]
fn a_missing_host_is_reported() {
    let (_held, address) = unused_address();
    let setup = host().set("admin.listen", &address.to_string());
    let expected = format!("expected a running host at {address}");
    for command in ["status", "reload", "generations", "rollback", "resume"] {
        let mut program = super::cli::plugbay(&[command]);
        let output = program.args(setup.arguments()).output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{command}");
        assert!(text(&output.stderr).contains(&expected), "{output:?}");
    }
}

#[test]
fn status_reload_and_list_ask_the_running_host() {
    // Without the command the host would reconcile after a day.
    let setup = host().set("host.rescan", "1day").set("host.debounce", "1m");
    let up = Up::start(setup.plugin("a.wasm", &stamped("1")));
    deploy(&up.setup.plugins(), "a.wasm", &stamped("2"));
    let reloaded = up.run(&["reload"]);
    assert!(reloaded.status.success(), "{}", text(&reloaded.stderr));
    assert_eq!(
        text(&reloaded.stdout),
        "generation 2 serves now\nloaded a@1.0.2\nretired a@1.0.1\n"
    );
    assert!(text(&up.run(&["reload"]).stdout).starts_with("generation 2 goes on: nothing changed"));

    std::fs::write(up.setup.plugins().join("junk\ngeneration 9.wasm"), "no plugin").unwrap();
    let reloaded = up.run(&["reload"]);
    assert_eq!(reloaded.status.code(), Some(1));
    for (command, begins) in [
        (&["reload"][..], "generation 2 goes on: nothing changed\n\nREFUSED"),
        (&["status"], "generation 2\n\nPLUGIN  VERSION  FORM"),
        (&["list", "rejected"], "REFUSED"),
    ] {
        let output = text(&up.run(command).stdout);
        assert!(output.starts_with(begins), "{command:?}: {output}");
        let of_the_file: Vec<&str> = output.lines().filter(|it| it.contains("junk")).collect();
        let [line] = of_the_file[..] else { panic!("expected one line in {output}") };
        assert!(line.contains(r"junk\ngeneration 9.wasm") && line.contains("unknown-format"));
    }
    let rejected: Value =
        serde_json::from_slice(&up.run(&["list", "rejected", "--json"]).stdout).unwrap();
    assert_eq!(rejected["rejected"][0]["reason"], "unknown-format");
    let plugins = text(&up.run(&["list", "plugins"]).stdout);
    let lines = plugins.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(
        lines.collect::<Vec<_>>(),
        [["PLUGIN", "VERSION", "STATE"], ["a", "1.0.2", "running"]]
    );
    up.signal(Signal::TERM);
    assert_eq!(up.end().0, Some(0));
}

#[test]
fn errors_are_json_if_the_output_is() {
    let output = super::cli::plugbay(&["inspect", "nowhere.wasm", "--json"]).output().unwrap();
    assert!(output.stdout.is_empty(), "{output:?}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((&error["type"], &error["code"]), (&"error".into(), &1.into()), "{error}");
    assert!(error["error"].as_str().unwrap().contains("nowhere.wasm"), "{error}");
}

#[test]
fn sighup_reloads() {
    // Without the signal the host would reconcile after a day.
    let setup = host().set("host.rescan", "1day").set("host.debounce", "1m");
    let mut up = Up::start(setup.plugin("a.wasm", &stamped("1")));
    deploy(&up.setup.plugins(), "a.wasm", &stamped("2"));
    up.signal(Signal::HUP);
    let loaded = up.wait_for_event("loaded");
    assert_eq!(loaded["plugin"], "a@1.0.2");
    up.signal(Signal::TERM);
    assert_eq!(up.end().0, Some(0));
}

#[test]
fn the_service_manager_is_notified() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(SOON)).unwrap();
    let setup = host().plugin("a.wasm", &stamped("1"));
    let mut command = Command::new(env!("CARGO_BIN_EXE_plugbay"));
    command.env("NOTIFY_SOCKET", &path).env("WATCHDOG_USEC", "200000");
    command.env_remove("WATCHDOG_PID");
    let up = Up::start_by(command, setup);
    let receive = |wanted: &str| {
        let mut buffer = [0; 4096];
        loop {
            let size =
                socket.recv(&mut buffer).unwrap_or_else(|_| panic!("{wanted}: no notification"));
            let received = text(&buffer[..size]);
            if received.lines().any(|line| line == wanted) {
                return received;
            }
        }
    };
    let ready = receive("READY=1");
    assert!(ready.contains("STATUS=generation 1: 1 plugins serve, 0 refused"), "{ready}");
    assert_eq!(status_of(up.admin, "/readyz").as_deref(), Some("200"));
    receive("WATCHDOG=1");
    up.signal(Signal::HUP);
    let reloading = receive("RELOADING=1");
    assert!(reloading.contains("MONOTONIC_USEC="), "{reloading}");
    receive("READY=1");
    up.signal(Signal::TERM);
    receive("STOPPING=1");
    assert_eq!(up.end().0, Some(0));
}

/// A client that disconnects cancels its call, and the next call is not affected.
#[tokio::test]
async fn a_client_that_disconnects_cancels_its_call() {
    let slow = Guest::handler("slow")
        .on(Export::Handle, Behaviour::Wait(Duration::from_secs(3600)).after(1));
    let serving = host()
        .plugin("slow.wasm", &slow)
        .toml("[plugins.slow]\ninstances = 1\nqueue = 0\ndeadline = '1day'\n[plugins.slow.grants]\nclocks = true\n")
        .serve()
        .await;
    assert_eq!(serving.get("/slow").await.status, 200);
    let status = || {
        let plugins = serving.server.host().status().plugins;
        plugins.into_iter().find(|plugin| plugin.name == "slow").unwrap()
    };
    let mut client = tokio::net::TcpStream::connect(serving.data()).await.unwrap();
    client.write_all(b"GET /slow HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    until("the call is in flight", || async { status().leases == 1 }).await;
    // The plugin's only instance is busy, and the queue has no room: the call is rejected.
    let shed = serving.get("/slow").await;
    assert_eq!((shed.status, shed.code().as_str()), (503, "overloaded"));
    assert_eq!(shed.header("retry-after"), Some("1"));
    drop(client);
    until("the call is cancelled", || async { status().calls.cancelled == 1 }).await;
    until("the instance is discarded", || async { status().stats.discarded == 1 }).await;
    assert_eq!(serving.get("/slow").await.status, 200);
}

/// The answers to a client while a plugin fails: its failures, then the open breaker with
/// `Retry-After`, and then its answers again.
#[tokio::test]
async fn the_breaker_of_a_failing_plugin_opens_and_closes() {
    let bad = Guest::handler("bad").on(Export::Handle, Behaviour::Trap);
    let setup = host().plugin("bad.wasm", &bad).plugin("good.wasm", &Guest::handler("good"));
    let serving = setup
        .toml("[plugins.bad]\nbreaker_failures = 2\nbreaker_open = '1m'\nhealth_every = '0s'\n")
        .serve()
        .await;
    for _ in 0..2 {
        let answer = serving.get("/bad").await;
        assert_eq!((answer.status, answer.code().as_str()), (502, "trap"));
    }
    let answer = serving.get("/bad").await;
    assert_eq!((answer.status, answer.code().as_str()), (503, "breaker-open"));
    let seconds: u64 = answer.header("retry-after").unwrap().parse().unwrap();
    assert!((50..=70).contains(&seconds), "{seconds}");
    assert_eq!(serving.get("/good").await.status, 200);
    let status = serving.server.host().status();
    let bad = status.plugins.iter().find(|plugin| plugin.name == "bad").unwrap();
    assert_eq!(bad.state.as_str(), "breaker-open");
    assert_eq!(bad.calls.failed["trap"], 2);
}

/// Runs the program in a user namespace that has no inotify instances until a line is written to the pipe
/// that the first argument names.
const WITHOUT_WATCHER: &str = "limit=/proc/sys/user/max_inotify_instances
    echo 0 > $limit && mkfifo \"$1\" || exit 1
    (exec 3<> \"$1\" > /dev/null; read -t 60 -u 3; echo 100 > $limit) &
    shift
    exec \"$@\"";

#[test]
fn a_lost_watcher_is_reported_and_restored() {
    let namespace = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["-Ur", "bash", "-c", script, "bash"]);
        command
    };
    if !namespace("echo 0 > /proc/sys/user/max_inotify_instances")
        .status()
        .is_ok_and(|status| status.success())
    {
        eprintln!("skipped: this system allows no user namespaces");
        return;
    }
    let setup = host().set("host.rescan", "1s");
    let pipe = setup.plugins().with_file_name("lift");
    let mut command = clean(namespace(WITHOUT_WATCHER));
    command.arg(&pipe).arg(env!("CARGO_BIN_EXE_plugbay")).arg("up").args(setup.arguments());
    let mut program = Program::start(command);
    let mut until = |part: &str| {
        let mut read = String::new();
        loop {
            let line = program.line().unwrap_or_else(|| panic!("no {part:?} in {read}"));
            read += &line;
            if line.contains(part) {
                return (read, line);
            }
        }
    };
    let (started, lost) = until("file watching unavailable");
    assert!(started.contains("polling ") && !started.contains("watching  "), "{started}");
    for part in ["polling every 1s", "raise the limit fs.inotify.max_user_instances"] {
        assert!(lost.contains(part), "{part:?} in {lost}");
    }
    let admin = started.lines().find_map(|line| line.strip_prefix("admin     http://"));
    let admin = admin.unwrap().parse().unwrap();
    assert!(answer(admin, "/v1/generations").unwrap().contains("\"watch-lost\""));
    let status = answer(admin, "/v1/status").unwrap();
    assert!(status.contains("\"watch_error\":\"file watching unavailable"), "{status}");
    std::fs::write(&pipe, "\n").unwrap();
    until("file watching works again");
    let status = answer(admin, "/v1/status").unwrap();
    assert!(status.contains("\"watch_error\":null"), "{status}");
    program.signal(Signal::TERM);
    assert_eq!(program.code(), Some(0));
}

#[test]
fn a_pipe_in_the_place_of_the_configuration_is_refused() {
    let mut up = Up::start(host());
    let config = up.setup.plugins().with_file_name("config.toml");
    std::fs::remove_file(&config).unwrap();
    assert!(Command::new("mkfifo").arg(&config).status().unwrap().success());
    let refused = up.wait_for_event("rejected");
    assert_eq!(
        (&refused["reason"], &refused["source"]),
        (&"config".into(), &config.to_str().into())
    );
    let expected = "expected a file, found a pipe";
    assert!(refused["message"].as_str().unwrap().contains(expected), "{refused}");
    let checked = plugbay(&["config", "check", config.to_str().unwrap()]).output().unwrap();
    assert_eq!(checked.status.code(), Some(2), "{checked:?}");
    assert!(text(&checked.stderr).contains(expected), "{checked:?}");
    up.signal(Signal::TERM);
    assert_eq!(up.end().0, Some(0));
}

#[test]
fn a_broken_configuration_at_the_start_serves_the_last_one() {
    let setup = host().plugin("a.wasm", &stamped("1")).plugin("b.wasm", &Guest::codec("b"));
    let config = setup.plugins().with_file_name("config.toml");
    let cache = setup.plugins().with_file_name("cache").display().to_string();
    let start = || {
        let mut command = clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
        command.args(["up", "--json", "--set", &format!("host.cache={cache}")]);
        command.args(setup.arguments());
        Program::start(command)
    };
    let next = |program: &mut Program| -> Value {
        serde_json::from_str(&program.line().expect("a line")).unwrap()
    };
    let stop = |mut program: Program| {
        program.signal(Signal::TERM);
        while program.line().is_some() {}
        assert_eq!(program.code(), Some(0));
    };
    let broken = "[plugins.a]\nenabled = fals\n";
    std::fs::write(&config, broken).unwrap();
    assert_eq!(start().code(), Some(2), "there is no last configuration");

    // A strict host starts with the last configuration, too.
    let good = "[host]\nstrict = true\n[plugins.a]\nenabled = false\n";
    std::fs::write(&config, good).unwrap();
    let mut program = start();
    let codecs = |serving: &Value| serving["status"]["capabilities"].as_array().unwrap().len();
    assert_eq!(codecs(&next(&mut program)), 1);
    stop(program);

    std::fs::write(&config, broken).unwrap();
    let mut program = start();
    let serving = next(&mut program);
    assert_eq!(codecs(&serving), 1, "{serving}");
    let rejected = &serving["status"]["rejected"][0];
    assert_eq!(rejected["source"], config.to_str().unwrap());
    let event = next(&mut program);
    assert_eq!((&event["outcome"], &event["source"]), (&"last-config".into(), &rejected["source"]));
    assert!(event["message"].as_str().unwrap().contains("config.toml:2:11"), "{event}");
    let admin = serving["admin"].as_str().unwrap().parse().unwrap();
    assert!(answer(admin, "/v1/generations").unwrap().contains("\"last-config\""));

    // The repaired file is applied.
    std::fs::write(&config, "[host]\nstrict = true\n# mended: the plugin is enabled again\n")
        .unwrap();
    while next(&mut program)["outcome"] != "recovered" {}
    stop(program);
    let mut program = start();
    assert_eq!(codecs(&next(&mut program)), 2);
    stop(program);
}
