//! The life of the thread that owns a plugin's workers.

use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use plugbay_core::{CallErrorKind, Refusal};
use plugbay_guard::Next;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use super::super::death::Death;
use super::super::process::{Process, TICK};
use super::super::spawn::Started;
use super::{State, Supervisor};

/// How long until a worker is tried again for which the host lacked something.
const SHORTAGE: Duration = Duration::from_secs(1);

impl Supervisor {
    /// The thread's life. `first` hears how the first start went; if it failed, that was all.
    pub(in super::super) fn run(&self, first: impl FnOnce(Result<(), Refusal>)) {
        let mut first = Some(first);
        let _unwound = Unwound(self);
        while self.wanted() {
            match self.start() {
                Ok(started) => {
                    let process = self.publish(started);
                    if let Some(first) = first.take() {
                        first(Ok(()));
                    }
                    watch(&process);
                    self.bury(&process.end());
                }
                Err(failed) => {
                    if let Some(first) = first.take() {
                        first(Err(failed.refusal));
                        return;
                    }
                    self.bury(&failed.death());
                }
            }
        }
    }

    /// Waits until a worker is wanted; `false` if there shall be none any more.
    fn wanted(&self) -> bool {
        let mut inner = self.lock();
        loop {
            match inner.state {
                State::Starting => return true,
                State::Stopped(_) => return false,
                _ => inner = self.wanted.wait(inner).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Lets it be ended from now on by whoever ends the plugin.
    pub(in super::super) fn began(&self, process: &Arc<Process>) {
        let mut inner = self.lock();
        if let State::Starting = inner.state {
            inner.starting = Some(Arc::clone(process));
        } else {
            drop(inner);
            process.kill();
        }
    }

    /// Lets calls in.
    fn publish(&self, started: Started) -> Arc<Process> {
        let process = started.process;
        let mut inner = self.lock();
        inner.epoch += 1;
        inner.starting = None;
        inner.idle = started.lanes;
        if let State::Starting = inner.state {
            inner.state = State::Running(Arc::clone(&process), started.protections);
        } else {
            // Stopped meanwhile: nobody will call, and nobody else knows of the process.
            process.kill();
        }
        drop(inner);
        self.lanes.notify_all();
        process
    }

    /// Takes note of a worker's end, and decides what follows.
    fn bury(&self, death: &Death) {
        let mut inner = self.lock();
        inner.idle.clear();
        inner.starting = None;
        inner.death = Some((inner.epoch, death.clone()));
        let stopped = matches!(inner.state, State::Stopped(_));
        let mut pause = None;
        if !stopped {
            let now = Instant::now();
            pause = if death.is_shortage() {
                Some(SHORTAGE)
            } else {
                self.discarded.fetch_add(1, Ordering::Relaxed);
                match inner.restarts.next(now, fastrand::u64(..)) {
                    Next::Now => Some(Duration::ZERO),
                    Next::Wait(pause) => Some(pause),
                    Next::Exhausted { .. } => None,
                }
            };
            let death = death.clone();
            inner.state = match pause {
                Some(pause) => State::Down { until: now + pause, death },
                None => State::Broken(death),
            };
        }
        drop(inner);
        self.lanes.notify_all();
        let (plugin, reason) = (&**self.spec.identity.label(), death.kind.reason());
        match pause {
            _ if stopped => {}
            Some(pause) => tracing::warn!(plugin, reason, ?pause, "{death}"),
            None => tracing::error!(plugin, reason, "{death}; no new worker until a reload"),
        }
    }
}

/// Returns when the worker is dead or has closed its control socket, or has to die.
fn watch(process: &Process) {
    let tick = Timespec { tv_sec: 0, tv_nsec: TICK.subsec_nanos().into() };
    loop {
        let mut control = [PollFd::from_borrowed_fd(process.control(), PollFlags::IN)];
        let ready = retry_on_intr(|| poll(&mut control, Some(&tick)));
        if process.spoke() {
            let message = "the worker broke the protocol and was killed";
            process.condemn(Death::new(CallErrorKind::Contract, message));
            return;
        }
        if ready != Ok(0) || process.is_dead() || process.check() {
            return;
        }
    }
}

/// Leaves nothing half done if the thread unwinds, because a subscriber of the log panicked, say:
/// there is nobody then who starts a worker.
struct Unwound<'a>(&'a Supervisor);

impl Drop for Unwound<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let message = "the host's supervisor of the worker panicked";
        let death = Death::new(CallErrorKind::Internal, message);
        let mut inner = self.0.lock();
        inner.idle.clear();
        inner.death = Some((inner.epoch, death.clone()));
        let starting = inner.starting.take();
        let running = match &inner.state {
            State::Running(process, _) | State::Stopped(Some(process)) => Some(Arc::clone(process)),
            _ => None,
        };
        if !matches!(inner.state, State::Stopped(_)) {
            inner.state = State::Broken(death.clone());
        }
        drop(inner);
        for process in starting.into_iter().chain(running) {
            process.condemn(death.clone());
        }
        self.0.lanes.notify_all();
    }
}
