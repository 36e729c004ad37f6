//! What one plugin may use: `[defaults]`, and the same keys in `[plugins.NAME]`.

use std::time::Duration;

use plugbay_core::{Isolation, Policy, Protection};
use serde::Serialize;

use crate::config::problem::render;
use crate::config::problem::report::Report;
use crate::config::read::keys;
use crate::config::read::section::Section;
use crate::config::read::setting::{Refused, Setting, text, value};
use crate::config::read::tree::{Node, Table};
use crate::config::value::duration::{self, DAY, MILLISECOND};
use crate::config::value::size::Size;

/// Limits and habits of one plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PluginDefaults {
    /// Instances at once; 0 = twice the cores.
    pub instances: u32,
    /// The most calls that wait for an instance; further ones are refused.
    pub queue: u32,
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
    /// The most elements of all tables of one instance.
    pub tables: u32,
    /// The most files and sockets that are open at once, over all instances.
    pub files: u32,
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
    /// The most lines of log in a second, over all instances; 0 = no limit.
    pub logs: u32,
    /// The most calls of the host in a second, over all instances; 0 = no limit.
    pub host_calls: u32,
    /// Where native code runs, if it may.
    pub isolation: Isolation,
    /// Failures in a row after which the plugin gets no calls for a while; 0 = never.
    pub breaker_failures: u32,
    /// How long that while is, the first time.
    #[serde(serialize_with = "duration::serialize")]
    pub breaker_open: Duration,
    /// Trial calls in a row that must succeed before all calls come back.
    pub breaker_successes: u8,
    /// Time between two questions of health; zero = never.
    #[serde(serialize_with = "duration::serialize")]
    pub health_every: Duration,
    /// Wall time of one question of health.
    #[serde(serialize_with = "duration::serialize")]
    pub health_deadline: Duration,
    /// Bad answers in a row after which the plugin counts as unhealthy.
    pub health_fall: u32,
    /// Good answers in a row after which it counts as healthy again.
    pub health_rise: u32,
    /// How often an unhealthy plugin is started anew within 10 minutes; 0 = never.
    pub restarts: u32,
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
        let protection = Protection::default();
        PluginDefaults {
            instances: 0,
            queue: 1024,
            reuse: Reuse::Pooled,
            recycle_calls: 0,
            recycle_memory: Size::ZERO,
            memory: Size::mib(64),
            total_memory: Size::mib(512),
            tables: MOST_TABLES,
            files: 256,
            cpu: Duration::from_secs(1),
            deadline: Duration::from_secs(30),
            init: Duration::from_secs(5),
            output: Size::mib(64),
            logs: 1000,
            host_calls: 0,
            isolation: Isolation::Refuse,
            breaker_failures: protection.breaker_failures,
            breaker_open: protection.breaker_open,
            breaker_successes: protection.breaker_successes,
            health_every: protection.health_every,
            health_deadline: protection.health_deadline,
            health_fall: protection.health_fall,
            health_rise: protection.health_rise,
            restarts: protection.restarts,
        }
    }
}

impl PluginDefaults {
    /// Replaces what the section says.
    pub(crate) fn read(&mut self, section: &mut Section<'_, '_>) {
        section.read_within("instances", &mut self.instances, 0..=100_000);
        section.read_within("queue", &mut self.queue, 0..=1_000_000);
        section.read("reuse", &mut self.reuse);
        section.read("recycle_calls", &mut self.recycle_calls);
        section.read_within("recycle_memory", &mut self.recycle_memory, Size::ZERO..=MOST_MEMORY);
        section.read_within("memory", &mut self.memory, ONE_PAGE..=MOST_MEMORY);
        section.read_within("total_memory", &mut self.total_memory, ONE_PAGE..=Size::gib(1024));
        section.read_within("tables", &mut self.tables, 1..=MOST_TABLES);
        section.read_within("files", &mut self.files, 1..=MOST_FILES);
        section.read_within("cpu", &mut self.cpu, MILLISECOND..=DAY);
        section.read_within("deadline", &mut self.deadline, MILLISECOND..=DAY);
        section.read_within("init", &mut self.init, MILLISECOND..=DAY);
        section.read_within("output", &mut self.output, LEAST_OUTPUT..=MOST_MEMORY);
        section.read("logs", &mut self.logs);
        section.read("host_calls", &mut self.host_calls);
        section.read("isolation", &mut self.isolation);
        self.read_protection(section);
    }

