//! State that the reconciler shares with the host's handles.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use plugbay_core::trace::SpanSink;
use plugbay_registry::Leased;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;

use super::config_file::ConfigFile;
use super::drain::Draining;
use super::liveness::Liveness;
use super::signal::Signal;
use crate::config::{Config, ConfigError, Origins};
use crate::report::{ConfigWarning, HostCounts, Journal, Outcome};
use crate::set::{Cell, Ledger, Running};

/// The source of the configuration.
#[derive(Debug)]
pub(crate) enum ConfigLoader {
    Fixed(Arc<Config>),
    Layers(Box<ConfigFile>),
}

impl ConfigLoader {
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Fixed(_) => None,
            Self::Layers(file) => file.path(),
        }
    }

    /// Notes that the configuration that was read last is in force.
    /// Returns whether its text is a new one.
    pub(crate) fn adopt(&mut self, cache: &Path) -> bool {
        match self {
            Self::Fixed(_) => false,
            Self::Layers(file) => file.adopt(cache),
        }
    }

    /// Where the values of the configuration in force come from.
    pub(crate) fn origins(&self) -> Origins {
        match self {
            Self::Fixed(config) => Origins::of_application(config),
            Self::Layers(file) => file.origins(),
        }
    }

    /// Why the file was refused when it was read last.
    pub(crate) fn refused(&self) -> Option<&ConfigError> {
        match self {
            Self::Fixed(_) => None,
            Self::Layers(file) => file.refused(),
        }
    }
}

/// State that the reconciler shares with the host's handles.
pub(crate) struct HostState {
    pub(crate) cell: Arc<Cell>,
    pub(crate) journal: Journal,
    pub(crate) draining: Arc<Draining>,
    pub(crate) counts: HostCounts,
    pub(crate) ledger: Ledger,
    pub(crate) tokio: Handle,
    /// Takes the spans of requests and reconciliations, if they are recorded.
    pub(crate) spans: Option<Arc<dyn SpanSink>>,
    /// Permits for health checks at the same time.
    pub(crate) probes: Arc<Semaphore>,
    most_probes: AtomicU32,
    /// Plugins that became unhealthy since the reconciler last took them.
    unhealthy: Mutex<Vec<Weak<Leased<Running>>>>,
    /// The sources of the artifacts that are being prepared.
    preparing: Mutex<Vec<String>>,
    /// Why changes of files are not seen at once.
    watch_error: Mutex<Option<String>>,
    warnings: Mutex<Vec<ConfigWarning>>,
    /// The configuration that was read last and taken over, and where its values come from.
    origins: Mutex<(Arc<Config>, Arc<Origins>)>,
    signal: Signal,
    pub(crate) liveness: Liveness,
}

impl HostState {
    pub(crate) fn new(
        cell: Arc<Cell>,
        tokio: Handle,
        spans: Option<Arc<dyn SpanSink>>,
        signal: Signal,
        liveness: Liveness,
        probes: u32,
    ) -> Arc<Self> {
        Arc::new(Self {
            cell,
            journal: Journal::new(),
            draining: Arc::default(),
            counts: HostCounts::default(),
            ledger: Ledger::default(),
            tokio,
            spans,
            probes: Arc::new(Semaphore::new(probes.max(1) as usize)),
            most_probes: AtomicU32::new(probes.max(1)),
            unhealthy: Mutex::default(),
            preparing: Mutex::default(),
            watch_error: Mutex::default(),
            warnings: Mutex::default(),
            origins: Mutex::default(),
            signal,
            liveness,
        })
    }

    /// Sets how many health checks may run at the same time. Running checks are not interrupted.
    pub(crate) fn set_probes(&self, most: u32) {
        let most = most.max(1);
        let before = self.most_probes.swap(most, Ordering::Relaxed);
        if most >= before {
            self.probes.add_permits((most - before) as usize);
            return;
        }
        let probes = Arc::clone(&self.probes);
        self.tokio.spawn(async move {
            // The semaphore is never closed.
            if let Ok(permits) = probes.acquire_many_owned(before - most).await {
                permits.forget();
            }
        });
    }

    /// Reports an unhealthy plugin to the reconciler, and wakes it.
    pub(crate) fn report_unhealthy(&self, running: &Arc<Leased<Running>>) {
        self.unhealthy().push(Arc::downgrade(running));
        self.signal.wake();
    }

    /// Takes the plugins that became unhealthy since the last call, and still run.
    pub(crate) fn take_unhealthy(&self) -> Vec<Arc<Leased<Running>>> {
        std::mem::take(&mut *self.unhealthy()).iter().filter_map(Weak::upgrade).collect()
    }

    /// The sources of the artifacts that are being prepared.
    pub(crate) fn preparing(&self) -> Vec<String> {
        self.preparing.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the list of artifacts that are being prepared.
    pub(crate) fn set_preparing(&self, sources: Vec<String>) {
        *self.preparing.lock().unwrap_or_else(PoisonError::into_inner) = sources;
    }

    /// Why changes of files are not seen at once.
    pub(crate) fn watch_error(&self) -> Option<String> {
        self.watch_error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets why changes of files are not seen at once, and returns what was set before.
    pub(crate) fn set_watch_error(&self, error: Option<String>) -> Option<String> {
        let mut current = self.watch_error.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *current, error)
    }

    /// The parts of the configuration that have no effect.
    pub(crate) fn warnings(&self) -> Vec<ConfigWarning> {
        self.warnings.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets the parts of the configuration that have no effect, and reports those that are new.
    pub(crate) fn set_warnings(&self, warnings: Vec<ConfigWarning>) {
        let mut current = self.warnings.lock().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::replace(&mut *current, warnings.clone());
        drop(current);
        for warning in warnings.into_iter().filter(|it| !before.contains(it)) {
            self.journal.note(self.number(), Outcome::ConfigWarning(warning));
        }
    }

    /// The configuration that was read last and taken over, and where its values come from.
    pub(crate) fn origins(&self) -> (Arc<Config>, Arc<Origins>) {
        self.origins.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Sets where the values of the configuration come from.
    pub(crate) fn set_origins(&self, config: Arc<Config>, origins: Origins) {
        let mut current = self.origins.lock().unwrap_or_else(PoisonError::into_inner);
        *current = (config, Arc::new(origins));
    }

    /// Wakes the reconciler after `wait`.
    pub(crate) fn wake_after(&self, wait: Duration) {
        let signal = self.signal.clone();
        self.tokio.spawn(async move {
            tokio::time::sleep(wait).await;
            signal.wake();
        });
    }

    fn unhealthy(&self) -> std::sync::MutexGuard<'_, Vec<Weak<Leased<Running>>>> {
        self.unhealthy.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the host is shut down, or gone.
    pub(crate) fn is_stopped(&self) -> bool {
        self.signal.is_stopped()
    }

    /// Runs `work` unless the host is shut down, and not while it is being shut down. Returns
    /// whether it ran.
    pub(crate) fn unless_stopped(&self, work: impl FnOnce()) -> bool {
        self.signal.unless_stopped(work)
    }

    /// The number of the generation that serves.
    pub(crate) fn number(&self) -> u64 {
        self.cell.peek(|published| published.generation.number)
    }
}
