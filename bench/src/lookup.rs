//! Lookup and lease: as a call by a handle does both, and compared with a map in an `ArcSwap`.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::{Arc, Barrier};

use anyhow::Result;
use arc_swap::ArcSwap;
use plugbay_registry::{Leased, Registry, Swap, Table as Names};

use crate::measure::{Spread, cpu_time, median};
use crate::table::{Budget, Table};

const READERS: usize = 8;
const READS: u32 = 10_000;
/// Reads of a thread that are timed together, for all threads to run at the same time.
const TOGETHER: u32 = 200_000;
/// How often they are timed.
const ROUNDS: usize = 15;

/// Measures the rows of this module.
///
/// # Errors
///
/// If the host or the baseline fails.
pub fn run(table: &mut Table) -> Result<()> {
    by_handle(table)?;
    by_name(table)
}

/// What a handle does before and after each call: it finds the current set, and the entry by its
/// position, and holds both.
fn by_handle(table: &mut Table) -> Result<()> {
    let entries = (0..64_u64).map(|index| (format!("codec-{index}"), Arc::new(Leased::new(index))));
    let cell = Swap::new(Names::try_from_iter(entries)?);
    let at = cell.load().index_of("codec-42").unwrap_or_default();
    let find = || -> Result<()> {
        let found = cell.peek(|names| {
            let (_, entry) = names.at(black_box(at))?;
            let pass = entry.enter().ok()?;
            Some(black_box(*pass))
        });
        black_box(found);
        Ok(())
    };
    table.time("lookup + lease for the length of a call", 3.0, find)?;
    let name = "lookup + lease by a thread on each core, over one thread";
    if table.selects(name) {
        let cores = std::thread::available_parallelism()?.get();
        let rounds = (0..ROUNDS).map(|_| Ok(per_read(cores, &find)? / per_read(1, &find)?));
        let ratios = rounds.collect::<Result<Vec<_>>>()?;
        table.bound(
            name,
            Spread::of(ratios.into_iter()),
            "×",
            1.25,
            &format!(" with {cores} threads"),
        )?;
    }
    Ok(())
}

/// Nanoseconds of CPU time per read, of each of `threads` threads that read at the same time. Threads
/// that get in each other's way use more of it; a thread that waits for a processor does not.
fn per_read(threads: usize, read: &(impl Fn() -> Result<()> + Sync)) -> Result<f64> {
    let start = Barrier::new(threads);
    let times = std::thread::scope(|scope| {
        let reader = || -> Result<f64> {
            start.wait();
            let began = cpu_time();
            (0..TOGETHER).try_for_each(|_| read())?;
            let took = cpu_time().saturating_sub(began);
            Ok(took.as_secs_f64() * 1e9 / f64::from(TOGETHER))
        };
        let readers: Vec<_> = (0..threads).map(|_| scope.spawn(reader)).collect();
        let times = readers.into_iter().map(|reader| match reader.join() {
            Ok(time) => time,
            Err(panicked) => std::panic::resume_unwind(panicked),
        });
        times.collect::<Result<Vec<_>>>()
    })?;
    Ok(median(times.into_iter()))
}

fn by_name(table: &mut Table) -> Result<()> {
    let names: Vec<String> = (0..64).map(|index| format!("codec-{index}")).collect();
    let registry = Registry::new("codec");
    let mut map = HashMap::new();
    for (index, name) in names.iter().enumerate() {
        registry.register(name.as_str(), index)?;
        map.insert(name.clone(), Arc::new(index));
    }
    let baseline = ArcSwap::from_pointee(map);
    let leased = || -> Result<()> {
        drop(black_box(registry.get(black_box("codec-42"))?));
        Ok(())
    };
    let passed = || -> Result<()> {
        black_box(registry.with(black_box("codec-42"), |value| *value)?);
        Ok(())
    };
    let cloned = || {
        black_box(baseline.load().get(black_box("codec-42")).map(Arc::clone));
        Ok(())
    };
    let budget = Budget::AtMost(1.2);
    table.ratio("lookup + lease, over ArcSwap + map + Arc", budget, leased, cloned)?;
    table.ratio(
        "lookup + lease for the length of a call, by 8 readers of one entry",
        budget,
        || by_readers(&passed),
        || by_readers(&cloned),
    )
}

/// Runs `read` on all readers at once.
fn by_readers(read: &(impl Fn() -> Result<()> + Sync)) -> Result<()> {
    std::thread::scope(|scope| {
        let reader = || (0..READS).try_for_each(|_| read());
        let readers: Vec<_> = (0..READERS).map(|_| scope.spawn(reader)).collect();
        readers.into_iter().try_for_each(|reader| match reader.join() {
            Ok(read) => read,
            Err(panicked) => std::panic::resume_unwind(panicked),
        })
    })
}
