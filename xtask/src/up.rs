//! `up`: from a fresh clone to a running host.

use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::place::Place;
use crate::{needs, plugins};

pub(crate) fn run(dev: bool, args: &[String]) -> Result<bool> {
    let place = Place::find()?;
    println!(
        "[1/3] building the host{}",
        if dev { "" } else { " (takes minutes the first time; --dev is quicker)" }
    );
    needs::install(&place);
    let mut build = place.cargo();
    build.args(["build", "--package", "plugbay-server", "--bin", "plugbay"]);
    if !dev {
        build.arg("--release");
    }
    ensure!(build.status().context("cannot start cargo")?.success(), "the host did not build");

    println!("[2/3] building the bundled plugins");
    let out = plugins::folder(&place);
    plugins::build(&place, &out)?;

    println!("[3/3] starting the host");
    let profile = if dev { "debug" } else { "release" };
    let program =
        place.target.join(profile).join(format!("plugbay{}", std::env::consts::EXE_SUFFIX));
    let mut host = Command::new(&program);
    host.current_dir(&place.root).args(["up", "--config", "config.toml", "--set"]);
    // The config's own folder, ./plugins, holds their source.
    host.arg(format!("host.plugins={}", out.display())).args(args);
    start(host).with_context(|| format!("cannot start {}", program.display()))
}

/// The host takes this process's place, so that signals reach it and nothing outlives it.
#[cfg(unix)]
fn start(mut host: Command) -> Result<bool> {
    use std::os::unix::process::CommandExt;
    Err(host.exec().into())
}

#[cfg(not(unix))]
fn start(mut host: Command) -> Result<bool> {
    Ok(host.status()?.success())
}
