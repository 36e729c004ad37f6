//! Debian's packages, installed when nobody has to be asked: as root, with apt-get.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::{environment, run};

/// Fetching and unpacking a compiler on a slow line.
const INSTALL_LIMIT: Duration = Duration::from_mins(15);
const UPDATE_LIMIT: Duration = Duration::from_mins(3);

/// Whether [`install`] has a chance: the process is root's, and apt-get is there.
#[must_use]
pub fn available() -> bool {
    Path::new("/usr/bin/apt-get").exists() && is_root()
}

/// Root, told by who owns this process's entry in `/proc`.
fn is_root() -> bool {
    #[cfg(unix)]
    {
        use std::os::unix::fs::MetadataExt;
        std::fs::metadata("/proc/self").is_ok_and(|meta| meta.uid() == 0)
    }
    #[cfg(not(unix))]
    false
}

/// Installs packages, saying so on standard error.
///
/// # Errors
///
/// The end of what apt-get said, when it fails or takes longer than a quarter of an hour.
pub fn install(packages: &[&str]) -> Result<(), String> {
    let began = Instant::now();
    eprintln!("plugbay: installing Debian packages: {}", packages.join(" "));
    let mut tick = |passed: Duration| {
        eprintln!("plugbay: … still installing ({} s)", passed.as_secs());
    };
    // Stale lists are the usual reason for "unable to locate"; an unreachable mirror shows in the install.
    let _ = run::bounded(apt_get().arg("update"), UPDATE_LIMIT, &mut tick);
    let mut command = apt_get();
    command.args(["install", "-y", "--no-install-recommends"]).args(packages);
    run::bounded(&mut command, INSTALL_LIMIT, &mut tick)
        .map_err(|error| error.to_string())?
        .success()?;
    eprintln!("plugbay: installed in {} s", began.elapsed().as_secs());
    Ok(())
}

fn apt_get() -> std::process::Command {
    let mut command = environment::command("/usr/bin/apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-o", "DPkg::Lock::Timeout=120"]);
    command
}
