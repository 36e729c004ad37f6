//! Measures Plugbay against its limits, each in the same run on the same component.
//!
//! A row is a ratio: what Plugbay takes over what the limit takes, pair by pair, so that a
//! drifting machine shifts both. The median of the pairs counts. `cargo xtask bench` builds
//! and runs this; words after it choose rows by name. Exit status 1 means that a budget
//! was not met.

mod calls;
#[cfg(feature = "extism")]
mod extism;
mod lookup;
mod measure;
mod memory;
mod raw;
mod reload;
mod setup;
mod startup;

use anyhow::Result;

use crate::measure::Table;

fn main() -> Result<()> {
    let only: Vec<String> = std::env::args().skip(1).filter(|it| !it.starts_with('-')).collect();
    let mut table = Table::new(only);
    calls::run(&mut table)?;
    #[cfg(feature = "extism")]
    extism::run(&mut table)?;
    lookup::run(&mut table)?;
    reload::run(&mut table)?;
    startup::run(&mut table)?;
    memory::run(&mut table)?;
    table.finish()
}
