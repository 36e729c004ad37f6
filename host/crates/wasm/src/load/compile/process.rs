//! The host's side: starts the compiler, gives it the component, and takes the code.

use std::io::{self, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use plugbay_core::{Reason, Refusal};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::Signal;

use super::child::REFUSED;
use super::{Bounds, CompilerCommand, invalid};

/// The longest by the clock. On a machine that has better to do, CPU time takes its time.
const DEADLINE: Duration = Duration::from_mins(4);
/// The code of a program that panicked.
const PANICKED: i32 = 101;
/// How much of a message is kept.
const MESSAGE: usize = 4096;

/// Compiles in a process of its own; blocks until that has ended.
pub(super) fn compile(command: &CompilerCommand, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let deadline = Instant::now() + DEADLINE;
    let mut process =
        Running::start(command).map_err(|error| compiler_failed(&error.to_string()))?;
    let answer =
        process.exchange(bytes, deadline).map_err(|error| compiler_failed(&error.to_string()))?;
    let Some(answer) = answer else {
        return Err(compiler_failed(&format!("no end within {DEADLINE:?}")));
    };
    let status = process.0.wait().map_err(|error| compiler_failed(&error.to_string()))?;
    if status.success() {
        return Ok(answer);
    }
    Err(failed(status, &answer, command.bounds))
}

/// The refusal for how the process ended.
fn failed(status: ExitStatus, answer: &[u8], bounds: Bounds) -> Refusal {
    let message = String::from_utf8_lossy(&answer[..answer.len().min(MESSAGE)]);
    if status.code() == Some(i32::from(REFUSED)) {
        return invalid(&message);
    }
    let ended_by = |signal: Signal| status.signal() == Some(signal.as_raw());
    if ended_by(Signal::XCPU) {
        return over_bounds(bounds, "one that takes more time");
    }
    // What cannot allocate aborts; a fault of the compiler is one of these, too.
    if ended_by(Signal::ABORT) || ended_by(Signal::SEGV) || status.code() == Some(PANICKED) {
        return over_bounds(
            bounds,
            &format!("one that takes more memory, or ends the compiler ({status})"),
        );
    }
    compiler_failed(&format!("{status} {message}"))
}

/// The component is at fault.
fn over_bounds(bounds: Bounds, found: &str) -> Refusal {
    let message = format!(
        "expected a component that compiles within {:?} of CPU time and {} MiB, found {found}",
        bounds.cpu,
        bounds.memory >> 20
    );
    Refusal::new(Reason::Compile, message)
        .hint("split what it does over several plugins, or make its functions smaller")
}

/// The compiler or the system is at fault.
fn compiler_failed(found: &str) -> Refusal {
    Refusal::new(Reason::Compiler, format!("expected the compiler to finish, found {found}"))
        .hint("the compiler is a process of the host's own program: check that the program may start processes, and the machine's memory")
}

/// The process, killed and awaited on drop.
struct Running(Child);

impl Running {
    fn start(command: &CompilerCommand) -> io::Result<Self> {
        Command::new(&command.program)
            .args(&command.args)
            .arg(command.bounds.cpu.as_secs().to_string())
            .arg(command.bounds.memory.to_string())
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map(Self)
    }

    /// Gives it all of `bytes` and takes all that it writes; `None` if it does not end in time.
    fn exchange(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<Option<Vec<u8>>> {
        let (Some(mut stdin), Some(mut stdout)) = (self.0.stdin.take(), self.0.stdout.take())
        else {
            return Err(io::Error::other("a process without its pipes"));
        };
        std::thread::scope(|scope| {
            // It may end before it has read all: then its end says why.
            let writer = scope.spawn(move || drop(stdin.write_all(bytes)));
            let answer = read(&mut stdout, deadline);
            if !matches!(answer, Ok(Some(_))) {
                // Or the writer would wait for a reader.
                let _ = self.0.kill();
            }
            let _ = writer.join();
            answer
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Reads to the end, until `deadline`.
fn read(
    from: &mut (impl Read + std::os::fd::AsFd),
    deadline: Instant,
) -> io::Result<Option<Vec<u8>>> {
    let mut answer = Vec::new();
    let mut part = vec![0; 64 << 10];
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(None);
        }
        let left = Timespec::try_from(left).map_err(io::Error::other)?;
        match poll(&mut [PollFd::new(&*from, PollFlags::IN)], Some(&left)) {
            Ok(0) | Err(Errno::INTR) => continue,
            Ok(_) => {}
            Err(error) => return Err(error.into()),
        }
        match from.read(&mut part) {
            Ok(0) => return Ok(Some(answer)),
            Ok(read) => answer.extend_from_slice(&part[..read]),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}
