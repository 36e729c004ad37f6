//! One worker per started plugin: started, watched, buried, and started again.
//!
//! A thread owns the worker's life. It sleeps until a worker is wanted, starts it, watches it to
//! its end, reaps it, and decides when there may be a next one. It lives as long as the plugin,
//! because the kernel ends a worker with the thread that started it.
//!
//! Everything that others see is in one place, [`Inner`], under one lock that is held for a few
//! instructions. The idle lanes lie there too: a call takes one and, if all went well, puts it
//! back. Each worker has a number, its *epoch*, and so has what is taken from it: nothing that
//! comes back late ends up with the next worker.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use plugbay_core::{CallError, CallErrorKind, Identity, Observer, Policy, Reason, Refusal};
use plugbay_guard::{Next, RestartRules, Restarts};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::retry_on_intr;

use super::call::{Ask, ask};
use super::lane::Lane;
use super::process::{Death, Process, Started, output_limit};
use super::segment;
use super::wire::Op;
use super::{Protections, WorkerCommand, WorkerState};
use crate::bulkhead::Bulkhead;
use crate::calls::Calls;
use crate::ledger::Ledger;

/// How often a worker's memory is looked at.
const TICK: Timespec = Timespec { tv_sec: 0, tv_nsec: 250_000_000 };
/// What a worker has in use before its plugin has anything: its program and the C library. Its
/// lanes come on top.
const BASE: u64 = 16 << 20;
/// How long a failed call waits to hear what became of the worker.
const INQUEST: Duration = Duration::from_secs(2);

/// What to do about a granted folder that is missing.
const GRANT_HINT: &str = "make the folder, or take it out of the plugin's grants";

/// What a worker is made from.
pub(super) struct Spec {
    pub(super) command: WorkerCommand,
    pub(super) library: PathBuf,
    pub(super) identity: Identity,
    pub(super) policy: Policy,
    pub(super) config: String,
    pub(super) lanes: usize,
    pub(super) rules: RestartRules,
}

/// What the thread and the calls share.
pub(super) struct Supervisor {
    pub(super) spec: Spec,
    /// The reader of a worker's output has it, too.
    pub(super) ledger: Arc<Ledger>,
    /// A place for each lane: whoever has one finds a lane idle, once there is a worker.
    pub(super) bulkhead: Arc<Bulkhead>,
    inner: Mutex<Inner>,
    /// Wakes calls: a lane is idle, or there will be none.
    lanes: Condvar,
    /// Wakes the thread: a worker is wanted, or none any more.
    wanted: Condvar,
    pub(super) instantiations: AtomicU64,
    pub(super) discarded: AtomicU64,
}

struct Inner {
    state: State,
    /// The number of the current worker, or of the last one.
    epoch: u64,
    idle: Vec<Lane>,
    /// How many calls wait for a lane.
    waiting: usize,
    /// Why the host killed the current worker, if it did.
    doom: Option<Death>,
    /// How the worker of an epoch ended.
    death: Option<(u64, Death)>,
    restarts: Restarts,
}

enum State {
    Starting,
    Running(Arc<Process>, Protections),
    Down { until: Instant, death: Death },
    Broken(Death),
    Stopped(Option<Arc<Process>>),
}

/// A lane that a call has taken.
pub(super) struct Taken {
    pub(super) lane: Lane,
    pub(super) epoch: u64,
}

