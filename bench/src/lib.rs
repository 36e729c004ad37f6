//! Measures Plugbay against its limits, each in the same run on the same component.
//!
//! A row is a ratio: what Plugbay takes over what the limit takes, pair by pair, so that a
//! drifting machine shifts both. The median of the pairs counts. `cargo xtask bench` builds
//! and runs this; words after it choose rows by name. Exit status 1 means that a budget
//! was not met.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "figures for people: a rounded nanosecond is no harm"
)]

pub mod calls;
pub mod lookup;
pub mod measure;
pub mod memory;
#[cfg(target_os = "linux")]
pub mod native;
pub mod protection;
pub mod raw;
pub mod reload;
pub mod setup;
pub mod startup;

pub use plugbay::config::Reuse;

/// The limits of a plugin whose configuration says nothing.
#[must_use]
pub fn defaults() -> plugbay::config::PluginDefaults {
    plugbay::config::PluginDefaults::default()
}
