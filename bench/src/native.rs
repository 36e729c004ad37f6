//! Calls of a native library: in this process, compared with its bare vtable, and in a worker, compared
//! with a bare exchange between two processes.

use std::hint::black_box;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command};

use anyhow::{Context, Result, anyhow, ensure};
use plugbay::worker::WorkerCommand;
use plugbay::{CallOptions, Codec, Digest, Host, Isolation};
use plugbay_abi::host::NoHost;
use plugbay_native::Libraries;
use plugbay_native::worker::EchoLane;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use crate::calls::document;
use crate::setup::HostFolder;
use crate::table::{Budget, Table};

/// The source of a codec in C that returns its input.
const SOURCE: &str = "../host/crates/native/tests/plugins/fixture.c";
/// The argument with which this program echoes what it reads from a socket.
const ECHO: &str = "--echo";

/// Measures the rows of this module.
///
/// # Errors
///
/// If there is no C compiler, or the host or the baseline fails.
pub fn run(table: &mut Table) -> Result<()> {
    let here = "in-process call, 64 B, over the bare vtable";
    let small = "worker call, 64 B, over a bare ping-pong by socket";
    let large = "worker call, 64 KiB, over a memcpy through its lanes, on one core";
    if ![here, small, large].iter().any(|name| table.selects(name)) {
        return Ok(());
    }
    let folder = HostFolder::new()?;
    let library = compile(&folder)?;
    in_process(table, &folder, &library, here)?;
    small_in_a_worker(table, &folder, small)?;
    large_in_a_worker(table, &folder, large)
}

/// Compiles the library into the plugin folder, and returns its bytes.
pub(crate) fn compile(folder: &HostFolder) -> Result<Vec<u8>> {
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = folder.root.path().join("fixture.so");
    let compiled = Command::new(&cc)
        .args(["-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-I"])
        .arg(bench.join("../plugin-sdk/c"))
        .arg("-o")
        .arg(&library)
        .arg(bench.join(SOURCE))
        .status()
        .with_context(|| format!("expected a C compiler, found that {cc} cannot be started"))?;
    ensure!(compiled.success(), "{SOURCE} does not compile");
    let bytes = std::fs::read(library)?;
    folder.put("fixture.so", &bytes)?;
    Ok(bytes)
}

fn in_process(table: &mut Table, folder: &HostFolder, library: &[u8], name: &str) -> Result<()> {
    let mut config = folder.config();
    config.defaults.isolation = Isolation::InProcess;
    let host = folder.host(config)?;
    // The library that the host has loaded.
    let guest = Libraries::of_this_process().guest(&Digest::of(library));
    let guest = guest.context("expected the library to be loaded")?;
    let bare = guest.create(&NoHost, "{}")?;
    // Lookup and lease are a row of their own.
    let echo = host.get::<Codec>("echo")?.lease()?;
    let document = document(64);
    table.ratio(
        name,
        Budget::Over(25.0),
        || {
            black_box(echo.encode_document(CallOptions::default(), black_box(&document))?);
            Ok(())
        },
        || {
            black_box(bare.encode(&NoHost, 0, black_box(&document))?);
            Ok(())
        },
    )
}

fn worker_host(folder: &HostFolder) -> Result<Host> {
    let mut config = folder.config();
    config.defaults.isolation = Isolation::Process;
    let worker = WorkerCommand::this_program();
    Ok(Host::builder().config(config).watch(false).worker(worker).build_blocking()?)
}

fn small_in_a_worker(table: &mut Table, folder: &HostFolder, name: &str) -> Result<()> {
    if !table.selects(name) {
        return Ok(());
    }
    let host = worker_host(folder)?;
    let echo = host.codec("echo")?;
    let document = document(64);
    let mut partner = EchoProcess::start(document.len())?;
    let mut back = vec![0; document.len()];
    table.ratio(
        name,
        Budget::AtMost(1.2),
        || {
            black_box(echo.encode_document(black_box(&document))?);
            Ok(())
        },
        || partner.ping(black_box(&document), &mut back),
    )?;
    partner.end()
}

/// Runs both sides of the pair on one core. On two cores the result would depend mostly on how near
/// these are to each other, and the system may choose others for each side.
fn large_in_a_worker(table: &mut Table, folder: &HostFolder, name: &str) -> Result<()> {
    if !table.selects(name) {
        return Ok(());
    }
    let all = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    one.set((0..CpuSet::MAX_CPU).find(|core| all.is_set(*core)).unwrap_or(0));
    // Threads and the worker that are started from here on inherit it.
    sched_setaffinity(None, &one)?;
    let host = worker_host(folder)?;
    let echo = host.codec("echo")?;
    let document = document(64 << 10);
    let mut lane = EchoLane::start(document.len())?;
    let mut back = Vec::with_capacity(document.len());
    let measured = table.ratio(
        name,
        Budget::AtMost(2.0),
        || {
            black_box(echo.encode_document(black_box(&document))?);
            Ok(())
        },
        || Ok(lane.exchange(black_box(&document), &mut back)?),
    );
    sched_setaffinity(None, &all)?;
    measured
}

/// A process that echoes what it reads from a socket.
struct EchoProcess {
    socket: UnixStream,
    process: Child,
}

impl EchoProcess {
    /// Starts a process that echoes `size` bytes at a time.
    fn start(size: usize) -> Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        let process = Command::new(std::env::current_exe()?)
            .args([ECHO, &size.to_string()])
            .stdin(OwnedFd::from(theirs))
            .spawn()?;
        Ok(Self { socket, process })
    }

    fn ping(&mut self, bytes: &[u8], back: &mut [u8]) -> Result<()> {
        self.socket.write_all(bytes)?;
        self.socket.read_exact(back)?;
        black_box(back);
        Ok(())
    }

    fn end(self) -> Result<()> {
        let Self { socket, mut process } = self;
        drop(socket);
        ensure!(process.wait()?.success(), "the echo process failed");
        Ok(())
    }
}

/// Runs as an `EchoProcess` if the program's arguments say so, and returns whether they do.
///
/// # Errors
///
/// If the arguments have no size, or standard input is not a socket.
pub fn run_as_echo() -> Result<bool> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().is_none_or(|first| first != ECHO) {
        return Ok(false);
    }
    let size = arguments.next().and_then(|size| size.parse().ok());
    let size = size.ok_or_else(|| anyhow!("expected a size in bytes after {ECHO}, found none"))?;
    let mut socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let mut bytes = vec![0; size];
    while socket.read_exact(&mut bytes).is_ok() && socket.write_all(&bytes).is_ok() {}
    Ok(true)
}
