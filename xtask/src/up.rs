//! `up`: builds and starts the host, from a fresh clone.

use std::path::Path;
use std::process::Command;
use std::{fs, thread};

use anyhow::{Context, Result, ensure};
use plugbay_toolchain::apt::Consent;

use crate::needs::{self, Purpose};
use crate::plugins;
use crate::repository::Repository;

/// CPU seconds of a first build, in release and with `--dev`: rough estimates, not measured yet
/// (docs/adr/0018-build-time.md). Cores that wait for each other add a tenth.
const FIRST_BUILD: [u32; 2] = [1050, 420];

/// The options of `up`.
pub(crate) struct Options {
    /// Build without optimisation, which is quicker.
    pub(crate) dev: bool,
    /// Also build the bundled plugins as components.
    pub(crate) plugins: bool,
    /// Install packages without asking.
    pub(crate) yes: bool,
    /// Arguments for `plugbay up`.
    pub(crate) args: Vec<String>,
}

pub(crate) fn run(options: &Options) -> Result<bool> {
    let repository = Repository::find()?;
    let consent = Consent::of(options.yes);
    needs::install(&repository, Purpose::Build, consent);
    let profile = if options.dev { "debug" } else { "release" };
    let program =
        repository.target.join(profile).join(format!("plugbay{}", std::env::consts::EXE_SUFFIX));
    println!("building the host: {}", estimate(options.dev, program.exists(), cores()));
    let folder = plugins::folder(&repository);
    if options.plugins {
        // If the guests' standard library has to be built from source, that takes one core about a
        // minute. It is done in parallel with the host's build, which takes longer.
        let toolchain = thread::spawn(move || plugins::toolchain(consent));
        build(&repository, options.dev)?;
        let toolchain =
            toolchain.join().map_err(|_| anyhow::anyhow!("finding a toolchain panicked"))??;
        println!("building the bundled plugins");
        plugins::build(&repository, &toolchain, &folder)?;
    } else {
        build(&repository, options.dev)?;
        note_built_before(&folder);
    }
    fs::create_dir_all(&folder).with_context(|| format!("cannot create {}", folder.display()))?;
    println!("starting the host");
    let mut host = Command::new(&program);
    host.current_dir(&repository.root).args(["up", "--config", "config.toml", "--set"]);
    // Not ./plugins, as in the configuration: in this repository it has the plugins' source.
    host.arg(format!("host.plugins={}", folder.display())).args(&options.args);
    start(host).with_context(|| format!("cannot start {}", program.display()))
}

fn build(repository: &Repository, dev: bool) -> Result<()> {
    let mut build = repository.cargo();
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
        return "only what changed since the last build".to_owned();
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

/// Prints how many components an earlier build has left: they replace the linked plugins of the same
/// names.
fn note_built_before(folder: &Path) {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let count = files.filter(|it| it.path().extension().is_some_and(|ext| ext == "wasm")).count();
    if count > 0 {
        println!(
            "{} has {count} components of an earlier build, which replace the linked plugins; \
             --plugins builds them again",
            folder.display()
        );
    }
}

/// Replaces this process by the host, so that the host gets its signals.
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
    fn the_estimate_depends_on_cores_and_on_an_earlier_build() {
        assert_eq!(
            estimate(false, false, 2),
            "about 10 minutes the first time, on 2 cores; --dev is quicker"
        );
        assert_eq!(estimate(true, false, 16), "about 1 minute the first time, on 16 cores");
        assert!(!estimate(false, true, 2).contains("minute"));
    }
}
