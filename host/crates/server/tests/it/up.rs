//! The program `plugbay up`, and plain connections to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::process::{Child, ChildStdout, Command, Stdio};

use rustix::process::Signal;
use serde_json::Value;

use super::cli::clean;
use super::support::{SOON, Setup};

/// `plugbay up` in a process of its own.
pub(crate) struct Up {
    child: Child,
    out: BufReader<ChildStdout>,
    pub(crate) data: SocketAddr,
    pub(crate) admin: SocketAddr,
    pub(crate) setup: Setup,
}

impl Up {
    pub(crate) fn start(setup: Setup) -> Self {
        Self::start_with(setup, |_| {})
    }

    /// As [`Up::start`], by a command that was changed before.
    pub(crate) fn start_with(setup: Setup, change: impl FnOnce(&mut Command)) -> Self {
        let mut command = clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
        change(&mut command);
        command.args(["up", "--json"]).args(setup.arguments());
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let mut line = String::new();
        out.read_line(&mut line).unwrap();
        let serving: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(serving["type"], "serving", "{serving}");
        let address = |key: &str| serving[key].as_str().unwrap().parse().unwrap();
        Self { child, out, data: address("data"), admin: address("admin"), setup }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        super::support::signal(self.child.id(), signal);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Reads on until an event with this outcome comes.
    pub(crate) fn sees(&mut self, outcome: &str) -> Value {
        let mut line = String::new();
        loop {
            line.clear();
            assert_ne!(self.out.read_line(&mut line).unwrap(), 0, "before {outcome:?}");
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["outcome"] == outcome {
                return event;
            }
        }
    }

    /// The program asks this host.
    pub(crate) fn ask(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
        command.args(arguments).args(self.setup.arguments());
        // The port that the system chose.
        command.args(["--set", &format!("admin.listen={}", self.admin)]);
        command.output().unwrap()
    }

    /// The exit code, and what was printed last.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<Value>) {
        let mut rest = String::new();
        self.out.read_to_string(&mut rest).unwrap();
        let lines = rest.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        (self.child.wait().unwrap().code(), lines)
    }
}

pub(crate) fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, SOON)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.set_write_timeout(Some(SOON))?;
    Ok(stream)
}

pub(crate) fn status_of(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.split(' ').nth(1).map(str::to_owned)
}
