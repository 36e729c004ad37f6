//! The errors of finding a toolchain and of building, with remedies.

use std::fmt;
use std::io;
use std::path::PathBuf;

use thiserror::Error;

use crate::decide::{Found, MayAdd};
use crate::{Target, apt, debian};

/// No toolchain for a target could be found or installed.
#[derive(Debug, Error)]
#[error("no toolchain for {target} plugins ({}): {kind}", target.triple())]
pub struct ToolchainError {
    /// The target.
    pub target: Target,
    /// Why not.
    #[source]
    pub kind: ToolchainErrorKind,
}

/// Why there is no toolchain.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ToolchainErrorKind {
    /// The machine has none, and none could be installed.
    #[error("{0}")]
    NoToolchain(Box<NoToolchain>),
    /// Debian's source of the standard library did not build.
    #[error("the standard library could not be built from source: {0}")]
    StandardLibrary(String),
    /// A folder or file of the cache could not be used.
    #[error("cannot use {}: {source}", path.display())]
    Cache {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl ToolchainErrorKind {
    /// The stable name of the kind.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoToolchain(_) => "no-toolchain",
            Self::StandardLibrary(_) => "standard-library",
            Self::Cache { .. } => "cache",
        }
    }
}

/// What was found on the machine, why it does not suffice, and what the user can do.
#[derive(Debug, Error)]
pub struct NoToolchain {
    /// The target.
    pub target: Target,
    /// What was found on the machine last.
    pub found: Found,
    /// Why the packages could not be installed, if that was tried.
    pub apt: Option<String>,
}

impl fmt::Display for NoToolchain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let triple = self.target.triple();
        match &self.found.rustup {
            None => writeln!(f, "expected rustc in the program path, found none")?,
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
            MayAdd::NoRustup => writeln!(f, "  rustup, which could add it, is not installed")?,
            MayAdd::Yes => {}
        }
        if !self.found.debian.missing.is_empty() {
            writeln!(
                f,
                "  Debian's packages are not all installed; missing: {}",
                self.found.debian.missing.join(", ")
            )?;
        }
        if let Some(version) = &self.found.debian.version
            && self.found.debian.missing.contains(&"rustc-web")
        {
            let oldest = debian::OLDEST;
            writeln!(
                f,
                "  /usr/bin/rustc is {version}; expected {oldest} or newer: install rustc-web from \
                 the release's security updates, which must be among apt's sources"
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

/// A component could not be built.
#[derive(Debug, Error)]
#[error("cannot build {}: {kind}", manifest.display())]
pub struct BuildError {
    /// The manifest of the build.
    pub manifest: PathBuf,
    /// Why not.
    #[source]
    pub kind: BuildErrorKind,
}

/// Why a component could not be built.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum BuildErrorKind {
    /// There is no toolchain for the plugin's target.
    #[error(transparent)]
    Toolchain(#[from] ToolchainError),
    /// The folder has no manifest of a plugin.
    #[error(
        "expected Cargo.toml of a plugin, or plugbay.toml, found neither: `plugbay new NAME` makes one"
    )]
    NoPlugin,
    /// The workspace has several plugins, and none is named.
    #[error("expected one plugin, found {}: name one by --package", .0.join(", "))]
    SeveralPlugins(Vec<String>),
    /// The folder has no sources.
    #[error("expected sources in {}, found none", .0.display())]
    NoSources(PathBuf),
    /// The compiler of the language could not be started.
    #[error("cannot start {program}: {message} ({remedy})")]
    NoCompiler {
        /// The program.
        program: String,
        /// The system's error.
        message: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The compiler failed.
    #[error("{program} failed: {output}")]
    Compiler {
        /// The program.
        program: String,
        /// Its status, and its last lines.
        output: String,
    },
    /// The manifest cannot be read.
    #[error("{0}")]
    Manifest(String),
    /// The workspace has no package of that name.
    #[error("no plugin is named {name:?}; there are {}", known.join(", "))]
    NoSuchPackage {
        /// The requested name.
        name: String,
        /// The plugins of the workspace.
        known: Vec<String>,
    },
    /// The package exists, but is not a plugin.
    #[error(
        "package {0} is not a plugin: expected [package.metadata.plugbay], or crate-type = [\"cdylib\"] in [lib], in its manifest, found neither"
    )]
    NotAPlugin(String),
    /// The manifest names a target that does not exist.
    #[error("package {package}: [package.metadata.plugbay] target: {problem}")]
    BadTarget {
        /// The package of the manifest.
        package: String,
        /// What was expected, and what was found.
        problem: String,
    },
    /// Cargo failed.
    #[error("cargo failed ({status}); its last lines:\n{tail}")]
    Cargo {
        /// The exit status.
        status: String,
        /// The last lines of its standard error.
        tail: String,
    },
    /// Cargo succeeded, but built no file of the plugin for this package.
    #[error("expected cargo to build a file of the plugin for package {0}, found none")]
    NoArtifact(String),
    /// The file is a core module, or not WebAssembly.
    #[error("expected {} to be a component, found a file that begins with {found:02x?}", path.display())]
    NotAComponent {
        /// The file.
        path: PathBuf,
        /// Its first bytes.
        found: Vec<u8>,
    },
    /// A program could not be started, or a file could not be read.
    #[error("cannot use {}: {source}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl BuildErrorKind {
    /// The stable name of the kind.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Toolchain(error) => error.kind.reason(),
            Self::NoPlugin => "no-plugin",
            Self::SeveralPlugins(_) => "several-plugins",
            Self::NoSources(_) => "no-sources",
            Self::NoCompiler { .. } => "no-compiler",
            Self::Compiler { .. } => "compile-error",
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
        let error = NoToolchain {
            target: Target::Pure,
            found: Found {
                rustup: Some(Rustup {
                    sysroot: "r".into(),
                    has_target: false,
                    linker: Some("l".into()),
                }),
                may_add: MayAdd::No("RUSTUP_AUTO_INSTALL=0".into()),
                debian: Debian { version: None, missing: vec!["rust-web-src"] },
                may_install: false,
            },
            apt: None,
        }
        .to_string();
        for part in [
            "RUSTUP_AUTO_INSTALL=0",
            "rustup target add wasm32-unknown-unknown wasm32-wasip2",
            "apt-get install -y --no-install-recommends rustc-web cargo-web rust-web-src wasi-libc",
            "missing: rust-web-src",
        ] {
            assert!(error.contains(part), "{part} is missing in:\n{error}");
        }
    }
}
