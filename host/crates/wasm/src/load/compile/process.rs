//! The host's side: starts the compiler process, sends it the component, and reads the code.

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

/// The limit of wall time, well above that of CPU time, which passes more slowly on a busy machine.
const DEADLINE: Duration = Duration::from_mins(4);
/// The exit code of a Rust program that panicked.
const PANICKED: i32 = 101;
/// Messages of the process are cut to this many bytes.
const MAX_MESSAGE: usize = 4096;

/// Compiles in a process of its own; blocks until that has ended.
pub(super) fn compile(command: &CompilerCommand, bytes: &[u8]) -> Result<Vec<u8>, Refusal> {
    let deadline = Instant::now() + DEADLINE;
    let mut process =
        Running::start(command).map_err(|error| compiler_failed(&error.to_string()))?;
    let answer =
        process.exchange(bytes, deadline).map_err(|error| compiler_failed(&error.to_string()))?;
    let Some(answer) = answer else {
        return Err(compiler_failed(&format!("it still running after {DEADLINE:?}")));
    };
    let status = process.0.wait().map_err(|error| compiler_failed(&error.to_string()))?;
    if status.success() {
        return Ok(answer);
    }
    Err(failed(status, &answer, command.bounds))
}

/// The refusal for how the process ended.
fn failed(status: ExitStatus, answer: &[u8], bounds: Bounds) -> Refusal {
    let message = String::from_utf8_lossy(&answer[..answer.len().min(MAX_MESSAGE)]);
    if status.code() == Some(i32::from(REFUSED)) {
        return invalid(&message);
    }
    let ended_by = |signal: Signal| status.signal() == Some(signal.as_raw());
    if ended_by(Signal::XCPU) {
        return over_bounds(bounds, "one that takes more time");
    }
    // A process that cannot allocate aborts; a bug in the compiler can look the same.
    if ended_by(Signal::ABORT) || ended_by(Signal::SEGV) || status.code() == Some(PANICKED) {
        return over_bounds(
            bounds,
            &format!("one that takes more memory, or ends the compiler ({status})"),
        );
    }
    compiler_failed(&format!("{status} {message}"))
}

/// The refusal of a component that exceeds the bounds.
fn over_bounds(bounds: Bounds, found: &str) -> Refusal {
    let message = format!(
        "expected a component that compiles within {:?} of CPU time and {} MiB, found {found}",
        bounds.cpu,
        bounds.memory >> 20
    );
    Refusal::new(Reason::Compile, message)
        .hint("make the functions of the component smaller, or split it into several plugins")
}

/// The refusal if the compiler or the system failed, and not the component.
fn compiler_failed(found: &str) -> Refusal {
    let message = format!("expected the compiler process to finish, found {found}");
    Refusal::new(Reason::Compiler, message).hint(
        "the compiler is a process of the host's own program: check that the host may start \
         processes, and that the machine has free memory",
    )
}

/// The compiler process. Dropping it kills the process and waits for its end.
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

    /// Sends the process all of `bytes` and reads all of its output; `None` if it does not end in
    /// time.
    fn exchange(&mut self, bytes: &[u8], deadline: Instant) -> io::Result<Option<Vec<u8>>> {
        let (Some(mut stdin), Some(mut stdout)) = (self.0.stdin.take(), self.0.stdout.take())
        else {
            return Err(io::Error::other("a process without its pipes"));
        };
        std::thread::scope(|scope| {
            // It fails if the process ends before it has read all; its exit status says why.
            let writer = scope.spawn(move || drop(stdin.write_all(bytes)));
            let answer = read(&mut stdout, deadline);
            if !matches!(answer, Ok(Some(_))) {
                // Ends the writer, which otherwise waits for the process to read.
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
