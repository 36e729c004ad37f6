//! O12: an upgrade of the program, and a restart by a service manager that holds the sockets, lose no request.

use std::fs::{self, File};
use std::io::Read as _;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Instant;

use plugbay_fixtures::Guest;
use rustix::process::{Pid, Signal};
use serde_json::Value;

use super::cli::{clean, plugbay};
use super::load::{Load, Refused};
use super::support::{SOON, Setup, host, signal};
use super::up::{connect, status_of, until_status};

/// A program and those that replace it, one after the other. All write to one file. The last one is killed at the
/// end of the test.
struct Line {
    first: Child,
    pid: u32,
    out: PathBuf,
    /// How many lines were read.
    read: usize,
    setup: Setup,
    data: SocketAddr,
    admin: SocketAddr,
}

impl Line {
    fn start(setup: Setup) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_plugbay")), setup)
    }

    fn start_by(command: Command, setup: Setup) -> Self {
        let out = setup.plugins().with_file_name("out.jsonl");
        let mut command = clean(command);
        command.args(["up", "--json"]).args(setup.arguments());
        let file = File::options().create(true).append(true).open(&out).unwrap();
        let first = command.stdout(file).spawn().unwrap();
        let unknown = SocketAddr::from(([127, 0, 0, 1], 0));
        let pid = first.id();
        let mut line = Self { first, pid, out, read: 0, setup, data: unknown, admin: unknown };
        let serving = line.wait_for(|it| it["type"] == "serving");
        let address = |key: &str| serving[key].as_str().and_then(|it| it.parse().ok());
        line.data = address("data").unwrap_or(unknown);
        line.admin = address("admin").unwrap_or(unknown);
        line
    }

    /// Waits for a line of the output that was not read yet, and reads up to it.
    fn wait_for(&mut self, wanted: impl Fn(&Value) -> bool) -> Value {
        let end = Instant::now() + SOON;
        loop {
            let text = fs::read_to_string(&self.out).unwrap();
            let whole = text.rfind('\n').map_or("", |end| &text[..=end]);
            let mut lines = whole.lines().enumerate().skip(self.read);
            let found = lines.find_map(|(at, line)| {
                let line: Value = serde_json::from_str(line).unwrap();
                wanted(&line).then_some((at, line))
            });
            if let Some((at, line)) = found {
                self.read = at + 1;
                return line;
            }
            assert!(Instant::now() < end, "not within {SOON:?}; the output is {text}");
            std::thread::yield_now();
        }
    }

    /// Replaces the process that serves, and returns the number of the old one.
    fn upgrade(&mut self) -> u32 {
        let old = self.pid;
        signal(old, Signal::USR2);
        let upgraded = self.wait_for(|it| it["type"] == "upgraded" || it["type"] == "not-upgraded");
        let pid = upgraded["process"].as_u64().unwrap_or_else(|| panic!("{upgraded}"));
        self.pid = pid.try_into().unwrap();
        assert_ne!(self.pid, old);
        old
    }

    /// Stops the process that serves, and waits for the end of all.
    fn stop(mut self) {
        signal(self.pid, Signal::TERM);
        let stopped = self.wait_for(|it| it["type"] == "stopped");
        assert_eq!(stopped["cut_off"], 0);
        self.wait_for_end_of(self.pid);
    }

    fn wait_for_end_of(&mut self, pid: u32) {
        let end = Instant::now() + SOON;
        let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
        loop {
            // The first one is a child of this process, which has to wait for it.
            let _ = self.first.try_wait();
            if rustix::process::test_kill_process(pid).is_err() {
                return;
            }
            assert!(Instant::now() < end, "{pid:?} does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        for pid in [self.pid, self.first.id()] {
            let pid = Pid::from_raw(pid.try_into().unwrap()).unwrap();
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        let _ = self.first.wait();
    }
}

fn echo() -> Setup {
    host().plugin("echo.wasm", &Guest::handler("echo").stamp("!"))
}

/// 100 upgrades under load: no connection is refused, no request is lost, and one process is left.
#[test]
fn upgrades_under_load_refuse_and_lose_nothing() {
    let mut line = Line::start(echo());
    let (data, admin) = (line.data, line.admin);
    let fresh = Load::fresh(3, data, Refused::IsLost);
    let kept = Load::kept(3, data, Refused::IsLost);
    let probes = Load::of(1, move || {
        move || match status_of(admin, "/readyz").as_deref() {
            Some("200") => Some(Ok(())),
            other => Some(Err(format!("/readyz: {other:?}"))),
        }
    });
    let mut old = Vec::new();
    for _ in 0..100 {
        let (before, kept_before) = (fresh.answered(), kept.answered());
        old.push(line.upgrade());
        fresh.wait_for_answers(before + 5);
        kept.wait_for_answers(kept_before + 5);
    }
    for pid in old {
        line.wait_for_end_of(pid);
    }
    fresh.assert_nothing_lost();
    kept.assert_nothing_lost();
    probes.assert_nothing_lost();
    line.stop();
    assert!(connect(data).is_err(), "the port is closed");
}

/// `plugbay upgrade`, and the admin plane, wait for the new process, and say which one that is.
#[test]
fn an_operator_upgrades_by_the_admin_plane() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("plugbay");
    let real = Path::new(env!("CARGO_BIN_EXE_plugbay"));
    std::os::unix::fs::symlink(real, &program).unwrap();
    let mut line = Line::start_by(Command::new(&program), echo());
    let admin = format!("admin.listen={}", line.admin);
    let upgrade = |more: &[&str]| {
        let mut command = plugbay(&["upgrade", "--set", &admin]);
        let output = command.args(more).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (output.status.code(), text(output.stdout), text(output.stderr))
    };
    let old = line.pid;
    let (code, out, err) = upgrade(&["--json"]);
    assert_eq!(code, Some(0), "{err}");
    let done: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(done["replaced"], old);
    line.pid = done["process"].as_u64().unwrap().try_into().unwrap();
    line.wait_for_end_of(old);
    let old = line.pid;
    let (code, out, err) = upgrade(&[]);
    let said = out.trim_end().strip_suffix(&format!(" serves in place of process {old}"));
    let said = said
        .and_then(|it| it.strip_prefix("process "))
        .unwrap_or_else(|| panic!("{code:?} {out} {err}"));
    line.pid = said.parse().unwrap();
    line.wait_for_end_of(old);

    fs::remove_file(&program).unwrap();
    fs::write(&program, "#!/bin/sh\nexit 3\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let (code, out, err) = upgrade(&[]);
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(err.contains("this process serves on: process "), "{err}");
    assert!(err.contains("ended with exit status: 3 before it served"), "{err}");
    assert_eq!(status_of(line.data, "/echo").as_deref(), Some("200"));
    line.stop();
}

/// The process that is replaced finishes the requests that it has.
#[test]
fn requests_of_the_old_process_are_finished() {
    let mut line = Line::start(echo());
    let mut stream = connect(line.data).unwrap();
    let head = b"POST /echo HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nha";
    std::io::Write::write_all(&mut stream, head).unwrap();
    assert_eq!(status_of(line.data, "/echo").as_deref(), Some("200"));
    let old = line.upgrade();
    assert_eq!(status_of(line.data, "/echo").as_deref(), Some("200"));
    std::io::Write::write_all(&mut stream, b"lf").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("half!"), "{answer}");
    line.wait_for_end_of(old);
    line.stop();
}

