//! `plugins`: the bundled plugins, as components, in a folder from which a host can load them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use plugbay_toolchain::apt::Consent;
use plugbay_toolchain::{Build, Options, Toolchain, ToolchainError};

use crate::place::Place;

pub(crate) fn run(out: Option<PathBuf>, yes: bool) -> Result<bool> {
    let place = Place::find()?;
    let out = out.unwrap_or_else(|| folder(&place));
    build(&place, &toolchain(Consent::of(yes))?, &out)?;
    Ok(true)
}

/// What builds guests, made ready.
pub(crate) fn toolchain(packages: Consent) -> Result<Toolchain, ToolchainError> {
    Toolchain::find_with(Options { packages, ..Options::default() })
}

/// Where the components lie unless another folder is asked for.
pub(crate) fn folder(place: &Place) -> PathBuf {
    place.target.join("plugins")
}

/// Builds all of them and puts those that changed into `out`.
pub(crate) fn build(place: &Place, toolchain: &Toolchain, out: &Path) -> Result<()> {
    let began = Instant::now();
    let manifest = place.root.join("plugins/Cargo.toml");
    if !manifest.exists() {
        println!("no plugins are bundled: {} is not there", manifest.display());
        return Ok(());
    }
    let guests = Build { target_dir: Some(place.target.join("guests")), ..Build::new(manifest) };
    let components = guests.run(toolchain)?;
    fs::create_dir_all(out).with_context(|| format!("cannot make {}", out.display()))?;
    for built in &components {
        let name = built.package.strip_prefix("plugbay-plugin-").unwrap_or(&built.package);
        let to = out.join(format!("{name}.wasm"));
        let news = place_file(&built.path_to_component, &to)
            .with_context(|| format!("cannot write {}", to.display()))?;
        println!(
            "{name:<16} {:>9} bytes  {}  {}",
            built.bytes,
            built.target,
            if news { "new" } else { "unchanged" }
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

/// Copies by temporary name and rename, and only when the bytes differ: a running host may be watching
/// `to`, and must see the old file or the new one, and no event for nothing.
fn place_file(from: &Path, to: &Path) -> io::Result<bool> {
    let bytes = fs::read(from)?;
    if fs::read(to).is_ok_and(|old| old == bytes) {
        return Ok(false);
    }
    let temporary = to.with_extension(format!("{}.tmp", std::process::id()));
    fs::write(&temporary, bytes)?;
    fs::rename(&temporary, to)?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_bytes_are_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to.wasm"));
        fs::write(&from, "one").unwrap();
        assert!(place_file(&from, &to).unwrap());
        assert!(!place_file(&from, &to).unwrap());
        fs::write(&from, "two").unwrap();
        assert!(place_file(&from, &to).unwrap());
        assert_eq!(fs::read(&to).unwrap(), b"two");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }
}
