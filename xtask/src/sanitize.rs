//! Runs tests under the address and thread sanitizers: of the crates that share memory between threads
//! or across the native ABI. Both need a nightly compiler; the thread sanitizer also needs the source
//! of the standard library.

use std::process::Command;

use anyhow::{Context, Result};
use plugbay_toolchain::environment;

use crate::repository::Repository;
use crate::stage::{Outcome, Stages, tests};

/// One sanitizer and the tests that run under it.
struct Run {
    kind: &'static str,
    packages: &'static [&'static str],
    /// Arguments of `cargo test` that select the tests.
    targets: &'static [&'static str],
}

const RUNS: [Run; 3] = [
    Run {
        kind: "address",
        packages: &["plugbay-registry", "plugbay-abi"],
        targets: &["--lib", "--tests"],
    },
    // Without the test `worker`: a worker limits its address space, and the sanitizer reserves
    // terabytes of it.
    Run {
        kind: "address",
        packages: &["plugbay-native"],
        targets: &["--lib", "--test=libraries", "--test=stuck"],
    },
    Run {
        kind: "thread",
        packages: &["plugbay-registry", "plugbay-abi"],
        targets: &["--lib", "--tests"],
    },
];

pub(crate) fn run(repository: &Repository, stages: &mut Stages) {
    for run in &RUNS {
        let name = format!("{} sanitizer: {}", run.kind, run.packages.join(", "));
        stages.run(&name, || sanitizer(repository, run));
    }
}

fn sanitizer(repository: &Repository, run: &Run) -> Result<Outcome> {
    let Run { kind, packages, targets } = run;
    if !cfg!(target_os = "linux") {
        return Ok(Outcome::Skipped("the sanitizers run on Linux only".to_owned()));
    }
    let found: Vec<_> = packages.iter().filter(|name| repository.has_package(name)).collect();
    if found.is_empty() {
        return Ok(Outcome::Skipped(format!("there is no package {}", packages.join(" or "))));
    }
    let Some(nightly) = nightly() else {
        return Ok(Outcome::Skipped(
            "no nightly compiler (rustup toolchain install nightly --component rust-src)"
                .to_owned(),
        ));
    };
    // The thread sanitizer does not see the synchronisation of a standard library that is not
    // instrumented, and reports false races. The address sanitizer works without, and five minutes
    // sooner.
    let own_std = *kind == "thread";
    if own_std && !has_source(&nightly) {
        return Ok(Outcome::Skipped(format!(
            "{nightly} lacks rust-src (rustup component add --toolchain {nightly} rust-src)"
        )));
    }
    // Without --target the flags would apply to build scripts and procedural macros, too.
    let host = host(&nightly)?;
    let mut cargo = environment::command("rustup");
    cargo
        .current_dir(&repository.root)
        .args(["run", &nightly, "cargo", "test"])
        .args(*targets)
        .args(["--target", &host]);
    if own_std {
        cargo.arg("-Zbuild-std");
    }
    cargo.arg("--target-dir").arg(repository.target.join(format!("sanitize-{kind}")));
    for package in found {
        cargo.args(["--package", package]);
    }
    cargo.env("RUSTFLAGS", format!("-Zsanitizer={kind}"));
    tests(&mut cargo)
}

/// The installed nightly toolchain, preferably one without a date.
fn nightly() -> Option<String> {
    let list = rustup(&["toolchain", "list", "--quiet"])?;
    let mut names: Vec<&str> =
        list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    names.retain(|name| name.starts_with("nightly"));
    names.sort_by_key(|name| name.starts_with("nightly-2"));
    names.first().map(|name| (*name).to_owned())
}

fn has_source(nightly: &str) -> bool {
    rustup(&["component", "list", "--installed", "--toolchain", nightly])
        .is_some_and(|list| list.lines().any(|line| line.trim() == "rust-src"))
}

fn host(nightly: &str) -> Result<String> {
    let text = rustup(&["run", nightly, "rustc", "-vV"]).context("cannot start rustc")?;
    let line = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(line.context("expected a line \"host: …\" of rustc -vV, found none")?.to_owned())
}

fn rustup(args: &[&str]) -> Option<String> {
    let mut command: Command = environment::command("rustup");
    let output = command.args(args).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}
