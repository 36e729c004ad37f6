//! The signals of a worker.

use std::{io, mem, ptr};

/// Ignores the signals that ask a process to end. Called between fork and exec, for the program that
/// follows: an ignored signal stays ignored beyond exec. A service manager and a terminal send these
/// signals to all processes at once, but the host decides when its workers end.
pub(crate) fn ignore_termination() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: async-signal-safe, and no handler is given.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Blocks all signals in this thread, so that no handler of the plugin ever runs in it.
pub(super) fn block_all() -> io::Result<()> {
    // SAFETY: `sigset_t` is a set of bits, for which all zeros are valid; `sigfillset` gets a
    // pointer to one. `pthread_sigmask` changes this thread's mask alone.
    let failed = unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, ptr::null_mut())
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(failed)) }
}
