//! The plugin's own figures, which the host shows under the plugin's name.
//!
//! Names have lowercase letters, digits and `_`, at most 64 characters; the host takes at most
//! 64 names per plugin.

use crate::form;

/// Adds `delta` to the counter `name`.
pub fn add(name: &str, delta: u64) {
    form::metric_add(name, delta);
}

/// Sets the gauge `name`.
pub fn set(name: &str, value: f64) {
    form::metric_set(name, value);
}
