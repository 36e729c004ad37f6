//! How much hostile plugins slow down another one and the admin plane, over HTTP, in the real program.
//!
//! Two clients send a request every two milliseconds: one to the neighbour, a component that answers at once,
//! and one to `/livez`. The latency of a request counts from the time at which it was due, so that a
//! request that waits for the one before counts as well. The worst of all guests counts, with their breaker off
//! and on. The name of an attack selects it alone.
//!
//! Whatever computes or fills memory delays all processes of a machine with few cores, and more so where the
//! system does not interrupt a thread in the kernel: two threads of another process, of a lower priority, that
//! fill memory and free it make the 99th percentile of a bare axum server ten times as long as a quiet one. So
//! the percentile is held against that of such a server whose other requests do as much work, on threads for
//! blocking work. How it compares to a quiet machine is printed as well.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use plugbay_fixtures::{Behaviour, Export, Guest};

use crate::bare::{Bare, Work};
use crate::client::Client;
use crate::measure::{Spread, median, pause};
use crate::program::Program;
use crate::table::Table;

/// The time between two requests of a client.
const PACE: Duration = Duration::from_millis(2);
/// How long the clients measure without the attack, and then during it.
const WINDOW: Duration = Duration::from_secs(1);
/// Pairs of windows for each attack.
const PAIRS: usize = 5;
/// The pause of a caller of a hostile guest between two calls. Without it, a row measures how many requests the
/// machine can take from clients that share it.
const BREATH: Duration = Duration::from_millis(1);

/// The budget of both rows: no more than the bare server, and room for the noise of a percentile.
const MOST: f64 = 1.25;
/// The CPU time of a call of a hostile guest, in milliseconds.
const CPU: u64 = 100;

/// A hostile guest, and how many call it at the same time.
struct Attack {
    name: &'static str,
    behaviour: Behaviour,
    callers: usize,
    /// About what the machine does for a call.
    work: Work,
}

fn attacks() -> Vec<Attack> {
    let attack = |name, behaviour, work| Attack { name, behaviour, callers: 4, work };
    let compute = |millis| Work { millis, ..Work::default() };
    let fill = |bytes| Work { bytes, ..Work::default() };
    let answer = |bytes| Work { is_answer: true, ..fill(bytes) };
    let cpu = compute(CPU);
    vec![
        attack("an endless loop", Behaviour::Spin, cpu),
        Attack { callers: 16, ..attack("an endless loop, 16 callers", Behaviour::Spin, cpu) },
        attack("a flood of log lines", Behaviour::FloodLog, cpu),
        attack("a flood of codec calls", Behaviour::FloodCodecs("neighbour".into()), cpu),
        attack("a flood of metrics", Behaviour::Count(100_000), compute(10)),
        attack("a memory bomb", Behaviour::GrowMemory { pages: 16 }, fill(64 << 20)),
        attack("three log lines of 60 MB", Behaviour::LogLong(3, 60_000_000), fill(60_000_000)),
        // Each field has 16 bytes in the guest's memory.
        attack("500,000 log fields", Behaviour::LogFields(500_000), fill(8_000_000)),
        attack("answers of 8 MB", Behaviour::Output(8 << 20), answer(8 << 20)),
        attack("answers of 60 MB", Behaviour::Output(60_000_000), answer(60_000_000)),
    ]
}

/// The 99th percentiles of both clients, in nanoseconds or as ratios.
#[derive(Clone, Copy)]
struct Latencies {
    neighbour: f64,
    livez: f64,
}

impl Latencies {
    fn over(self, other: Self) -> Self {
        Self { neighbour: self.neighbour / other.neighbour, livez: self.livez / other.livez }
    }

    fn medians(all: &[Self]) -> Self {
        Self {
            neighbour: median(all.iter().map(|it| it.neighbour)),
            livez: median(all.iter().map(|it| it.livez)),
        }
    }
}

/// Measures the rows of this module.
///
/// # Errors
///
/// If the program fails, or an attack does not reach its plugin.
pub fn run(table: &mut Table) -> Result<()> {
    let neighbour =
        "neighbour's p99 over HTTP beside hostile guests, over axum's beside as much work";
    let livez = "/livez's p99 beside hostile guests, over axum's beside as much work";
    let all = table.selects(neighbour) || table.selects(livez);
    let mut attacks = attacks();
    attacks.retain(|attack| all || table.selects(attack.name));
    if attacks.is_empty() {
        return Ok(());
    }
    let mut worst = [(String::new(), 0.0), (String::new(), 0.0)];
    for attack in attacks {
        for breaker in [false, true] {
            let Slowdown { over_quiet, over_axum } = slowdown(&attack, breaker)?;
            let what =
                format!("{}, its breaker {}", attack.name, if breaker { "on" } else { "off" });
            println!(
                "        {what}: {:.2} × and {:.2} × axum's, {:.1} × and {:.1} × quiet",
                over_axum.neighbour, over_axum.livez, over_quiet.neighbour, over_quiet.livez
            );
            for (worst, found) in worst.iter_mut().zip([over_axum.neighbour, over_axum.livez]) {
                if found > worst.1 {
                    *worst = (what.clone(), found);
                }
            }
        }
    }
    for (name, (what, ratio)) in [neighbour, livez].into_iter().zip(worst) {
        table.bound(name, Spread::single(ratio), "×", MOST, &format!(" ({what})"))?;
    }
    Ok(())
}

