//! One worker process, from its start to the reaping.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::process::{Child, ExitStatus};
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
use super::usage::{self, Bounds, Usage};

/// How often it is looked at what a worker uses.
pub(super) const TICK: Duration = Duration::from_millis(250);
/// The most bytes of a worker's last line that are passed on.
const LAST_WORDS: usize = 300;

/// A worker process. Dropping it kills and reaps it.
#[derive(Debug)]
pub(super) struct Process {
    pid: Pid,
    /// None once it is reaped: then its number may be somebody else's.
    child: Mutex<Option<Child>>,
    /// The worker ends when this closes; it says nothing more on it once it has started.
    control: OwnedFd,
    output: Output,
    bounds: Bounds,
    /// Why the host killed it, if it did.
    doom: Mutex<Option<Death>>,
}

impl Process {
    pub(super) fn new(child: Child, control: OwnedFd, output: Output, bounds: Bounds) -> Self {
        Self {
            pid: Pid::from_child(&child),
            child: Mutex::new(Some(child)),
            control,
            output,
            bounds,
            doom: Mutex::new(None),
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Readable once the worker is gone, or breaks the protocol.
    pub(super) fn control(&self) -> BorrowedFd<'_> {
        self.control.as_fd()
    }

    /// Whether it said something where it has nothing to say.
    pub(super) fn spoke(&self) -> bool {
        let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
        recv(&self.control, &mut [0_u8; 1], flags).is_ok_and(|(bytes, _)| bytes > 0)
    }

    /// Does `what` while a thread sees to it that the worker uses no more than it may.
    ///
    /// # Errors
    ///
    /// If there is no thread to be had.
    pub(super) fn watched<T>(&self, what: impl FnOnce() -> T) -> io::Result<T> {
        let (over, waits) = channel::<()>();
        thread::scope(|scope| {
            thread::Builder::new().name("worker-watch".into()).spawn_scoped(scope, move || {
                while waits.recv_timeout(TICK) == Err(RecvTimeoutError::Timeout) {
                    self.check();
                }
            })?;
            let _over = over;
            Ok(what())
        })
    }

    /// Kills it if it uses more than it may, and says whether that was so.
    pub(super) fn check(&self) -> bool {
        let Some(death) = self.usage().and_then(|usage| self.bounds.exceeded(usage)) else {
            return false;
        };
        self.condemn(death);
        true
    }

    /// What it uses; none if it is dead, or if the system does not say.
    pub(super) fn usage(&self) -> Option<Usage> {
        usage::of(self.id())
    }

    /// Kills it, for this reason if there is none yet.
    pub(super) fn condemn(&self, death: Death) {
        self.doom.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(death);
        self.kill();
    }

    /// Kills it and whatever it started, unless it is reaped.
    pub(super) fn kill(&self) {
        if self.child().is_some() {
            // It may be dead already, and so may its group. It leads that, but who can tell
            // what a program does that is no worker?
            let _ = kill_process_group(self.pid, Signal::KILL);
            let _ = kill_process(self.pid, Signal::KILL);
        }
    }

    /// Whether it is dead, reaped or not.
    pub(super) fn is_dead(&self) -> bool {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT | WaitIdOptions::NOHANG;
        !matches!(retry_on_intr(|| waitid(WaitId::Pid(self.pid), options)), Ok(None))
    }

    /// Kills it if it lives, reaps it, and says why it ended.
    pub(super) fn end(&self) -> Death {
        self.kill();
        let status = self.reap();
        let doom = self.doom.lock().unwrap_or_else(PoisonError::into_inner).clone();
        doom.unwrap_or_else(|| death(status, self.output.last_line()))
    }

    /// As [`Process::end`], of a worker that never served: what it printed last says why.
    pub(super) fn end_early(&self) -> Death {
        let mut death = self.end();
        let line = self.output.last_line();
        let line = &line[..line.floor_char_boundary(LAST_WORDS)];
        if death.kind == CallErrorKind::Crashed && !line.is_empty() {
            death.message = format!("{death}: {line}");
        }
        death
    }

    fn reap(&self) -> Option<ExitStatus> {
        // Somebody else's process may have the number of one that was reaped.
        self.child().as_ref()?;
        // Waiting without reaping keeps the number ours, and the lock free, until it is dead.
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
        let _ = retry_on_intr(|| waitid(WaitId::Pid(self.pid), options));
        self.child().take()?.wait().ok()
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