impl Supervisor {
    pub(super) fn new(spec: Spec, observer: Arc<dyn Observer>) -> Self {
        let inner = Inner {
            state: State::Starting,
            epoch: 0,
            idle: Vec::new(),
            waiting: 0,
            doom: None,
            death: None,
            restarts: Restarts::new(spec.rules),
        };
        let lanes = u32::try_from(spec.lanes).unwrap_or(u32::MAX);
        let bulkhead = Bulkhead::new(spec.identity.label(), lanes, spec.policy.queue);
        let ledger = Arc::new(Ledger::new(spec.identity.label(), &spec.policy, observer));
        Self {
            spec,
            bulkhead,
            ledger,
            inner: Mutex::new(inner),
            lanes: Condvar::new(),
            wanted: Condvar::new(),
            instantiations: AtomicU64::new(0),
            discarded: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that can panic runs under the lock.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, kind: CallErrorKind, message: impl Into<String>) -> CallError {
        CallError::new(kind, message.into()).of(self.spec.identity.label())
    }

    /// The thread's life. `first` hears how the first start went; if it failed, that was all.
    pub(super) fn run(&self, first: impl FnOnce(Result<(), Refusal>)) {
        let mut first = Some(first);
        while self.wanted() {
            match self.start() {
                Ok(started) => {
                    let process = self.publish(started);
                    if let Some(first) = first.take() {
                        first(Ok(()));
                    }
                    self.watch(&process);
                    self.bury(|doom| process.end(doom));
                }
                Err((reason, death)) => {
                    if let Some(first) = first.take() {
                        let hint = if reason == Reason::Grant { GRANT_HINT } else { "" };
                        first(Err(Refusal::new(reason, death.message).hint(hint)));
                        return;
                    }
                    self.bury(|_| death);
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

    /// Lets calls in.
    fn publish(&self, started: Started) -> Arc<Process> {
        let process = Arc::new(started.process);
        let mut inner = self.lock();
        inner.epoch += 1;
        inner.doom = None;
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

    /// Returns when the worker is dead or has closed its control socket, or has to die.
    fn watch(&self, process: &Process) {
        let base = BASE + segment::size(self.spec.lanes) as u64;
        let limit = self.spec.policy.total_memory.saturating_add(base);
        loop {
            let mut control = [PollFd::from_borrowed_fd(process.control(), PollFlags::IN)];
            let ready = retry_on_intr(|| poll(&mut control, Some(&TICK)));
            if process.spoke() {
                let message = "the worker broke the protocol and was killed";
                self.lock().doom.get_or_insert(Death::new(CallErrorKind::Contract, message));
                return;
            }
            if ready != Ok(0) || process.is_dead() {
                return;
            }
            if let Some(used) = process.memory().filter(|used| *used > limit) {
                let message =
                    format!("the worker used {used} bytes of {limit} that it may, and was killed");
                self.lock().doom.get_or_insert(Death::new(CallErrorKind::Memory, message));
                return;
            }
        }
    }

    /// Takes note of a worker's end, and decides what follows.
    fn bury(&self, end: impl FnOnce(Option<Death>) -> Death) {
        let doom = self.lock().doom.take();
        let death = end(doom);
        let (plugin, reason) = (&**self.spec.identity.label(), death.kind.reason());
        let mut inner = self.lock();
        inner.idle.clear();
        inner.death = Some((inner.epoch, death.clone()));
        if !matches!(inner.state, State::Stopped(_)) {
            self.discarded.fetch_add(1, Ordering::Relaxed);
            let now = Instant::now();
            let pause = match inner.restarts.next(now, fastrand::u64(..)) {
                Next::Now => Some(Duration::ZERO),
                Next::Wait(pause) => Some(pause),
                Next::Exhausted { .. } => None,
            };
            inner.state = if let Some(pause) = pause {
                tracing::warn!(plugin, reason, ?pause, "{death}");
                State::Down { until: now + pause, death }
            } else {
                tracing::error!(plugin, reason, "{death}; no new worker until a reload");
                State::Broken(death)
            };
        }
        drop(inner);
        self.lanes.notify_all();
    }

    /// Takes an idle lane, starting a worker if there may be one. The caller has a place.
    ///
    /// # Errors
    ///
    /// `unavailable` if there is no worker and none may start yet, or ever; `overloaded` if
    /// there was no lane in time; `retired` after the shutdown.
    pub(super) fn take(&self, deadline: Instant) -> Result<Taken, CallError> {
        let mut inner = self.lock();
        loop {
            match &inner.state {
                State::Running(..) => {
                    if let Some(lane) = inner.idle.pop() {
                        return Ok(Taken { lane, epoch: inner.epoch });
                    }
                }
                State::Starting => {}
                State::Down { until, death } => {
                    let pause = until.saturating_duration_since(Instant::now());
                    if !pause.is_zero() {
                        let message = format!("{death}; it starts again in {pause:.1?}");
                        return Err(self.error(CallErrorKind::Unavailable, message));
                    }
                    inner.state = State::Starting;
                    self.wanted.notify_one();
                }
                State::Broken(death) => {
                    let message = format!("{death}; it ended too often, and starts after a reload");
                    return Err(self.error(CallErrorKind::Unavailable, message));
                }
                State::Stopped(_) => {
                    return Err(self.error(CallErrorKind::Retired, "it was shut down"));
                }
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let message = "expected a lane of its worker within its deadline, found none";
                return Err(self.bulkhead.overloaded(message.into()));
            }
            inner.waiting += 1;
            let woken = self.lanes.wait_timeout(inner, left);
            inner = woken.unwrap_or_else(PoisonError::into_inner).0;
            inner.waiting -= 1;
        }
    }

    /// Puts a lane back that can be used on.
    pub(super) fn put(&self, taken: Taken) {
        let mut inner = self.lock();
        if inner.epoch == taken.epoch {
            inner.idle.push(taken.lane);
        }
        if inner.waiting > 0 {
            self.lanes.notify_one();
        }
    }

    /// Kills the worker `epoch`, if it lives; other calls in flight hear `death`.
    pub(super) fn doom(&self, epoch: u64, death: Death) {
        let mut inner = self.lock();
        if inner.epoch == epoch
            && let State::Running(process, _) | State::Stopped(Some(process)) = &inner.state
        {
            let process = Arc::clone(process);
            inner.doom.get_or_insert(death);
            process.kill();
        }
    }

    /// How the worker `epoch` ended. Waits a moment for it to be known; a worker that closed a
    /// lane and lives on is killed.
    pub(super) fn death(&self, epoch: u64) -> Death {
        let unknown = |inner: &mut Inner| match &inner.death {
            Some((of, _)) => *of < epoch,
            None => true,
        };
        let inner = self.lock();
        let woken = self.lanes.wait_timeout_while(inner, INQUEST, unknown);
        let inner = woken.unwrap_or_else(PoisonError::into_inner).0;
        match &inner.death {
            Some((of, death)) if *of == epoch => death.clone(),
            _ => {
                drop(inner);
                let message = "the worker closed a connection and was killed";
                let death = Death::new(CallErrorKind::Contract, message);
                self.doom(epoch, death.clone());
                death
            }
        }
    }

    /// Refuses further calls, gives the instance its last one, and ends the worker. `graceful`
    /// is how long the calls in flight may take, and then again how long that last one may.
    pub(super) fn stop(&self, graceful: Option<Duration>) {
        let mut inner = self.lock();
        let process = match &inner.state {
            State::Running(process, _) => Some(Arc::clone(process)),
            State::Stopped(_) => return,
            _ => None,
        };
        inner.state = State::Stopped(process.clone());
        drop(inner);
        self.lanes.notify_all();
        self.wanted.notify_one();
        let Some(process) = process else { return };
        if let Some(bound) = graceful {
            self.last_call(bound);
        }
        process.kill();
        // Its control socket and its number live on only with the thread that buries it.
        self.lock().state = State::Stopped(None);
    }

    fn last_call(&self, bound: Duration) {
        let mut inner = self.lock();
        inner.waiting += 1;
        let none = |inner: &mut Inner| {
            inner.idle.is_empty() && inner.death.as_ref().is_none_or(|(of, _)| *of < inner.epoch)
        };
        let woken = self.lanes.wait_timeout_while(inner, bound, none);
        inner = woken.unwrap_or_else(PoisonError::into_inner).0;
        inner.waiting -= 1;
        let Some(mut lane) = inner.idle.pop() else { return };
        drop(inner);
        let host = Calls::outside(&self.ledger);
        let asked = Ask { op: Op::Shutdown, index: 0, meta: &[], body: &[] };
        let limit = output_limit(&self.spec.policy);
        if let Err(error) = ask(&mut lane, asked, &host, limit, Instant::now() + bound) {
            let plugin = &**self.spec.identity.label();
            tracing::warn!(plugin, %error, "no answer to the last call");
        }
    }

    /// Calls that wait: for a place, or with one for a worker that starts.
    pub(super) fn waiting(&self) -> u64 {
        u64::from(self.bulkhead.waiting()) + self.lock().waiting as u64
    }

    /// How the worker is now.
    pub(super) fn state(&self) -> WorkerState {
        match &self.lock().state {
            State::Starting => WorkerState::Starting,
            State::Running(process, protections) => {
                WorkerState::Running { pid: process.id(), protections: *protections }
            }
            State::Down { until, death } => {
                let pause = until.saturating_duration_since(Instant::now());
                WorkerState::BackingOff { pause, reason: death.message.clone() }
            }
            State::Broken(death) => WorkerState::Broken { reason: death.message.clone() },
            State::Stopped(_) => WorkerState::Stopped,
        }
    }

    /// The worker's process, if it runs.
    pub(super) fn process(&self) -> Option<Arc<Process>> {
        match &self.lock().state {
            State::Running(process, _) => Some(Arc::clone(process)),
            _ => None,
        }
    }
}
