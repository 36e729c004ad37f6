//! The tests of the admin plane's description: requests that are made from it, and a client that is generated from it.

use std::process::Command;

use anyhow::{Result, ensure};
use plugbay_toolchain::apt::Consent;

use crate::python;
use crate::repository::Repository;
use crate::stage::{Outcome, tests};

/// The folder of the tests, from the root of the repository.
const FOLDER: &str = "host/crates/server/tests/openapi";

pub(crate) fn run(repository: &Repository, consent: Consent) -> Result<Outcome> {
    let programs = match python::programs(repository, consent) {
        Ok(programs) => programs,
        Err(error) => return Ok(Outcome::Skipped(format!("no programs of Python: {error:#}"))),
    };
    let mut cargo = repository.cargo();
    cargo.args(["build", "--package", "plugbay-server", "--bin", "plugbay"]);
    ensure!(cargo.status()?.success(), "the host did not build");
    let mut pytest = Command::new(programs.join("pytest"));
    pytest
        .args(["--quiet", "-p", "no:cacheprovider"])
        .current_dir(repository.root.join(FOLDER))
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .env("OPENAPI_TEST_PROGRAM", repository.target.join("debug/plugbay"))
        .env("OPENAPI_TEST_DOCUMENT", repository.root.join("docs/openapi.json"));
    tests(&mut pytest)
}
