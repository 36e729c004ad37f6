//! `plugins`: builds the bundled plugins as components, into a folder from which a host loads them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use plugbay_toolchain::apt::Consent;
use plugbay_toolchain::{Build, Options, Toolchain, ToolchainError, install};

use crate::repository::Repository;

pub(crate) fn run(out: Option<PathBuf>, yes: bool) -> Result<bool> {
    let repository = Repository::find()?;
    let out = out.unwrap_or_else(|| folder(&repository));
    build(&repository, &toolchain(Consent::of(yes))?, &out)?;
    Ok(true)
}

/// The toolchain that builds guests; found or installed.
pub(crate) fn toolchain(packages: Consent) -> Result<Toolchain, ToolchainError> {
    Toolchain::find_with(Options { packages, ..Options::default() })
}

/// The default folder of the components.
pub(crate) fn folder(repository: &Repository) -> PathBuf {
    repository.target.join("plugins")
}

/// Builds all bundled plugins, and writes the components that changed into `out`.
pub(crate) fn build(repository: &Repository, toolchain: &Toolchain, out: &Path) -> Result<()> {
    let began = Instant::now();
    let manifest = repository.root.join("plugins/Cargo.toml");
    if !manifest.exists() {
        println!("no plugins are bundled: {} does not exist", manifest.display());
        return Ok(());
    }
    let guests =
        Build { target_dir: Some(repository.target.join("guests")), ..Build::new(manifest) };
    let components = guests.run(toolchain)?;
    fs::create_dir_all(out).with_context(|| format!("cannot create {}", out.display()))?;
    for built in &components {
        let name = built.package.strip_prefix("plugbay-plugin-").unwrap_or(&built.package);
        let to = out.join(format!("{name}.wasm"));
        let changed = install(&built.path_to_component, &to)
            .with_context(|| format!("cannot write {}", to.display()))?;
        println!(
            "{name:<16} {:>9} bytes  {}  {}",
            built.bytes,
            built.target,
            if changed { "new" } else { "unchanged" }
        );
    }
    println!(
        "{} plugins in {} ({:.1} s)",
        components.len(),
        out.display(),
        began.elapsed().as_secs_f64()
    );
    Ok(())
}
