//! `test`: every test there is, each kind as a stage.

use std::process::Command;

use anyhow::Result;
use plugbay_toolchain::apt::Consent;

use crate::needs::{self, Purpose};
use crate::place::Place;
use crate::stage::{Outcome, Stages, Tally, tests};
use crate::{plugins, sanitize};

pub(crate) fn run(filter: &[String], yes: bool) -> Result<bool> {
    let place = Place::find()?;
    let consent = Consent::of(yes);
    needs::install(&place, Purpose::Test, consent);
    let mut stages = Stages::default();
    stages.run("bundled plugins, as components", || {
        plugins::build(&place, &plugins::toolchain(consent)?, &plugins::folder(&place))?;
        Ok(Outcome::Passed(Tally::default()))
    });
    stages.run("host, unit and integration tests", || tests(&mut host(&place, filter)));
    stages.run("host, documentation tests", || {
        let mut cargo = place.cargo();
        tests(cargo.args(["test", "--workspace", "--doc", "--no-fail-fast", "--"]).args(filter))
    });
    stages.run("components without a compiler", || runtime_only(&place));
    stages.run("bundled plugins, natively", || {
        let manifest = place.root.join("plugins/Cargo.toml");
        if !manifest.exists() {
            return Ok(Outcome::Skipped("no plugins are bundled".to_owned()));
        }
        let mut cargo = place.cargo();
        cargo.args(["test", "--workspace", "--no-fail-fast", "--manifest-path"]).arg(manifest);
        // A folder of its own: another workspace's crates would only push the host's out.
        cargo.arg("--target-dir").arg(place.target.join("plugins-native")).arg("--").args(filter);
        tests(&mut cargo)
    });
    if filter.is_empty() {
        stages.run("models of the registry (loom)", || loom(&place, "plugbay-registry"));
        stages.run("models of the guard (loom)", || loom(&place, "plugbay-guard"));
        sanitize::run(&place, &mut stages);
    }
    Ok(stages.finish())
}

/// nextest where it is there: it runs the crates' tests side by side. A fresh machine has none.
fn host(place: &Place, filter: &[String]) -> Command {
    let mut cargo = place.cargo();
    if needs::has("cargo-nextest") {
        cargo
            .args(["nextest", "run", "--workspace", "--no-fail-fast", "--no-tests=pass"])
            .args(filter);
    } else {
        cargo.args([
            "test",
            "--workspace",
            "--lib",
            "--bins",
            "--tests",
            "--examples",
            "--no-fail-fast",
            "--",
        ]);
        cargo.args(filter);
    }
    cargo
}

/// A build that has no compiler, and one of each feature alone. It runs what a build with all features
/// has put into a cache.
fn runtime_only(place: &Place) -> Result<Outcome> {
    const PACKAGE: [&str; 2] = ["--package", "plugbay-wasm"];
    let cache = place.target.join("runtime-only-cache");
    let mut cargo = place.cargo();
    cargo.arg("run").args(PACKAGE).args(["--example", "precompile", "--"]).arg(&cache);
    anyhow::ensure!(cargo.status()?.success(), "the cache was not filled");
    for feature in ["compile", "wasi"] {
        let mut cargo = place.cargo();
        cargo.arg("check").args(PACKAGE).args(["--no-default-features", "--features", feature]);
        anyhow::ensure!(cargo.status()?.success(), "a build with {feature} alone failed");
    }
    let mut cargo = place.cargo();
    cargo
        .arg("test")
        .args(PACKAGE)
        .args(["--no-default-features", "--lib", "--test", "runtime_only"])
        .env("PLUGBAY_TEST_CACHE", &cache);
    tests(&mut cargo)
}

/// The tests whose names say loom, built with loom's own atomics. That none ran is a failure: a typing
/// error in a `cfg` would else pass for a proof.
fn loom(place: &Place, package: &str) -> Result<Outcome> {
    if !place.has_package(package) {
        return Ok(Outcome::Skipped(format!("there is no package {package}")));
    }
    let mut cargo = place.cargo();
    cargo
        .args(["test", "--package", package, "--lib", "--tests", "--release", "--target-dir"])
        .arg(place.target.join("loom"))
        .args(["--", "loom"])
        .env_remove("CARGO_ENCODED_RUSTFLAGS")
        .env("RUSTFLAGS", "--cfg loom");
    Ok(match tests(&mut cargo)? {
        Outcome::Passed(tally) if tally.passed == 0 => {
            Outcome::Failed { why: "no test has loom in its name".to_owned(), tally }
        }
        outcome => outcome,
    })
}
