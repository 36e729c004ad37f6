//! Starts a worker's program, and has it load the library.
//!
//! Everything that the host needs for a worker is made before there is a process: a host that is short
//! of descriptors or of memory reports that, and no worker is blamed.

use std::io::{self, IoSlice, PipeWriter};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use plugbay_core::{CallErrorKind, Environment, Policy, Reason, Refusal};
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use super::death::Death;
use super::output::Output;
use super::process::Process;
use super::serving::Serving;
use super::usage::Bounds;
use crate::fault::Fault;
use crate::ledger::Ledger;
use crate::worker::child::signals;
use crate::worker::link::error::LaneError;
use crate::worker::link::granted::Granted;
use crate::worker::link::lane::Lane;
use crate::worker::link::memory::SharedMemory;
use crate::worker::link::segment::{self, End};
use crate::worker::link::socket::Socket;
use crate::worker::link::spin::{Spin, budget};
use crate::worker::link::wire::{
    Frame, Head, MAX_BODY, MAX_CONTROL, MAX_LANES, Op, PROTOCOL, Setup, encode_meta,
};
use crate::worker::state::{Protections, WorkerCommand};

/// A worker that runs and waits for its [`Setup`].
pub(super) struct Spawned {
    pub(super) process: Arc<Process>,
    control: Lane<Socket>,
    lanes: Vec<Lane>,
    /// The worker's ends of the lanes, and then the memory of all lanes.
    theirs: Vec<OwnedFd>,
}

/// A worker that has loaded its library.
#[derive(Debug)]
pub(super) struct Started {
    pub(super) process: Arc<Process>,
    pub(super) lanes: Vec<Lane>,
    pub(super) protections: Protections,
}

/// Why a worker did not start: the refusal of its plugin, and the kind of error that calls get.
#[derive(Debug)]
pub(super) struct StartFailure {
    pub(super) refusal: Refusal,
    pub(super) kind: CallErrorKind,
}

impl StartFailure {
    pub(super) fn new(reason: Reason, death: Death) -> Self {
        Self { refusal: Refusal::new(reason, death.message), kind: death.kind }
    }

    pub(super) fn death(self) -> Death {
        Death::new(self.kind, self.refusal.message)
    }
}

/// The most bytes of a body that leaves a worker.
pub(super) fn output_limit(policy: &Policy) -> usize {
    usize::try_from(policy.output).unwrap_or(usize::MAX).min(MAX_BODY)
}

/// Starts a worker. Where the system offers it, the worker dies with the thread that calls this.
///
/// # Errors
///
/// `overloaded` if the host lacks what it needs, `crashed` if the program does not start.
pub(super) fn spawn(
    command: &WorkerCommand,
    lanes: usize,
    policy: &Policy,
    ledger: &Arc<Ledger>,
    serving: &Arc<Serving>,
) -> Result<Spawned, Death> {
    let lanes = lanes.clamp(1, MAX_LANES);
    let (lanes, theirs) = make_lanes(lanes, budget()).map_err(|error| not_started(&error))?;
    let (control, its_control) = UnixStream::pair().map_err(|error| not_started(&error))?;
    let watched = OwnedFd::from(control.try_clone().map_err(|error| not_started(&error))?);
    let (pipe, writer) = io::pipe().map_err(|error| not_started(&error))?;
    let output = Output::forward(pipe, Arc::clone(ledger), Arc::clone(serving));
    let output = output.map_err(|error| not_started(&error))?;
    let child = run(command, &policy.grants.environment, its_control, writer)
        .map_err(|error| not_started(&error))?;
    // From here on a failure drops the process, which kills and reaps it.
    let process = Process::new(child, watched, output, Bounds::of(policy, lanes.len()));
    let control = Lane::new(Socket::new(control));
    Ok(Spawned { process: Arc::new(process), control, lanes, theirs })
}

fn not_started(error: &io::Error) -> Death {
    let short = [libc::EMFILE, libc::ENFILE, libc::ENOMEM, libc::ENOBUFS, libc::EAGAIN];
    let kind = match error.raw_os_error() {
        Some(code) if short.contains(&code) => CallErrorKind::Overloaded,
        _ => CallErrorKind::Crashed,
    };
    Death::new(kind, format!("no worker could be started: {error}"))
}

