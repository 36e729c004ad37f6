//! How much hostile plugins slow down another one and the admin plane, over HTTP, in the real program.
//!
//! Two clients send a request every two milliseconds: one to the neighbour, a component that answers at once,
//! and one to `/livez`. The latency of a request counts from the time at which it was due, so that a
//! request that waits for the one before counts as well. The 99th percentile beside a hostile guest, over that
//! without one, is a row; the worst of all guests counts, with their breaker off and on.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, ScopedJoinHandle};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use plugbay_fixtures::{Behaviour, Export, Guest};

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

/// A hostile guest, and how many call it at the same time.
struct Attack {
    name: &'static str,
    behaviour: Behaviour,
    callers: usize,
}

fn attacks() -> Vec<Attack> {
    let attack = |name, behaviour, callers| Attack { name, behaviour, callers };
    vec![
        attack("an endless loop", Behaviour::Spin, 4),
        attack("an endless loop, 16 callers", Behaviour::Spin, 16),
        attack("a memory bomb", Behaviour::GrowMemory { pages: 16 }, 4),
        attack("three log lines of 60 MB", Behaviour::LogLong(3, 60_000_000), 4),
        attack("500,000 log fields", Behaviour::LogFields(500_000), 4),
        attack("answers of 8 MB", Behaviour::Output(8 << 20), 4),
        attack("answers of 60 MB", Behaviour::Output(60_000_000), 4),
        attack("a flood of log lines", Behaviour::FloodLog, 4),
        attack("a flood of codec calls", Behaviour::FloodCodecs("neighbour".into()), 4),
        attack("a flood of metrics", Behaviour::Count(100_000), 4),
    ]
}

/// The 99th percentiles of both clients, in nanoseconds or as ratios.
#[derive(Clone, Copy)]
struct Latencies {
    neighbour: f64,
    livez: f64,
}

/// Measures the rows of this module.
///
/// # Errors
///
/// If the program fails, or an attack does not reach its plugin.
pub fn run(table: &mut Table) -> Result<()> {
    let neighbour = "neighbour's p99 over HTTP beside hostile guests, over quiet";
    let livez = "/livez's p99 beside hostile guests, over quiet";
    if !table.selects(neighbour) && !table.selects(livez) {
        return Ok(());
    }
    let mut worst = [(String::new(), 0.0), (String::new(), 0.0)];
    for attack in attacks() {
        for breaker in [false, true] {
            let found = slowdown(&attack, breaker)?;
            let what =
                format!("{}, its breaker {}", attack.name, if breaker { "on" } else { "off" });
            println!("        {what}: {:.2} × and {:.2} ×", found.neighbour, found.livez);
            for (worst, found) in worst.iter_mut().zip([found.neighbour, found.livez]) {
                if found > worst.1 {
                    *worst = (what.clone(), found);
                }
            }
        }
    }
    for (name, (what, ratio)) in [neighbour, livez].into_iter().zip(worst) {
        table.bound(name, Spread::single(ratio), "×", 2.0, &format!(" ({what})"))?;
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

/// The latencies beside an attack over those without it: the medians of the pairs.
fn slowdown(attack: &Attack, breaker: bool) -> Result<Latencies> {
    let failures = if breaker { 5 } else { 0 };
    let config = format!(
        "[host]\nplugins = \"plugins\"\ncache = \"cache\"\n\
         [server]\nlisten = \"127.0.0.1:0\"\n[admin]\nlisten = \"127.0.0.1:0\"\n\
         [plugins.bad]\ncpu = \"100ms\"\nbreaker_failures = {failures}\nhealth_every = \"0s\"\n"
    );
    let mut program = Program::start(&program()?, &config, |plugins| {
        let bad = Guest::handler("bad").on(Export::Handle, attack.behaviour.clone());
        std::fs::write(plugins.join("bad.wasm"), bad.build())?;
        std::fs::write(plugins.join("neighbour.wasm"), Guest::both("neighbour").build())?;
        Ok(())
    })?;
    latencies(&program)?;
    let (mut neighbour, mut livez) = (Vec::new(), Vec::new());
    for _ in 0..PAIRS {
        let quiet = latencies(&program)?;
        let loud = attacked(program.data, attack, || latencies(&program))?;
        neighbour.push(loud.neighbour / quiet.neighbour);
        livez.push(loud.livez / quiet.livez);
    }
    let problems = program.stop()?;
    ensure!(problems.is_empty(), "{}: {problems:?}", attack.name);
    Ok(Latencies { neighbour: median(neighbour.into_iter()), livez: median(livez.into_iter()) })
}

/// Runs `work` while callers call the hostile guest again and again.
fn attacked<R>(
    address: SocketAddr,
    attack: &Attack,
    work: impl FnOnce() -> Result<R>,
) -> Result<R> {
    let (over, answers) = (AtomicBool::new(false), AtomicU64::new(0));
    let result = thread::scope(|scope| {
        let (over, answers) = (&over, &answers);
        let call = move || {
            let mut client = Client::new(address);
            while !over.load(Ordering::Relaxed) {
                // Whatever the answer is: a guest that is refused reaches no one.
                if client.send("POST", "/bad", b"input").is_err() {
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

fn latencies(program: &Program) -> Result<Latencies> {
    thread::scope(|scope| {
        let neighbour = scope.spawn(|| p99(program.data, "/neighbour"));
        let livez = scope.spawn(|| p99(program.admin, "/livez"));
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
