//! What one plugin may use.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Grants;

/// How instances are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Reuse {
    /// Warm instances wait for the next call.
    Pooled,
    /// Every call gets an instance of its own, thrown away after it.
    Fresh,
}

/// Where native code runs. WebAssembly always runs in its sandbox, and linked plugins in the
/// application that they are part of.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Nowhere: native code is trusted code, and the configuration does not trust it.
    #[default]
    Refuse,
    /// In a worker process of its own, which may crash, and is confined as far as the system can.
    Process,
    /// In the host's own process: it can do whatever the host can, and crash it.
    InProcess,
}

impl Isolation {
    /// The word in configuration and status.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Process => "process",
            Self::InProcess => "in-process",
        }
    }
}

/// The limits one plugin runs under. Part of its identity: a change restarts it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Policy {
    /// The most instances at once. Further calls wait for one, within their deadline.
    pub instances: u32,
    /// The most calls that wait for an instance. Further ones are refused as overloaded.
    pub queue: u32,
    /// Whether instances are used again.
    pub reuse: Reuse,
    /// Calls after which an instance is replaced; 0 means never.
    pub recycle_calls: u64,
    /// Bytes of linear memory past which an instance is replaced after its call; 0 means never.
    pub recycle_memory: u64,
    /// The most bytes of linear memory of one instance.
    pub memory: u64,
    /// The most bytes of linear memory over all instances.
    pub total_memory: u64,
    /// The most elements of all tables of one instance.
    pub tables: u32,
    /// The most files, folders that are being read, streams over files, and sockets that are open
    /// at once, over all instances. One more cannot be opened.
    pub files: u32,
    /// Guest CPU time of one call. Waiting for the host does not count.
    pub cpu: Duration,
    /// Wall time of one call, waiting for an instance included.
    pub deadline: Duration,
    /// Wall time of `describe`, `init`, `health` and `shutdown`, each; of `shutdown` for all
    /// instances together, where the plugin ends.
    pub init: Duration,
    /// The most bytes of one answer, at least [`Policy::LEAST_OUTPUT`].
    pub output: u64,
    /// The most lines of log in a second, over all instances; 0 means no limit. Further ones are
    /// dropped and counted.
    pub logs: u32,
    /// The most calls of the host in a second, over all instances; 0 means no limit. One more
    /// ends the plugin's call.
    pub host_calls: u32,
    /// Where it runs, if it is native code; [`Isolation::Refuse`] for all else.
    pub isolation: Isolation,
    /// What it may reach.
    pub grants: Grants,
    /// What stands around it.
    pub protection: Protection,
}

/// How the host protects callers from a failing plugin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Protection {
    /// Failures in a row after which the plugin gets no more calls for a while; 0 means never.
    pub breaker_failures: u32,
    /// How long "a while" is, the first time; it doubles while trials go on failing.
    pub breaker_open: Duration,
    /// Trial calls in a row that must succeed before all calls come back.
    pub breaker_successes: u8,
    /// Time between two health checks; zero means that there are none.
    pub health_every: Duration,
    /// Wall time of one health check.
    pub health_deadline: Duration,
    /// Failed checks in a row after which the plugin gets no more calls, and is restarted.
    pub health_fall: u32,
    /// Passed checks in a row after which it gets calls again.
    pub health_rise: u32,
    /// How often an unhealthy plugin is restarted within 10 minutes; 0 means never.
    pub restarts: u32,
}

impl Default for Protection {
    fn default() -> Self {
        Self {
            breaker_failures: 5,
            breaker_open: Duration::from_secs(5),
            breaker_successes: 2,
            health_every: Duration::from_secs(10),
            health_deadline: Duration::from_secs(1),
            health_fall: 3,
            health_rise: 2,
            restarts: 5,
        }
    }
}

impl Policy {
    /// The least that `output` can be: a plugin has to give the host a piece of a stream, a line of
    /// the log or the message of a panic, which a component runtime bounds by the same measure.
    pub const LEAST_OUTPUT: u64 = 128 << 10;
}

impl Default for Policy {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(4, std::num::NonZero::get);
        Self {
            instances: u32::try_from(cores.saturating_mul(2)).unwrap_or(u32::MAX),
            queue: 1024,
            reuse: Reuse::Pooled,
            recycle_calls: 0,
            recycle_memory: 0,
            memory: 64 << 20,
            total_memory: 512 << 20,
            tables: 100_000,
            files: 256,
            cpu: Duration::from_secs(1),
            deadline: Duration::from_secs(30),
            init: Duration::from_secs(5),
            output: 64 << 20,
            logs: 1000,
            host_calls: 0,
            isolation: Isolation::Refuse,
            grants: Grants::default(),
            protection: Protection::default(),
        }
    }
}
