//! What a worker does about signals.

use std::{io, mem, ptr};

/// Has the program that follows, between fork and exec, ignore what asks it to end: a service
/// manager and a terminal ask all processes at once, and it is the host that decides when a worker
/// has no more to do. What is ignored stays so beyond exec.
pub(crate) fn ignore_ends() {
    for signal in [libc::SIGTERM, libc::SIGINT, libc::SIGHUP] {
        // SAFETY: async-signal-safe, and no handler is given.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
}

/// Keeps all signals from this thread, so that no handler of the plugin's ever runs in it.
pub(super) fn block() -> io::Result<()> {
    // SAFETY: `sigset_t` is a set of bits, for which all zeros are a value; `sigfillset` gets a
    // pointer to one. Both calls concern this thread's mask alone.
    let failed = unsafe {
        let mut all: libc::sigset_t = mem::zeroed();
        libc::sigfillset(&raw mut all);
        libc::pthread_sigmask(libc::SIG_BLOCK, &raw const all, ptr::null_mut())
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(failed)) }
}
