//! The limit of open descriptors (files, connections, pipes) of this process, and the share of it
//! for clients.
//!
//! Systems set a low limit (often 1024) for old programs, and let a process raise it.

use std::io;

/// Raises this process's limit of open descriptors as far as the system allows. Child processes
/// inherit it; workers set their own limit.
///
/// # Errors
///
/// If the system refuses; the limit is then unchanged.
#[cfg(unix)]
pub fn raise_descriptor_limit() -> io::Result<()> {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    /// The limit if the system names no maximum: the largest that macOS accepts.
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

/// How many clients may be connected, `most` at the most. A quarter of the descriptors, at least
/// 512 but never more than half, is reserved for plugins, files, workers and the admin plane.
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
    fn some_descriptors_are_reserved() {
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
