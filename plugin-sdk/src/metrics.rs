//! The plugin's own metrics, which the host exports under the plugin's name.
//!
//! A name has lowercase letters, digits and `_`, at most 64 characters; the host keeps at most
//! 64 names per plugin.

use crate::form;

/// Adds `delta` to the counter `name`.
pub fn add(name: &str, delta: u64) {
    form::metric_add(name, delta);
}

/// Sets the gauge `name` to `value`.
pub fn set(name: &str, value: f64) {
    form::metric_set(name, value);
}
