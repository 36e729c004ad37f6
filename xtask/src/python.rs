//! Programs of the Python package index that the tests need, in a virtual environment below the target folder.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use plugbay_toolchain::apt::{self, Consent};

use crate::repository::Repository;

/// The name and version of each program.
const REQUIREMENTS: &str = include_str!("../requirements.txt");
/// The packages of Debian with the module `venv`.
const PACKAGES: [&str; 2] = ["python3", "python3-venv"];

/// A `PATH` that begins with the folder of the programs. If they cannot be installed, it says why,
/// and the tests that need one fail.
pub(crate) fn path(repository: &Repository, consent: Consent) -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    match programs(repository, consent) {
        Ok(programs) => {
            let all = std::iter::once(programs).chain(std::env::split_paths(&path));
            std::env::join_paths(all).unwrap_or(path)
        }
        Err(error) => {
            eprintln!("xtask: the programs of xtask/requirements.txt are not installed: {error:#}");
            path
        }
    }
}

/// Installs the programs, and returns their folder.
pub(crate) fn programs(repository: &Repository, consent: Consent) -> Result<PathBuf> {
    let folder = repository.target.join("python");
    install(&folder, consent)?;
    Ok(folder.join("bin"))
}

fn install(folder: &Path, consent: Consent) -> Result<()> {
    // Written last: what it says is installed.
    let installed = folder.join("installed.txt");
    if fs::read_to_string(&installed).is_ok_and(|text| text == REQUIREMENTS) {
        return Ok(());
    }
    if environment(folder).is_err() {
        apt::install(&PACKAGES, consent).map_err(anyhow::Error::msg)?;
        environment(folder)?;
    }
    let list = folder.join("requirements.txt");
    fs::write(&list, REQUIREMENTS)?;
    let mut pip = Command::new(folder.join("bin/python"));
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r"]);
    run(pip.arg(&list))?;
    fs::write(installed, REQUIREMENTS).context("cannot note what is installed")
}

fn environment(folder: &Path) -> Result<()> {
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(folder))
}

fn run(command: &mut Command) -> Result<()> {
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "{}: {}",
        command.get_program().to_string_lossy(),
        said.trim()
    );
    Ok(())
}
