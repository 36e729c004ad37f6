//! Installs Debian packages by apt-get, as root, with the user's consent.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::{environment, run};

/// The time limit of an installation: fetching and unpacking a compiler over a slow connection.
const INSTALL_LIMIT: Duration = Duration::from_mins(15);
/// The time limit of fetching the lists of packages.
const UPDATE_LIMIT: Duration = Duration::from_mins(3);

/// Whether packages may be installed on this machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Consent {
    /// Packages may be installed.
    Given,
    /// The user is asked at the terminal, each time.
    Ask,
    /// Packages may not be installed.
    Withheld,
}

impl Default for Consent {
    /// Given in CI, where the variable `CI` is set, else withheld.
    fn default() -> Self {
        let ci = std::env::var_os("CI").is_some_and(|ci| !ci.is_empty() && ci != "false");
        if ci { Self::Given } else { Self::Withheld }
    }
}

impl Consent {
    /// Given if `yes`, the user's consent in advance. Else a user at a terminal is asked; without a
    /// terminal it is [the default](Consent::default).
    #[must_use]
    pub fn of(yes: bool) -> Self {
        match Self::default() {
            _ if yes => Self::Given,
            Self::Withheld if io::stdin().is_terminal() && io::stderr().is_terminal() => Self::Ask,
            other => other,
        }
    }
}

/// Whether [`install`] can work: the process runs as root, and apt-get exists.
#[must_use]
pub fn available() -> bool {
    Path::new("/usr/bin/apt-get").exists() && is_root()
}

/// Whether the process runs as root: whether root owns its entry in `/proc`.
fn is_root() -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
    }
    #[cfg(not(unix))]
    false
}

/// The command with which the user can install packages.
#[must_use]
pub fn command_line(packages: &[&str]) -> String {
    format!("sudo apt-get install -y --no-install-recommends {}", packages.join(" "))
}

/// Installs packages if there is consent, saying so on standard error.
///
/// # Errors
///
/// If there is no consent, no apt-get, or apt-get fails or takes longer than a quarter of an hour; the
/// error then has the last lines of its output.
pub fn install(packages: &[&str], consent: Consent) -> Result<(), String> {
    if !available() {
        return Err(
            "expected to run as root on a system with apt-get, which only then can install \
                    packages"
                .to_owned(),
        );
    }
    match consent {
        Consent::Given => {}
        Consent::Ask if agrees(packages, &mut io::stderr().lock(), io::stdin().lock()) => {}
        Consent::Ask => return Err("the user declined to install packages".to_owned()),
        Consent::Withheld => {
            return Err("expected consent to install packages, found none; --yes, or CI in the \
                        environment, is consent"
                .to_owned());
        }
    }
    let began = Instant::now();
    eprintln!("plugbay: installing Debian packages: {}", packages.join(" "));
    let mut tick = |passed: Duration| {
        eprintln!("plugbay: … still installing ({} s)", passed.as_secs());
    };
    // Stale lists are the usual reason for "unable to locate". The result is ignored: if no mirror
    // can be reached, the installation fails, too.
    let _ = run::bounded(apt_get().arg("update"), UPDATE_LIMIT, &mut tick);
    let mut command = apt_get();
    command.args(["install", "-y", "--no-install-recommends"]).args(packages);
    run::bounded(&mut command, INSTALL_LIMIT, &mut tick)
        .map_err(|error| error.to_string())?
        .success()?;
    eprintln!("plugbay: installed in {} s", began.elapsed().as_secs());
    Ok(())
}

/// Asks the user; true only if the answer is "y" or "yes".
fn agrees(packages: &[&str], to: &mut impl Write, mut from: impl io::BufRead) -> bool {
    let question = format!("Install these Debian packages: {}? [y/N] ", packages.join(" "));
    let mut answer = String::new();
    let asked = to.write_all(question.as_bytes()).and_then(|()| to.flush());
    let read = asked.and_then(|()| from.read_line(&mut answer));
    read.is_ok() && matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

fn apt_get() -> std::process::Command {
    let mut command = environment::command("/usr/bin/apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-o", "DPkg::Lock::Timeout=120"]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_yes_is_a_yes() {
        for (answer, expected) in [
            ("y\n", true),
            ("Yes\n", true),
            ("\n", false),
            ("n\n", false),
            ("", false),
            ("yo\n", false),
        ] {
            let mut said = Vec::new();
            assert_eq!(agrees(&["gcc"], &mut said, answer.as_bytes()), expected, "{answer:?}");
            assert_eq!(said, b"Install these Debian packages: gcc? [y/N] ");
        }
    }

    #[test]
    fn nothing_is_installed_without_consent() {
        let error = install(&["no-such-package"], Consent::Withheld).unwrap_err();
        assert!(error.starts_with("expected "), "{error}");
        assert_eq!(Consent::of(true), Consent::Given);
    }
}
