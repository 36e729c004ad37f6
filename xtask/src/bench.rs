//! `bench`: runs the benchmarks, in the shipped profile. The benchmark of Extism has a workspace of
//! its own, because Extism depends on another wasmtime.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::repository::Repository;

/// Runs the rows whose names contain one of `rows`, or all.
pub(crate) fn run(rows: &[String]) -> Result<bool> {
    let repository = Repository::find()?;
    let mut build = repository.cargo();
    // A row measures the program itself, which the benchmarks find beside themselves.
    build.args(["build", "--workspace", "--profile", "dist"]);
    build.args(["--bin", "plugbay", "--bin", "plugbay-bench"]);
    ensure!(build.status().context("cannot start cargo")?.success(), "the build failed");
    let mut own = Command::new(repository.target.join("dist").join("plugbay-bench"));
    own.current_dir(&repository.root);
    let mut extism = repository.cargo();
    extism.args(["run", "--profile", "dist", "--manifest-path"]);
    extism.arg(repository.root.join(PathBuf::from_iter(["bench", "extism", "Cargo.toml"])));
    extism.arg("--target-dir").arg(repository.target.join("bench-extism"));
    // The second runs even if the first fails.
    let own = measure(own, rows)?;
    extism.arg("--");
    let extism = measure(extism, rows)?;
    Ok(own && extism)
}

fn measure(mut bench: Command, rows: &[String]) -> Result<bool> {
    let program = PathBuf::from(bench.get_program());
    let started = bench.args(rows).status();
    Ok(started.with_context(|| format!("cannot start {}", program.display()))?.success())
}
