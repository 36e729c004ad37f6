//! What one plugin may use: `[defaults]`, and the same keys in `[plugins.NAME]`.

use std::time::Duration;

use plugbay_core::Isolation;
use serde::Serialize;

use super::report::Report;
use super::section::Section;
use super::settings::{DAY, MILLISECOND};
use super::tree::Table;
use super::{PluginSettings, Size, duration, keys};

/// Limits and habits of one plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginDefaults {
    /// Instances at once; 0 = twice the cores.
    pub instances: u32,
    /// Whether an instance serves one call or many.
    pub reuse: Reuse,
    /// Calls after which a pooled instance is replaced; 0 = never.
    pub recycle_calls: u64,
    /// Memory beyond which a pooled instance is replaced after its call; 0 = never.
    pub recycle_memory: Size,
    /// The most memory of one instance; a request for more fails inside the guest.
    pub memory: Size,
    /// The most memory of all instances of the plugin together.
    pub total_memory: Size,
    /// Guest CPU time of one call, host calls not counted.
    #[serde(serialize_with = "duration::serialize")]
    pub cpu: Duration,
    /// Wall time of one call, host calls included.
    #[serde(serialize_with = "duration::serialize")]
    pub deadline: Duration,
    /// Wall time of initialisation.
    #[serde(serialize_with = "duration::serialize")]
    pub init: Duration,
    /// The largest answer of one call.
    pub output: Size,
    /// Where native code runs, if it may.
    pub isolation: Isolation,
}

/// Whether an instance serves one call or many.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reuse {
    /// Instances are kept and serve many calls, one at a time.
    #[default]
    Pooled,
    /// Every call gets an instance of its own: nothing survives a call.
    Fresh,
}

impl Default for PluginDefaults {
    fn default() -> PluginDefaults {
        PluginDefaults {
            instances: 0,
            reuse: Reuse::Pooled,
            recycle_calls: 0,
            recycle_memory: Size::ZERO,
            memory: Size::mib(64),
            total_memory: Size::mib(512),
            cpu: Duration::from_secs(1),
            deadline: Duration::from_secs(30),
            init: Duration::from_secs(5),
            output: Size::mib(64),
            isolation: Isolation::Refuse,
        }
    }
}

impl PluginDefaults {
    /// These, with what `plugin` says of its own in their place.
    #[must_use]
    pub fn overlaid(&self, plugin: &PluginSettings) -> PluginDefaults {
        PluginDefaults {
            instances: plugin.instances.unwrap_or(self.instances),
            reuse: plugin.reuse.unwrap_or(self.reuse),
            recycle_calls: plugin.recycle_calls.unwrap_or(self.recycle_calls),
            recycle_memory: plugin.recycle_memory.unwrap_or(self.recycle_memory),
            memory: plugin.memory.unwrap_or(self.memory),
            total_memory: plugin.total_memory.unwrap_or(self.total_memory),
            cpu: plugin.cpu.unwrap_or(self.cpu),
            deadline: plugin.deadline.unwrap_or(self.deadline),
            init: plugin.init.unwrap_or(self.init),
            output: plugin.output.unwrap_or(self.output),
            isolation: plugin.isolation.unwrap_or(self.isolation),
        }
    }

    /// Replaces what the section says.
    pub(super) fn read(&mut self, section: &mut Section<'_, '_>) {
        section.read_within("instances", &mut self.instances, 0..=100_000);
        section.read("reuse", &mut self.reuse);
        section.read("recycle_calls", &mut self.recycle_calls);
        section.read_within("recycle_memory", &mut self.recycle_memory, Size::ZERO..=MOST_MEMORY);
        section.read_within("memory", &mut self.memory, ONE_PAGE..=MOST_MEMORY);
        section.read_within("total_memory", &mut self.total_memory, ONE_PAGE..=Size::gib(1024));
        section.read_within("cpu", &mut self.cpu, MILLISECOND..=DAY);
        section.read_within("deadline", &mut self.deadline, MILLISECOND..=DAY);
        section.read_within("init", &mut self.init, MILLISECOND..=DAY);
        section.read_within("output", &mut self.output, Size::bytes(1)..=MOST_MEMORY);
        section.read("isolation", &mut self.isolation);
    }
}

/// The unit in which WASM memory grows.
const ONE_PAGE: Size = Size::kib(64);
/// What 32-bit WASM can address.
const MOST_MEMORY: Size = Size::gib(4);

pub(super) fn read_defaults(root: &Table, report: &mut Report<'_>) -> PluginDefaults {
    let mut defaults = PluginDefaults::default();
    defaults.read(&mut Section::open(root, "defaults", keys::DEFAULTS, report));
    defaults
}
