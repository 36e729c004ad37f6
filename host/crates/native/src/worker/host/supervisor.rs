//! One worker per started plugin: started, watched, reaped, and started again.
//!
//! A thread owns the worker's life. It sleeps until a worker is wanted, starts it, watches it to
//! its end, reaps it, and decides when the next one may start. The thread lives as long as the plugin,
//! because the kernel kills a worker when the thread that started it ends.
//!
//! Everything that the thread and the calls share is in [`Inner`], under one lock that is held for a
//! few instructions. The idle lanes are there too: a call takes one and, if all went well, puts it
//! back. Each worker has a number, its *epoch*, and each lane that is taken carries it: so a lane that
//! comes back late never ends up with the next worker.

mod life;
mod stop;

use std::path::PathBuf;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use plugbay_core::{Bulkhead, CallError, CallErrorKind, Identity, Observer, Policy};
use plugbay_guard::{RestartRules, Restarts};

use super::death::Death;
use super::process::Process;
use super::serving::Serving;
use super::usage::Spent;
use crate::ledger::Ledger;
use crate::worker::link::lane::Lane;
use crate::worker::state::{Protections, WorkerCommand, WorkerState};

/// How long a call whose lane closed waits for the worker's exit, at most.
const EXIT_WAIT: Duration = Duration::from_secs(2);
/// How long it waits at least, however near its deadline is.
const MIN_EXIT_WAIT: Duration = Duration::from_millis(500);

/// What a worker is started with.
pub(super) struct Spec {
    pub(super) command: WorkerCommand,
    pub(super) library: PathBuf,
    pub(super) identity: Identity,
    pub(super) policy: Policy,
    pub(super) config: String,
    pub(super) lanes: usize,
    pub(super) rules: RestartRules,
}

/// The supervisor of one plugin's workers, which its thread and its calls share.
pub(super) struct Supervisor {
    pub(super) spec: Spec,
    /// Shared with the thread that reads the worker's output.
    pub(super) ledger: Arc<Ledger>,
    /// Likewise.
    pub(super) serving: Arc<Serving>,
    /// One place for each lane: a call with a place finds an idle lane once there is a worker.
    pub(super) bulkhead: Arc<Bulkhead>,
    inner: Mutex<Inner>,
    /// Wakes calls: a lane is idle, or the worker's state has changed.
    lanes: Condvar,
    /// Wakes the thread: a worker is wanted, or the plugin is stopped.
    wanted: Condvar,
    pub(super) instantiations: AtomicU64,
    pub(super) discarded: AtomicU64,
}

struct Inner {
    state: State,
    /// The process of a worker that is being started.
    starting: Option<Arc<Process>>,
    /// The number of the current worker, or of the last one.
    epoch: u64,
    idle: Vec<Lane>,
    /// How many calls wait for a lane.
    waiting: usize,
    /// What the workers have used that are dead.
    spent: Spent,
    /// How the worker of an epoch ended.
    death: Option<(u64, Death)>,
    restarts: Restarts,
    /// Whether the thread that starts workers has panicked.
    is_abandoned: bool,
}

enum State {
    Starting,
    Running(Arc<Process>, Protections),
    BackingOff { until: Instant, death: Death },
    Broken(Death),
    Stopped(Option<Arc<Process>>),
}

/// A lane that a call has taken.
pub(super) struct TakenLane {
    pub(super) lane: Lane,
    pub(super) epoch: u64,
}

