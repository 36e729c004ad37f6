//! From a file's rename to the first call on the new version; calls lost meanwhile.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Result;
use plugbay::Host;
use plugbay::worker::CompilerCommand;
use plugbay_fixtures::Guest;
use wasmtime::component::Component;

use crate::measure::{Table, median};
use crate::raw::{self, ok};
use crate::setup::Place;

const DEBOUNCE: Duration = Duration::from_millis(20);
const POLL: Duration = Duration::from_micros(100);
const RELOADS: usize = 15;
const SWAPS: u32 = 1_000;
const THREADS: usize = 8;

/// Measures the rows of this module.
///
/// # Errors
///
/// If the host or the limit fails.
pub fn run(table: &mut Table) -> Result<()> {
    for (name, cold) in
        [("reload, cold, over debounce + compile", true), ("reload, cached, over debounce", false)]
    {
        if table.wants(name) {
            let over = latency(cold)?;
            table.bound(name, over, "ms", 10.0, "");
        }
    }
    let name = "calls lost in 1,000 swaps under full load";
    if table.wants(name) {
        let (lost, calls) = lost()?;
        table.bound(name, lost as f64, "calls", 0.0, &format!(" of {calls}"));
    }
    Ok(())
}

/// The median of what a reload takes beyond the debounce and, if cold, the compilation.
#[expect(clippy::disallowed_methods, reason = "nothing is waited for: it looks every so often")]
fn latency(cold: bool) -> Result<f64> {
    let place = Place::new()?;
    let version = |number: usize| {
        let stamp = format!("v{number}");
        Guest::codec("echo").version("1.0.0").functions(200).stamp(stamp.as_str()).build()
    };
    place.put("echo.wasm", &version(0))?;
    let mut config = place.config();
    config.host.debounce = DEBOUNCE;
    // As the server does: in a process of its own.
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
        place.put("echo.wasm", &bytes)?;
        // Looks often, and leaves the processors to the compiler: it had them for the limit.
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
    Ok(median(over.into_iter()))
}

/// Calls that failed while the plugin was swapped, and calls in all.
fn lost() -> Result<(u64, u64)> {
    let place = Place::new()?;
    let versions = ["a", "b"].map(|stamp| Guest::codec("echo").stamp(stamp).build());
    place.put("echo.wasm", &versions[0])?;
    let host = place.host(place.config())?;
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
            place.put("echo.wasm", &versions[(swap % 2) as usize])?;
            let report = host.reload_blocking();
            anyhow::ensure!(report.published, "swap {swap} was not published: {report:?}");
            Ok(())
        });
        stop.store(true, Ordering::Relaxed);
        swapped
    })?;
    Ok((lost.into_inner(), calls.into_inner()))
}
