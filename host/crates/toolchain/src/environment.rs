//! Keeps the environment of a surrounding cargo out of a guest's build.
//!
//! xtask and the tests run under `cargo run` and `cargo test`. Cargo and rustup set variables for
//! their children that would change the guest's build: another compiler, the sanitizer's flags, the
//! host's target folder (and with it the lock that the surrounding cargo may hold).

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::Command;

/// `CARGO_…` variables that a *user* sets: network, registries, colours, parallelism.
const KEPT: [&str; 9] = [
    "CARGO_HOME",
    "CARGO_NET_",
    "CARGO_HTTP_",
    "CARGO_REGISTRY_",
    "CARGO_REGISTRIES_",
    "CARGO_SOURCE_",
    "CARGO_TERM_",
    "CARGO_CACHE_",
    "CARGO_BUILD_JOBS",
];

/// Whether a variable of this name is a surrounding cargo's, and would change a guest's build.
#[must_use]
pub fn leaks(name: &str) -> bool {
    if name == "CARGO" || name.starts_with("CARGO_") {
        return !KEPT.iter().any(|kept| name.starts_with(kept));
    }
    name == "RUSTC"
        || name.starts_with("RUSTC_")
        || name == "RUSTDOC"
        || name == "RUSTFLAGS"
        || name == "RUSTDOCFLAGS"
        || name == "RUSTUP_TOOLCHAIN"
        || name == "RUST_RECURSION_COUNT"
}

/// Removes the variables that [`leaks`] names from the environment of `command`.
pub fn clean(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        if name.to_str().is_some_and(leaks) {
            command.env_remove(name);
        }
    }
    command
}

/// A command with a [clean] environment and an empty standard input.
#[must_use]
pub fn command(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(program);
    clean(&mut command).stdin(std::process::Stdio::null());
    command
}

/// Puts a folder in front of the program path of `command`.
pub(crate) fn prepend_path(command: &mut Command, folder: Option<PathBuf>) {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = folder.into_iter().chain(std::env::split_paths(&path));
    // A folder whose name has the separator in it cannot be added; the path then stays as it was.
    command.env("PATH", std::env::join_paths(folders).unwrap_or_else(|_| OsString::from(&path)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_of_a_surrounding_cargo_leak() {
        for name in [
            "CARGO",
            "CARGO_MANIFEST_DIR",
            "CARGO_PKG_NAME",
            "CARGO_TARGET_DIR",
            "CARGO_BUILD_TARGET",
            "CARGO_ENCODED_RUSTFLAGS",
            "CARGO_PROFILE_RELEASE_LTO",
            "CARGO_TARGET_WASM32_WASIP2_LINKER",
            "RUSTC",
            "RUSTC_WRAPPER",
            "RUSTC_BOOTSTRAP",
            "RUSTFLAGS",
            "RUSTUP_TOOLCHAIN",
        ] {
            assert!(leaks(name), "{name}");
        }
    }

    #[test]
    fn variables_of_the_user_do_not_leak() {
        for name in [
            "PATH",
            "HOME",
            "RUSTUP_HOME",
            "RUSTUP_AUTO_INSTALL",
            "RUST_BACKTRACE",
            "CARGO_HOME",
            "CARGO_NET_OFFLINE",
            "CARGO_REGISTRIES_MINE_TOKEN",
            "CARGO_TERM_COLOR",
            "CARGO_BUILD_JOBS",
        ] {
            assert!(!leaks(name), "{name}");
        }
    }
}
