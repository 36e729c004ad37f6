//! Whether the reconciler makes progress.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::config::HostSettings;
use crate::report::millis;

/// Whether a host's reconciler makes progress. It exists before the host: a first generation that never
/// ends is a stall as well.
///
/// ```
/// use plugbay::{Config, Host};
///
/// # let mut config = Config::default();
/// # config.host.cache = Default::default();
/// let builder = Host::builder().config(config).watch(false);
/// let liveness = builder.liveness(); // for a probe that answers while the host is being built
/// let host = builder.build_blocking()?;
/// assert!(liveness.is_alive());
/// host.shutdown_blocking(std::time::Duration::ZERO);
/// assert!(!liveness.is_alive());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Liveness(Arc<State>);

// Relaxed throughout: nothing else is read because of these.
#[derive(Debug)]
struct State {
    start: Instant,
    /// When the current step began, in milliseconds since `start`; 0 while no step is running.
    step_began: AtomicU64,
    /// How long a step may take, in milliseconds.
    most: AtomicU64,
    is_over: AtomicBool,
}

impl Default for State {
    fn default() -> Self {
        Self {
            start: Instant::now(),
            step_began: AtomicU64::new(0),
            most: AtomicU64::new(millis(HostSettings::default().stall_timeout)),
            is_over: AtomicBool::new(false),
        }
    }
}

impl Liveness {
    /// Whether the reconciler makes progress: false while a single step of a reconciliation, such as starting
    /// plugins, takes longer than `host.stall_timeout`, and once the host is shut down.
    #[must_use]
    pub fn is_alive(&self) -> bool {
        let most = Duration::from_millis(self.0.most.load(Ordering::Relaxed));
        !self.0.is_over.load(Ordering::Relaxed) && self.step_takes() <= most
    }

    /// How long the current step of a reconciliation has been running; zero between reconciliations.
    #[must_use]
    pub fn step_takes(&self) -> Duration {
        match self.0.step_began.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => self.0.start.elapsed().saturating_sub(Duration::from_millis(since)),
        }
    }

    /// Sets how long a step may take.
    pub(crate) fn set_most(&self, most: Duration) {
        self.0.most.store(millis(most), Ordering::Relaxed);
    }

    /// Notes that a step of a reconciliation begins.
    pub(crate) fn step_begins(&self) {
        self.0.step_began.store(millis(self.0.start.elapsed()).max(1), Ordering::Relaxed);
    }

    /// Notes that the running reconciliation made progress: its next step may take as long again.
    pub(crate) fn step_begins_again(&self) {
        if self.0.step_began.load(Ordering::Relaxed) != 0 {
            self.step_begins();
        }
    }

    /// Notes that the reconciliation ended.
    pub(crate) fn pass_ends(&self) {
        self.0.step_began.store(0, Ordering::Relaxed);
    }

    /// Notes that the host is shut down.
    pub(crate) fn end(&self) {
        self.0.is_over.store(true, Ordering::Relaxed);
    }
}
