//! The choice of a way, as a pure function over what was found on the machine.

use std::path::PathBuf;

/// What the machine has for one target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The active Rust toolchain, when there is one.
    pub rustup: Option<Rustup>,
    /// Whether rustup may be asked to add the target.
    pub may_add: MayAdd,
    /// Debian's Rust, as far as it is there.
    pub debian: Debian,
    /// Whether packages can be installed: root, and apt-get is there.
    pub may_apt: bool,
}

/// The active Rust toolchain, however it was installed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rustup {
    /// Its folder, `rustc --print sysroot`.
    pub sysroot: PathBuf,
    /// It has a standard library for the target.
    pub has_target: bool,
    /// Its `wasm-component-ld`. Debian's Rust has none and borrows it.
    pub linker: Option<PathBuf>,
}

/// Whether rustup may be asked to add the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum MayAdd {
    /// It may.
    Yes,
    /// It may not, for this reason.
    No(String),
    /// There is no rustup to ask.
    #[default]
    NoRustup,
}

/// The parts of Debian's Rust.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Debian {
    /// The first line of `rustc --version`, when the compiler is there.
    pub version: Option<String>,
    /// What is not there, by package name. Empty: it can build for the target.
    pub missing: Vec<&'static str>,
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Use the active toolchain as it is.
    UseRustup,
    /// Ask rustup for the target, then look again.
    AddTarget,
    /// Use Debian's Rust with a standard library of our making.
    UseDebian,
    /// Install Debian's packages, then look again.
    InstallPackages,
    /// Nothing leads on.
    GiveUp,
}

/// Decides. The caller carries a step out, looks again, and asks again; a step that failed must show
/// in the next [`Found`] (`may_add: No`, `may_apt: false`), or it would be asked for a second time.
#[must_use]
pub fn decide(found: &Found) -> Step {
    let linker = found.rustup.as_ref().is_some_and(|rustup| rustup.linker.is_some());
    let has_target = found.rustup.as_ref().is_some_and(|rustup| rustup.has_target);
    // Neither way can do without the linker, so no installation is worth its time when it is missing.
    if !linker {
        return Step::GiveUp;
    }
    if has_target {
        Step::UseRustup
    } else if found.may_add == MayAdd::Yes {
        Step::AddTarget
    } else if found.debian.missing.is_empty() {
        Step::UseDebian
    } else if found.may_apt {
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
            may_apt: false,
        }
    }

    fn with(change: impl FnOnce(&mut Found)) -> Step {
        let mut found = nothing();
        change(&mut found);
        decide(&found)
    }

    #[test]
    fn an_installed_target_wins_over_everything() {
        let step = with(|found| {
            found.rustup.as_mut().unwrap().has_target = true;
            found.may_add = MayAdd::Yes;
            found.debian.missing.clear();
            found.may_apt = true;
        });
        assert_eq!(step, Step::UseRustup);
    }

    #[test]
    fn rustup_is_asked_before_debian_is_used() {
        let step = with(|found| {
            found.may_add = MayAdd::Yes;
            found.debian.missing.clear();
        });
        assert_eq!(step, Step::AddTarget);
    }

    #[test]
    fn a_failed_or_forbidden_try_leads_to_debian() {
        assert_eq!(with(|found| found.debian.missing.clear()), Step::UseDebian);
    }

    #[test]
    fn packages_are_installed_only_where_that_is_possible() {
        assert_eq!(with(|found| found.may_apt = true), Step::InstallPackages);
        assert_eq!(with(|_| ()), Step::GiveUp);
    }

    #[test]
    fn packages_that_are_there_are_not_installed_again() {
        let step = with(|found| {
            found.debian.missing.clear();
            found.may_apt = true;
        });
        assert_eq!(step, Step::UseDebian);
    }

    #[test]
    fn nothing_is_installed_when_there_is_no_component_linker() {
        let step = with(|found| {
            found.rustup.as_mut().unwrap().linker = None;
            found.may_add = MayAdd::Yes;
            found.may_apt = true;
        });
        assert_eq!(step, Step::GiveUp);
        assert_eq!(with(|found| found.rustup = None), Step::GiveUp);
    }
}
