//! Calls of a native library, in this process beside its bare vtable, and in a worker beside the
//! least that two processes can do.

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
use crate::measure::{Budget, Table};
use crate::setup::Place;

/// A codec in C that gives back what it gets.
const SOURCE: &str = "../host/crates/native/tests/plugins/fixture.c";
/// The argument by which this program becomes the other end of a socket.
const PARTNER: &str = "--partner";

/// Measures the rows of this module.
///
/// # Errors
///
/// If there is no C compiler, or the host or the limit fails.
pub fn run(table: &mut Table) -> Result<()> {
    let here = "in-process call, 64 B, over the bare vtable";
    let small = "worker call, 64 B, over a bare ping-pong by socket";
    let large = "worker call, 64 KiB, over a memcpy through its lanes, on one core";
    if ![here, small, large].iter().any(|name| table.wants(name)) {
        return Ok(());
    }
    let place = Place::new()?;
    let library = compile(&place)?;
    in_process(table, &place, &library, here)?;
    small_in_a_worker(table, &place, small)?;
    large_in_a_worker(table, &place, large)
}

/// Puts the library into the plugin folder; its bytes.
fn compile(place: &Place) -> Result<Vec<u8>> {
    let cc = std::env::var("CC").unwrap_or_else(|_| "cc".to_owned());
    let bench = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = place.folder.path().join("fixture.so");
    let compiled = Command::new(&cc)
        .args(["-O2", "-shared", "-fPIC", "-fvisibility=hidden", "-I"])
        .arg(bench.join("../plugin-sdk/c"))
        .arg("-o")
        .arg(&library)
        .arg(bench.join(SOURCE))
        .status()
        .with_context(|| format!("expected a C compiler, found that {cc} does not start"))?;
    ensure!(compiled.success(), "{SOURCE} does not compile");
    let bytes = std::fs::read(library)?;
    place.put("fixture.so", &bytes)?;
    Ok(bytes)
}

fn in_process(table: &mut Table, place: &Place, library: &[u8], name: &str) -> Result<()> {
    let mut config = place.config();
    config.defaults.isolation = Isolation::InProcess;
    let host = place.host(config)?;
    // The very library that the host has loaded.
    let guest = Libraries::of_this_process().guest(&Digest::of(library));
    let guest = guest.context("expected the library to be loaded")?;
    let bare = guest.create(&NoHost, "{}")?;
    // What it costs to find it and to have the right to it is a row of its own.
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

fn worker_host(place: &Place) -> Result<Host> {
    let mut config = place.config();
    config.defaults.isolation = Isolation::Process;
    let worker = WorkerCommand::this_program();
    Ok(Host::builder().config(config).watch(false).worker(worker).build_blocking()?)
}

fn small_in_a_worker(table: &mut Table, place: &Place, name: &str) -> Result<()> {
    if !table.wants(name) {
        return Ok(());
    }
    let host = worker_host(place)?;
    let echo = host.codec("echo")?;
    let document = document(64);
    let mut partner = Partner::start(document.len())?;
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

/// Both sides of the pair on one core: how near two cores are to each other is the system's choice,
/// another one for each side, and makes more of a difference than all that is measured.
fn large_in_a_worker(table: &mut Table, place: &Place, name: &str) -> Result<()> {
    if !table.wants(name) {
        return Ok(());
    }
    let all = sched_getaffinity(None)?;
    let mut one = CpuSet::new();
    one.set((0..CpuSet::MAX_CPU).find(|core| all.is_set(*core)).unwrap_or(0));
    // What is started from here on, threads and the worker, inherits it.
    sched_setaffinity(None, &one)?;
    let host = worker_host(place)?;
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

/// A process that sends back what it gets.
struct Partner {
    socket: UnixStream,
    process: Child,
}

impl Partner {
    /// One that does so `size` bytes at a time.
    fn start(size: usize) -> Result<Self> {
        let (socket, theirs) = UnixStream::pair()?;
        let process = Command::new(std::env::current_exe()?)
            .args([PARTNER, &size.to_string()])
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
        ensure!(process.wait()?.success(), "the partner failed");
        Ok(())
    }
}

/// Runs as such a partner, if the program's arguments say so.
///
/// # Errors
///
/// If they say no size, or standard input is no socket.
pub fn partner() -> Result<bool> {
    let mut arguments = std::env::args().skip(1);
    if arguments.next().is_none_or(|first| first != PARTNER) {
        return Ok(false);
    }
    let size = arguments.next().and_then(|size| size.parse().ok());
    let size = size.ok_or_else(|| anyhow!("expected a size in bytes"))?;
    let mut socket = UnixStream::from(std::io::stdin().as_fd().try_clone_to_owned()?);
    let mut bytes = vec![0; size];
    while socket.read_exact(&mut bytes).is_ok() && socket.write_all(&bytes).is_ok() {}
    Ok(true)
}
