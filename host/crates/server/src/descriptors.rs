//! How many files, connections and pipes this process may hold at once, and how many of them are
//! for clients.
//!
//! Systems hand out a low limit (often 1024) with leave to raise it, for the sake of old programs.

use std::io;

/// Raises this process's limit of open descriptors as far as the system lets it. Processes that it
/// starts inherit that; workers set a limit of their own.
///
/// # Errors
///
/// If the system refuses; the limit is what it was, then.
#[cfg(unix)]
pub fn raise_descriptor_limit() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// Where there is no limit to raise it to: the most that macOS takes.
    const ENOUGH: u64 = 10_240;
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let Some(current) = current else { return Ok(()) };
    let raised = maximum.unwrap_or(ENOUGH).max(current);
    Ok(setrlimit(Resource::Nofile, Rlimit { current: Some(raised), maximum })?)
}

/// Other systems have no such limit.
///
/// # Errors
///
/// None.
#[cfg(not(unix))]
pub fn raise_descriptor_limit() -> io::Result<()> {
    Ok(())
}

/// How many clients may be connected, `most` at the most: a quarter of the descriptors, and at
/// least 512 of them, stay for plugins, files, workers and the admin plane; but never more than
/// half.
pub(crate) fn connections(most: usize) -> usize {
    limit().map_or(most, |limit| most.min(share(limit)))
}

fn share(limit: usize) -> usize {
    limit - (limit / 4).max(512).min(limit / 2)
}

#[cfg(unix)]
fn limit() -> Option<usize> {
    use rustix::process::{Resource, getrlimit};
    let limit = getrlimit(Resource::Nofile).current?;
    usize::try_from(limit).ok()
}

#[cfg(not(unix))]
fn limit() -> Option<usize> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_are_kept_back() {
        for (limit, for_clients) in [
            (0, 0),
            (64, 32),
            (256, 128),
            (1024, 512),
            (2048, 1536),
            (4096, 3072),
            (1 << 20, 786_432),
        ] {
            assert_eq!(share(limit), for_clients, "{limit}");
        }
    }
}
