//! The figures that change with every call, for readers that ask every few seconds.

use std::time::SystemTime;

use plugbay_core::Durations;
use serde::{Deserialize, Serialize};

use super::{PluginState, state};
use crate::host::Host;
use crate::report::timestamp;
use crate::set::{Running, Trial, histogram};

/// The figures of all plugins that serve. They cost a small part of a [`Status`](crate::Status), because they have
/// nothing that a generation fixes, such as grants and schemas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct LiveFigures {
    /// When they were read.
    #[serde(with = "timestamp")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub at: SystemTime,
    /// The number of the generation that serves.
    pub generation: u64,
    /// How many files, plugins and configurations are refused.
    pub rejected: usize,
    /// How many retired plugin versions still have calls in flight.
    pub draining: usize,
    /// The upper bounds of the buckets of [`PluginFigures::durations`], in seconds.
    pub bounds: Vec<f64>,
    /// Every version that serves, by name; a version on trial follows the stable one.
    pub plugins: Vec<PluginFigures>,
}

/// The figures of one plugin version that serves. Counts are those since it was started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[non_exhaustive]
pub struct PluginFigures {
    /// The name under which it runs.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Whether it is on trial.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub canary: bool,
    /// Its state.
    pub state: PluginState,
    /// When it was started: the counts begin at zero then.
    #[serde(with = "timestamp")]
    #[cfg_attr(feature = "openapi", schema(value_type = String, format = DateTime))]
    pub started_at: SystemTime,
    /// Calls that were answered.
    pub answered: u64,
    /// Calls that failed, for whatever reason.
    pub failed: u64,
    /// Calls whose caller went away.
    pub cancelled: u64,
    /// How many calls took at most as long as each bound and longer than the one before; the last count is of those
    /// that took longer than all bounds. Empty if no call was timed.
    pub durations: Vec<u64>,
    /// Calls in flight.
    pub in_flight: usize,
    /// Calls that wait for an instance.
    pub waiting: u64,
    /// Instances, idle or in a call.
    pub instances: u64,
    /// Bytes of memory over all instances.
    pub memory: u64,
    /// The CPU time of its calls, in seconds, if the runtime can tell it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
}

impl Host {
    /// The figures that change with every call; see [`LiveFigures`].
    #[must_use]
    pub fn live_figures(&self) -> LiveFigures {
        let published = self.shared.cell.load();
        let members = published.generation.plugins.iter();
        let plugins = members.flat_map(|(name, member)| {
            let canary = member.canary.as_ref();
            let stable = figures(name, &member.running, None);
            let canary = canary.map(|it| figures(name, &it.running, Some(&it.trial)));
            std::iter::once(stable).chain(canary)
        });
        LiveFigures {
            at: SystemTime::now(),
            generation: published.generation.number,
            rejected: published.rejected.len(),
            draining: self.shared.draining.versions().len(),
            bounds: Durations::BOUNDS.to_vec(),
            plugins: plugins.collect(),
        }
    }
}

fn figures(
    name: &str,
    running: &plugbay_registry::Leased<Running>,
    trial: Option<&Trial>,
) -> PluginFigures {
    let (health, stats) = (running.health.status(), running.plugin.stats());
    let calls = running.figures.tally.status();
    let durations = histogram(&running.figures.tally.durations());
    let alone = durations.buckets.iter().map(|(_, count)| *count).chain([durations.above]);
    PluginFigures {
        name: name.to_owned(),
        version: running.description.version.to_string(),
        canary: trial.is_some(),
        state: state(running, &health, &stats, trial),
        started_at: running.started,
        answered: calls.answered,
        failed: calls.failed.values().sum(),
        cancelled: calls.cancelled,
        durations: if durations.count() == 0 { Vec::new() } else { alone.collect() },
        in_flight: running.leases(),
        waiting: stats.waiting,
        instances: stats.instances,
        memory: stats.memory,
        cpu_seconds: stats.cpu_seconds,
    }
}
