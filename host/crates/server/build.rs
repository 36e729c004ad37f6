//! Notes which commit and which wasmtime the program is built from, where that can be known.

use std::path::Path;
use std::process::Command;
use std::{env, fs};

fn main() {
    let root = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let root = Path::new(&root).join("../../..");
    let (version, commit) = (env::var("CARGO_PKG_VERSION").ok(), commit(&root));
    let known = commit.as_ref().map(|commit| format!(" ({commit})")).unwrap_or_default();
    note("BUILD_VERSION", version.map(|version| version + &known));
    note("BUILD_COMMIT", commit);
    note("BUILD_WASMTIME", wasmtime(&root.join("Cargo.lock")));
    println!("cargo::rerun-if-env-changed=PLUGBAY_COMMIT");
    for file in [".git/HEAD", ".git/logs/HEAD", "Cargo.lock"] {
        // Naming a file that is not there would run this script at every build.
        if root.join(file).exists() {
            println!("cargo::rerun-if-changed={}", root.join(file).display());
        }
    }
}

fn note(variable: &str, value: Option<String>) {
    if let Some(value) = value {
        println!("cargo::rustc-env={variable}={value}");
    }
}

/// Packagers build without a repository and say the commit in `PLUGBAY_COMMIT`.
fn commit(root: &Path) -> Option<String> {
    if let Ok(commit) = env::var("PLUGBAY_COMMIT") {
        return Some(commit).filter(|commit| !commit.is_empty());
    }
    let mut git = Command::new("git");
    let output = git.arg("-C").arg(root).args(["rev-parse", "--short=12", "HEAD"]).output().ok()?;
    let commit = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !commit.is_empty()).then_some(commit)
}

/// The version that the lock file chose.
fn wasmtime(lock: &Path) -> Option<String> {
    let lock = fs::read_to_string(lock).ok()?;
    let mut lines = lock.lines().skip_while(|line| *line != "name = \"wasmtime\"").skip(1);
    let version = lines.next()?.strip_prefix("version = \"")?.strip_suffix('"')?;
    Some(version.to_owned())
}