/// A program or configuration that does not start changes nothing; the next attempt may.
#[test]
fn a_failed_upgrade_leaves_the_process_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("plugbay");
    let real = Path::new(env!("CARGO_BIN_EXE_plugbay"));
    std::os::unix::fs::symlink(real, &program).unwrap();
    let mut line = Line::start_by(Command::new(&program), echo());

    fs::remove_file(&program).unwrap();
    signal(line.pid, Signal::USR2);
    let error = line.wait_for(|it| it["type"] == "not-upgraded");
    assert!(error["error"].as_str().unwrap().starts_with("cannot start "), "{error}");

    fs::write(&program, "#!/bin/sh\nexit 3\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    signal(line.pid, Signal::USR2);
    let error = line.wait_for(|it| it["type"] == "not-upgraded");
    let text = error["error"].as_str().unwrap();
    assert!(text.ends_with("ended with exit status: 3 before it served"), "{text}");
    assert_eq!(status_of(line.data, "/echo").as_deref(), Some("200"));

    fs::remove_file(&program).unwrap();
    std::os::unix::fs::symlink(real, &program).unwrap();
    line.upgrade();
    until_status(line.data, "/echo", "200");
    line.stop();
}

/// A new configuration moves the port: the old one closes, and the new one is bound.
#[test]
fn an_upgrade_applies_keys_that_need_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("data.sock");
    let mut setup = echo();
    setup = setup.toml("[server]\nlisten = \"127.0.0.1:0\"\n");
    let mut line = Line::start(setup.without("server.listen"));
    let text = format!("[server]\nlisten = \"unix:{}\"\n", socket.display());
    fs::write(line.setup.plugins().with_file_name("config.toml"), text).unwrap();
    let old = line.upgrade();
    UnixStream::connect(&socket).unwrap();
    line.wait_for_end_of(old);
    assert!(connect(line.data).is_err(), "the old port is closed");
    // The next process takes the file of the socket over, and the last one removes it.
    let old = line.upgrade();
    line.wait_for_end_of(old);
    UnixStream::connect(&socket).unwrap();
    line.stop();
    assert!(!socket.exists());
}

