//! What this process holds of the machine.

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::support::until;

/// By how much resident memory may exceed what it was: allocators and the pool of instances keep
/// some of what they once had.
const ALLOWANCE: u64 = 64 << 20;

/// Memory, threads and file descriptors. All zero where there is no `/proc`.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Figures {
    resident: u64,
    threads: usize,
    pub(crate) files: usize,
}

impl Figures {
    pub(crate) fn now() -> Self {
        if !cfg!(target_os = "linux") {
            return Self { resident: 0, threads: 0, files: 0 };
        }
        let count = |folder| fs::read_dir(folder).unwrap().count();
        let (threads, files) = (count("/proc/self/task"), count("/proc/self/fd"));
        Self { resident: status("VmRSS:"), threads, files }
    }

    /// Blocks until no more is held than there was. Threads that were needed linger for some
    /// seconds.
    pub(crate) fn come_back(&self) {
        let is_back = |now: &Self| {
            now.resident <= self.resident + ALLOWANCE
                && now.threads <= self.threads
                && now.files <= self.files
        };
        let mut now = Self::now();
        until(&format!("{now:?} comes back to {self:?}"), || {
            now = Self::now();
            is_back(&now)
        });
    }

    /// As [`Figures::now`]; the height of memory counts anew from here.
    pub(crate) fn before() -> Self {
        // A kernel that forbids it counts from the start of the process: a single test's figure is
        // right all the same.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self::now()
    }

    /// Panics unless since [`Figures::before`] so many bytes more were held at some time: the
    /// attack was one.
    pub(crate) fn was_exceeded_by(&self, bytes: u64) {
        if !cfg!(target_os = "linux") {
            return;
        }
        let most = status("VmHWM:");
        assert!(most >= self.resident + bytes, "{most} bytes at most, from {self:?}");
    }
}

/// Bytes in a line of `/proc/self/status`.
fn status(line: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let value = text.lines().find_map(|it| it.strip_prefix(line)).unwrap();
    value.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

/// Keeps the other tests of this process waiting until it is dropped.
pub(crate) fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}
