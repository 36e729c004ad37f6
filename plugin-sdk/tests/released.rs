//! A released version of the WIT package does not change.
//!
//! `released/VERSION.wit` has the text of each version without its comments, which may be improved. The file of a
//! new version is written by `PLUGBAY_BLESS=1 cargo test -p plugbay-sdk --test released`, which changes no other.

use std::fs;
use std::path::{Path, PathBuf};

const PACKAGE: &str = "package plugbay:plugin@";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// All files of `wit/` in the order of their names, without comments and empty lines.
fn current() -> String {
    let entries = fs::read_dir(root().join("../wit")).expect("the folder wit");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "wit"));
    files.sort();
    let mut text = String::new();
    for file in files {
        for line in fs::read_to_string(file).unwrap().lines() {
            let code = line.split("//").next().unwrap_or_default().trim_end();
            if !code.is_empty() {
                text.push_str(code);
                text.push('\n');
            }
        }
    }
    text
}

#[test]
fn a_released_version_is_unchanged() {
    let current = current();
    let version = current.lines().find_map(|line| line.strip_prefix(PACKAGE)).expect("a package");
    let version = version.trim_end_matches(';');
    let snapshot = root().join("tests/released").join(format!("{version}.wit"));
    if std::env::var_os("PLUGBAY_BLESS").is_some() && !snapshot.exists() {
        fs::write(&snapshot, &current).unwrap();
    }
    let released = fs::read_to_string(&snapshot).unwrap_or_else(|error| {
        panic!(
            "expected the text of version {version} in {}: {error}; write it by \
             `PLUGBAY_BLESS=1 cargo test -p plugbay-sdk --test released`",
            snapshot.display()
        )
    });
    let differing = released.lines().zip(current.lines()).find(|(then, now)| then != now);
    assert!(
        released == current,
        "wit/ is not plugbay:plugin@{version} any more, which is frozen: plugins are built against it. \
         Found {:?} where it has {:?} (or more or fewer lines). Undo the change of wit/, or make a new version \
         of the package: raise the version in wit/types.wit, serve both versions \
         (host/crates/wasm/src/load/world.rs), and keep tests/released/{version}.wit. Comments may change",
        differing.map_or("", |(_, now)| now),
        differing.map_or("", |(then, _)| then),
    );
}
