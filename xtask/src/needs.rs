//! What this repository wants from the system beside Rust.

use std::fs;
use std::process::{Command, Stdio};

use plugbay_toolchain::apt::{self, Consent};

use crate::place::Place;

/// A program, and the Debian packages that bring it.
struct Need {
    program: &'static str,
    packages: &'static [&'static str],
    wanted: Wanted,
}

/// What wants a program.
enum Wanted {
    /// Every build.
    ToBuild,
    /// The tests alone.
    ToTest,
    /// A build, if the lock file names this crate.
    ByCrate(&'static str),
}

const NEEDS: [Need; 4] = [
    // Crates with C in them, and the linker.
    Need { program: "cc", packages: &["gcc", "libc6-dev"], wanted: Wanted::ToBuild },
    // The native plugin in C++ that the tests build, and libFuzzer.
    Need { program: "c++", packages: &["g++"], wanted: Wanted::ToTest },
    // The guides' commands are run as they stand.
    Need { program: "curl", packages: &["curl"], wanted: Wanted::ToTest },
    Need {
        program: "protoc",
        packages: &["protobuf-compiler", "libprotobuf-dev"],
        wanted: Wanted::ByCrate("etcd-client"),
    },
];

/// What is done with the repository.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Builds it.
    Build,
    /// Builds and tests it.
    Test,
}

/// Sees what is missing for it, and installs it if there is consent. Otherwise says what is
/// missing and prints the command that installs it. Never an error: the build itself shows whether
/// a thing was needed after all.
pub(crate) fn install(place: &Place, purpose: Purpose, consent: Consent) {
    let lock = fs::read_to_string(place.root.join("Cargo.lock")).unwrap_or_default();
    let missing = missing(purpose, &lock, has);
    if missing.is_empty() {
        return;
    }
    let programs: Vec<_> = missing.iter().map(|need| need.program).collect();
    let packages: Vec<_> = missing.iter().flat_map(|need| need.packages).copied().collect();
    eprintln!("xtask: missing on this machine: {}", programs.join(", "));
    if let Err(why) = apt::install(&packages, consent) {
        eprintln!("xtask: not installed: {why}");
        eprintln!("xtask: on Debian: {}", apt::command_line(&packages));
    }
}

fn missing(purpose: Purpose, lock: &str, has: impl Fn(&str) -> bool) -> Vec<&'static Need> {
    let wanted = |need: &&Need| match need.wanted {
        Wanted::ToBuild => true,
        Wanted::ToTest => purpose == Purpose::Test,
        Wanted::ByCrate(name) => lock.contains(&format!("name = \"{name}\"")),
    };
    NEEDS.iter().filter(wanted).filter(|need| !has(need.program)).collect()
}

/// Whether a program can be started.
pub(crate) fn has(program: &str) -> bool {
    let mut command = Command::new(program);
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_wants_less_than_the_tests() {
        let programs = |purpose, lock| {
            missing(purpose, lock, |_| false).iter().map(|need| need.program).collect::<Vec<_>>()
        };
        assert_eq!(programs(Purpose::Build, ""), ["cc"]);
        assert_eq!(programs(Purpose::Test, ""), ["cc", "c++", "curl"]);
        assert_eq!(programs(Purpose::Build, "name = \"etcd-client\""), ["cc", "protoc"]);
        assert!(missing(Purpose::Test, "", |_| true).is_empty());
    }
}
