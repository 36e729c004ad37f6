//! The active Rust toolchain: which targets it has, and adding one by rustup.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::decide::{MayAdd, Rustup};
use crate::memo::Memo;
use crate::{Target, environment, run};

/// The time limit of adding a target, some 25 MB. If it takes longer, Debian's Rust is tried.
const ADD_LIMIT: Duration = Duration::from_secs(90);

/// Inspects the toolchain of the `rustc` in the program path.
pub(crate) fn inspect(target: Target) -> Option<Rustup> {
    let output = environment::command("rustc").args(["--print", "sysroot"]).output().ok()?;
    if !output.status.success() {
        return None;
    }
    let sysroot = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    let rustlib = sysroot.join("lib/rustlib");
    Some(Rustup {
        has_target: has_standard_library(&rustlib.join(target.triple()).join("lib")),
        linker: component_linker(&rustlib),
        sysroot,
    })
}

/// Whether the folder holds a compiled standard library.
pub(crate) fn has_standard_library(folder: &Path) -> bool {
    let Ok(entries) = folder.read_dir() else {
        return false;
    };
    entries.flatten().any(|entry| {
        let name = entry.file_name();
        name.to_str().is_some_and(|name| {
            name.starts_with("libstd-")
                && Path::new(name).extension().is_some_and(|ext| ext == "rlib")
        })
    })
}

/// The path of `wasm-component-ld`, in the folder of the host's triple.
fn component_linker(rustlib: &Path) -> Option<PathBuf> {
    let name = format!("wasm-component-ld{}", std::env::consts::EXE_SUFFIX);
    rustlib
        .read_dir()
        .ok()?
        .flatten()
        .map(|entry| entry.path().join("bin").join(&name))
        .find(|path| path.is_file())
}

/// Whether rustup may add the target: it is installed, the user allows it, and it did not fail within
/// the last day.
pub(crate) fn may_add(cache: &Path, target: Target) -> MayAdd {
    if environment::command("rustup").arg("--version").output().is_err() {
        return MayAdd::NoRustup;
    }
    decide_add(
        std::env::var_os("RUSTUP_AUTO_INSTALL"),
        memo(cache, target).failure(SystemTime::now()),
    )
}

fn decide_add(auto_install: Option<OsString>, failure: Option<String>) -> MayAdd {
    if auto_install.is_some_and(|value| value == "0") {
        return MayAdd::No(
            "RUSTUP_AUTO_INSTALL=0 in the environment forbids installations".to_owned(),
        );
    }
    match failure {
        Some(reason) => MayAdd::No(format!("it failed within the last day: {reason}")),
        None => MayAdd::Yes,
    }
}

/// Adds the target by rustup. The error is the reason of a failure, which is also recorded.
pub(crate) fn add(cache: &Path, target: Target, rustup: &Rustup) -> Result<(), String> {
    eprintln!("plugbay: rustup target add {}", target.triple());
    let mut command = environment::command("rustup");
    command.args(["target", "add", target.triple()]);
    // rustup names a toolchain by its folder. For a linked toolchain it fails, as for a missing one.
    if let Some(name) = rustup.sysroot.file_name() {
        command.arg("--toolchain").arg(name);
    }
    let result = run::bounded(&mut command, ADD_LIMIT, &mut |passed| {
        eprintln!("plugbay: … still fetching ({} s)", passed.as_secs());
    })
    .map_err(|error| error.to_string())
    .and_then(run::Ended::success);
    result.map_err(|output| {
        let reason = error_line(&output);
        memo(cache, target).record(&reason);
        eprintln!("plugbay: rustup could not add it: {reason}");
        reason
    })
}

fn memo(cache: &Path, target: Target) -> Memo {
    Memo::new(cache, &format!("rustup-target-add-{}", target.triple()))
}

/// The first line of rustup's output that is an error, or its first line.
fn error_line(output: &str) -> String {
    let error = output.lines().find(|line| line.starts_with("error"));
    let line = error.or_else(|| output.lines().next());
    line.unwrap_or("no reason given").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_user_can_forbid_installations() {
        let MayAdd::No(why) = decide_add(Some("0".into()), None) else { panic!("expected a no") };
        assert!(why.contains("RUSTUP_AUTO_INSTALL"));
        assert_eq!(decide_add(Some("1".into()), None), MayAdd::Yes);
        assert_eq!(decide_add(None, None), MayAdd::Yes);
    }

    #[test]
    fn a_recent_failure_is_not_repeated() {
        let MayAdd::No(why) = decide_add(None, Some("dns".into())) else { panic!("expected a no") };
        assert!(why.contains("dns"));
    }

    #[test]
    fn the_reason_is_the_line_with_the_error() {
        assert_eq!(error_line("info: a\nerror: b\nCaused by"), "error: b");
        assert_eq!(error_line("exit status: 1"), "exit status: 1");
    }
}
