//! The time from a file's rename to the first call of the new version, and calls lost during swaps.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use plugbay::Host;
use plugbay::worker::CompilerCommand;
use plugbay_fixtures::Guest;
use wasmtime::component::Component;

use crate::measure::Spread;
use crate::raw::{self, ok};
use crate::setup::HostFolder;
use crate::table::Table;

const DEBOUNCE: Duration = Duration::from_millis(20);
const POLL: Duration = Duration::from_micros(100);
const RELOADS: usize = 15;
const SWAPS: u32 = 1_000;
const THREADS: usize = 8;

/// Measures the rows of this module.
///
/// # Errors
///
/// If the host or the baseline fails.
pub fn run(table: &mut Table) -> Result<()> {
    for (name, cold) in
        [("reload, cold, over debounce + compile", true), ("reload, cached, over debounce", false)]
    {
        if table.selects(name) {
            table.bound(name, latency(cold)?, "ms", 10.0, "")?;
        }
    }
    let name = "calls lost in 1,000 swaps under full load";
    if table.selects(name) {
        let (lost, calls) = lost()?;
        table.bound(name, Spread::single(lost as f64), "calls", 0.0, &format!(" of {calls}"))?;
    }
    Ok(())
}

/// The times of reloads in milliseconds, less the debounce and, if `cold`, the compilation.
#[expect(clippy::disallowed_methods, reason = "it polls: the time is what is measured")]
fn latency(cold: bool) -> Result<Spread> {
    let folder = HostFolder::new()?;
    let version = |number: usize| {
        let stamp = format!("v{number}");
        Guest::codec("echo").version("1.0.0").functions(200).stamp(stamp.as_str()).build()
    };
    folder.put("echo.wasm", &version(0))?;
    let mut config = folder.config();
    config.host.debounce = DEBOUNCE;
    // Compiles in a process of its own, as the server does.
    let compiler = CompilerCommand::this_program();
    let host = Host::builder().config(config).compiler(compiler).build_blocking()?;
    let echo = host.codec("echo")?;
    let engine = ok(raw::engine())?;
    let mut over = Vec::new();
    for number in 1..=RELOADS {
        let number = if cold { number } else { number % 2 };
        let bytes = version(number);
        let compile = if cold {
            let began = Instant::now();
            ok(Component::new(&engine, &bytes))?;
            began.elapsed()
        } else {
            Duration::ZERO
        };
        let mut expected = vec![0xf6];
        expected.extend_from_slice(format!("v{number}").as_bytes());
        let began = Instant::now();
        folder.put("echo.wasm", &bytes)?;
        // Polls often, and sleeps in between: the compiler had all cores for the baseline, too.
        while echo.encode_document(&[0xf6])? != expected {
            std::thread::sleep(POLL);
        }
        let took = began.elapsed();
        let beyond = took.as_secs_f64() - (DEBOUNCE + compile).as_secs_f64();
        // The first round of the cached run fills the cache.
        if cold || over.len() > 1 || number == 0 {
            over.push(beyond * 1e3);
        }
    }
    Ok(Spread::of(over.into_iter()))
}

/// The number of calls that failed while the plugin was swapped, and of all calls.
fn lost() -> Result<(u64, u64)> {
    let folder = HostFolder::new()?;
    let versions = ["a", "b"].map(|stamp| Guest::codec("echo").stamp(stamp).build());
    folder.put("echo.wasm", &versions[0])?;
    let host = folder.host(folder.config())?;
    let (lost, calls, stop) = (AtomicU64::new(0), AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            let echo = host.codec("echo");
            let (lost, calls, stop) = (&lost, &calls, &stop);
            scope.spawn(move || {
                let Ok(echo) = echo else {
                    lost.fetch_add(1, Ordering::Relaxed);
                    return;
                };
                while !stop.load(Ordering::Relaxed) {
                    let answer = echo.encode_document(&[0xf6]);
                    let good = answer.is_ok_and(|it| it == b"\xf6a" || it == b"\xf6b");
                    lost.fetch_add(u64::from(!good), Ordering::Relaxed);
                    calls.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        let swapped = (1..=SWAPS).try_for_each(|swap| {
            folder.put("echo.wasm", &versions[(swap % 2) as usize])?;
            let report = host.reload_blocking();
            anyhow::ensure!(report.published, "swap {swap} was not published: {report:?}");
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        swapped
    })?;
    Ok((lost.into_inner(), calls.into_inner()))
}