/// The program, which `cargo xtask bench` builds into the folder of this one.
fn program() -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name("plugbay");
    ensure!(
        program.exists(),
        "expected the program at {}, found nothing; `cargo xtask bench` builds it",
        program.display()
    );
    Ok(program)
}

/// Latencies beside an attack, as ratios: the medians of the pairs.
struct Slowdown {
    over_quiet: Latencies,
    over_axum: Latencies,
}

fn slowdown(attack: &Attack, breaker: bool) -> Result<Slowdown> {
    let failures = if breaker { 5 } else { 0 };
    let config = format!(
        "[host]\nplugins = \"plugins\"\ncache = \"cache\"\n\
         [server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [plugins.bad]\ncpu = \"{CPU}ms\"\nbreaker_failures = {failures}\nhealth_every = \"0s\"\n"
    );
    let mut program = Program::start(&program()?, &config, |plugins| {
        let bad = Guest::handler("bad").on(Export::Handle, attack.behaviour.clone());
        std::fs::write(plugins.join("bad.wasm"), bad.build())?;
        std::fs::write(plugins.join("neighbour.wasm"), Guest::both("neighbour").build())?;
        Ok(())
    })?;
    let bare = Bare::start("text/plain", b"hello")?;
    let ours = || latencies(program.data, program.admin);
    let theirs = || latencies(bare.address, bare.address);
    ours()?;
    let (mut over_quiet, mut over_axum) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let axum = attacked(bare.address, &attack.work.path(), attack, theirs)?;
        let quiet = ours()?;
        let loud = attacked(program.data, "/bad", attack, ours)?;
        over_quiet.push(loud.over(quiet));
        over_axum.push(loud.over(axum));
    }
    let problems = program.stop()?;
    ensure!(problems.is_empty(), "{}: {problems:?}", attack.name);
    Ok(Slowdown {
        over_quiet: Latencies::medians(&over_quiet),
        over_axum: Latencies::medians(&over_axum),
    })
}

/// Runs `work` while callers call the hostile guest again and again.
fn attacked<R>(
    address: SocketAddr,
    path: &str,
    attack: &Attack,
    work: impl FnOnce() -> Result<R>,
) -> Result<R> {
    let (over, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let result = thread::scope(|scope| {
        let (over, answers) = (&over, &answers);
        let call = move || {
            give_way();
            let mut client = Client::new(address);
            while !over.load(Ordering::Relaxed) {
                // Whatever the answer is: a guest that is refused reaches no one.
                if client.send_into("POST", path, b"input", &mut io::sink()).is_err() {
                    client = Client::new(address);
                }
                answers.fetch_add(1, Ordering::Relaxed);
                pause(BREATH);
            }
        };
        let callers: Vec<_> = (0..attack.callers).map(|_| scope.spawn(call)).collect();
        // Until the first calls are answered, or run for a while.
        let begun = Instant::now();
        while answers.load(Ordering::Relaxed) == 0 && begun.elapsed() < WINDOW {
            pause(PACE);
        }
        let result = work();
        over.store(true, Ordering::Relaxed);
        for caller in callers {
            joined(caller);
        }
        result
    })?;
    ensure!(answers.into_inner() > 0, "{}: no answer to any call", attack.name);
    Ok(result)
}

/// Lowers the priority of this thread as far as possible. The callers share the machine with the server, and the
/// rows measure how much the server delays a neighbour, not how much its load does.
fn give_way() {
    #[cfg(target_os = "linux")]
    // An error only means that the priority stays.
    let _ = rustix::process::setpriority_process(None, 19);
}

fn latencies(data: SocketAddr, admin: SocketAddr) -> Result<Latencies> {
    thread::scope(|scope| {
        let neighbour = scope.spawn(|| p99(data, "/neighbour"));
        let livez = scope.spawn(|| p99(admin, "/livez"));
        Ok(Latencies { neighbour: joined(neighbour)?, livez: joined(livez)? })
    })
}

/// The 99th percentile of the latencies of one window, in nanoseconds.
fn p99(address: SocketAddr, path: &str) -> Result<f64> {
    let mut client = Client::new(address);
    client.send("GET", path, b"").context("the first request")?;
    let mut latencies = Vec::new();
    let begun = Instant::now();
    let mut due = begun;
    while due < begun + WINDOW {
        pause(due.saturating_duration_since(Instant::now()));
        let answer = client.send("GET", path, b"").with_context(|| format!("GET {path}"))?;
        ensure!(answer.status == 200, "GET {path}: expected status 200, found {}", answer.status);
        latencies.push(due.elapsed().as_nanos() as u64);
        due += PACE;
    }
    let rank = latencies.len() * 99 / 100;
    let (_, p99, _) = latencies.select_nth_unstable(rank);
    Ok(*p99 as f64)
}

fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panicked| std::panic::resume_unwind(panicked))
}
