//! `bench`: runs the benchmarks, in the shipped profile. The benchmark of Extism has a workspace of
//! its own, because Extism depends on another wasmtime.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::repository::Repository;

/// Runs the rows whose names contain one of `rows`, or all.
pub(crate) fn run(rows: &[String]) -> Result<bool> {
    let repository = Repository::find()?;
    let mut own = repository.cargo();
    own.args(["run", "--profile", "dist", "--package", "plugbay-bench", "--bin", "plugbay-bench"]);
    let mut extism = repository.cargo();
    extism.args(["run", "--profile", "dist", "--manifest-path"]);
    extism.arg(repository.root.join(PathBuf::from_iter(["bench", "extism", "Cargo.toml"])));
    extism.arg("--target-dir").arg(repository.target.join("bench-extism"));
    // The second runs even if the first fails.
    let own = measure(own, rows)?;
    let extism = measure(extism, rows)?;
    Ok(own && extism)
}

fn measure(mut cargo: Command, rows: &[String]) -> Result<bool> {
    Ok(cargo.arg("--").args(rows).status().context("cannot start cargo")?.success())
}
