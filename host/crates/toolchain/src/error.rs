//! What can go wrong, with the remedy where there is one.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::decide::{Found, MayAdd};
use crate::{Target, apt, debian};

/// No toolchain could be found or made for a target.
#[derive(Debug, Error)]
#[error("no toolchain for {target} plugins ({}): {kind}", target.triple())]
pub struct ToolchainError {
    /// The target it was wanted for.
    pub target: Target,
    /// What was in the way.
    #[source]
    pub kind: ToolchainErrorKind,
}

/// Why there is no toolchain.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ToolchainErrorKind {
    /// Every way was tried.
    #[error("{0}")]
    NoWay(Box<NoWay>),
    /// Debian's source of the standard library did not build.
    #[error("the standard library could not be built from source: {0}")]
    StandardLibrary(String),
    /// A folder or file of the cache could not be used.
    #[error("cannot use {}: {source}", path.display())]
    Cache {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl ToolchainErrorKind {
    /// A stable word for each kind.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoWay(_) => "no-toolchain",
            Self::StandardLibrary(_) => "standard-library",
            Self::Cache { .. } => "cache",
        }
    }
}

/// What was found, why none of it will do, and what the user can do about it.
#[derive(Debug, Error)]
pub struct NoWay {
    /// The target it was wanted for.
    pub target: Target,
    /// The last look at the machine.
    pub found: Found,
    /// Why the packages could not be installed, when that was tried.
    pub apt: Option<String>,
}

impl fmt::Display for NoWay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let triple = self.target.triple();
        match &self.found.rustup {
            None => writeln!(f, "no rustc was found")?,
            Some(rustup) if rustup.linker.is_none() => {
                writeln!(
                    f,
                    "the Rust toolchain in {} has no wasm-component-ld",
                    rustup.sysroot.display()
                )?;
            }
            Some(rustup) => {
                writeln!(f, "the Rust toolchain in {} lacks {triple}", rustup.sysroot.display())?;
            }
        }
        match &self.found.may_add {
            MayAdd::No(reason) => writeln!(f, "  rustup did not add it: {reason}")?,
            MayAdd::NoRustup => writeln!(f, "  there is no rustup to add it")?,
            MayAdd::Yes => {}
        }
        if !self.found.debian.missing.is_empty() {
            writeln!(
                f,
                "  Debian's packages are not all there: {}",
                self.found.debian.missing.join(", ")
            )?;
        }
        if let Some(version) = &self.found.debian.version
            && self.found.debian.missing.contains(&"rustc-web")
        {
            let oldest = debian::OLDEST;
            writeln!(
                f,
                "  /usr/bin/rustc is {version}; expected {oldest} or newer: rustc-web of the release's \
                 security updates, which have to be among apt's sources"
            )?;
        }
        if let Some(apt) = &self.apt {
            writeln!(f, "  apt-get could not install them: {apt}")?;
        }
        writeln!(f, "do one of these:")?;
        let toolchain = if self.found.rustup.as_ref().is_none_or(|rustup| rustup.linker.is_none()) {
            "install rustup from https://rustup.rs, then "
        } else {
            ""
        };
        writeln!(
            f,
            "  {toolchain}rustup target add {} {}",
            Target::Pure.triple(),
            Target::Wasi.triple()
        )?;
        write!(f, "  on Debian: {}", apt::command_line(&debian::PACKAGES))
    }
}

/// A guest did not become a component.
#[derive(Debug, Error)]
#[error("cannot build {}: {kind}", manifest.display())]
pub struct BuildError {
    /// The manifest that was to be built.
    pub manifest: PathBuf,
    /// What was in the way.
    #[source]
    pub kind: BuildErrorKind,
}

/// Why a guest did not become a component.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildErrorKind {
    /// There is no toolchain for its target.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// `cargo metadata` could not read the manifest.
    #[error("{0}")]
    Manifest(String),
    /// No package of that name.
    #[error("no plugin is named {name:?}; there are {}", known.join(", "))]
    NoSuchPackage {
        /// The name asked for.
        name: String,
        /// The plugins there are.
        known: Vec<String>,
    },
    /// The package exists, but makes no library that a component could come from.
    #[error(
        "package {0} is no plugin: its manifest lacks [package.metadata.plugbay], and [lib] crate-type = [\"cdylib\"]"
    )]
    NotAPlugin(String),
    /// The manifest names a target that does not exist.
    #[error("package {package}: [package.metadata.plugbay] target: {problem}")]
    BadTarget {
        /// Whose manifest.
        package: String,
        /// Expected and found.
        problem: String,
    },
    /// Cargo failed; the text is the end of what it said.
    #[error("cargo failed ({status}); its last lines:\n{tail}")]
    Cargo {
        /// The exit status.
        status: String,
        /// The last lines of its standard error.
        tail: String,
    },
    /// Cargo succeeded without making a `.wasm` file for this package.
    #[error("cargo made no .wasm file for package {0}")]
    NoArtifact(String),
    /// The file is a core module, or no WebAssembly at all.
    #[error("{} is not a component (it begins with {found:02x?})", path.display())]
    NotAComponent {
        /// Which file.
        path: PathBuf,
        /// Its first bytes.
        found: Vec<u8>,
    },
    /// A program could not be started or a file not be read.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl BuildErrorKind {
    /// A stable word for each kind.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Toolchain(error) => error.kind.reason(),
            Self::Manifest(_) => "manifest",
            Self::NoSuchPackage { .. } => "no-such-package",
            Self::NotAPlugin(_) => "not-a-plugin",
            Self::BadTarget { .. } => "bad-target",
            Self::Cargo { .. } => "cargo",
            Self::NoArtifact(_) => "no-artifact",
            Self::NotAComponent { .. } => "not-a-component",
            Self::Io { .. } => "io",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::{Debian, Rustup};

    #[test]
    fn the_error_names_both_remedies() {
        let error = NoWay {
            target: Target::Pure,
            found: Found {
                rustup: Some(Rustup {
                    sysroot: "r".into(),
                    has_target: false,
                    linker: Some("l".into()),
                }),
                may_add: MayAdd::No("RUSTUP_AUTO_INSTALL=0".into()),
                debian: Debian { version: None, missing: vec!["rust-web-src"] },
                may_apt: false,
            },
            apt: None,
        }
        .to_string();
        for part in [
            "RUSTUP_AUTO_INSTALL=0",
            "rustup target add wasm32-unknown-unknown wasm32-wasip2",
            "apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src wasi-libc",
            "not all there: rust-web-src",
        ] {
            assert!(error.contains(part), "{part} is missing in:\n{error}");
        }
    }
}
