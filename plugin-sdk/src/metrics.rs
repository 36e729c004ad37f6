//! The plugin's own metrics, which the host exports under the plugin's name. All instances of the plugin share
//! them.
//!
//! ```
//! use plugbay_sdk::metrics::{self, Metric};
//!
//! fn register() -> plugbay_sdk::Result<()> {
//!     metrics::describe("rows", Metric::counter("Rows that were read."))?;
//!     let took = Metric::histogram("How long a look-up takes.").unit("seconds");
//!     metrics::describe("lookup_seconds", took.buckets(&[0.001, 0.01, 0.1]))
//! }
//!
//! fn look_up() {
//!     metrics::add("rows", 3);
//!     metrics::observe("lookup_seconds", 0.02);
//!     metrics::set("open_files", 2.0);
//! }
//! # register()?;
//! # look_up();
//! # Ok::<(), plugbay_sdk::Error>(())
//! ```
//!
//! A name has 1 to 64 lowercase letters, digits and `_`. It belongs to the kind that it is first described or
//! reported as. A plugin has at most 64 names. The host drops what does not fit: reports of further names, of bad
//! ones, of a name of another kind, and values that are not finite. It counts these in the metric `dropped`.
//!
//! None of the functions panics. Each counts as a call of the host, for the limit `host_calls`. Outside of a call,
//! as in a plugin's own tests, they do nothing.

mod metric;

pub use metric::Metric;
pub(crate) use metric::MetricKind;

use crate::{Result, form};

/// Adds `delta` to the counter `name`.
pub fn add(name: &str, delta: u64) {
    form::metric_add(name, delta);
}

/// Sets the gauge `name` to `value`.
pub fn set(name: &str, value: f64) {
    form::metric_set(name, value);
}

/// Counts `value` in the histogram `name`.
pub fn observe(name: &str, value: f64) {
    form::metric_observe(name, value);
}

/// Describes the metric `name`, as a rule in [`Plugin::new`](crate::Plugin::new). A metric that is not described
/// has no help and no unit, and a histogram the default buckets. Describing it again in the same way changes
/// nothing.
///
/// # Errors
///
/// [`ErrorKind::InvalidInput`](crate::ErrorKind::InvalidInput) if the name or the description breaks a rule, or
/// differs from what the metric is already; [`ErrorKind::Unsupported`](crate::ErrorKind::Unsupported) for one name
/// too many.
pub fn describe(name: &str, metric: Metric<'_>) -> Result<()> {
    form::metric_describe(name, &metric)
}
