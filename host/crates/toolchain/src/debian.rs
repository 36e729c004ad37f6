//! Debian's Rust: a compiler with the source of its standard library, but without that library
//! compiled for WebAssembly.

use std::path::{Path, PathBuf};

use crate::decide::Debian;
use crate::{Target, environment};

/// The packages that [`inspect`] looks for; all are installed if one is missing.
pub(crate) const PACKAGES: [&str; 4] = ["rustc-web", "cargo-web", "rust-web-src", "wasi-libc"];

pub(crate) const RUSTC: &str = "/usr/bin/rustc";
pub(crate) const CARGO: &str = "/usr/bin/cargo";
const SOURCE: &str = "/usr/lib/rustlib/src/rust/library/std/Cargo.toml";
/// C's library for wasm32-wasip2.
pub(crate) const WASI_LIBC: &str = "/usr/lib/wasm32-wasi";

/// The oldest compiler that builds the SDK and the bundled plugins, as `major.minor`. The
/// `rustc-web` of a Debian release may be older; its security updates have a newer one.
pub(crate) const OLDEST: &str = env!("CARGO_PKG_RUST_VERSION");

/// Finds out which packages are missing for the target.
pub(crate) fn inspect(target: Target) -> Debian {
    let version = version();
    let mut missing = Vec::new();
    // The package `rustc` of bookworm has the same path, and is too old.
    if version.as_deref().and_then(minor).is_none_or(|minor| minor < oldest()) {
        missing.push("rustc-web");
    }
    if !Path::new(CARGO).exists() {
        missing.push("cargo-web");
    }
    if !Path::new(SOURCE).exists() {
        missing.push("rust-web-src");
    }
    if target == Target::Wasi && !Path::new(WASI_LIBC).join("libc.a").exists() {
        missing.push("wasi-libc");
    }
    Debian { version, missing }
}

fn version() -> Option<String> {
    let output = environment::command(RUSTC).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    (output.status.success()).then(|| text.trim().to_owned())
}

/// The minor version of [`OLDEST`]: 95 of "1.95".
fn oldest() -> u32 {
    OLDEST.split('.').nth(1).and_then(|minor| minor.parse().ok()).unwrap_or(u32::MAX)
}

/// The minor version of a compiler: 96 of "rustc 1.96.0 (…)".
fn minor(version: &str) -> Option<u32> {
    version.split([' ', '.']).nth(2)?.parse().ok()
}

/// A folder name for a compiler's version, unique to the version.
pub(crate) fn key(version: &str) -> String {
    let dashed: String = version
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '.' { c } else { '-' })
        .collect();
    dashed.split('-').filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
}

/// The folder of `wasm-ld` in the toolchain of `wasm-component-ld`, which looks for it in the program
/// path.
pub(crate) fn wasm_ld_folder(linker: &Path) -> Option<PathBuf> {
    linker.parent().map(|bin| bin.join("gcc-ld"))
}

#[cfg(test)]
mod tests {
    use super::*;

    const VERSION: &str = "rustc 1.96.0 (ac68faa20 2026-05-25) (built from a source tarball)";

    #[test]
    fn a_version_becomes_a_folder_name() {
        assert_eq!(key(VERSION), "rustc-1.96.0-ac68faa20-2026-05-25-built-from-a-source-tarball");
    }

    #[test]
    fn the_oldest_version_is_that_of_the_manifest() {
        assert!((95..1000).contains(&oldest()), "{OLDEST}");
    }

    #[test]
    fn the_minor_version_is_read() {
        assert_eq!(minor(VERSION), Some(96));
        assert_eq!(minor("rustc 1.63.0"), Some(63));
        assert_eq!(minor("gcc"), None);
    }
}
