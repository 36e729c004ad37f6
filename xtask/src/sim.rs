//! `sim`: the simulation of the service directory, for seeds of one's choice.

use std::process::Command;

use anyhow::{Context, Result};

use crate::repository::Repository;

/// How many seeds each run of all tests simulates: about a minute on two processors, without optimisation.
const SEEDS: u64 = 50;

/// With optimisation: a simulation is all computing.
pub(crate) fn run(seed: u64, seeds: u64) -> Result<bool> {
    let repository = Repository::find()?;
    let mut cargo = repository.cargo();
    cargo.args(["test", "--release", "--package", "plugbay-discovery"]);
    Ok(of_seeds(&mut cargo, seed, seeds).status().context("cannot start cargo")?.success())
}

/// The seeds that each run of all tests simulates, by the program that the tests before it built.
pub(crate) fn in_tests(repository: &Repository) -> Command {
    let mut cargo = repository.cargo();
    cargo.args(["test", "--workspace"]);
    of_seeds(&mut cargo, 1, SEEDS);
    cargo
}

fn of_seeds(cargo: &mut Command, seed: u64, seeds: u64) -> &mut Command {
    cargo
        .args(["--test", "sim", "--", "the_invariants_hold", "--exact", "--nocapture"])
        .env("PLUGBAY_SIM_SEED", seed.to_string())
        .env("PLUGBAY_SIM_SEEDS", seeds.to_string())
}
