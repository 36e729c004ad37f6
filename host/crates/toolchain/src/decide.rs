//! The choice of a toolchain, as a pure function of what was found on the machine.

use std::path::PathBuf;

/// The toolchains that the machine has for one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The active Rust toolchain, when there is one.
    pub rustup: Option<Rustup>,
    /// Whether rustup may add the target.
    pub may_add: MayAdd,
    /// The installed packages of Debian's Rust.
    pub debian: Debian,
    /// Whether packages may be installed, and the process can.
    pub may_install: bool,
}

/// The active Rust toolchain, however it was installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rustup {
    /// Its folder, `rustc --print sysroot`.
    pub sysroot: PathBuf,
    /// Whether it has a standard library for the target.
    pub has_target: bool,
    /// Its `wasm-component-ld`. Debian's Rust has none, and uses this one.
    pub linker: Option<PathBuf>,
}

/// Whether rustup may add the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MayAdd {
    /// rustup may add it.
    Yes,
    /// rustup may not add it, for this reason.
    No(String),
    /// There is no rustup.
    #[default]
    NoRustup,
}

/// The packages of Debian's Rust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debian {
    /// The first line of `rustc --version`, if the compiler is installed.
    pub version: Option<String>,
    /// The packages that are not installed. If empty, Debian's Rust can build for the target.
    pub missing: Vec<&'static str>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Use the active toolchain as it is.
    UseRustup,
    /// Let rustup add the target, then inspect the machine again.
    AddTarget,
    /// Use Debian's Rust, with a standard library that is built from its source.
    UseDebian,
    /// Install Debian's packages, then inspect the machine again.
    InstallPackages,
    /// There is no toolchain, and none can be installed.
    GiveUp,
}

/// Chooses the next step. The caller carries it out, inspects the machine again, and calls this again.
/// A step that failed must be visible in the next [`Found`] (`may_add: No`, `may_install: false`), or it
/// would be chosen again.
#[must_use]
pub fn decide(found: &Found) -> Step {
    let linker = found.rustup.as_ref().is_some_and(|rustup| rustup.linker.is_some());
    let has_target = found.rustup.as_ref().is_some_and(|rustup| rustup.has_target);
    // Both toolchains need the linker, so without it nothing is installed.
    if !linker {
        return Step::GiveUp;
    }
    if has_target {
        Step::UseRustup
    } else if found.may_add == MayAdd::Yes {
        Step::AddTarget
    } else if found.debian.missing.is_empty() {
        Step::UseDebian
    } else if found.may_install {
        Step::InstallPackages
    } else {
        Step::GiveUp
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn nothing() -> Found {
        Found {
            rustup: Some(Rustup {
                sysroot: "sysroot".into(),
                has_target: false,
                linker: Some("ld".into()),
            }),
            may_add: MayAdd::No("tried today".into()),
            debian: Debian { version: None, missing: vec!["rustc-web"] },
            may_install: false,
        }
    }

    fn with(change: impl FnOnce(&mut Found)) -> Step {
        let mut found = nothing();
        change(&mut found);
        decide(&found)
    }

    #[test]
    fn an_installed_target_is_used_first() {
        let step = with(|found| {
            found.rustup.as_mut().unwrap().has_target = true;
            found.may_add = MayAdd::Yes;
            found.debian.missing.clear();
            found.may_install = true;
        });
        assert_eq!(step, Step::UseRustup);
    }

    #[test]
    fn rustup_adds_a_target_before_debian_is_used() {
        let step = with(|found| {
            found.may_add = MayAdd::Yes;
            found.debian.missing.clear();
        });
        assert_eq!(step, Step::AddTarget);
    }

    #[test]
    fn debian_is_used_if_rustup_may_not_add_the_target() {
        assert_eq!(with(|found| found.debian.missing.clear()), Step::UseDebian);
    }

    #[test]
    fn packages_are_installed_only_if_that_is_possible() {
        assert_eq!(with(|found| found.may_install = true), Step::InstallPackages);
        assert_eq!(with(|_| ()), Step::GiveUp);
    }

    #[test]
    fn installed_packages_are_not_installed_again() {
        let step = with(|found| {
            found.debian.missing.clear();
            found.may_install = true;
        });
        assert_eq!(step, Step::UseDebian);
    }

    #[test]
    fn nothing_is_installed_when_there_is_no_component_linker() {
        let step = with(|found| {
            found.rustup.as_mut().unwrap().linker = None;
            found.may_add = MayAdd::Yes;
            found.may_install = true;
        });
        assert_eq!(step, Step::GiveUp);
        assert_eq!(with(|found| found.rustup = None), Step::GiveUp);
    }
}
