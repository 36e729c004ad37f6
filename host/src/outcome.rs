//! Every step of a change ends in one of these.

use std::fmt;
use std::time::{Duration, SystemTime};

use plugbay_core::{Notice, Reason};
use serde::Serialize;
use tokio::sync::broadcast;

use crate::status::timestamp;

/// How many events a slow subscriber may be behind before it misses the oldest.
const BACKLOG: usize = 1024;

/// What came of one step. [`Outcome::reason`] is the stable word that logs, metrics, the
/// event stream and the CLI share.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "outcome", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Outcome {
    /// A plugin was started and serves from this generation on.
    Loaded {
        /// `name@version`.
        plugin: String,
        /// Where it was found.
        source: String,
        /// Its digest.
        digest: String,
        /// The version that it takes the place of.
        replaces: Option<String>,
        /// Milliseconds that went into it: reading, compiling, describing and `init`, as far as this
        /// look had to.
        took_ms: u64,
    },
    /// A file, plugin or configuration was refused. What ran before still runs.
    Rejected {
        /// Where it was found.
        source: String,
        /// The plugin's name, if it got so far.
        plugin: Option<String>,
        /// Why.
        #[serde(rename = "reason")]
        why: Reason,
        /// What was expected and found.
        message: String,
        /// What to do about it.
        hint: String,
    },
    /// What was refused is so no more: mended, or gone.
    Recovered {
        /// Where it was found.
        source: String,
    },
    /// A new generation serves.
    Published {
        /// How many plugins it holds.
        plugins: usize,
        /// How many of them are new.
        loaded: usize,
        /// How many left.
        retired: usize,
    },
    /// A plugin version left, and all its calls are over.
    Drained {
        /// `name@version`.
        plugin: String,
        /// Milliseconds from its last generation's end to now.
        took_ms: u64,
    },
    /// A plugin version left, and calls were still under way at the deadline. Each of them
    /// ends by itself, within its own limits, on the version it began with.
    DrainDeadline {
        /// `name@version`.
        plugin: String,
        /// How many calls.
        leases: usize,
    },
    /// A plugin used what it is not granted, or did something more often than it may.
    Noticed {
        /// `name@version`.
        plugin: String,
        /// What.
        #[serde(flatten)]
        notice: Notice,
    },
    /// A new configuration is in force.
    Configured,
    /// A setting changed that only a restart applies.
    PendingRestart {
        /// The key.
        key: String,
    },
    /// Changes are not seen at once, only at the slow look: the operating system gives no
    /// watcher.
    WatchLost {
        /// What it said.
        message: String,
    },
}

impl Outcome {
    /// The stable word.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Loaded { .. } => "loaded",
            Self::Rejected { why, .. } => why.as_str(),
            Self::Recovered { .. } => "recovered",
            Self::Published { .. } => "published",
            Self::Drained { .. } => "drained",
            Self::DrainDeadline { .. } => "drain-deadline",
            Self::Noticed { notice: Notice::Denied { .. }, .. } => "denied",
            Self::Noticed { .. } => "limited",
            Self::Configured => "configured",
            Self::PendingRestart { .. } => "pending-restart",
            Self::WatchLost { .. } => "watch-lost",
        }
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Loaded { plugin, source, replaces, took_ms, .. } => {
                write!(f, "loaded {plugin} from {source} in {took_ms} ms")?;
                match replaces {
                    Some(old) => write!(f, ", in place of {old}"),
                    None => Ok(()),
                }
            }
            Self::Rejected { source, why, message, hint, .. } => {
                write!(f, "refused {source}: {why}: {message}")?;
                if hint.is_empty() { Ok(()) } else { write!(f, " ({hint})") }
            }
            Self::Recovered { source } => write!(f, "{source} is no longer refused"),
            Self::Published { plugins, loaded, retired } => {
                write!(f, "{plugins} plugins serve, {loaded} new, {retired} retired")
            }
            Self::Drained { plugin, took_ms } => write!(f, "{plugin} drained in {took_ms} ms"),
            Self::DrainDeadline { plugin, leases } => {
                write!(f, "{plugin}: {leases} calls were still under way at the drain deadline")
            }
            Self::Noticed { plugin, notice } => notice.describe(plugin, f),
            Self::Configured => write!(f, "the new configuration is in force"),
            Self::PendingRestart { key } => write!(f, "{key} changes with the next restart"),
            Self::WatchLost { message } => write!(f, "changes are seen late: {message}"),
        }
    }
}

/// An outcome, when it came, and the generation that served then.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When.
    #[serde(serialize_with = "timestamp")]
    pub at: SystemTime,
    /// The generation's number.
    pub generation: u64,
    /// What.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// Where outcomes go: one log line each, and every subscriber.
#[derive(Clone)]
pub(crate) struct Journal(broadcast::Sender<Event>);

impl Journal {
    pub(crate) fn new() -> Self {
        Self(broadcast::Sender::new(BACKLOG))
    }

    pub(crate) fn subscribe(&self) -> Events {
        Events(self.0.subscribe())
    }

    /// Notes an outcome.
    pub(crate) fn note(&self, generation: u64, outcome: Outcome) {
        let reason = outcome.reason();
        match &outcome {
            Outcome::Rejected { .. }
            | Outcome::Noticed { .. }
            | Outcome::DrainDeadline { .. }
            | Outcome::WatchLost { .. } => {
                tracing::warn!(target: "plugbay", generation, reason, "{outcome}");
            }
            _ => tracing::info!(target: "plugbay", generation, reason, "{outcome}"),
        }
        // Nobody listens: the log has it.
        let _ = self.0.send(Event { at: SystemTime::now(), generation, outcome });
    }
}

/// A subscription to a host's events, from the moment of subscribing.
#[derive(Debug)]
pub struct Events(broadcast::Receiver<Event>);

impl Events {
    /// The next event; `None` once the host is gone. A subscriber that is more than 1,024
    /// events behind misses the oldest.
    ///
    /// # Cancel safety
    ///
    /// No event is lost if the future is dropped.
    pub async fn recv(&mut self) -> Option<Event> {
        loop {
            match self.0.recv().await {
                Ok(event) => return Some(event),
                Err(broadcast::error::RecvError::Lagged(_)) => {}
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    /// The next event if one is there already.
    pub fn try_recv(&mut self) -> Option<Event> {
        loop {
            match self.0.try_recv() {
                Ok(event) => return Some(event),
                Err(broadcast::error::TryRecvError::Lagged(_)) => {}
                Err(_) => return None,
            }
        }
    }
}

/// Whole milliseconds of a duration.
pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