    fn read_protection(&mut self, section: &mut Section<'_, '_>) {
        section.read_within("breaker_failures", &mut self.breaker_failures, 0..=MOST_IN_A_ROW);
        section.read_within("breaker_open", &mut self.breaker_open, MILLISECOND..=DAY);
        section.read_within("breaker_successes", &mut self.breaker_successes, 1..=u8::MAX);
        section.read_within("health_every", &mut self.health_every, Duration::ZERO..=DAY);
        section.read_within("health_deadline", &mut self.health_deadline, MILLISECOND..=DAY);
        section.read_within("health_fall", &mut self.health_fall, 1..=MOST_IN_A_ROW);
        section.read_within("health_rise", &mut self.health_rise, 1..=MOST_IN_A_ROW);
        section.read_within("restarts", &mut self.restarts, 0..=1000);
    }

    /// The policy that they come to; what the plugin is granted is not among them.
    #[must_use]
    pub(crate) fn to_policy(&self) -> Policy {
        let default = Policy::default();
        Policy {
            instances: if self.instances == 0 { default.instances } else { self.instances },
            reuse: match self.reuse {
                Reuse::Pooled => plugbay_core::Reuse::Pooled,
                Reuse::Fresh => plugbay_core::Reuse::Fresh,
            },
            recycle_calls: self.recycle_calls,
            recycle_memory: self.recycle_memory.as_u64(),
            memory: self.memory.as_u64(),
            total_memory: self.total_memory.as_u64(),
            cpu: self.cpu,
            deadline: self.deadline,
            init: self.init,
            output: self.output.as_u64(),
            queue: self.queue,
            tables: self.tables,
            files: self.files,
            logs: self.logs,
            host_calls: self.host_calls,
            isolation: self.isolation,
            protection: self.protection(),
            grants: default.grants,
        }
    }

    /// What stands around the plugin.
    #[must_use]
    pub fn protection(&self) -> Protection {
        Protection {
            breaker_failures: self.breaker_failures,
            breaker_open: self.breaker_open,
            breaker_successes: self.breaker_successes,
            health_every: self.health_every,
            health_deadline: self.health_deadline,
            health_fall: self.health_fall,
            health_rise: self.health_rise,
            restarts: self.restarts,
        }
    }
}

/// The unit in which WASM memory grows.
const ONE_PAGE: Size = Size::kib(64);
/// What 32-bit WASM can address.
const MOST_MEMORY: Size = Size::gib(4);
const LEAST_OUTPUT: Size = Size::bytes(plugbay_core::Policy::LEAST_OUTPUT);
/// What the pool of instances makes room for.
const MOST_TABLES: u32 = 100_000;
/// Few systems let one process have more.
const MOST_FILES: u32 = 100_000;
/// Of failures, or answers, that are counted in a row.
const MOST_IN_A_ROW: u32 = 1_000_000;

pub(crate) fn read_defaults(root: &Table, report: &mut Report<'_>) -> PluginDefaults {
    let mut defaults = PluginDefaults::default();
    defaults.read(&mut Section::open(root, "defaults", keys::DEFAULTS, report));
    defaults
}

impl Setting for Reuse {
    const EXPECTED: &'static str = "\"pooled\" or \"fresh\"";

    fn from_node(node: &Node) -> Result<Reuse, Refused> {
        match text(node)? {
            "pooled" => Ok(Reuse::Pooled),
            "fresh" => Ok(Reuse::Fresh),
            other => Err(value(
                render::quoted(other),
                Some(
                    "pooled: instances serve many calls and keep their memory; \
                     fresh: every call gets a new instance",
                ),
            )),
        }
    }

    fn show(&self) -> String {
        match self {
            Reuse::Pooled => "\"pooled\"".to_owned(),
            Reuse::Fresh => "\"fresh\"".to_owned(),
        }
    }
}
