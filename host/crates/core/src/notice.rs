//! What a runtime notices of a plugin while it runs, and reports to the host.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::Grant;

/// Something that the operator should know of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "notice", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Notice {
    /// The plugin used what it is not granted.
    Denied {
        /// The grant that it lacks.
        grant: Grant,
        /// What it tried, for people: `connect to 10.0.0.1:80`.
        tried: String,
        /// How often since the last notice of this grant.
        times: u64,
    },
    /// The plugin did something more often than it may.
    Limited {
        /// The key of the limit: `logs`, `host_calls`.
        limit: Cow<'static, str>,
        /// How often since the last notice of this limit.
        times: u64,
    },
    /// The process that the plugin runs in ended. Another one starts after a pause.
    WorkerEnded {
        /// How it ended.
        because: String,
        /// Milliseconds until another may start.
        again_in_ms: u64,
    },
    /// The process that the plugin runs in ended, as others before it did: none is started any more
    /// until the plugin is restarted.
    WorkerBroken {
        /// How the last one ended.
        because: String,
    },
    /// The plugin runs in a worker process, because more of native libraries would be mapped
    /// into the host than may be.
    Moved {
        /// How many bytes may be mapped.
        mapped: u64,
    },
}

impl Notice {
    /// The stable word.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Denied { .. } => "denied",
            Self::Limited { .. } => "limited",
            Self::Moved { .. } => "moved",
            Self::WorkerEnded { .. } => "worker-ended",
            Self::WorkerBroken { .. } => "worker-broken",
        }
    }

    /// Writes it as one sentence about the plugin `name@version`: what, and what to do about it.
    ///
    /// # Errors
    ///
    /// The formatter's.
    pub fn describe(&self, plugin: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = plugin.split_once('@').map_or(plugin, |(name, _version)| name);
        match self {
            Self::Denied { grant, tried, times } => write!(
                f,
                "{plugin} was denied to {tried} ({times} times); to allow it, set {grant} in \
                 [plugins.{name}.grants]"
            ),
            Self::Limited { limit, times } => write!(
                f,
                "{plugin} went beyond {limit} ({times} times); to allow more, raise {limit} in \
                 [plugins.{name}]"
            ),
            Self::WorkerEnded { because, again_in_ms } => write!(
                f,
                "the worker of {plugin} ended, and another may start in {again_in_ms} ms: {because}"
            ),
            Self::WorkerBroken { because } => write!(
                f,
                "the worker of {plugin} ended too often, and none starts until a reload: {because}"
            ),
            Self::Moved { mapped } => write!(
                f,
                "{plugin} runs in a worker process: in the host there would be more than the \
                 {mapped} bytes of native libraries that host.mapped allows"
            ),
        }
    }
}

/// Receives the notices of a runtime. Notices of one kind are rate limited, so that a plugin cannot
/// flood the observer.
pub trait Observer: Send + Sync + 'static {
    /// Receives a notice of the plugin `name@version`. Must not block: it is called during the
    /// plugin's call.
    fn notice(&self, plugin: &str, notice: Notice);
}

/// Ignores all notices.
#[derive(Clone, Copy, Debug, Default)]
pub struct Unobserved;

impl Observer for Unobserved {
    fn notice(&self, _plugin: &str, _notice: Notice) {}
}
