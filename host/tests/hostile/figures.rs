//! The resources that this process uses.

use std::fs;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::support::until;

/// How much larger resident memory may be afterwards: allocators and the pool of instances keep
/// some memory.
const ALLOWANCE: u64 = 64 << 20;

/// Memory, threads and file descriptors. All are zero if there is no `/proc`.
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

    /// Blocks until no more is used than before. Idle threads end after some seconds.
    pub(crate) fn wait_until_released(&self) {
        let is_back = |now: &Self| {
            now.resident <= self.resident + ALLOWANCE
                && now.threads <= self.threads
                && now.files <= self.files
        };
        let mut now = Self::now();
        until(&format!("{now:?} is at most {self:?}"), || {
            now = Self::now();
            is_back(&now)
        });
    }

    /// As [`Figures::now`]; also resets the peak of memory.
    pub(crate) fn before() -> Self {
        // If the kernel forbids the reset, the peak counts from the start of the process, which is
        // right for a single test.
        let _ = fs::write("/proc/self/clear_refs", "5");
        Self::now()
    }

    /// Panics unless the peak since [`Figures::before`] was this many bytes higher: otherwise the
    /// attack did nothing.
    pub(crate) fn assert_exceeded_by(&self, bytes: u64) {
        if !cfg!(target_os = "linux") {
            return;
        }
        let most = status("VmHWM:");
        assert!(most >= self.resident + bytes, "{most} bytes at most, from {self:?}");
    }
}

/// The number of bytes in a line of `/proc/self/status`.
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
