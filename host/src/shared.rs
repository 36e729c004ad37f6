//! What the reconciler shares with the host's handles.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use plugbay_core::{Notice, Observer};
use tokio::runtime::Handle;

use crate::config::{Config, Layers};
use crate::generation::Cell;
use crate::outcome::{Journal, Outcome, millis};
use crate::retire::Draining;

/// Where the configuration comes from.
#[derive(Clone, Debug)]
pub(crate) enum ConfigSource {
    Fixed(Arc<Config>),
    Layers(Layers),
}

impl ConfigSource {
    pub(crate) fn file(&self) -> Option<&Path> {
        match self {
            Self::Fixed(_) => None,
            Self::Layers(layers) => layers.path(),
        }
    }
}

/// What the reconciler shares with the host's handles.
pub(crate) struct Shared {
    pub(crate) cell: Arc<Cell>,
    pub(crate) journal: Journal,
    pub(crate) draining: Arc<Draining>,
    pub(crate) tokio: Handle,
    /// Milliseconds since `born` when the look under way began; 0 while none is.
    looking_since: AtomicU64,
    born: Instant,
    pub(crate) stopped: AtomicBool,
}

impl Shared {
    pub(crate) fn new(cell: Arc<Cell>, tokio: Handle) -> Arc<Self> {
        Arc::new(Self {
            cell,
            journal: Journal::new(),
            draining: Arc::default(),
            tokio,
            looking_since: AtomicU64::new(0),
            born: Instant::now(),
            stopped: AtomicBool::new(false),
        })
    }

    /// For how long the look under way takes already.
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

    /// Notes that it ended.
    pub(crate) fn end_look(&self) {
        self.looking_since.store(0, Ordering::Relaxed);
    }

    /// The number of the generation that serves.
    pub(crate) fn number(&self) -> u64 {
        self.cell.peek(|published| published.generation.number)
    }
}

impl Observer for Shared {
    fn notice(&self, plugin: &str, notice: Notice) {
        let plugin = plugin.to_owned();
        self.journal.note(self.number(), Outcome::Noticed { plugin, notice });
    }
}
