//! Runs every row, or those whose names contain one of the arguments.

use anyhow::Result;
use plugbay_bench::measure::Table;
use plugbay_bench::{calls, lookup, memory, protection, reload, startup};

fn main() -> Result<()> {
    if startup::child()? {
        return Ok(());
    }
    let mut table = Table::of_arguments();
    calls::run(&mut table)?;
    lookup::run(&mut table)?;
    reload::run(&mut table)?;
    startup::run(&mut table)?;
    memory::run(&mut table)?;
    protection::run(&mut table)?;
    table.finish()
}
