//! Runs all rows, or those whose names contain one of the arguments.

use std::process::ExitCode;

use anyhow::Result;
use plugbay::worker::serve_if_child;
use plugbay_bench::table::Table;
use plugbay_bench::{bare, calls, lookup, many, memory, protection, reload, spans, startup};
#[cfg(target_os = "linux")]
use plugbay_bench::{native, neighbour};

fn main() -> Result<ExitCode> {
    if let Some(ended) = serve_if_child() {
        return Ok(ended);
    }
    if startup::run_as_child()? || bare::serve_if_child()? {
        return Ok(ExitCode::SUCCESS);
    }
    #[cfg(target_os = "linux")]
    if native::run_as_echo()? {
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::of_arguments();
    calls::run(&mut table)?;
    #[cfg(target_os = "linux")]
    native::run(&mut table)?;
    lookup::run(&mut table)?;
    reload::run(&mut table)?;
    startup::run(&mut table)?;
    many::run(&mut table)?;
    memory::run(&mut table)?;
    protection::run(&mut table)?;
    spans::run(&mut table)?;
    #[cfg(target_os = "linux")]
    neighbour::run(&mut table)?;
    table.finish()?;
    Ok(ExitCode::SUCCESS)
}
