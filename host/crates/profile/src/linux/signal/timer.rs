//! A timer of the processor time of one thread.

use std::time::Duration;
use std::{io, mem, ptr};

/// Sends SIGPROF to a thread each time that it used a period of processor time. No other process has it: a timer is
/// neither inherited by a child nor kept beyond exec.
pub(in crate::linux) struct ThreadTimer(libc::timer_t);

impl ThreadTimer {
    /// A timer of the thread with this id.
    ///
    /// # Errors
    ///
    /// If the thread has ended, or the process may not have one more timer (`ulimit -i`).
    pub(in crate::linux) fn start(thread: libc::pid_t, period: Duration) -> io::Result<Self> {
        // The clock of a thread, as Linux numbers it: the complement of the id, and bits for one thread's (4)
        // scheduled (2) time.
        let clock: libc::clockid_t = (!thread << 3) | 4 | 2;
        // SAFETY: all zeros are a valid `sigevent`.
        let mut event: libc::sigevent = unsafe { mem::zeroed() };
        event.sigev_notify = libc::SIGEV_THREAD_ID;
        event.sigev_signo = libc::SIGPROF;
        event.sigev_notify_thread_id = thread;
        event.sigev_value.sival_ptr =
            ptr::without_provenance_mut(usize::try_from(thread).unwrap_or(0));
        let mut id: libc::timer_t = ptr::null_mut();
        // SAFETY: both pointers are valid for the call, and the kernel checks the clock.
        check(unsafe { libc::timer_create(clock, &raw mut event, &raw mut id) })?;
        let timer = Self(id);
        let every = libc::timespec {
            tv_sec: period.as_secs().try_into().unwrap_or(libc::time_t::MAX),
            tv_nsec: period.subsec_nanos().into(),
        };
        let setting = libc::itimerspec { it_interval: every, it_value: every };
        // SAFETY: the timer exists, and the setting is valid for the call.
        check(unsafe { libc::timer_settime(timer.0, 0, &raw const setting, ptr::null_mut()) })?;
        Ok(timer)
    }
}

impl Drop for ThreadTimer {
    fn drop(&mut self) {
        // SAFETY: the timer exists, and is deleted only here. A signal may still be on its way.
        unsafe { libc::timer_delete(self.0) };
    }
}

fn check(result: libc::c_int) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
