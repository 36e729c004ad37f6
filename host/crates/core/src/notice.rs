//! Notices: reports of a runtime to the host about a running plugin.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{Grant, key_part};

/// A report about a plugin for the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "notice", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum Notice {
    /// The plugin tried to use something that is not granted.
    Denied {
        /// The missing grant.
        grant: Grant,
        /// The attempt, for people: `connect to 10.0.0.1:80`.
        tried: String,
        /// How often it happened since the last notice of this grant.
        times: u64,
    },
    /// The plugin exceeded a limit.
    Limited {
        /// The key of the limit: `logs`, `host_calls`.
        limit: Cow<'static, str>,
        /// How often it happened since the last notice of this limit.
        times: u64,
    },
    /// The plugin's worker process ended. Another one starts after a pause.
    WorkerEnded {
        /// How it ended.
        because: String,
        /// Milliseconds until another one may start.
        again_in_ms: u64,
    },
    /// The plugin's worker process ended too often. No other one starts until the plugin is
    /// restarted.
    WorkerBroken {
        /// How the last one ended.
        because: String,
    },
    /// The plugin runs in a worker process, because otherwise the native libraries in the host
    /// would exceed `host.mapped`.
    Moved {
        /// The limit of mapped bytes.
        mapped: u64,
    },
}

impl Notice {
    /// The stable word for logs, metrics and APIs.
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

    /// Writes the notice as one sentence about the plugin `name@version`, with what to do about it.
    ///
    /// # Errors
    ///
    /// The formatter's.
    pub fn describe(&self, plugin: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = key_part(plugin.split_once('@').map_or(plugin, |(name, _version)| name));
        match self {
            Self::Denied { grant, tried, times } => write!(
                f,
                "{plugin} was not allowed to {tried} ({times} times); to allow it, set {} in \
                 [plugins.{name}.grants]",
                grant.keys()
            ),
            Self::Limited { limit, times } => write!(
                f,
                "{plugin} exceeded the limit {limit} ({times} times); to allow more, raise {limit} in \
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
                "{plugin} runs in a worker process: in the host it would exceed host.mapped, which allows {mapped} bytes of native libraries"
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

#[cfg(test)]
mod tests {
    use super::*;

    struct Described(Notice);

    impl fmt::Display for Described {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            self.0.describe("a.b@1.0.0", f)
        }
    }

    #[test]
    fn notices_name_keys_that_exist() {
        let denied = |grant| Described(Notice::Denied { grant, tried: "try".into(), times: 1 });
        assert!(
            denied(Grant::Files)
                .to_string()
                .ends_with("; to allow it, set read or write in [plugins.\"a.b\".grants]")
        );
        assert!(denied(Grant::Clocks).to_string().contains(" set clocks in "));
        let limited = Described(Notice::Limited { limit: "logs".into(), times: 1 });
        assert!(limited.to_string().ends_with("raise logs in [plugins.\"a.b\"]"));
    }
}
