//! The life of a worker: one process, one plugin, one thread per lane.

use std::convert::Infallible;
use std::ffi::OsStr;
use std::fs::File;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::{Arc, PoisonError, RwLock};
use std::{fs, io, thread};

use plugbay_abi::host::{Guest, HostCalls, Instance};
use plugbay_abi::{Buffer, Error, ErrorKind};
use rustix::net::sockopt::socket_domain;
use rustix::net::{AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use rustix::process::{Signal, getpid, kill_process, kill_process_group};

use super::protect::{STACK, protect};
use super::signals;
use crate::description;
use crate::fault::Fault;
use crate::kind;
use crate::kind::wire::{Incoming, Reply};
use crate::worker::link::error::LaneError;
use crate::worker::link::lane::Lane;
use crate::worker::link::memory::SharedMemory;
use crate::worker::link::segment::{self, End};
use crate::worker::link::socket::Socket;
use crate::worker::link::spin::Spin;
use crate::worker::link::upcalls::Upcalls;
use crate::worker::link::wire::{
    Frame, Head, LAST, MAX_BODY, MAX_LANES, MAX_MESSAGE, Op, PROTOCOL, Setup, TOO_LARGE,
    encode_meta,
};
use crate::worker::state::Protections;

/// The largest request buffer that is kept for the next request.
const MAX_KEPT_BUFFER: usize = 1 << 20;

/// Why a worker could not start.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    #[error("expected a host at standard input: a worker is started by a host, not by hand")]
    NoHost,
    #[error("expected protocol {PROTOCOL}, found {0}: host and worker must be of one build")]
    Protocol(u32),
    #[error("expected {expected} lanes, found {found}")]
    Lanes { expected: usize, found: usize },
    #[error(transparent)]
    Lane(#[from] LaneError),
    #[error(transparent)]
    System(#[from] io::Error),
}

/// Serves until the host ends.
pub(crate) fn run() -> Result<Infallible, StartError> {
    let no_inherited_fds = has_standard_descriptors_only();
    let mut control = take_control()?;
    let (sockets, memory) = receive_lanes(&control)?;
    let mut frame = Frame::default();
    control.receive(&mut frame, 0)?;
    let setup: Setup = frame.parse_meta()?;
    if setup.protocol != PROTOCOL {
        return Err(StartError::Protocol(setup.protocol));
    }
    if setup.lanes != sockets.len() {
        return Err(StartError::Lanes { expected: setup.lanes, found: sockets.len() });
    }
    let areas = segment::open(&memory, setup.lanes).map_err(io::Error::from)?;
    // The mapping is enough, and a plugin must not have the descriptor.
    drop(memory);
    let library = Path::new(OsStr::from_bytes(&setup.library));

    let protections = Protections { no_inherited_fds, ..protect(&setup, library) };
    let watched = rustix::io::fcntl_dupfd_cloexec(&control, 3).map_err(io::Error::from)?;
    thread::Builder::new().name("host".into()).spawn(move || {
        // Blocked before there is foreign code, which cannot unblock signals of another thread.
        let _ = signals::block_all();
        end_with_host(Lane::new(Socket::new(watched)));
    })?;

    // The library's constructors run here: the process is confined by now.
    match crate::library::open(library).and_then(crate::library::Opened::enter) {
        Ok(guest) => {
            let plugin =
                Arc::new(ServedPlugin { guest, instance: RwLock::default(), output: setup.output });
            for (index, (socket, area)) in sockets.into_iter().zip(areas).enumerate() {
                let plugin = Arc::clone(&plugin);
                let (bell, spin) = (Socket::new(socket), Spin::new(setup.spin));
                let lane = Lane::new(SharedMemory::new(area, End::Worker, bell, spin));
                let thread = thread::Builder::new().name(format!("lane-{index}"));
                thread.stack_size(STACK).spawn(move || plugin.serve(lane))?;
            }
            control.send(Head::new(Op::Reply), &encode_meta(&protections)?, &[])?;
        }
        Err(error) => {
            let code = Fault::of(&error) as u16;
            let head = Head { code, ..Head::failed(Op::Reply, ErrorKind::Unsupported) };
            let message = error.to_string();
            control.send(head, &[], cut(&message, MAX_MESSAGE).as_bytes())?;
        }
    }
    loop {
        thread::park();
    }
}

/// Whether the process has no descriptor but the standard ones; false if the system does not say.
fn has_standard_descriptors_only() -> bool {
    // Three, and that of the list itself.
    fs::read_dir("/proc/self/fd").is_ok_and(|list| list.count() == 4)
}

/// Takes the control socket, which arrives as standard input, and puts the null device in its place.
fn take_control() -> Result<Lane<Socket>, StartError> {
    let stdin = io::stdin();
    if socket_domain(&stdin).ok() != Some(AddressFamily::UNIX) {
        return Err(StartError::NoHost);
    }
    let control = rustix::io::fcntl_dupfd_cloexec(&stdin, 3).map_err(io::Error::from)?;
    rustix::stdio::dup2_stdin(File::open("/dev/null")?).map_err(io::Error::from)?;
    Ok(Lane::new(Socket::new(control)))
}

/// Receives the descriptors, which come with a byte of their own before the first frame: a
/// socket for each lane, and then the memory of all.
fn receive_lanes(control: &Lane<Socket>) -> Result<(Vec<OwnedFd>, OwnedFd), StartError> {
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_LANES + 1))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut space);
    let mut byte = [0];
    let iov = &mut [io::IoSliceMut::new(&mut byte)];
    recvmsg(control, iov, &mut ancillary, RecvFlags::CMSG_CLOEXEC).map_err(io::Error::from)?;
    let mut lanes = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            lanes.extend(descriptors);
        }
    }
    let memory = lanes.pop().ok_or(StartError::Lanes { expected: 1, found: 0 })?;
    Ok((lanes, memory))
}