impl Supervisor {
    pub(super) fn new(spec: Spec, observer: Arc<dyn Observer>) -> Self {
        let inner = Inner {
            state: State::Starting,
            starting: None,
            epoch: 0,
            idle: Vec::new(),
            waiting: 0,
            spent: Spent::default(),
            death: None,
            restarts: Restarts::new(spec.rules),
            is_abandoned: false,
        };
        let lanes = u32::try_from(spec.lanes).unwrap_or(u32::MAX);
        let bulkhead = Bulkhead::new(spec.identity.label(), lanes, spec.policy.queue);
        let ledger = Arc::new(Ledger::new(&spec.identity, &spec.policy, observer));
        Self {
            spec,
            bulkhead,
            ledger,
            serving: Arc::default(),
            inner: Mutex::new(inner),
            lanes: Condvar::new(),
            wanted: Condvar::new(),
            instantiations: AtomicU64::new(0),
            discarded: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing that can panic or wait runs under the lock; above all, nothing is logged.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, kind: CallErrorKind, message: impl Into<String>) -> CallError {
        CallError::new(kind, message.into()).of(self.spec.identity.label())
    }

    /// Takes an idle lane, and starts a worker if that is allowed. The caller has a place.
    ///
    /// # Errors
    ///
    /// `unavailable` if there is no worker and none may start yet, or until a reload; `overloaded` if
    /// no lane was idle in time; `retired` after the shutdown.
    pub(super) fn take(&self, deadline: Instant) -> Result<TakenLane, CallError> {
        let mut inner = self.lock();
        loop {
            match &inner.state {
                State::Running(..) => {
                    if let Some(lane) = inner.idle.pop() {
                        return Ok(TakenLane { lane, epoch: inner.epoch });
                    }
                }
                State::Starting => {}
                State::BackingOff { until, death } => {
                    let pause = until.saturating_duration_since(Instant::now());
                    if !pause.is_zero() {
                        let message = format!("{death}; it starts again in {pause:.1?}");
                        return Err(if death.is_shortage() {
                            self.bulkhead.overloaded(message)
                        } else {
                            self.error(CallErrorKind::Unavailable, message)
                        });
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

    /// Puts back a lane that can be used again.
    pub(super) fn put(&self, taken: TakenLane) {
        let mut inner = self.lock();
        if inner.epoch == taken.epoch {
            inner.idle.push(taken.lane);
        }
        if inner.waiting > 0 {
            // Wakes all of them: some wait for a death, and one of those could take the only wake-up.
            self.lanes.notify_all();
        }
    }

    /// Kills the worker `epoch`, if it is alive; the other calls in flight fail with `death`.
    pub(super) fn kill(&self, epoch: u64, death: Death) {
        let inner = self.lock();
        let (State::Running(process, _) | State::Stopped(Some(process))) = &inner.state else {
            return;
        };
        if inner.epoch == epoch {
            let process = Arc::clone(process);
            drop(inner);
            process.kill_because(death);
        }
    }

    /// How the worker `epoch` ended. Waits until that is known, not much longer than until `deadline`;
    /// kills a worker that closed a lane and is still alive.
    pub(super) fn wait_for_death(&self, epoch: u64, deadline: Instant) -> Death {
        let unknown = |inner: &mut Inner| match &inner.death {
            Some((of, _)) => *of < epoch,
            None => true,
        };
        let left = deadline.saturating_duration_since(Instant::now());
        let exit_wait = left.clamp(MIN_EXIT_WAIT, EXIT_WAIT);
        let inner = self.lock();
        let woken = self.lanes.wait_timeout_while(inner, exit_wait, unknown);
        let inner = woken.unwrap_or_else(PoisonError::into_inner).0;
        match &inner.death {
            Some((of, death)) if *of == epoch => death.clone(),
            _ => {
                drop(inner);
                let message = "the worker closed a connection and was killed";
                let death = Death::new(CallErrorKind::Contract, message);
                self.kill(epoch, death.clone());
                death
            }
        }
    }

    /// How many calls wait: for a place, or with a place for a worker that starts.
    pub(super) fn waiting(&self) -> u64 {
        u64::from(self.bulkhead.waiting()) + self.lock().waiting as u64
    }

    /// Starts a worker that ended too often, with a new budget of restarts.
    pub(super) fn retry(&self) {
        let mut inner = self.lock();
        if matches!(inner.state, State::Broken(_)) && !inner.is_abandoned {
            inner.restarts = Restarts::new(self.spec.rules);
            inner.state = State::Starting;
            drop(inner);
            self.wanted.notify_one();
        }
    }

    /// The state of the worker.
    pub(super) fn state(&self) -> WorkerState {
        match &self.lock().state {
            State::Starting => WorkerState::Starting,
            State::Running(process, protections) => {
                WorkerState::Running { pid: process.id(), protections: *protections }
            }
            State::BackingOff { until, death } => {
                let pause = until.saturating_duration_since(Instant::now());
                WorkerState::BackingOff { pause, reason: death.message.clone() }
            }
            State::Broken(death) => WorkerState::Broken { reason: death.message.clone() },
            State::Stopped(_) => WorkerState::Stopped,
        }
    }

    /// What all workers have used.
    pub(super) fn spent(&self) -> Spent {
        let inner = self.lock();
        let spent = inner.spent;
        match &inner.state {
            State::Running(process, _) | State::Stopped(Some(process)) => {
                let process = Arc::clone(process);
                drop(inner);
                spent.and(process.spent())
            }
            _ => spent,
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
