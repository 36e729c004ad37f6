//! A hundred cached plugins: how long until ready, and what they hold when idle.

use std::time::Instant;

use anyhow::Result;
use plugbay_fixtures::Guest;

use crate::measure::Table;
use crate::setup::{Place, resident};

const PLUGINS: usize = 100;
/// Makes a component of about 100 KB.
const FUNCTIONS: u32 = 1_200;

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
    let began = Instant::now();
    for folder in ["plugins", "cache"] {
        for entry in std::fs::read_dir(place.folder.path().join(folder))? {
            std::fs::read(entry?.path())?;
        }
    }
    let reading = began.elapsed();
    let before = resident()?;
    let began = Instant::now();
    let host = place.host(place.config())?;
    let took = began.elapsed();
    let status = host.status();
    anyhow::ensure!(status.plugins.len() == PLUGINS, "{:?}", status.rejected.first());
    let over = took.saturating_sub(reading).as_secs_f64() * 1e3;
    table.bound(
        ready,
        over,
        "ms",
        500.0,
        &format!(" (reading {:.0} ms)", reading.as_secs_f64() * 1e3),
    );
    let held = resident()?.saturating_sub(before) as f64 / PLUGINS as f64;
    let code = status.plugins.iter().map(|it| it.code_size).sum::<u64>() as f64 / PLUGINS as f64;
    let note = format!(" ({:.0} KB held, {:.0} KB of code)", held / 1e3, code / 1e3);
    table.bound(idle, held / code, "×", 3.0, &note);
    Ok(())
}
