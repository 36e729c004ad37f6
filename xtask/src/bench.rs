//! `bench`: runs the benchmarks, in the shipped profile, and writes what they measured to `docs/`. The
//! benchmark of Extism has a workspace of its own, because Extism depends on another wasmtime.

mod report;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use plugbay_toolchain::apt::Consent;

use crate::plugins;
use crate::repository::Repository;

/// Runs the rows whose names contain one of `rows`, or all. The rows over HTTP are called `http`, the comparison
/// of maps `maps`, and the load on a directory `directory`. If all rows ran, they replace those in
/// `docs/benchmarks.md` and `docs/benchmarks.json`.
pub(crate) fn run(rows: &[String]) -> Result<bool> {
    let repository = Repository::find()?;
    let mut build = repository.cargo();
    // A row measures the program itself, which the benchmarks find beside themselves.
    build.args(["build", "--workspace", "--profile", "dist"]);
    build.args(["--bin", "plugbay", "--bin", "plugbay-bench", "--bin", "http"]);
    ensure!(build.status().context("cannot start cargo")?.success(), "the build failed");
    let measured = repository.target.join("bench-rows.jsonl");
    if measured.exists() {
        fs::remove_file(&measured)?;
    }
    let is_chosen = |name: &str| rows.is_empty() || rows.iter().any(|row| row == name);
    // Each part runs even if another fails.
    let mut met = own(&repository, &measured, rows)?;
    met &= extism(&repository, &measured, rows)?;
    if is_chosen("http") {
        met &= http(&repository, &measured)?;
    }
    if rows.is_empty() {
        report::write(&repository.root, &measured)?;
    }
    if is_chosen("maps") {
        let mut maps = repository.cargo();
        maps.args(["bench", "--profile", "dist"]);
        maps.args(["--package", "plugbay-registry", "--bench", "maps"]);
        maps.status().context("cannot start cargo")?;
    }
    if is_chosen("directory") {
        let mut load = repository.cargo();
        load.args(["bench", "--profile", "dist"]);
        load.args(["--package", "plugbay-discovery", "--bench", "load"]);
        met &= load.status().context("cannot start cargo")?.success();
    }
    Ok(met)
}

fn own(repository: &Repository, measured: &Path, rows: &[String]) -> Result<bool> {
    let mut own = Command::new(repository.target.join("dist").join("plugbay-bench"));
    own.current_dir(&repository.root).args(rows);
    met(own, measured)
}

fn extism(repository: &Repository, measured: &Path, rows: &[String]) -> Result<bool> {
    let mut extism = repository.cargo();
    extism.args(["run", "--profile", "dist", "--manifest-path"]);
    extism.arg(repository.root.join(PathBuf::from_iter(["bench", "extism", "Cargo.toml"])));
    extism.arg("--target-dir").arg(repository.target.join("bench-extism"));
    extism.arg("--").args(rows);
    met(extism, measured)
}

/// Requests to the program, and to a bare server.
fn http(repository: &Repository, measured: &Path) -> Result<bool> {
    // It ends with an error after it has printed its version.
    if Command::new("wrk").arg("--version").output().is_err() {
        println!("http: skipped, because wrk is not installed (on Debian: apt-get install wrk)");
        return Ok(true);
    }
    let plugins = plugins::folder(repository);
    plugins::build(repository, &plugins::toolchain(Consent::Withheld)?, &plugins)?;
    let folder = repository.target.join("dist");
    let mut http = Command::new(folder.join("http"));
    http.arg(folder.join("plugbay")).arg(plugins.join("hello.wasm"));
    met(http, measured)
}

/// Whether all budgets of a benchmark were met. Its rows are appended to `measured`.
fn met(mut bench: Command, measured: &Path) -> Result<bool> {
    let program = PathBuf::from(bench.get_program());
    bench.arg(format!("--rows={}", measured.display()));
    let started = bench.status();
    Ok(started.with_context(|| format!("cannot start {}", program.display()))?.success())
}
