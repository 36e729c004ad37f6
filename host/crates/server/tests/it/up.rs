//! The program `plugbay up`, and plain connections to it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::process::{Child, Command};
use std::time::Instant;

use rustix::process::Signal;
use serde_json::Value;

use super::cli::clean;
use super::support::{SOON, Setup};

/// A running program, and its output. It is killed at the end of the test.
pub(crate) struct Program {
    child: Child,
    out: BufReader<UnixStream>,
}

impl Program {
    /// Starts the program. Its output is a socket and not a pipe, because reads of a socket can
    /// have a deadline.
    pub(crate) fn start(mut command: Command) -> Self {
        let (ours, theirs) = UnixStream::pair().unwrap();
        ours.set_read_timeout(Some(SOON)).unwrap();
        // The smallest buffer, so that it is full soon if the test does not read.
        socket2::SockRef::from(&theirs).set_send_buffer_size(1).unwrap();
        let child = command.stdout(OwnedFd::from(theirs)).spawn().unwrap();
        // Dropping the command closes this process's copy of the socket.
        drop(command);
        Self { child, out: BufReader::new(ours) }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        super::support::signal(self.child.id(), signal);
    }

    /// Reads the next line, with its line break; `None` at the end of the output.
    pub(crate) fn line(&mut self) -> Option<String> {
        let mut line = String::new();
        let read = self.out.read_line(&mut line).expect("a line, or the end, within the time");
        (read > 0).then_some(line)
    }

    /// The exit code.
    pub(crate) fn code(&mut self) -> Option<i32> {
        let end = Instant::now() + SOON;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code();
            }
            assert!(Instant::now() < end, "the program does not end");
            std::thread::yield_now();
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Starts `plugbay up`.
pub(crate) struct Up {
    program: Program,
    pub(crate) data: SocketAddr,
    pub(crate) admin: SocketAddr,
    /// The line that says that it serves.
    pub(crate) serving: Value,
    pub(crate) setup: Setup,
}

impl Up {
    pub(crate) fn start(setup: Setup) -> Self {
        Self::start_by(Command::new(env!("CARGO_BIN_EXE_plugbay")), setup)
    }

    /// As [`Up::start`], with a command to which the arguments are added.
    pub(crate) fn start_by(command: Command, setup: Setup) -> Self {
        let mut command = clean(command);
        command.args(["up", "--json"]).args(setup.arguments());
        let mut program = Program::start(command);
        let line = program.line().expect("the program serves");
        let serving: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(serving["type"], "serving", "{serving}");
        let address = |key: &str| serving[key].as_str().unwrap().parse().unwrap();
        let (data, admin) = (address("data"), address("admin"));
        Self { program, data, admin, serving, setup }
    }

    pub(crate) fn signal(&self, signal: Signal) {
        self.program.signal(signal);
    }

    pub(crate) fn pid(&self) -> u32 {
        self.program.child.id()
    }

    /// Reads until an event with this outcome.
    pub(crate) fn wait_for_event(&mut self, outcome: &str) -> Value {
        loop {
            let line = self.program.line();
            let line = line.unwrap_or_else(|| panic!("the program ended before {outcome:?}"));
            let event: Value = serde_json::from_str(&line).unwrap();
            if event["outcome"] == outcome {
                return event;
            }
        }
    }

    /// Closes the reading end of the output.
    pub(crate) fn close_output(&self) {
        self.program.out.get_ref().shutdown(Shutdown::Both).unwrap();
    }

    /// Runs the program with the address of this host.
    pub(crate) fn run(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = clean(Command::new(env!("CARGO_BIN_EXE_plugbay")));
        command.args(arguments).args(self.setup.arguments());
        // The port chosen by the system.
        command.args(["--set", &format!("admin.listen={}", self.admin)]);
        command.output().unwrap()
    }

    /// Waits for the end. Returns the exit code, and the last output.
    pub(crate) fn end(mut self) -> (Option<i32>, Vec<Value>) {
        let lines = std::iter::from_fn(|| self.program.line());
        let lines = lines.map(|line| serde_json::from_str(&line).unwrap()).collect();
        (self.program.code(), lines)
    }

    /// Waits for the end, and returns the setup, for another run.
    pub(crate) fn into_setup(mut self) -> Setup {
        while self.program.line().is_some() {}
        assert_eq!(self.program.code(), Some(0));
        self.setup
    }

    /// Waits for the end of a killed program, and returns the setup, for another run.
    pub(crate) fn into_setup_after_a_kill(mut self) -> Setup {
        assert_eq!(self.program.code(), None);
        self.setup
    }

    /// Waits for the end without reading the output. Returns the exit code.
    pub(crate) fn code(mut self) -> Option<i32> {
        self.program.code()
    }
}

/// Polls the admin plane until the host is stopping.
pub(crate) fn wait_until_stopping(up: &Up) {
    let end = Instant::now() + SOON;
    while status_of(up.admin, "/readyz").as_deref() == Some("200") {
        assert!(Instant::now() < end, "still ready");
    }
}

/// Sends requests until the answer has this status.
pub(crate) fn until_status(address: SocketAddr, path: &str, status: &str) {
    let end = Instant::now() + SOON;
    while status_of(address, path).as_deref() != Some(status) {
        assert!(Instant::now() < end, "{path}: never {status}");
    }
}

pub(crate) fn connect(address: SocketAddr) -> std::io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, SOON)?;
    stream.set_read_timeout(Some(SOON))?;
    stream.set_write_timeout(Some(SOON))?;
    Ok(stream)
}

pub(crate) fn status_of(address: SocketAddr, path: &str) -> Option<String> {
    answer(address, path)?.split(' ').nth(1).map(str::to_owned)
}

/// The answer to a request, with its head.
pub(crate) fn answer(address: SocketAddr, path: &str) -> Option<String> {
    let mut stream = connect(address).ok()?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}
