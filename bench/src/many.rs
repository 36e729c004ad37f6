//! A host with a thousand plugins: a reconciliation that finds nothing changed, and the answer to `/metrics`.

use std::fs::File;
use std::hint::black_box;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Result, ensure};
use plugbay::Host;
use plugbay::metrics::Format;
use plugbay_fixtures::Guest;

use crate::calls::document;
use crate::measure::Spread;
use crate::protection::p99;
use crate::setup::HostFolder;
use crate::table::Table;

const PLUGINS: usize = 1_000;
const ROUTES: usize = 16;
const ROUNDS: usize = 15;
/// The age of the files. A host reads a file again and again that was written a moment ago.
const AGE: Duration = Duration::from_mins(1);
/// Longer than any collector takes.
const DEADLINE: Duration = Duration::from_secs(5);

/// Measures the rows of this module.
///
/// # Errors
///
/// If the host fails, or refuses a plugin.
pub fn run(table: &mut Table) -> Result<()> {
    let look = "a look at 1,000 plugins with 16 routes each, unchanged";
    let scrape = "/metrics of 1,000 plugins";
    let beside = "a warm call's p99 beside /metrics of 1,000 plugins, over its quiet p99";
    if ![look, scrape, beside].iter().any(|name| table.selects(name)) {
        return Ok(());
    }
    let folder = HostFolder::new()?;
    let host = host(&folder)?;
    if table.selects(look) {
        let looks = times(|| {
            let report = host.reload_blocking();
            ensure!(!report.published, "something changed: {report:?}");
            Ok(())
        })?;
        table.bound(look, looks, "ms", 100.0, "")?;
    }
    if table.selects(scrape) {
        let mut lines = 0;
        let scrapes = times(|| {
            lines =
                black_box(host.collectors().gather(DEADLINE).encode(Format::Text)).lines().count();
            Ok(())
        })?;
        table.bound(scrape, scrapes, "ms", 50.0, &format!(" for {lines} lines"))?;
    }
    if table.selects(beside) {
        table.bound(beside, beside_scrapes(&host)?, "×", 2.0, "")?;
    }
    Ok(())
}

/// A host of many handlers with routes, and of one codec.
fn host(folder: &HostFolder) -> Result<Host> {
    let guests = (1..PLUGINS).map(|plugin| {
        let name = format!("p{plugin}");
        let guest = (0..ROUTES).fold(Guest::handler(&name), |guest, route| {
            guest.route("GET", &format!("/{name}/{route}/{{name}}"))
        });
        (name, guest)
    });
    for (name, guest) in guests.chain([("echo".to_owned(), Guest::codec("echo"))]) {
        let file = format!("{name}.wasm");
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
    ensure!(status.routes.len() == (PLUGINS - 1) * ROUTES, "{} routes", status.routes.len());
    Ok(host)
}

/// How long each round takes, in milliseconds.
fn times(mut round: impl FnMut() -> Result<()>) -> Result<Spread> {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        let began = Instant::now();
        round()?;
        times.push(began.elapsed().as_secs_f64() * 1e3);
    }
    Ok(Spread::of(times.into_iter()))
}

/// The 99th percentile of a warm call while the metrics are gathered again and again, over that without.
fn beside_scrapes(host: &Host) -> Result<Spread> {
    let (echo, document) = (host.codec("echo")?, document(64));
    p99(&echo, &document)?;
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let quiet = p99(&echo, &document)?;
        let over = AtomicBool::new(false);
        let beside = std::thread::scope(|scope| {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    black_box(host.collectors().gather(DEADLINE).encode(Format::Text));
                }
            });
            let beside = p99(&echo, &document);
            over.store(true, Ordering::Relaxed);
            beside
        })?;
        ratios.push(beside / quiet);
    }
    Ok(Spread::of(ratios.into_iter()))
}
