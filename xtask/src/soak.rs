//! `soak`: builds the program and the soak test of the benchmarks, and runs both for minutes.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::repository::Repository;

pub(crate) fn run(minutes: f64, release: bool) -> Result<bool> {
    let repository = Repository::find()?;
    let mut build = repository.cargo();
    // Of the whole workspace, so that the tests' build of it is used.
    build.args(["build", "--workspace", "--bin", "plugbay", "--bin", "soak"]);
    if release {
        build.arg("--release");
    }
    ensure!(build.status().context("cannot start cargo")?.success(), "the build failed");
    let folder = repository.target.join(if release { "release" } else { "debug" });
    let soak = Command::new(folder.join("soak"))
        .arg(folder.join("plugbay"))
        .arg(minutes.to_string())
        .status();
    Ok(soak.context("cannot start the soak test")?.success())
}
