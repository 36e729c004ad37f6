//! `bench`: the benchmarks, which are a workspace of their own.

use anyhow::{Context, Result};

use crate::place::Place;
use crate::plugins;

pub(crate) fn run(args: &[String]) -> Result<bool> {
    let place = Place::find()?;
    let manifest = place.root.join("bench/Cargo.toml");
    if !manifest.exists() {
        eprintln!("there are no benchmarks: {} is not there", manifest.display());
        return Ok(false);
    }
    plugins::build(&place, &plugins::folder(&place))?;
    let mut cargo = place.cargo();
    cargo.args(["run", "--release", "--manifest-path"]).arg(manifest).arg("--").args(args);
    Ok(cargo.status().context("cannot start cargo")?.success())
}
