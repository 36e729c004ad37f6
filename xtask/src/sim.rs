//! `sim`: the simulation of the service directory, for seeds of one's choice.

use anyhow::{Context, Result};

use crate::repository::Repository;

/// With optimisation: a simulation is all computing.
pub(crate) fn run(seed: u64, seeds: u64) -> Result<bool> {
    let repository = Repository::find()?;
    let status = repository
        .cargo()
        .args(["test", "--release", "--package", "plugbay-discovery", "--test", "sim"])
        .args(["--", "the_invariants_hold", "--exact", "--nocapture"])
        .env("PLUGBAY_SIM_SEED", seed.to_string())
        .env("PLUGBAY_SIM_SEEDS", seeds.to_string())
        .status();
    Ok(status.context("cannot start cargo")?.success())
}
