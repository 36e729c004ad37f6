//! One worker process, from its start to the reaping.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use plugbay_core::CallErrorKind;
use rustix::io::retry_on_intr;
use rustix::net::{RecvFlags, recv};
use rustix::process::{
    Pid, Signal, WaitId, WaitIdOptions, kill_process, kill_process_group, waitid,
};

use super::death::{Death, death};
use super::output::Output;
use super::usage::{self, Bounds, Spent, Usage};

/// How often the host looks at what a worker uses.
pub(super) const TICK: Duration = Duration::from_millis(250);
/// The most bytes of a worker's last line that are passed on.
const MAX_LAST_LINE: usize = 300;

/// A worker process. Dropping it kills and reaps it.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    /// `None` once it is reaped: from then on another process may have its number.
    child: Mutex<Option<Child>>,
    /// The worker ends when this closes. Once it has started it sends nothing more here.
    control: OwnedFd,
    output: Output,
    bounds: Bounds,
    /// Why the host killed it, if it did.
    kill_reason: Mutex<Option<Death>>,
    /// The most memory that was seen.
    peak_memory: AtomicU64,
}

impl Process {
    pub(super) fn new(child: Child, control: OwnedFd, output: Output, bounds: Bounds) -> Self {
        Self {
            pid: Pid::from_child(&child),
            child: Mutex::new(Some(child)),
            control,
            output,
            bounds,
            kill_reason: Mutex::new(None),
            peak_memory: AtomicU64::new(0),
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// The socket that is readable once the worker is gone, or breaks the protocol.
    pub(super) fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// Whether the worker sent something on the control socket after its start.
    pub(super) fn has_unexpected_bytes(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        recv(&self.control, &mut [0_u8; 1], flags).is_ok_and(|(bytes, _)| bytes > 0)
    }

    /// Runs `what` while another thread enforces the worker's bounds.
    ///
    /// # Errors
    ///
    /// If no thread can be started.
    pub(super) fn while_watched<T>(&self, what: impl FnOnce() -> T) -> io::Result<T> {
        let (over, waits) = channel::<()>();
        thread::scope(|scope| {
            thread::Builder::new().name("worker-watch".into()).spawn_scoped(scope, move || {
                while waits.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    self.enforce_bounds();
                }
            })?;
            let _over = over;
            Ok(what())
        })
    }

    /// Kills the worker if it exceeds its bounds, and returns whether it did.
    pub(super) fn enforce_bounds(&self) -> bool {
        let Some(death) = self.usage().and_then(|usage| self.bounds.exceeded(usage)) else {
            return false;
        };
        self.kill_because(death);
        true
    }

    /// What the worker uses; `None` if it is dead, or if the system does not say.
    pub(super) fn usage(&self) -> Option<Usage> {
        let usage = usage::of(self.id())?;
        self.peak_memory.fetch_max(usage.memory, Ordering::Relaxed);
        Some(usage)
    }

    /// What the worker has used since it was started. Its CPU time is zero once it is reaped.
    pub(super) fn spent(&self) -> Spent {
        // Another process may have the number of one that was reaped.
        let child = self.child();
        let cpu = child.as_ref().and_then(|_| usage::cpu_time(self.id())).unwrap_or_default();
        Spent { cpu, peak_memory: self.peak_memory.load(Ordering::Relaxed) }
    }

    /// Kills the worker for this reason. The first reason counts.
    pub(super) fn kill_because(&self, death: Death) {
        self.kill_reason.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(death);
        self.kill();
    }

    /// Kills the worker and the processes that it started, unless it is reaped.
    pub(super) fn kill(&self) {
        if self.child().is_some() {
            // Either may be dead already. A worker leads its group, but the program may not be a
            // worker and may have left that group: so both are killed.
            let _ = kill_process_group(self.pid, Signal::KILL);
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }

    /// Whether the worker is dead, reaped or not.
    pub(super) fn is_dead(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        !matches!(retry_on_intr(|| waitid(WaitId::Pid(self.pid), options)), Ok(None))
    }

    /// Kills the worker if it is alive, and waits until it is dead.
    pub(super) fn kill_and_wait(&self) {
        self.kill();
        self.wait();
    }

    /// Kills the worker if it is alive, reaps it, and returns why it ended.
    pub(super) fn end(&self) -> Death {
        self.kill();
        let status = self.reap();
        let kill_reason = self.kill_reason.lock().unwrap_or_else(PoisonError::into_inner).clone();
        kill_reason.unwrap_or_else(|| death(status, self.output.last_line()))
    }

    /// As [`Process::end`], for a worker that never served: its last line of output is added to the
    /// message.
    pub(super) fn end_early(&self) -> Death {
        let mut death = self.end();
        let line = self.output.last_line();
        let line = &line[..line.floor_char_boundary(MAX_LAST_LINE)];
        if death.kind == CallErrorKind::Crashed && !line.is_empty() {
            death.message = format!("{death}: {line}");
        }
        death
    }

    fn reap(&self) -> Option<ExitStatus> {
        self.wait();
        self.child().take()?.wait().ok()
    }

    /// Waits until the worker is dead, without reaping it: its number stays taken, and the lock free.
    fn wait(&self) {
        // Another process may have the number of one that was reaped.
        if self.child().is_some() {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
            let _ = retry_on_intr(|| waitid(WaitId::Pid(self.pid), options));
        }
    }

    fn child(&self) -> MutexGuard<'_, Option<Child>> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
        self.reap();
    }
}
