//! The active Rust toolchain: what it has, and asking rustup for more.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::decide::{MayAdd, Rustup};
use crate::memo::Memo;
use crate::{Target, environment, run};

/// A target is some 25 MB; a line on which that takes longer is not worth the wait before Debian's way.
const ADD_LIMIT: Duration = Duration::from_secs(90);

/// Sees what the toolchain has that `rustc` on the path belongs to.
pub(crate) fn look(target: Target) -> Option<Rustup> {
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

/// `wasm-component-ld`, which lies under the host's triple.
fn component_linker(rustlib: &Path) -> Option<PathBuf> {
    let name = format!("wasm-component-ld{}", std::env::consts::EXE_SUFFIX);
    rustlib
        .read_dir()
        .ok()?
        .flatten()
        .map(|entry| entry.path().join("bin").join(&name))
        .find(|path| path.is_file())
}

/// Whether rustup may be asked: it is there, the user has not said no, and it did not fail lately.
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
            "RUSTUP_AUTO_INSTALL=0 says that nothing is to be installed unasked".to_owned(),
        );
    }
    match failure {
        Some(reason) => MayAdd::No(format!("tried within the last day, in vain: {reason}")),
        None => MayAdd::Yes,
    }
}

/// Asks rustup for the target. `Err` carries why not, and is remembered.
pub(crate) fn add(cache: &Path, target: Target, rustup: &Rustup) -> Result<(), String> {
    eprintln!("plugbay: rustup target add {}", target.triple());
    let mut command = environment::command("rustup");
    command.args(["target", "add", target.triple()]);
    // rustup names a toolchain by its folder; a linked one it refuses, which is an answer too.
    if let Some(name) = rustup.sysroot.file_name() {
        command.arg("--toolchain").arg(name);
    }
    let result = run::bounded(&mut command, ADD_LIMIT, &mut |passed| {
        eprintln!("plugbay: … still fetching ({} s)", passed.as_secs());
    })
    .map_err(|error| error.to_string())
    .and_then(run::Ended::success);
    result.map_err(|said| {
        let reason = gist(&said);
        memo(cache, target).remember(&reason);
        eprintln!("plugbay: rustup could not add it: {reason}");
        reason
    })
}

fn memo(cache: &Path, target: Target) -> Memo {
    Memo::new(cache, &format!("rustup-target-add-{}", target.triple()))
}

/// The one line of rustup's that says what is wrong.
fn gist(said: &str) -> String {
    let line = said.lines().find(|line| line.starts_with("error")).or_else(|| said.lines().next());
    line.unwrap_or("no reason given").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_no_is_heard() {
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
    fn the_gist_is_the_line_with_the_error() {
        assert_eq!(gist("info: a\nerror: b\nCaused by"), "error: b");
        assert_eq!(gist("exit status: 1"), "exit status: 1");
    }
}
