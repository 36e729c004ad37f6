//! A hundred cached plugins: the time until the host is ready, and the memory of an idle plugin.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result};
use plugbay_fixtures::Guest;

use crate::measure::Spread;
use crate::setup::{HostFolder, host_of, resident};
use crate::table::Table;

const PLUGINS: usize = 100;
/// The number of functions of a component of about 100 KB.
const FUNCTIONS: u32 = 1_200;
/// The argument with which this program measures in a child process.
const CHILD: &str = "--ready-with";

/// Measures the rows of this module.
///
/// # Errors
///
/// If the host or the baseline fails.
pub fn run(table: &mut Table) -> Result<()> {
    let (ready, idle) = (
        "ready with 100 cached plugins, over reading them",
        "idle memory per plugin, over its code",
    );
    if !table.selects(ready) && !table.selects(idle) {
        return Ok(());
    }
    let folder = HostFolder::new()?;
    for index in 0..PLUGINS {
        let name = format!("p{index}");
        folder.put(&format!("{name}.wasm"), &Guest::codec(&name).functions(FUNCTIONS).build())?;
    }
    drop(folder.host(folder.config())?);
    let Measured { reading, took, held, code } = measure_in_child(folder.root.path())?;
    let note = format!(" (reading {reading:.0} ms)");
    table.bound(ready, Spread::single((took - reading).max(0.0)), "ms", 500.0, &note)?;
    let note = format!(" ({:.0} KB held, {:.0} KB of code)", held / 1e3, code / 1e3);
    table.bound(idle, Spread::single(held / code), "×", 3.0, &note)
}

/// The child's results: times in milliseconds, and bytes for each plugin.
struct Measured {
    reading: f64,
    took: f64,
    held: f64,
    code: f64,
}

/// Measures in a child process: the allocator of this one holds memory from compiling, which would
/// hide the memory of the plugins.
fn measure_in_child(folder: &Path) -> Result<Measured> {
    let mut child = Command::new(std::env::current_exe()?);
    let output = child.arg(CHILD).arg(folder).output().context("cannot start the child")?;
    let text = String::from_utf8_lossy(&output.stdout);
    anyhow::ensure!(
        output.status.success(),
        "the child failed: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    let numbers: Vec<f64> = text.split_whitespace().filter_map(|it| it.parse().ok()).collect();
    let &[reading, took, held, code] = &*numbers else {
        anyhow::bail!("expected four numbers from the child, found {text:?}")
    };
    Ok(Measured { reading, took, held, code })
}

/// Measures as the child if the program's arguments say so, and returns whether they do.
///
/// # Errors
///
/// If the host fails, or refuses a plugin.
pub fn run_as_child() -> Result<bool> {
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_none_or(|first| first != CHILD) {
        return Ok(false);
    }
    let folder = PathBuf::from(
        arguments.next().context("expected a folder after --ready-with, found none")?,
    );
    let began = Instant::now();
    for name in ["plugins", "cache"] {
        for entry in std::fs::read_dir(folder.join(name))? {
            std::fs::read(entry?.path())?;
        }
    }
    let reading = began.elapsed();
    // The memory of the engine itself is not a plugin's, and is subtracted.
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
