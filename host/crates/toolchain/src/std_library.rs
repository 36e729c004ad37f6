//! Debian's standard library, compiled once per compiler and target into a sysroot folder.
//!
//! A process takes the file lock, builds an empty crate with `-Zbuild-std` in a scratch folder, copies
//! the libraries into a second scratch folder, and renames that into place. So a sysroot is either
//! complete or absent, however many builds begin at once or are interrupted.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::ToolchainErrorKind;
use crate::lock::Lock;
use crate::{Target, debian, environment, run, rustup};

/// The version of the recipe below, a part of the folder's name. Raise it when the recipe changes.
const RECIPE: u32 = 1;
const LIMIT: Duration = Duration::from_mins(20);
const CRATE: &str = "plugbay_std_builder";

/// The sysroot for `target`, which is built if it does not exist yet.
pub(crate) fn sysroot(
    cache: &Path,
    version: &str,
    linker: &Path,
    target: Target,
) -> Result<PathBuf, ToolchainErrorKind> {
    let name = format!("std-{}-{}-r{RECIPE}", target.triple(), debian::key(version));
    let place = cache.join(&name);
    if is_whole(&place, target) {
        return Ok(place);
    }
    fs::create_dir_all(cache).map_err(at(cache))?;
    let lock = cache.join(format!("{name}.lock"));
    let _held = Lock::take(&lock, || {
        eprintln!("plugbay: waiting for another process that builds the standard library");
    })
    .map_err(at(&lock))?;
    // The process that held the lock may have built it.
    if !is_whole(&place, target) {
        make(cache, &place, linker, target)?;
    }
    Ok(place)
}

fn is_whole(place: &Path, target: Target) -> bool {
    rustup::has_standard_library(&libraries(place, target))
}

fn libraries(sysroot: &Path, target: Target) -> PathBuf {
    sysroot.join("lib/rustlib").join(target.triple()).join("lib")
}

fn make(
    cache: &Path,
    place: &Path,
    linker: &Path,
    target: Target,
) -> Result<(), ToolchainErrorKind> {
    let began = Instant::now();
    eprintln!(
        "plugbay: building the standard library for {} from Debian's source, once (about a minute)",
        target.triple()
    );
    // The lock is held, so a folder that exists here is from an interrupted build.
    let scratch = cache.join(format!("making-{}", target.triple()));
    remove(&scratch)?;
    let package = scratch.join("crate");
    fs::create_dir_all(package.join("src")).map_err(at(&package))?;
    let manifest = package.join("Cargo.toml");
    let text = format!(
        "[package]\nname = \"{CRATE}\"\nversion = \"0.0.0\"\nedition = \"2021\"\n[workspace]\n"
    );
    fs::write(&manifest, text).map_err(at(&manifest))?;
    let lib = package.join("src/lib.rs");
    fs::write(&lib, "").map_err(at(&lib))?;

    let built = scratch.join("target");
    let mut cargo = environment::command(debian::CARGO);
    environment::prepend_path(&mut cargo, debian::wasm_ld_folder(linker));
    cargo
        .current_dir(&package)
        .args(["build", "--release", "-Zbuild-std=std,panic_abort", "--target", target.triple()])
        .arg("--target-dir")
        .arg(&built)
        .env("RUSTC", debian::RUSTC)
        .env("RUSTC_BOOTSTRAP", "1")
        // Plugins are built with LTO, which needs the bitcode of all libraries.
        .env("RUSTFLAGS", "-Cembed-bitcode=yes");
    run::bounded(&mut cargo, LIMIT, &mut |passed| {
        eprintln!("plugbay: … still building ({} s)", passed.as_secs());
    })
    .map_err(at(Path::new(debian::CARGO)))?
    .success()
    .map_err(ToolchainErrorKind::StandardLibrary)?;

    let ready = scratch.join("sysroot");
    let into = libraries(&ready, target);
    fs::create_dir_all(&into).map_err(at(&into))?;
    let from = built.join(target.triple()).join("release/deps");
    for entry in from.read_dir().map_err(at(&from))?.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if is_library(&name) {
            fs::copy(entry.path(), into.join(&*name)).map_err(at(&entry.path()))?;
        }
    }
    remove(place)?;
    fs::rename(&ready, place).map_err(at(place))?;
    remove(&scratch)?;
    eprintln!("plugbay: built in {} s", began.elapsed().as_secs());
    Ok(())
}

fn is_library(name: &str) -> bool {
    Path::new(name).extension().is_some_and(|ext| ext == "rlib")
        && !name.starts_with(&format!("lib{CRATE}"))
}

fn remove(folder: &Path) -> Result<(), ToolchainErrorKind> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(folder)(error)),
        _ => Ok(()),
    }
}

fn at(path: &Path) -> impl Fn(io::Error) -> ToolchainErrorKind {
    let path = path.to_owned();
    move |source| ToolchainErrorKind::Cache { path: path.clone(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_empty_crates_own_library_is_left_out() {
        assert!(is_library("libstd-0123.rlib"));
        assert!(!is_library("libplugbay_std_builder-0123.rlib"));
        assert!(!is_library("libstd-0123.rmeta"));
    }

    #[test]
    fn an_empty_folder_is_not_a_sysroot() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir_all(libraries(folder.path(), Target::Pure)).unwrap();
        assert!(!is_whole(folder.path(), Target::Pure));
        fs::write(libraries(folder.path(), Target::Pure).join("libstd-1.rlib"), "").unwrap();
        assert!(is_whole(folder.path(), Target::Pure));
    }
}
