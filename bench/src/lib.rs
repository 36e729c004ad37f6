//! Measures Plugbay and its baselines, each in the same run on the same component.
//!
//! A row is a ratio: Plugbay's time over that of the baseline, in pairs, so that changes of the
//! machine affect both. The median of the pairs counts. `cargo xtask bench` builds and runs this;
//! its arguments select rows by parts of their names. Exit status 1 means that a budget was not met.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the results are for people: a rounded nanosecond does not matter"
)]

pub mod bare;
pub mod calls;
pub mod client;
pub mod lookup;
pub mod many;
pub mod measure;
pub mod memory;
#[cfg(target_os = "linux")]
pub mod native;
#[cfg(target_os = "linux")]
pub mod neighbour;
#[cfg(target_os = "linux")]
pub mod operations;
pub mod program;
pub mod protection;
pub mod raw;
pub mod reload;
pub mod setup;
pub mod spans;
pub mod startup;
pub mod table;

pub use plugbay::config::Reuse;

/// The default limits of a plugin.
#[must_use]
pub fn defaults() -> plugbay::config::PluginDefaults {
    plugbay::config::PluginDefaults::default()
}
