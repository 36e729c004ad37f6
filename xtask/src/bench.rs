//! `bench`: what Plugbay takes beside its limits. Extism has a workspace of its own, because
//! it brings a second wasmtime. Both are built as what is shipped is.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result};

use crate::place::Place;

/// Runs the rows whose names contain one of `rows`, or all.
pub(crate) fn run(rows: &[String]) -> Result<bool> {
    let place = Place::find()?;
    let mut own = place.cargo();
    own.args(["run", "--profile", "dist", "--package", "plugbay-bench", "--bin", "plugbay-bench"]);
    let mut extism = place.cargo();
    extism.args(["run", "--profile", "dist", "--manifest-path"]);
    extism.arg(place.root.join(PathBuf::from_iter(["bench", "extism", "Cargo.toml"])));
    extism.arg("--target-dir").arg(place.target.join("bench-extism"));
    // Both run, whatever becomes of the first.
    let own = measure(own, rows)?;
    let extism = measure(extism, rows)?;
    Ok(own && extism)
}

fn measure(mut cargo: Command, rows: &[String]) -> Result<bool> {
    Ok(cargo.arg("--").args(rows).status().context("cannot start cargo")?.success())
}
