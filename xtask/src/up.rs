//! `up`: from a fresh clone to a running host.

use std::path::Path;
use std::process::Command;
use std::{fs, thread};

use anyhow::{Context, Result, ensure};
use plugbay_toolchain::apt::Consent;

use crate::needs::{self, Purpose};
use crate::place::Place;
use crate::plugins;

/// CPU seconds of a first build, in release and with `--dev`: rough estimates, not measured yet
/// (docs/adr/0018-build-time.md). Cores that wait for each other add a tenth.
const FIRST_BUILD: [u32; 2] = [1050, 420];

/// What `up` was asked for.
pub(crate) struct Options {
    /// Build quickly instead of for speed.
    pub(crate) dev: bool,
    /// Build the bundled plugins as components, too.
    pub(crate) plugins: bool,
    /// Install packages without asking.
    pub(crate) yes: bool,
    /// Passed on to `plugbay up`.
    pub(crate) args: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let place = Place::find()?;
    let consent = Consent::of(options.yes);
    needs::install(&place, Purpose::Build, consent);
    let profile = if options.dev { "debug" } else { "release" };
    let program =
        place.target.join(profile).join(format!("plugbay{}", std::env::consts::EXE_SUFFIX));
    println!("building the host: {}", estimate(options.dev, program.exists(), cores()));
    let folder = plugins::folder(&place);
    if options.plugins {
        // The guests' standard library, where it is built from source, keeps one core busy for a
        // minute: long enough for the host's build to have it done beside.
        let toolchain = thread::spawn(move || plugins::toolchain(consent));
        build(&place, options.dev)?;
        let toolchain =
            toolchain.join().map_err(|_| anyhow::anyhow!("the toolchain panicked"))??;
        println!("building the bundled plugins");
        plugins::build(&place, &toolchain, &folder)?;
    } else {
        build(&place, options.dev)?;
        note_built_before(&folder);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot make {}", folder.display()))?;
    println!("starting the host");
    let mut host = Command::new(&program);
    host.current_dir(&place.root).args(["up", "--config", "config.toml", "--set"]);
    // The config's own folder, ./plugins, holds their source.
    host.arg(format!("host.plugins={}", folder.display())).args(&options.args);
    start(host).with_context(|| format!("cannot start {}", program.display()))
}

fn build(place: &Place, dev: bool) -> Result<()> {
    let mut build = place.cargo();
    build.args(["build", "--package", "plugbay-server", "--bin", "plugbay"]);
    if !dev {
        build.arg("--release");
    }
    ensure!(build.status().context("cannot start cargo")?.success(), "the host did not build");
    Ok(())
}

/// How long the build may take, for people.
fn estimate(dev: bool, built_before: bool, cores: u32) -> String {
    if built_before {
        return "what changed since the last time".to_owned();
    }
    let seconds = FIRST_BUILD[usize::from(dev)] * 11 / 10 / cores;
    let minutes = seconds.div_ceil(60);
    let plural = if minutes == 1 { "" } else { "s" };
    let quicker = if dev { "" } else { "; --dev is quicker" };
    format!("about {minutes} minute{plural} the first time, on {cores} cores{quicker}")
}

fn cores() -> u32 {
    let cores = thread::available_parallelism().map_or(1, std::num::NonZero::get);
    // Beyond that the build waits for its largest crates.
    u32::try_from(cores).unwrap_or(1).min(16)
}

/// Components of an earlier time take the place of the plugins that are linked into the host.
fn note_built_before(folder: &Path) {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let count = files.filter(|it| it.path().extension().is_some_and(|ext| ext == "wasm")).count();
    if count > 0 {
        println!(
            "{} holds {count} components of an earlier build; --plugins builds them again",
            folder.display()
        );
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_estimate_goes_by_cores_and_by_what_is_there() {
        assert_eq!(
            estimate(false, false, 2),
            "about 10 minutes the first time, on 2 cores; --dev is quicker"
        );
        assert_eq!(estimate(true, false, 16), "about 1 minute the first time, on 16 cores");
        assert!(!estimate(false, true, 2).contains("minute"));
    }
}
