//! What one plugin may use: `[defaults]`, and the same keys in `[plugins.NAME]`.
//!
//! Each limit is one entry of [`limits!`] below: its key, type, default, range and meaning. The
//! entry makes the key known in both sections and as a variable, reads it, lays it over the
//! defaults, prints it, and sets it in [`Policy`]. A new limit touches four files:
//!
//! 1. here: its entry;
//! 2. `host/crates/core/src/policy.rs`: the field of [`Policy`] or [`Protection`];
//! 3. `config.toml`: the key and its comment; a test compares the file with the entries;
//! 4. the code that enforces it.

use std::time::Duration;

use plugbay_core::{Isolation, Policy, Protection, Reuse};
use serde::{Serialize, Serializer};

use crate::config::problem::report::Report;
use crate::config::read::section::Section;
use crate::config::read::tree::Table;
use crate::config::value::duration::{self, DAY, MILLISECOND};
use crate::config::value::size::Size;

/// Generates from one list of limits: the struct of all limits, the struct of one plugin's
/// overrides, the list of keys, and the conversions between them.
macro_rules! limits {
    (
        policy { $($(#[$doc:meta])* $name:ident: $type:ty = $default:expr $(, in $range:expr)?;)* }
        protection { $($(#[$its_doc:meta])* $its:ident: $its_type:ty, in $its_range:expr;)* }
    ) => {
        /// Limits and protection settings of a plugin.
        #[derive(Clone, Debug, PartialEq, Eq, Serialize)]
        pub struct PluginDefaults {
            $($(#[$doc])* #[serde(serialize_with = "written")] pub $name: $type,)*
            $($(#[$its_doc])* #[serde(serialize_with = "written")] pub $its: $its_type,)*
        }

        /// Limits and protection settings that `[plugins.NAME]` overrides.
        #[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
        pub struct PluginOverrides {
            $($(#[$doc])* #[serde(serialize_with = "written_option")] pub $name: Option<$type>,)*
            $(
                $(#[$its_doc])*
                #[serde(serialize_with = "written_option")]
                pub $its: Option<$its_type>,
            )*
        }

        /// The keys.
        pub(crate) const LIMITS: &[&str] = &[$(stringify!($name),)* $(stringify!($its),)*];

        impl Default for PluginDefaults {
            fn default() -> PluginDefaults {
                let protection = Protection::default();
                PluginDefaults { $($name: $default,)* $($its: protection.$its,)* }
            }
        }

        impl PluginDefaults {
            /// These settings, with the overrides of one plugin applied.
            #[must_use]
            pub fn overlaid(&self, plugin: &PluginOverrides) -> PluginDefaults {
                PluginDefaults {
                    $($name: plugin.$name.unwrap_or(self.$name),)*
                    $($its: plugin.$its.unwrap_or(self.$its),)*
                }
            }

            /// The policy with these limits, without grants.
            #[must_use]
            pub(crate) fn to_policy(&self) -> Policy {
                let Policy { instances, grants, .. } = Policy::default();
                let mut policy = Policy {
                    $($name: self.$name.into(),)*
                    protection: self.protection(),
                    grants,
                };
                if policy.instances == 0 {
                    policy.instances = instances;
                }
                policy
            }

            /// The protection settings.
            #[must_use]
            pub fn protection(&self) -> Protection {
                Protection { $($its: self.$its,)* }
            }

            /// Replaces the settings that the section sets.
            fn read(&mut self, section: &mut Section<'_, '_>) {
                $(read_one!(section, stringify!($name), &mut self.$name $(, $range)?);)*
                $(read_one!(section, stringify!($its), &mut self.$its, $its_range);)*
            }
        }

        impl PluginOverrides {
            /// The settings that the section sets; a value that is refused is replaced by that of
            /// `defaults`.
            pub(crate) fn read(
                section: &mut Section<'_, '_>,
                defaults: &PluginDefaults,
            ) -> PluginOverrides {
                let mut limits = defaults.clone();
                limits.read(section);
                PluginOverrides {
                    $($name: section.has(stringify!($name)).then_some(limits.$name),)*
                    $($its: section.has(stringify!($its)).then_some(limits.$its),)*
                }
            }
        }
    };
}

macro_rules! read_one {
    ($section:ident, $key:expr, $into:expr) => {
        $section.read($key, $into)
    };
    ($section:ident, $key:expr, $into:expr, $range:expr) => {
        $section.read_within($key, $into, $range)
    };
}

limits! {
    policy {
        /// Instances at once; 0 = twice the cores.
        instances: u32 = 0, in 0..=100_000;
        /// The most calls that wait for an instance; further ones are refused.
        queue: u32 = 1024, in 0..=1_000_000;
        /// Whether an instance serves one call or many.
        reuse: Reuse = Reuse::Pooled;
        /// Calls after which a pooled instance is replaced; 0 = never.
        recycle_calls: u64 = 0;
        /// Memory beyond which a pooled instance is replaced after its call; 0 = never.
        recycle_memory: Size = Size::ZERO, in Size::ZERO..=MAX_MEMORY;
        /// The most memory of one instance; a request for more fails inside the guest.
        memory: Size = Size::mib(64), in ONE_PAGE..=MAX_MEMORY;
        /// The most memory of all instances of the plugin together.
        total_memory: Size = Size::mib(512), in ONE_PAGE..=Size::gib(1024);
        /// The most elements of all tables of one instance.
        tables: u32 = MAX_TABLES, in 1..=MAX_TABLES;
        /// The most files and sockets that are open at once, over all instances.
        files: u32 = 256, in 1..=MAX_FILES;
        /// Guest CPU time of one call, host calls not counted.
        cpu: Duration = Duration::from_secs(1), in MILLISECOND..=DAY;
        /// Wall time of one call, host calls included.
        deadline: Duration = Duration::from_secs(30), in MILLISECOND..=DAY;
        /// Wall time of each of `init`, `health` and `shutdown`. `describe`, which comes before the name is
        /// known, has always 5 s.
        init: Duration = Duration::from_secs(5), in MILLISECOND..=DAY;
        /// The largest answer of one call.
        output: Size = Size::mib(64), in LEAST_OUTPUT..=MAX_MEMORY;
        /// The most lines of log in a second, over all instances; 0 = no limit.
        logs: u32 = 1000;
        /// The most calls of the host in a second, over all instances; 0 = no limit.
        host_calls: u32 = 0;
        /// Where native code runs, if it may.
        isolation: Isolation = Isolation::Refuse;
    }
    protection {
        /// Failures in a row after which the breaker opens: the plugin gets no calls for a while; 0
        /// = never.
        breaker_failures: u32, in 0..=MAX_IN_A_ROW;
        /// How long the breaker stays open the first time.
        breaker_open: Duration, in MILLISECOND..=DAY;
        /// Probe calls in a row that must succeed before the breaker closes.
        breaker_successes: u8, in 1..=u8::MAX;
        /// Time between two health checks; zero = never.
        health_every: Duration, in Duration::ZERO..=DAY;
        /// Wall time of one health check.
        health_deadline: Duration, in MILLISECOND..=DAY;
        /// Failed health checks in a row after which the plugin counts as unhealthy.
        health_fall: u32, in 1..=MAX_IN_A_ROW;
        /// Passed health checks in a row after which it counts as healthy again.
        health_rise: u32, in 1..=MAX_IN_A_ROW;
        /// How often an unhealthy plugin is restarted within 10 minutes; 0 = never.
        restarts: u32, in 0..=1000;
    }
}

/// The unit in which WASM memory grows.
const ONE_PAGE: Size = Size::kib(64);
/// The most memory that 32-bit WASM can address.
const MAX_MEMORY: Size = Size::gib(4);
const LEAST_OUTPUT: Size = Size::bytes(Policy::LEAST_OUTPUT);
/// The most table elements that the instance pool reserves room for.
const MAX_TABLES: u32 = 100_000;
/// The most open files; few systems allow one process more.
const MAX_FILES: u32 = 100_000;
/// The most failures or health checks that are counted in a row.
const MAX_IN_A_ROW: u32 = 1_000_000;

pub(crate) fn read_defaults(root: &Table, report: &mut Report<'_>) -> PluginDefaults {
    let mut defaults = PluginDefaults::default();
    defaults.read(&mut Section::open(root, "defaults", LIMITS, report));
    defaults
}

/// Serializes a limit as it is written in the file.
trait Written {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;
}

macro_rules! as_it_is {
    ($($type:ty),*) => {
        $(impl Written for $type {
            fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                self.serialize(to)
            }
        })*
    };
}

as_it_is!(u8, u32, u64, Size, Reuse, Isolation);

impl Written for Duration {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        duration::serialize(self, to)
    }
}

fn written<S: Serializer>(limit: &impl Written, to: S) -> Result<S::Ok, S::Error> {
    limit.write(to)
}

#[expect(clippy::ref_option, reason = "the signature that serde asks for")]
fn written_option<S: Serializer>(limit: &Option<impl Written>, to: S) -> Result<S::Ok, S::Error> {
    match limit {
        Some(limit) => limit.write(to),
        None => to.serialize_none(),
    }
}
