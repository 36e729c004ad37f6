//! The program on Unix sockets.

use std::fs;
use std::os::unix::fs::{FileTypeExt as _, PermissionsExt as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::Command;

use plugbay_fixtures::Guest;
use rustix::process::Signal;
use serde_json::Value;

use super::cli::plugbay;
use super::support::{Setup, host};
use super::up::Up;

fn setup(folder: &Path) -> Setup {
    let listen = |name: &str| format!(r#"["127.0.0.1:0", "unix:{}"]"#, folder.join(name).display());
    host()
        .plugin("echo.wasm", &Guest::handler("echo"))
        .set("server.listen", &listen("data.sock"))
        .set("admin.listen", &listen("admin.sock"))
}

/// What curl prints.
fn curl(socket: &Path, arguments: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["-sS", "--max-time", "60", "--unix-socket"]).arg(socket).args(arguments);
    let output = command.output().expect("curl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

fn mode(file: &Path) -> u32 {
    let metadata = fs::symlink_metadata(file).unwrap();
    assert!(metadata.file_type().is_socket());
    metadata.permissions().mode() & 0o777
}

#[test]
fn both_planes_answer_on_sockets_that_are_removed_at_the_stop() {
    let folder = tempfile::tempdir().unwrap();
    let (data, admin) = (folder.path().join("data.sock"), folder.path().join("admin.sock"));
    let up = Up::start(setup(folder.path()));
    assert_eq!((mode(&data), mode(&admin)), (0o660, 0o600));
    assert_eq!(curl(&data, &["--data", "hi", "http://localhost/echo"]), "hi");
    let status: Value =
        serde_json::from_str(&curl(&admin, &["http://localhost/v1/status"])).unwrap();
    assert_eq!(status["generation"], 1);

    // The command line asks the running host there.
    let listen = format!("admin.listen=unix:{}", admin.display());
    let output = plugbay(&["status", "--json", "--set", &listen]).output().unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&output.stdout).unwrap(), status);

    up.signal(Signal::TERM);
    assert_eq!(up.end().0, Some(0));
    assert!(!data.exists() && !admin.exists());
}

#[test]
fn a_socket_of_a_killed_host_is_replaced_and_one_in_use_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data.sock");
    let killed = Up::start(setup(folder.path()));
    killed.signal(Signal::KILL);
    let setup = killed.into_setup_after_a_kill();
    assert!(UnixStream::connect(&data).is_err() && data.exists(), "it is stale");
    let up = Up::start(setup);
    assert_eq!(curl(&data, &["--data", "hi", "http://localhost/echo"]), "hi");

    let listen = format!("server.listen=unix:{}", data.display());
    let mut second = plugbay(&["up", "--set", &listen, "--set", "admin.enabled=false"]);
    let refused = second.output().unwrap();
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert_eq!(refused.status.code(), Some(1), "{error}");
    assert!(error.contains("(server.listen): another process listens on this address"), "{error}");
    assert!(error.contains("stop the process that listens on this socket"), "{error}");
    assert_eq!(
        curl(&data, &["--data", "hi", "http://localhost/echo"]),
        "hi",
        "the first one serves"
    );
    drop(up);
}
