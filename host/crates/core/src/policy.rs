//! The limits and grants of a plugin.

use std::sync::LazyLock;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::Grants;

/// Whether instances are reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Reuse {
    /// Instances are kept for the next call.
    Pooled,
    /// Each call gets a new instance, which is discarded after it.
    Fresh,
}

/// Where native code runs. WebAssembly always runs in its sandbox, and linked plugins always run in
/// the application.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize,
)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Isolation {
    /// Nowhere. Native code must be trusted, and this configuration does not trust it.
    #[default]
    Refuse,
    /// In a separate worker process, which may crash, and is confined as far as the system allows.
    Process,
    /// In the host's process. It can do everything that the host can, and crash it.
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

/// The limits and grants of a plugin. They are part of its identity: a change restarts it.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Policy {
    /// The maximum number of instances. Further calls wait for one, within their deadline.
    pub instances: u32,
    /// The maximum number of calls that wait for an instance. Further ones are refused as
    /// overloaded.
    pub queue: u32,
    /// Whether instances are reused.
    pub reuse: Reuse,
    /// Calls after which an instance is replaced; 0 means never.
    pub recycle_calls: u64,
    /// Bytes of linear memory past which an instance is replaced after its call; 0 means never.
    pub recycle_memory: u64,
    /// The maximum linear memory of one instance, in bytes.
    pub memory: u64,
    /// The maximum linear memory of all instances together, in bytes.
    pub total_memory: u64,
    /// The maximum number of elements of all tables of one instance.
    pub tables: u32,
    /// The maximum number of open files, folders that are being read, streams over files, and
    /// sockets, over all instances. Opening another one fails.
    pub files: u32,
    /// Guest CPU time of one call. Waiting for the host does not count.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::openapi::Duration))]
    pub cpu: Duration,
    /// Wall time of one call, waiting for an instance included.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::openapi::Duration))]
    pub deadline: Duration,
    /// Wall time of each of `describe`, `init`, `health` and `shutdown`. When the plugin ends, it
    /// bounds the `shutdown` of all instances together.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::openapi::Duration))]
    pub init: Duration,
    /// The maximum size of one answer in bytes, at least [`Policy::LEAST_OUTPUT`].
    pub output: u64,
    /// The maximum number of log lines per second, over all instances; 0 means no limit. Further
    /// ones are dropped and counted.
    pub logs: u32,
    /// The maximum number of calls of the host per second, over all instances; 0 means no limit.
    /// Exceeding it ends the plugin's call.
    pub host_calls: u32,
    /// Where native code runs; [`Isolation::Refuse`] for all other plugins.
    pub isolation: Isolation,
    /// The access beyond its own memory.
    pub grants: Grants,
    /// The circuit breaker, the health checks and the restarts.
    pub protection: Protection,
}

/// How the host protects callers from a failing plugin.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Protection {
    /// Failures in a row that open the breaker: the plugin then gets no calls for a while. 0 means
    /// never.
    pub breaker_failures: u32,
    /// How long the breaker stays open the first time; the time doubles while probe calls fail.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::openapi::Duration))]
    pub breaker_open: Duration,
    /// Probe calls in a row that must succeed to close the breaker.
    pub breaker_successes: u8,
    /// The time between two health checks; zero means no checks.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::openapi::Duration))]
    pub health_every: Duration,
    /// Wall time of one health check.
    #[cfg_attr(feature = "openapi", schema(value_type = crate::openapi::Duration))]
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
    /// The minimum of `output`. A component runtime bounds all data from the plugin by `output`, so
    /// it must have room for a piece of a stream, a log line or the message of a panic.
    pub const LEAST_OUTPUT: u64 = 128 << 10;
}

/// Two instances for each core. The system is asked once: it reads files of control groups for the answer,
/// and a host makes policies for all its plugins at each look.
static INSTANCES: LazyLock<u32> = LazyLock::new(|| {
    let cores = std::thread::available_parallelism().map_or(4, std::num::NonZero::get);
    u32::try_from(cores.saturating_mul(2)).unwrap_or(u32::MAX)
});

impl Default for Policy {
    fn default() -> Self {
        Self {
            instances: *INSTANCES,
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
