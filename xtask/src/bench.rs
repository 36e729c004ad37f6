//! `bench`: runs the benchmarks, in the shipped profile. The benchmark of Extism has a workspace of
//! its own, because Extism depends on another wasmtime.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use plugbay_toolchain::apt::Consent;

use crate::plugins;
use crate::repository::Repository;

/// Runs the rows whose names contain one of `rows`, or all. The rows over HTTP are called `http`, and the
/// comparison of maps `maps`.
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
    let is_chosen = |name: &str| rows.is_empty() || rows.iter().any(|row| row == name);
    let http = !is_chosen("http") || http(&repository)?;
    if is_chosen("maps") {
        let mut maps = repository.cargo();
        maps.args(["bench", "--package", "plugbay-registry", "--bench", "maps"]);
        maps.status().context("cannot start cargo")?;
    }
    Ok(own && extism && http)
}

/// Requests to the program, and to a bare server.
fn http(repository: &Repository) -> Result<bool> {
    // It ends with an error after it has printed its version.
    if Command::new("wrk").arg("--version").output().is_err() {
        println!("http: skipped, because wrk is not installed (on Debian: apt-get install wrk)");
        return Ok(true);
    }
    let plugins = plugins::folder(repository);
    plugins::build(repository, &plugins::toolchain(Consent::Withheld)?, &plugins)?;
    let mut build = repository.cargo();
    build.args(["build", "--profile", "dist", "--package", "plugbay-server", "--bin", "plugbay"]);
    build.args(["--package", "plugbay-bench", "--bin", "http"]);
    ensure!(build.status().context("cannot start cargo")?.success(), "the build failed");
    let folder = repository.target.join("dist");
    let mut http = Command::new(folder.join("http"));
    http.arg(folder.join("plugbay")).arg(plugins.join("hello.wasm"));
    Ok(http.status().context("cannot start the benchmark")?.success())
}

fn measure(mut bench: Command, rows: &[String]) -> Result<bool> {
    let program = PathBuf::from(bench.get_program());
    let started = bench.args(rows).status();
    Ok(started.with_context(|| format!("cannot start {}", program.display()))?.success())
}
