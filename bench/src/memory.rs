//! Resident memory over many reloads.

use anyhow::Result;
use plugbay_fixtures::Guest;

use crate::measure::Spread;
use crate::setup::{HostFolder, resident};
use crate::table::Table;

const RELOADS: u32 = 10_000;
/// The number of reloads after which the allocators have reached their size.
const WARM_UP: u32 = 500;

/// Measures the rows of this module.
///
/// # Errors
///
/// If the host fails.
pub fn run(table: &mut Table) -> Result<()> {
    let name = "resident memory over 10,000 reloads";
    if !table.selects(name) {
        return Ok(());
    }
    let folder = HostFolder::new()?;
    let versions = ["a", "b"].map(|stamp| Guest::codec("echo").stamp(stamp).build());
    let host = {
        folder.put("echo.wasm", &versions[0])?;
        folder.host(folder.config())?
    };
    let echo = host.codec("echo")?;
    let mut warm = 0;
    for reload in 1..=RELOADS {
        folder.put("echo.wasm", &versions[(reload % 2) as usize])?;
        let report = host.reload_blocking();
        anyhow::ensure!(report.published, "reload {reload}: {report:?}");
        echo.encode_document(&[0xf6])?;
        if reload == WARM_UP {
            warm = resident()?;
        }
    }
    let grown = resident()?.saturating_sub(warm) as f64 / 1e6;
    table.bound(
        name,
        Spread::single(grown),
        "MB",
        5.0,
        &format!(" (from {:.0} MB)", warm as f64 / 1e6),
    )
}
