//! The programs besides Rust that the builds and tests of this repository need.

use std::fs;
use std::process::{Command, Stdio};

use plugbay_toolchain::apt::{self, Consent};

use crate::repository::Repository;

/// A program, and the Debian packages that contain it.
struct Need {
    program: &'static str,
    packages: &'static [&'static str],
    needed: Needed,
}

/// When a program is needed.
enum Needed {
    /// For every build.
    ToBuild,
    /// For the tests only.
    ToTest,
    /// For a build, if the lock file lists this crate.
    ByCrate(&'static str),
}

const NEEDS: &[Need] = &[
    // Crates with C in them, and the linker.
    Need { program: "cc", packages: &["gcc", "libc6-dev"], needed: Needed::ToBuild },
    // The native plugin in C++ that the tests build, and libFuzzer.
    Need { program: "c++", packages: &["g++"], needed: Needed::ToTest },
    // The commands in the guides run as tests.
    Need { program: "curl", packages: &["curl"], needed: Needed::ToTest },
    Need { program: "openssl", packages: &["openssl"], needed: Needed::ToTest },
    // Asks the directory's DNS zone.
    Need { program: "dig", packages: &["bind9-dnsutils"], needed: Needed::ToTest },
    // The reader of metrics that checks what the admin plane writes.
    Need { program: "promtool", packages: &["prometheus"], needed: Needed::ToTest },
    // Packs the program.
    Need { program: "dpkg-deb", packages: &["dpkg"], needed: Needed::ToTest },
    // Checks the units of systemd.
    Need { program: "systemd-analyze", packages: &["systemd"], needed: Needed::ToTest },
    // They count instructions and system calls.
    Need { program: "valgrind", packages: &["valgrind"], needed: Needed::ToTest },
    Need { program: "strace", packages: &["strace"], needed: Needed::ToTest },
    // The browser in which the dashboard is tested, and what drives it.
    Need { program: "chromium", packages: &["chromium"], needed: Needed::ToTest },
    Need { program: "npm", packages: &["nodejs", "npm"], needed: Needed::ToTest },
    Need {
        program: "protoc",
        packages: &["protobuf-compiler", "libprotobuf-dev"],
        needed: Needed::ByCrate("etcd-client"),
    },
];

/// The purpose for which programs are needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// To build.
    Build,
    /// To build and test.
    Test,
}

/// Installs the programs that are missing for the purpose, if there is consent. Otherwise prints
/// which are missing, and the command that installs them. It returns no error: the build fails if it
/// needs a missing program.
pub(crate) fn install(repository: &Repository, purpose: Purpose, consent: Consent) {
    let lock = fs::read_to_string(repository.root.join("Cargo.lock")).unwrap_or_default();
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
    let is_needed = |need: &&Need| match need.needed {
        Needed::ToBuild => true,
        Needed::ToTest => purpose == Purpose::Test,
        Needed::ByCrate(name) => lock.contains(&format!("name = \"{name}\"")),
    };
    NEEDS.iter().filter(is_needed).filter(|need| !has(need.program)).collect()
}

/// Whether a program can be started. (`openssl` and `dig` ask for their versions in other ways.)
pub(crate) fn has(program: &str) -> bool {
    ["--version", "version", "-v"].iter().any(|version| {
        let mut command = Command::new(program);
        command.arg(version).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.status().is_ok_and(|status| status.success())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_needs_less_than_the_tests() {
        let programs = |purpose, lock| {
            missing(purpose, lock, |_| false).iter().map(|need| need.program).collect::<Vec<_>>()
        };
        assert_eq!(programs(Purpose::Build, ""), ["cc"]);
        assert_eq!(
            programs(Purpose::Test, ""),
            [
                "cc",
                "c++",
                "curl",
                "openssl",
                "dig",
                "promtool",
                "dpkg-deb",
                "systemd-analyze",
                "valgrind",
                "strace",
                "chromium",
                "npm"
            ]
        );
        assert_eq!(programs(Purpose::Build, "name = \"etcd-client\""), ["cc", "protoc"]);
        assert!(missing(Purpose::Test, "", |_| true).is_empty());
    }
}