/// Starts the program. It gets nothing but the variables of `environment` and the three standard
/// descriptors: the control socket, and one pipe for both outputs.
#[expect(unsafe_code, reason = "nothing safe acts between fork and exec")]
fn run(
    command: &WorkerCommand,
    environment: &Environment,
    control: UnixStream,
    output: PipeWriter,
) -> io::Result<Child> {
    let mut command = {
        let mut process = Command::new(&command.program);
        process.args(&command.args);
        process
    };
    command
        .env_clear()
        .envs(&environment.0)
        .current_dir("/")
        .stdin(OwnedFd::from(control))
        .stdout(Stdio::from(output.try_clone()?))
        .stderr(output);
    // SAFETY: between fork and exec only what is async-signal-safe may be called, and all of this
    // is, `close_range` as a bare system call. With CLOEXEC it closes nothing now, so every owner of
    // a descriptor still has it, among them the standard library's pipe for a failed exec; the
    // program that follows gets none of them.
    unsafe {
        command.pre_exec(|| {
            // A session of its own, without a terminal: a process group that the worker cannot leave,
            // so that the host can kill everything that it started.
            if libc::setsid() < 0 {
                return Err(io::Error::last_os_error());
            }
            signals::ignore_termination();
            let flags = libc::CLOSE_RANGE_CLOEXEC.cast_signed();
            // Fails before Linux 5.11. Descriptors that Rust opens have the flag already.
            libc::close_range(3, u32::MAX, flags);
            Ok(())
        });
    }
    command.spawn()
}

/// Makes the lanes: the host's ends, and for the worker the sockets and then the memory of all lanes.
fn make_lanes(lanes: usize, spin: Duration) -> io::Result<(Vec<Lane>, Vec<OwnedFd>)> {
    let (areas, memory) = segment::create(lanes)?;
    let mut theirs = Vec::with_capacity(lanes + 1);
    let mut ours = Vec::with_capacity(lanes);
    for area in areas {
        let (here, there) = UnixStream::pair()?;
        theirs.push(there.into());
        ours.push(Lane::new(SharedMemory::new(
            area,
            End::Host,
            Socket::new(here),
            Spin::new(spin),
        )));
    }
    theirs.push(memory);
    Ok((ours, theirs))
}

/// Sends the descriptors, with the first byte that the worker gets.
fn send(control: &Lane<Socket>, descriptors: &[OwnedFd]) -> Result<(), LaneError> {
    let descriptors: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_LANES + 1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    let byte = [IoSlice::new(&[0])];
    match sendmsg(control, &byte, &mut ancillary, SendFlags::NOSIGNAL) {
        Ok(_) => Ok(()),
        Err(Errno::PIPE | Errno::CONNRESET) => Err(LaneError::Closed),
        Err(error) => Err(error.into()),
    }
}

impl Spawned {
    /// Has the worker confine itself and load `library`.
    pub(super) fn load(
        mut self,
        library: &Path,
        policy: &Policy,
        deadline: Instant,
    ) -> Result<Started, StartFailure> {
        let failed = |death| StartFailure::new(Reason::Init, death);
        // The worker has another working directory.
        let library = std::path::absolute(library).map_err(|error| failed(not_started(&error)))?;
        let setup = Setup {
            protocol: PROTOCOL,
            library: library.as_os_str().as_bytes().to_vec(),
            lanes: self.lanes.len(),
            output: output_limit(policy),
            memory: policy.total_memory,
            granted: Granted::of(&policy.grants),
            spin: budget(),
        };
        let frame = self.send_setup(&setup, deadline).map_err(|error| {
            failed(match error {
                LaneError::Late | LaneError::NoReply => {
                    let message = "the worker did not load its library in time and was killed";
                    Death::new(CallErrorKind::Deadline, message)
                }
                LaneError::Closed => self.process.end_early(),
                LaneError::System(error) => not_started(&error.into()),
                error => protocol_death(&error),
            })
        })?;
        let fault = Fault::numbered(frame.head.code);
        let ready = frame.into_result().map_err(|error| match fault {
            Some(fault) => {
                StartFailure { refusal: fault.refusal(error.message), kind: CallErrorKind::Crashed }
            }
            None => failed(Death::new(CallErrorKind::Crashed, error.message)),
        })?;
        let reported: Protections =
            ready.parse_meta().map_err(|error| failed(protocol_death(&error)))?;
        let protections = Protections { watched: self.process.usage().is_some(), ..reported };
        Ok(Started { process: self.process, lanes: self.lanes, protections })
    }

    fn send_setup(&mut self, setup: &Setup, deadline: Instant) -> Result<Frame, LaneError> {
        let mut frame = Frame::default();
        self.control.set_deadline(deadline)?;
        send(&self.control, &std::mem::take(&mut self.theirs))?;
        self.control.send(Head::new(Op::Setup), &encode_meta(setup)?, &[])?;
        self.control.receive(&mut frame, MAX_CONTROL)?;
        Ok(frame)
    }
}

/// The death of a worker that sent an invalid frame.
pub(super) fn protocol_death(error: &LaneError) -> Death {
    Death::new(CallErrorKind::Contract, format!("the worker broke the protocol: {error}"))
}
