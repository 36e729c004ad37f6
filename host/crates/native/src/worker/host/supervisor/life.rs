//! The thread that owns a plugin's workers.

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
use super::super::usage::Spent;
use super::{State, Supervisor};

/// How long to wait before the next start after one for which the host lacked something.
const SHORTAGE: Duration = Duration::from_secs(1);

impl Supervisor {
    /// Runs until the plugin is stopped. Calls `first` with the result of the first start, and ends
    /// if that failed.
    pub(in super::super) fn run(&self, first: impl FnOnce(Result<(), Refusal>)) {
        let mut first = Some(first);
        let _guard = PanicGuard(self);
        while self.wait_until_wanted() {
            match self.start() {
                Ok(started) => {
                    let process = self.publish(started);
                    if let Some(first) = first.take() {
                        first(Ok(()));
                    }
                    watch(&process);
                    process.kill_and_wait();
                    let spent = process.spent();
                    self.record_death(&process.end(), spent);
                }
                Err(failed) => {
                    if let Some(first) = first.take() {
                        first(Err(failed.refusal));
                        return;
                    }
                    self.record_death(&failed.death(), Spent::default());
                }
            }
        }
    }

    /// Waits until a worker is wanted; `false` once the plugin is stopped.
    fn wait_until_wanted(&self) -> bool {
        let mut inner = self.lock();
        loop {
            match inner.state {
                State::Starting => return true,
                State::Stopped(_) => return false,
                _ => inner = self.wanted.wait(inner).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }

    /// Makes the process of a worker that is being started known, so that stopping the plugin kills
    /// it.
    pub(in super::super) fn register_starting(&self, process: &Arc<Process>) {
        let mut inner = self.lock();
        if let State::Starting = inner.state {
            inner.starting = Some(Arc::clone(process));
        } else {
            drop(inner);
            process.kill();
        }
    }

    /// Makes the worker's lanes available to calls.
    fn publish(&self, started: Started) -> Arc<Process> {
        let process = started.process;
        let mut inner = self.lock();
        inner.epoch += 1;
        inner.starting = None;
        inner.idle = started.lanes;
        if let State::Starting = inner.state {
            inner.state = State::Running(Arc::clone(&process), started.protections);
        } else {
            // Stopped meanwhile, by a thread that does not know of the process.
            process.kill();
        }
        drop(inner);
        self.lanes.notify_all();
        process
    }

    /// Records how a worker ended, and decides when the next one may start.
    fn record_death(&self, death: &Death, spent: Spent) {
        let mut inner = self.lock();
        inner.spent = inner.spent.and(spent);
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
                Some(pause) => State::BackingOff { until: now + pause, death },
                None => State::Broken(death),
            };
        }
        drop(inner);
        self.lanes.notify_all();
        let ((plugin, version), reason) =
            (self.spec.identity.name_and_version(), death.kind.reason());
        match pause {
            _ if stopped => {}
            Some(pause) => tracing::warn!(plugin, version, reason, ?pause, "{death}"),
            None => {
                tracing::error!(plugin, version, reason, "{death}; no new worker until a reload");
            }
        }
    }
}

/// Returns when the worker is dead, has closed its control socket, or was killed.
fn watch(process: &Process) {
    let tick = Timespec { tv_sec: 0, tv_nsec: TICK.subsec_nanos().into() };
    loop {
        let mut control = [PollFd::from_borrowed_fd(process.control(), PollFlags::IN)];
        let ready = retry_on_intr(|| poll(&mut control, Some(&tick)));
        if process.has_unexpected_bytes() {
            let message = "the worker broke the protocol and was killed";
            process.kill_because(Death::new(CallErrorKind::Contract, message));
            return;
        }
        if ready != Ok(0) || process.is_dead() || process.enforce_bounds() {
            return;
        }
    }
}

/// Kills the worker and marks the plugin as broken if the thread panics, in a subscriber of the log,
/// say: without the thread no worker is started or watched.
struct PanicGuard<'a>(&'a Supervisor);

impl Drop for PanicGuard<'_> {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let message = "the host's supervisor of the worker panicked";
        let death = Death::new(CallErrorKind::Internal, message);
        let mut inner = self.0.lock();
        inner.is_abandoned = true;
        inner.idle.clear();
        // A worker may have ended before the panic: its calls return how.
        if inner.death.as_ref().is_none_or(|(of, _)| *of != inner.epoch) {
            inner.death = Some((inner.epoch, death.clone()));
        }
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
            process.kill_because(death.clone());
        }
        self.0.lanes.notify_all();
    }
}
