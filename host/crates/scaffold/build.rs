//! Lists the files of the SDK, so that the program carries them.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// What of the repository is in the SDK of a new plugin: where it stands, and where it goes.
const PARTS: [(&str, &str); 13] = [
    ("Cargo.toml", "repository.toml"),
    ("LICENSE-APACHE", "LICENSE-APACHE"),
    ("LICENSE-MIT", "LICENSE-MIT"),
    ("plugin-sdk/Cargo.toml", "Cargo.toml"),
    ("plugin-sdk/src", "src"),
    ("plugin-sdk/abi/Cargo.toml", "abi/Cargo.toml"),
    ("plugin-sdk/abi/src", "abi/src"),
    ("plugin-sdk/accept", "accept"),
    ("plugin-sdk/document/Cargo.toml", "document/Cargo.toml"),
    ("plugin-sdk/document/src", "document/src"),
    ("plugin-sdk/c", "c"),
    ("plugin-sdk/js", "js"),
    ("wit", "wit"),
];

fn main() -> io::Result<()> {
    let manifest = env::var("CARGO_MANIFEST_DIR").unwrap_or_default();
    let root = Path::new(&manifest).join("../../..").canonicalize()?;
    let mut files = Vec::new();
    for (from, to) in PARTS {
        println!("cargo::rerun-if-changed={}", root.join(from).display());
        collect(&root.join(from), to, &mut files)?;
    }
    files.sort();
    let mut code = String::from("&[\n");
    for (name, path) in files {
        let _ = writeln!(code, "    ({name:?}, include_str!({:?})),", path.display().to_string());
    }
    code.push_str("]\n");
    let out = env::var("OUT_DIR").unwrap_or_default();
    fs::write(Path::new(&out).join("sdk_files.rs"), code)
}

/// The files of a folder, or the one file, each by its name in the SDK. The examples stay behind.
fn collect(path: &Path, name: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    if !path.is_dir() {
        files.push((name.to_owned(), path.to_owned()));
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let own = entry.file_name().to_string_lossy().into_owned();
        if own != "examples" {
            collect(&entry.path(), &format!("{name}/{own}"), files)?;
        }
    }
    Ok(())
}
