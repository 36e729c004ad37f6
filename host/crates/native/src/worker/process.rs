//! One worker process, from its start to the reaping.

use std::fmt;
use std::io::{self, IoSlice, PipeReader};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plugbay_core::{CallErrorKind, Environment, Policy};
use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, recv, sendmsg};
use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};

use super::granted::Granted;
use super::lane::{Lane, LaneError};
use super::output::Output;
use super::segment::{self, End};
use super::shared::Shared;
use super::socket::Socket;
use super::spin::{Spin, budget};
use super::wire::{Frame, Head, MAX_BODY, Op, PROTOCOL, Setup, meta};
use super::{MAX_LANES, Protections, WorkerCommand};
use crate::ledger::Ledger;

/// Why a worker is no more, or never was: how its calls fail, and a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Death {
    pub(super) kind: CallErrorKind,
    pub(super) message: String,
}

impl Death {
    pub(super) fn new(kind: CallErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

/// A worker that loaded its library.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) process: Process,
    pub(super) lanes: Vec<Lane>,
    pub(super) protections: Protections,
}

/// A worker process. Dropping it kills and reaps it.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    /// None once it is reaped: then its number may be somebody else's.
    child: Mutex<Option<Child>>,
    /// The worker ends when this closes; it says nothing more on it once it has started.
    control: Lane<Socket>,
    output: Output,
}

/// Starts a worker and has it load `library`.
///
/// The worker dies with the thread that calls this, where the system offers that.
pub(super) fn start(
    command: &WorkerCommand,
    library: &Path,
    lanes: usize,
    policy: &Policy,
    ledger: &Arc<Ledger>,
    deadline: Instant,
) -> Result<Started, Death> {
    let crashed = |message: String| Death::new(CallErrorKind::Crashed, message);
    let system = |error: io::Error| crashed(format!("no worker could be started: {error}"));
    let lanes = lanes.clamp(1, MAX_LANES);
    let (control, theirs) = UnixStream::pair().map_err(system)?;
    let (child, pipe) = spawn(command, &policy.grants.environment, theirs).map_err(system)?;
    // From here on a failure drops the process, which kills and reaps it.
    let pid = Pid::from_child(&child);
    let child = Mutex::new(Some(child));
    let output = Output::forward(pipe, Arc::clone(ledger)).map_err(system)?;
    let mut process = Process { pid, child, control: Lane::new(Socket::new(control)), output };

    // The worker's folder is another.
    let library = std::path::absolute(library).map_err(system)?;
    let setup = Setup {
        protocol: PROTOCOL,
        library: library.as_os_str().as_bytes().to_vec(),
        lanes,
        output: output_limit(policy),
        memory: policy.total_memory,
        granted: Granted::of(&policy.grants),
        spin: budget(),
    };
    let mut frame = Frame::default();
    let begun = process.control.until(deadline).and_then(|()| {
        let ours = send_lanes(&process.control, lanes, setup.spin)?;
        process.control.send(Head::new(Op::Setup), &meta(&setup)?, &[])?;
        process.control.receive(&mut frame, MAX_BODY)?;
        Ok(ours)
    });
    let lanes = match begun {
        Ok(lanes) => lanes,
        Err(LaneError::Late) => {
            let message = "the worker did not load its library in time and was killed";
            return Err(Death::new(CallErrorKind::Deadline, message));
        }
        Err(LaneError::Ended) => return Err(process.end(None)),
        Err(error) => return Err(crashed(format!("the worker broke the protocol: {error}"))),
    };
    let ready = frame.answer().map_err(|error| crashed(error.message))?;
    let protections = ready.read().map_err(|error| crashed(error.to_string()))?;
    Ok(Started { process, lanes, protections })
}

/// The most bytes of a body that leaves a worker.
pub(super) fn output_limit(policy: &Policy) -> usize {
    usize::try_from(policy.output).unwrap_or(usize::MAX).min(MAX_BODY)
}

/// Starts the program. Nothing is passed on but the variables of `environment` and the three
/// standard descriptors: the control socket, and one pipe for both outputs.
#[expect(unsafe_code, reason = "nothing safe acts between fork and exec")]
fn spawn(
    command: &WorkerCommand,
    environment: &Environment,
    control: UnixStream,
) -> io::Result<(Child, PipeReader)> {
    let (pipe, output) = io::pipe()?;
    let mut command = {
        let mut process = Command::new(&command.program);
        process.args(&command.args);
        process
    };
    command
        .env_clear()
        .envs(&environment.0)
        .current_dir("/")
        // A terminal's signals are for the host, which then ends its workers in order.
        .process_group(0)
        .stdin(OwnedFd::from(control))
        .stdout(Stdio::from(output.try_clone()?))
        .stderr(output);
    // SAFETY: between fork and exec only what is async-signal-safe may be called, and
    // `close_range` is a bare system call. With CLOEXEC it closes nothing now, so whoever owns
    // a descriptor still does, standard's own pipe for a failed exec among them; the program
    // that follows gets none of them.
    unsafe {
        command.pre_exec(|| {
            let flags = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
            // A kernel before 5.11 refuses. What Rust opens has the flag already.
            libc::close_range(3, u32::MAX, flags);
            Ok(())
        });
    }
    Ok((command.spawn()?, pipe))
}

