//! The tests of the dashboard, in a real browser.

use std::process::Command;

use anyhow::{Result, ensure};

use crate::needs;
use crate::repository::Repository;
use crate::stage::{Outcome, tests};

/// The folder of the tests, from the root of the repository.
const FOLDER: &str = "host/crates/server/tests/browser";
/// The browsers that drive the page; the first that is there is taken.
const BROWSERS: [&str; 2] = ["chromium", "google-chrome"];

pub(crate) fn run(repository: &Repository) -> Result<Outcome> {
    let folder = repository.root.join(FOLDER);
    let Some(browser) = BROWSERS.into_iter().find(|browser| needs::has(browser)) else {
        return Ok(Outcome::Skipped("no browser (apt-get install chromium)".to_owned()));
    };
    if !needs::has("npm") {
        return Ok(Outcome::Skipped("no npm (apt-get install npm)".to_owned()));
    }
    let mut cargo = repository.cargo();
    cargo.args(["build", "--package", "plugbay-server", "--bin", "plugbay"]);
    ensure!(cargo.status()?.success(), "the host did not build");
    let mut cargo = repository.cargo();
    cargo.args(["build", "--package", "plugbay-fixtures", "--example", "write"]);
    ensure!(cargo.status()?.success(), "the writer of guests did not build");
    let mut npm = Command::new("npm");
    npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]).current_dir(&folder);
    ensure!(npm.status()?.success(), "npm ci failed in {FOLDER}");
    let built = repository.target.join("debug");
    let mut node = Command::new("node");
    node.args(["--test", "--test-force-exit", "--test-concurrency=1", "--test-reporter=spec"]);
    node.current_dir(&folder)
        .env("BROWSER_TEST_PROGRAM", built.join("plugbay"))
        .env("BROWSER_TEST_GUESTS", built.join("examples/write"))
        .env("BROWSER_TEST_CHROMIUM", browser);
    tests(&mut node)
}
