//! What the reconciler shares with the host's handles.

use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use plugbay_registry::Leased;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::drain::Draining;
use super::signal::Signal;
use crate::config::{Config, Layers};
use crate::report::{Journal, millis};
use crate::set::{Cell, Running};

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub(crate) enum ConfigLoader {
    Fixed(Arc<Config>),
    Layers(Layers),
}

impl ConfigLoader {
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Fixed(_) => None,
            Self::Layers(layers) => layers.path(),
        }
    }
}

/// What the reconciler shares with the host's handles.
pub(crate) struct HostState {
    pub(crate) cell: Arc<Cell>,
    pub(crate) journal: Journal,
    pub(crate) draining: Arc<Draining>,
    pub(crate) tokio: Handle,
    /// How many questions of health may be asked at the same time.
    pub(crate) probes: Arc<Semaphore>,
    most_probes: AtomicU32,
    /// Plugins that were found not to be well, until the reconciler looked at them.
    sick: Mutex<Vec<Weak<Leased<Running>>>>,
    signal: Signal,
    /// Milliseconds since `born` when the look under way began; 0 while none is.
    looking_since: AtomicU64,
    born: Instant,
}

impl HostState {
    pub(crate) fn new(cell: Arc<Cell>, tokio: Handle, signal: Signal, probes: u32) -> Arc<Self> {
        Arc::new(Self {
            cell,
            journal: Journal::new(),
            draining: Arc::default(),
            tokio,
            probes: Arc::new(Semaphore::new(probes.max(1) as usize)),
            most_probes: AtomicU32::new(probes.max(1)),
            sick: Mutex::default(),
            signal,
            looking_since: AtomicU64::new(0),
            born: Instant::now(),
        })
    }

    /// For how long the look under way got nowhere.
    pub(crate) fn looking_for(&self) -> Duration {
        match self.looking_since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => self.born.elapsed().saturating_sub(Duration::from_millis(since)),
        }
    }

    /// Notes that a look begins.
    pub(crate) fn begin_look(&self) {
        self.looking_since.store(millis(self.born.elapsed()).max(1), Ordering::Relaxed);
    }

    /// Notes that the look under way got somewhere: what comes next may take as long again.
    pub(crate) fn goes_on(&self) {
        if self.looking_since.load(Ordering::Relaxed) != 0 {
            self.begin_look();
        }
    }

    /// Notes that it ended.
    pub(crate) fn end_look(&self) {
        self.looking_since.store(0, Ordering::Relaxed);
    }

    /// So many questions of health may be asked at the same time from now on. Those under way
    /// end.
    pub(crate) fn set_probes(&self, most: u32) {
        let most = most.max(1);
        let before = self.most_probes.swap(most, Ordering::Relaxed);
        if most >= before {
            self.probes.add_permits((most - before) as usize);
            return;
        }
        let probes = Arc::clone(&self.probes);
        self.tokio.spawn(async move {
            // It is never closed.
            if let Ok(permits) = probes.acquire_many_owned(before - most).await {
                permits.forget();
            }
        });
    }

    /// Reports an unhealthy plugin to the reconciler, and wakes it.
    pub(crate) fn report_unhealthy(&self, running: &Arc<Leased<Running>>) {
        self.unhealthy().push(Arc::downgrade(running));
        self.signal.look();
    }

    /// Those that were found since this was asked last, and still run.
    pub(crate) fn take_unhealthy(&self) -> Vec<Arc<Leased<Running>>> {
        std::mem::take(&mut *self.unhealthy()).iter().filter_map(Weak::upgrade).collect()
    }

    /// Has the reconciler look again after `wait`.
    pub(crate) fn look_after(&self, wait: Duration) {
        let signal = self.signal.clone();
        self.tokio.spawn(async move {
            tokio::time::sleep(wait).await;
            signal.look();
        });
    }

    fn unhealthy(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Leased<Running>>>> {
        self.sick.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the host is shut down, or gone.
    pub(crate) fn is_stopped(&self) -> bool {
        self.signal.is_stopped()
    }

    /// Does this unless the host is shut down, and not while it is being shut down.
    pub(crate) fn unless_stopped(&self, work: impl FnOnce()) -> bool {
        self.signal.unless_stopped(work)
    }

    /// The number of the generation that serves.
    pub(crate) fn number(&self) -> u64 {
        self.cell.peek(|published| published.generation.number)
    }
}
