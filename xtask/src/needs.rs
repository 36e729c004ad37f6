//! What this repository wants from the system beside Rust.

use std::fs;
use std::process::{Command, Stdio};

use plugbay_toolchain::apt;

use crate::place::Place;

/// A program, the Debian packages that bring it, and the crate that wants it: without one, the
/// tests do.
struct Need {
    program: &'static str,
    packages: &'static [&'static str],
    by_crate: Option<&'static str>,
}

const NEEDS: [Need; 4] = [
    // Crates with C in them, and the linker.
    Need { program: "cc", packages: &["gcc", "libc6-dev"], by_crate: None },
    // The native plugin in C++ that the tests build, and libFuzzer.
    Need { program: "c++", packages: &["g++"], by_crate: None },
    // The guides' commands are run as they stand.
    Need { program: "curl", packages: &["curl"], by_crate: None },
    Need {
        program: "protoc",
        packages: &["protobuf-compiler", "libprotobuf-dev"],
        by_crate: Some("etcd-client"),
    },
];

/// Installs what is missing where that needs no asking, and otherwise says how. Never an error: the
/// build itself shows whether the thing was needed after all.
pub(crate) fn install(place: &Place) {
    let lock = fs::read_to_string(place.root.join("Cargo.lock")).unwrap_or_default();
    let wanted = |need: &&Need| {
        need.by_crate.is_none_or(|name| lock.contains(&format!("name = \"{name}\"")))
    };
    for need in NEEDS.iter().filter(wanted).filter(|need| !has(need.program)) {
        let failed =
            if apt::available() { apt::install(need.packages).err() } else { Some(String::new()) };
        if let Some(reason) = failed {
            let Need { program, packages, .. } = need;
            eprintln!("xtask: {program} is missing, and could not be installed here. {reason}");
            eprintln!(
                "xtask: on Debian: sudo apt-get install -y --no-install-recommends {}",
                packages.join(" ")
            );
        }
    }
}

/// Whether a program can be started.
pub(crate) fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
