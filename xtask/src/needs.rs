//! What the host's own build wants from the system beside Rust.

use std::fs;
use std::process::{Command, Stdio};

use plugbay_toolchain::apt;

use crate::place::Place;

const PACKAGES: [&str; 2] = ["protobuf-compiler", "libprotobuf-dev"];

/// Installs what is missing where that needs no asking, and otherwise says how. Never an error: the
/// build itself shows whether the thing was needed after all.
pub(crate) fn install(place: &Place) {
    let lock = fs::read_to_string(place.root.join("Cargo.lock")).unwrap_or_default();
    if !lock.contains("name = \"etcd-client\"") || has("protoc") {
        return;
    }
    let failed = if apt::available() { apt::install(&PACKAGES).err() } else { Some(String::new()) };
    if let Some(reason) = failed {
        eprintln!("xtask: protoc is missing, and could not be installed here. {reason}");
        eprintln!(
            "xtask: on Debian: sudo apt-get install -y --no-install-recommends {}",
            PACKAGES.join(" ")
        );
    }
}

/// Whether a program can be started.
pub(crate) fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
