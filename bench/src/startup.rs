//! A hundred cached plugins: how long until ready, and what they hold when idle.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use plugbay_fixtures::Guest;

use crate::measure::Table;
use crate::setup::{Place, host_of, resident};

const PLUGINS: usize = 100;
/// Makes a component of about 100 KB.
const FUNCTIONS: u32 = 1_200;
/// The argument by which this program runs itself once more.
const CHILD: &str = "--ready-with";

/// Measures the rows of this module.
///
/// # Errors
///
/// If the host or the limit fails.
pub fn run(table: &mut Table) -> Result<()> {
    let (ready, idle) = (
        "ready with 100 cached plugins, over reading them",
        "idle memory per plugin, over its code",
    );
    if !table.wants(ready) && !table.wants(idle) {
        return Ok(());
    }
    let place = Place::new()?;
    for index in 0..PLUGINS {
        let name = format!("p{index}");
        place.put(&format!("{name}.wasm"), &Guest::codec(&name).functions(FUNCTIONS).build())?;
    }
    drop(place.host(place.config())?);
    let Found { reading, took, held, code } = in_a_process_of_its_own(place.folder.path())?;
    let note = format!(" (reading {reading:.0} ms)");
    table.bound(ready, (took - reading).max(0.0), "ms", 500.0, &note);
    let note = format!(" ({:.0} KB held, {:.0} KB of code)", held / 1e3, code / 1e3);
    table.bound(idle, held / code, "×", 3.0, &note);
    Ok(())
}

/// What the child measured: milliseconds, and bytes per plugin.
struct Found {
    reading: f64,
    took: f64,
    held: f64,
    code: f64,
}

/// The allocator of this process has memory left from compiling: what plugins hold shows only in
/// one that never compiled.
fn in_a_process_of_its_own(folder: &Path) -> Result<Found> {
    let mut child = Command::new(std::env::current_exe()?);
    let output = child.arg(CHILD).arg(folder).output().context("cannot start the child")?;
    let text = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(
        output.status.success(),
        "the child failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let figures: Vec<f64> = text.split_whitespace().filter_map(|it| it.parse().ok()).collect();
    let &[reading, took, held, code] = &*figures else {
        anyhow::bail!("expected four figures, found {text:?}")
    };
    Ok(Found { reading, took, held, code })
}

/// Runs as that child, if the program's arguments say so.
///
/// # Errors
///
/// If the host fails, or compiles what should be cached.
pub fn child() -> Result<bool> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != CHILD) {
        return Ok(false);
    }
    let folder = PathBuf::from(arguments.next().context("expected a folder")?);
    let began = Instant::now();
    for name in ["plugins", "cache"] {
        for entry in std::fs::read_dir(folder.join(name))? {
            std::fs::read(entry?.path())?;
        }
    }
    let reading = began.elapsed();
    // An engine holds memory of its own, whatever it serves.
    let empty = tempfile::tempdir()?;
    let bare = host_of(crate::setup::config(empty.path()))?;
    let before = resident()?;
    drop(bare);
    let began = Instant::now();
    let host = host_of(crate::setup::config(&folder))?;
    let took = began.elapsed();
    let status = host.status();
    anyhow::ensure!(status.plugins.len() == PLUGINS, "{:?}", status.rejected.first());
    let held = resident()?.saturating_sub(before) as f64 / PLUGINS as f64;
    let code = status.plugins.iter().map(|it| it.code_size).sum::<u64>() as f64 / PLUGINS as f64;
    let (reading, took) = (reading.as_secs_f64() * 1e3, took.as_secs_f64() * 1e3);
    println!("{reading} {took} {held} {code}");
    Ok(true)
}
