//! A reconciliation that finds nothing changed, with many plugins and routes.

use std::fs::{self, File};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, ensure};
use plugbay_fixtures::Guest;

use crate::measure::Spread;
use crate::setup::HostFolder;
use crate::table::Table;

const PLUGINS: usize = 1_000;
const ROUTES: usize = 16;
const LOOKS: usize = 15;
/// The age of the files. A host reads a file again and again that was written a moment ago.
const AGE: Duration = Duration::from_mins(1);

/// Measures the rows of this module.
///
/// # Errors
///
/// If the host fails, or refuses a plugin.
pub fn run(table: &mut Table) -> Result<()> {
    let name = "a look at 1,000 plugins with 16 routes each, unchanged";
    if !table.selects(name) {
        return Ok(());
    }
    let folder = HostFolder::new()?;
    for plugin in 0..PLUGINS {
        let guest = Guest::handler(&format!("p{plugin}"));
        let guest = (0..ROUTES).fold(guest, |guest, route| {
            guest.route("GET", &format!("/p{plugin}/{route}/{{name}}"))
        });
        let file = format!("p{plugin}.wasm");
        folder.put(&file, &guest.build())?;
        let path = folder.root.path().join("plugins").join(file);
        File::options().append(true).open(path)?.set_modified(SystemTime::now() - AGE)?;
    }
    let host = folder.host(folder.config())?;
    while !host.preparing().is_empty() {
        let _ = host.reload_blocking();
    }
    let status = host.status();
    ensure!(status.plugins.len() == PLUGINS, "{:?}", status.rejected.first());
    ensure!(status.routes.len() == PLUGINS * ROUTES, "{} routes", status.routes.len());
    let mut looks = Vec::new();
    for _ in 0..LOOKS {
        let began = Instant::now();
        let report = host.reload_blocking();
        looks.push(began.elapsed().as_secs_f64() * 1e3);
        ensure!(!report.published, "something changed: {report:?}");
    }
    table.bound(name, Spread::of(looks.into_iter()), "ms", 100.0, "")?;
    fs::remove_dir_all(folder.root.path().join("plugins"))?;
    Ok(())
}