/// Both processes have the audit log open for a while.
#[test]
fn the_next_process_continues_the_audit_log() {
    let folder = tempfile::tempdir().unwrap();
    let audit = folder.path().join("audit");
    let mut line = Line::start(echo().set("admin.audit", audit.to_str().unwrap()));
    let reload = |admin| {
        let mut stream = connect(admin).unwrap();
        let request = "POST /v1/reload HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";
        std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    };
    reload(line.admin);
    let old = line.upgrade();
    reload(line.admin);
    line.wait_for_end_of(old);
    reload(line.admin);
    line.stop();
    let verified = plugbay(&["audit", "verify", audit.to_str().unwrap()]).output().unwrap();
    assert!(verified.status.success(), "{verified:?}");
    assert_eq!(fs::read_to_string(&audit).unwrap().lines().count(), 6);
}

/// The program under a service manager that holds this socket: its first inherited descriptor is 3.
fn under_a_manager(socket: impl Into<OwnedFd>) -> Command {
    let mut command = Command::new("sh");
    let script = "exec 3<&0 0</dev/null; export LISTEN_PID=$$ LISTEN_FDS=1; exec \"$0\" \"$@\"";
    command.args(["-c", script, env!("CARGO_BIN_EXE_plugbay")]);
    command.stdin(socket.into());
    command
}

/// The connections in the queue of a socket that a service manager holds wait for the next process.
#[test]
fn a_restart_with_the_socket_of_a_service_manager_loses_nothing() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let data = held.local_addr().unwrap();
    let setup = || echo().set("server.listen", &data.to_string());
    let line = Line::start_by(under_a_manager(held.try_clone().unwrap()), setup());
    assert_eq!(line.data, data);
    let fresh = Load::fresh(4, data, Refused::IsLost);
    let kept = Load::kept(4, data, Refused::IsLost);
    let mut line = line;
    for _ in 0..3 {
        let (before, kept_before) = (fresh.answered(), kept.answered());
        line.upgrade();
        fresh.wait_for_answers(before + 50);
        kept.wait_for_answers(kept_before + 50);
        line.stop();
        line = Line::start_by(under_a_manager(held.try_clone().unwrap()), setup());
    }
    fresh.assert_nothing_lost();
    kept.assert_nothing_lost();
    line.stop();
    assert!(connect(data).is_ok(), "the service manager holds the port");
}

#[test]
fn the_file_of_a_service_managers_socket_stays() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.sock");
    let held = UnixListener::bind(&path).unwrap();
    let setup = echo().set("server.listen", &format!("unix:{}", path.display()));
    let line = Line::start_by(under_a_manager(held.try_clone().unwrap()), setup);
    line.stop();
    assert!(path.exists());
    UnixStream::connect(&path).unwrap();
}

#[test]
fn inherited_sockets_that_nothing_names_are_a_mistake() {
    let held = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap();
    let setup = echo().set("server.listen", "127.0.0.2:0");
    let mut command = clean(under_a_manager(held));
    let output = command.arg("up").args(setup.arguments()).args(["--set", "admin.enabled=false"]);
    let output = output.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains(&format!("found {address} in neither")), "{said}");

    let no_socket = File::open("/dev/null").unwrap();
    let output = clean(under_a_manager(no_socket)).arg("up").args(echo().arguments()).output();
    let said = String::from_utf8_lossy(&output.unwrap().stderr).into_owned();
    assert!(said.contains("inherited sockets (LISTEN_FDS)"), "{said}");
}

/// systemd watches the process that serves.
#[test]
fn a_service_manager_is_told_which_process_serves() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let notified = UnixDatagram::bind(&path).unwrap();
    notified.set_read_timeout(Some(SOON)).unwrap();
    let wait_for = |prefix: &str| loop {
        let mut buffer = [0; 4096];
        let length = notified.recv(&mut buffer).expect("a notification");
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        assert!(!text.contains("STOPPING=1") || prefix == "STOPPING=1", "{text}");
        if let Some(line) = text.lines().find(|line| line.starts_with(prefix)) {
            return line.to_owned();
        }
    };
    let mut command = Command::new(env!("CARGO_BIN_EXE_plugbay"));
    command.env("NOTIFY_SOCKET", &path);
    let mut line = Line::start_by(command, echo());
    wait_for("READY=1");
    let old = line.upgrade();
    assert_eq!(wait_for("MAINPID="), format!("MAINPID={}", line.pid));
    line.wait_for_end_of(old);
    line.stop();
    wait_for("STOPPING=1");
}
