//! The limit of clients follows from the limit of open descriptors.

use std::io::Write;
use std::process::Command;

use plugbay_fixtures::Guest;
use rustix::process::Signal;

use super::support::{deploy, host};
use super::up::{Up, connect, status_of, until_status};

/// `plugbay` under limits that a shell sets before it.
fn limited(ulimit: &str) -> Command {
    let mut command = Command::new("sh");
    let script = format!("ulimit {ulimit} && exec \"$0\" \"$@\"");
    command.args(["-c", &script, env!("CARGO_BIN_EXE_plugbay")]);
    command
}

/// Descriptors remain for plugins and operators, no matter how many clients connect.
#[test]
fn clients_never_use_all_descriptors() {
    let setup = host().plugin("one.wasm", &Guest::handler("one")).set("server.timeout", "10m");
    let up = Up::start_by(limited("-n 200"), setup);
    let unfinished = |_| {
        let mut client = connect(up.data).unwrap();
        let request = b"POST /one HTTP/1.1\r\nhost: x\r\ncontent-length: 4\r\n\r\nha";
        client.write_all(request).unwrap();
        client
    };
    let clients: Vec<_> = (0..210).map(unfinished).collect();
    assert_eq!(status_of(up.admin, "/readyz").as_deref(), Some("200"));
    deploy(&up.setup.plugins(), "two.wasm", &Guest::handler("two"));
    until_status(up.admin, "/v1/plugins/two", "200");
    drop(clients);
    until_status(up.data, "/two", "200");
    up.signal(Signal::TERM);
    assert_eq!(up.end().0, Some(0));
}

#[test]
fn the_soft_limit_is_raised_to_the_hard_one() {
    let up = Up::start_by(limited("-Sn 128"), host());
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", up.pid())).unwrap();
    let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
    let mut figures = files.split_whitespace().skip(3);
    let (soft, hard) = (figures.next().unwrap(), figures.next().unwrap());
    assert_eq!(soft, hard, "{files}");
}
