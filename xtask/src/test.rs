//! `test`: runs all tests, each kind as a stage.

use std::process::Command;

use anyhow::Result;
use plugbay_toolchain::apt::Consent;

use crate::needs::{self, Purpose};
use crate::repository::Repository;
use crate::stage::{Outcome, Stages, Tally, tests};
use crate::{browser, openapi, plugins, python, sanitize, sim};

pub(crate) fn run(filter: &[String], yes: bool) -> Result<bool> {
    let repository = Repository::find()?;
    let consent = Consent::of(yes);
    needs::install(&repository, Purpose::Test, consent);
    let mut stages = Stages::default();
    stages.run("bundled plugins, as components", || {
        plugins::build(&repository, &plugins::toolchain(consent)?, &plugins::folder(&repository))?;
        Ok(Outcome::Passed(Tally::default()))
    });
    stages.run("host, unit and integration tests", || {
        tests(host(&repository, filter).env("PATH", python::path(&repository, consent)))
    });
    stages.run("host, documentation tests", || {
        let mut cargo = repository.cargo();
        tests(cargo.args(["test", "--workspace", "--doc", "--no-fail-fast", "--"]).args(filter))
    });
    stages.run("components without a compiler", || runtime_only(&repository));
    stages.run("bundled plugins, natively", || {
        let manifest = repository.root.join("plugins/Cargo.toml");
        if !manifest.exists() {
            return Ok(Outcome::Skipped("no plugins are bundled".to_owned()));
        }
        let mut cargo = repository.cargo();
        cargo.args(["test", "--workspace", "--no-fail-fast", "--manifest-path"]).arg(manifest);
        // A target folder of its own, so that this workspace's crates do not replace the host's.
        cargo
            .arg("--target-dir")
            .arg(repository.target.join("plugins-native"))
            .arg("--")
            .args(filter);
        tests(&mut cargo)
    });
    if filter.is_empty() {
        stages.run("plugins of every template, from an empty folder", || authors(&repository));
        stages.run("simulation of the directory", || tests(&mut sim::in_tests(&repository)));
        stages.run("dashboard, in a browser", || browser::run(&repository));
        stages.run("admin plane, by its description", || openapi::run(&repository, consent));
        stages.run("models of the registry (loom)", || loom(&repository, "plugbay-registry"));
        stages.run("models of the guard (loom)", || loom(&repository, "plugbay-guard"));
        sanitize::run(&repository, &mut stages);
    }
    Ok(stages.finish())
}

/// The tests of the host by nextest, which runs the crates' tests in parallel; without it by cargo.
fn host(repository: &Repository, filter: &[String]) -> Command {
    let mut cargo = repository.cargo();
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

/// Checks a build of the WASM runtime with each feature alone, and runs the tests of one with none,
/// whose components come from a cache that a build with all features fills.
fn runtime_only(repository: &Repository) -> Result<Outcome> {
    const PACKAGE: [&str; 2] = ["--package", "plugbay-wasm"];
    let cache = repository.target.join("runtime-only-cache");
    let mut cargo = repository.cargo();
    cargo.arg("run").args(PACKAGE).args(["--example", "precompile", "--"]).arg(&cache);
    anyhow::ensure!(cargo.status()?.success(), "the example precompile failed to fill the cache");
    for feature in ["compile", "wasi"] {
        let mut cargo = repository.cargo();
        cargo.arg("check").args(PACKAGE).args(["--no-default-features", "--features", feature]);
        anyhow::ensure!(cargo.status()?.success(), "a build with {feature} alone failed");
    }
    let mut cargo = repository.cargo();
    cargo
        .arg("test")
        .args(PACKAGE)
        .args(["--no-default-features", "--lib", "--test", "runtime_only"])
        .env("PLUGBAY_TEST_CACHE", &cache);
    tests(&mut cargo)
}

/// The tests that make a plugin as an author does, and build it with its SDK.
fn authors(repository: &Repository) -> Result<Outcome> {
    let mut cargo = repository.cargo();
    // One after the other: one of them holds the time until a change is live against the build's.
    cargo.args(["test", "--package", "plugbay-server", "--test", "it", "--", "--ignored"]);
    tests(cargo.args(["--test-threads=1", "authors::"]))
}

/// Runs the tests with `loom` in their names, built with loom's own atomics. It is a failure if none
/// ran: otherwise a typing error in a `cfg` would go unnoticed.
fn loom(repository: &Repository, package: &str) -> Result<Outcome> {
    if !repository.has_package(package) {
        return Ok(Outcome::Skipped(format!("there is no package {package}")));
    }
    let mut cargo = repository.cargo();
    cargo
        .args(["test", "--package", package, "--lib", "--tests", "--release", "--target-dir"])
        .arg(repository.target.join("loom"))
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