/// Makes the lanes and sends the worker its ends, with the first byte that it gets: a socket for
/// each lane, and then the memory of all.
fn send_lanes(
    control: &Lane<Socket>,
    lanes: usize,
    spin: Duration,
) -> Result<Vec<Lane>, LaneError> {
    let (areas, memory) = segment::create(lanes)?;
    let pair = |_| UnixStream::pair().map_err(|error| LaneError::Garbage(error.to_string()));
    let pairs = (0..lanes).map(pair).collect::<Result<Vec<_>, _>>()?;
    let theirs = pairs.iter().map(|(_, theirs)| theirs.as_fd()).chain([memory.as_fd()]);
    let theirs: Vec<BorrowedFd<'_>> = theirs.collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_LANES + 1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&theirs));
    let byte = [IoSlice::new(&[0])];
    sendmsg(control, &byte, &mut ancillary, SendFlags::NOSIGNAL)?;
    let lane = |(area, (ours, _)): (_, (UnixStream, _))| {
        Lane::new(Shared::new(area, End::Host, Socket::new(ours), Spin::new(spin)))
    };
    Ok(areas.into_iter().zip(pairs).map(lane).collect())
}

impl Process {
    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Readable once the worker is gone, or breaks the protocol.
    pub(super) fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// Whether it said something where it has nothing to say.
    pub(super) fn spoke(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        recv(&self.control, &mut [0_u8; 1], flags).is_ok_and(|(bytes, _)| bytes > 0)
    }

    /// Kills it and whatever it started, unless it is reaped.
    pub(super) fn kill(&self) {
        let child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        if child.is_some() {
            // It may be dead already, and so may its group.
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
    }

    /// Whether it is dead, reaped or not.
    pub(super) fn is_dead(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        !matches!(retry_on_intr(|| waitid(WaitId::Pid(self.pid), options)), Ok(None))
    }

    /// Bytes of memory that it has in use; none if it is dead.
    pub(super) fn memory(&self) -> Option<u64> {
        let statm = std::fs::read_to_string(format!("/proc/{}/statm", self.id())).ok()?;
        let pages: u64 = statm.split(' ').nth(1)?.parse().ok()?;
        Some(pages * rustix::param::page_size() as u64)
    }

    /// Kills it if it lives, reaps it, and says why it ended: `doom` if the host ended it.
    pub(super) fn end(&self, doom: Option<Death>) -> Death {
        self.kill();
        let status = self.reap();
        doom.unwrap_or_else(|| death(status, &self.output.last_line()))
    }

    fn reap(&self) -> Option<ExitStatus> {
        // Waiting without reaping keeps the number ours, and the lock free, until it is dead.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = retry_on_intr(|| waitid(WaitId::Pid(self.pid), options));
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        child.take()?.wait().ok()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.reap();
    }
}

/// What the system says of a worker's end. None if somebody else reaped it.
fn death(status: Option<ExitStatus>, last_line: &str) -> Death {
    let signal = status.and_then(|status| status.signal());
    // What Rust's standard library prints before it aborts.
    if last_line.starts_with("memory allocation of ") && signal == Some(libc::SIGABRT) {
        let message = format!("the worker ran out of the memory that it may have: {last_line}");
        return Death::new(CallErrorKind::Memory, message);
    }
    let message = match (signal, status.and_then(|status| status.code())) {
        (Some(signal), _) => format!("the worker died: signal {signal} ({})", name(signal)),
        (None, Some(code)) => format!("the worker exited with code {code}"),
        (None, None) => "the worker ended, nobody knows how".to_owned(),
    };
    Death::new(CallErrorKind::Crashed, message)
}

fn name(signal: i32) -> &'static str {
    match signal {
        libc::SIGABRT => "SIGABRT",
        libc::SIGBUS => "SIGBUS",
        libc::SIGFPE => "SIGFPE",
        libc::SIGILL => "SIGILL",
        libc::SIGKILL => "SIGKILL",
        libc::SIGSEGV => "SIGSEGV",
        libc::SIGSYS => "SIGSYS",
        libc::SIGTERM => "SIGTERM",
        libc::SIGTRAP => "SIGTRAP",
        libc::SIGXFSZ => "SIGXFSZ",
        _ => "another signal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_is_named_by_signal_code_or_memory() {
        let of = |raw| death(Some(ExitStatus::from_raw(raw)), "");
        assert_eq!(of(libc::SIGSEGV).message, "the worker died: signal 11 (SIGSEGV)");
        assert_eq!(of(3 << 8).message, "the worker exited with code 3");
        let starved =
            death(Some(ExitStatus::from_raw(libc::SIGABRT)), "memory allocation of 9 bytes failed");
        assert_eq!(starved.kind, CallErrorKind::Memory);
    }
}