/// Kills the process, whatever its other threads do, when the host's end of `control` closes. The host
/// sends nothing there any more, so a frame ends the process, too.
fn end_with_host(mut control: Lane<Socket>) {
    drop(control.receive(&mut Frame::default(), 0));
    // A signal rather than an exit, so that no foreign code runs. Processes that the plugin started,
    // where no filter prevents that, belong to the worker's group.
    let _ = kill_process_group(getpid(), Signal::KILL);
    let _ = kill_process(getpid(), Signal::KILL);
}

/// The beginning of a text, at most `most` bytes.
fn cut(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// The plugin, as all lanes share it.
struct ServedPlugin {
    guest: Guest,
    /// The instance and its configuration; `None` before `create` and after `shutdown`.
    instance: RwLock<Option<(Arc<Instance>, String)>>,
    output: usize,
}

impl ServedPlugin {
    /// Serves one lane until the host closes it.
    fn serve(&self, mut lane: Lane) {
        let mut frame = Frame::default();
        while lane.receive(&mut frame, MAX_BODY).is_ok() {
            if self.answer(&mut lane, &frame).is_err() {
                return;
            }
            if frame.body.capacity() > MAX_KEPT_BUFFER {
                frame.body = Vec::new();
            }
        }
    }

    fn answer(&self, lane: &mut Lane, frame: &Frame) -> Result<(), LaneError> {
        let done = |()| Reply::default();
        let host = Upcalls::new(lane, self.output);
        let answer = match frame.head.op {
            Op::Describe => self.describe(&host).map(Reply::lent),
            Op::Create => self.create(&host, frame).map(done),
            Op::Health => self.with_instance(|it| it.health(&host)).map(done),
            Op::Shutdown => {
                self.shutdown(&host);
                Ok(Reply::default())
            }
            Op::Call => self
                .with_instance(|instance| kind::serve(&Incoming { instance, host: &host, frame })),
            other => {
                Err(Error::new(ErrorKind::Internal, format!("expected a call, found {other:?}")))
            }
        };
        let panicked = answer.as_ref().is_err_and(|error| error.kind == ErrorKind::Panicked);
        match if panicked { self.replace(&host) } else { Ok(()) } {
            Ok(()) => self.reply(lane, answer),
            Err(error) => {
                let message = format!("no new instance after a panic: {error}");
                let head = Head { code: LAST, ..Head::failed(Op::Reply, ErrorKind::Panicked) };
                lane.send(head, &[], cut(&message, self.output.min(MAX_MESSAGE)).as_bytes())
            }
        }
    }

    /// The description as it came: the host checks it. What only this process knows is whether the
    /// functions of its kinds are there.
    fn describe(&self, host: &dyn HostCalls) -> Result<Buffer, Error> {
        let json = self.guest.describe(host)?;
        if let Ok(description) = description::read(&json) {
            description::check_kinds(&description, &self.guest)
                .map_err(|message| Error::new(ErrorKind::Internal, message))?;
        }
        Ok(json)
    }

    fn create(&self, host: &dyn HostCalls, frame: &Frame) -> Result<(), Error> {
        let config = String::from_utf8_lossy(&frame.body).into_owned();
        let instance = Arc::new(self.guest.create(host, &config)?);
        *self.instance.write().unwrap_or_else(PoisonError::into_inner) = Some((instance, config));
        Ok(())
    }

    fn current(&self) -> Option<Arc<Instance>> {
        let current = self.instance.read().unwrap_or_else(PoisonError::into_inner);
        current.as_ref().map(|(instance, _)| Arc::clone(instance))
    }

    fn with_instance<T>(
        &self,
        call: impl FnOnce(&Instance) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let instance = self.current();
        let missing = || Error::new(ErrorKind::Unavailable, "expected an instance, found none");
        call(&*instance.ok_or_else(missing)?)
    }

    /// Replaces the instance, which a panic may have left half changed. If that fails, the worker
    /// cannot serve another call.
    fn replace(&self, host: &dyn HostCalls) -> Result<(), Error> {
        let mut current = self.instance.write().unwrap_or_else(PoisonError::into_inner);
        let Some((instance, config)) = current.as_mut() else { return Ok(()) };
        *instance = Arc::new(self.guest.create(host, config)?);
        Ok(())
    }

    fn shutdown(&self, host: &dyn HostCalls) {
        let last = self.instance.write().unwrap_or_else(PoisonError::into_inner).take();
        if let Some((instance, _)) = last {
            instance.shutdown(host);
        }
    }

    fn reply(&self, lane: &mut Lane, answer: Result<Reply, Error>) -> Result<(), LaneError> {
        let head = Head::new(Op::Reply);
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => {
                let message = cut(&error.message, self.output.min(MAX_MESSAGE)).as_bytes();
                return lane.send(Head::failed(Op::Reply, error.kind), &[], message);
            }
        };
        let (meta, body) = (&*answer.meta, answer.body.bytes());
        let sent = if meta.len() + body.len() > self.output {
            Err(LaneError::TooLarge { found: meta.len() + body.len(), limit: self.output })
        } else {
            lane.send(Head { code: answer.code, ..head }, meta, body)
        };
        match sent {
            Err(LaneError::TooLarge { found, limit }) => {
                let message = format!("expected an answer of at most {limit} bytes, found {found}");
                let head = Head { code: TOO_LARGE, ..Head::failed(Op::Reply, ErrorKind::Internal) };
                // The limit may be too small even for this message, which is then left out.
                let message = if message.len() <= limit { message } else { String::new() };
                lane.send(head, &[], message.as_bytes())
            }
            sent => sent,
        }
    }
}
