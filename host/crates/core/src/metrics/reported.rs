//! What a plugin's metrics are at a moment, for the status.

use serde::{Deserialize, Serialize};

/// A metric that a plugin reports.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct GuestMetric {
    /// Its name: lowercase letters, digits and `_`.
    pub name: String,
    /// What it measures, in words for people; empty if the plugin did not say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub help: String,
    /// The unit of its values, as `seconds`; empty if the plugin named none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// Its kind and its value.
    #[serde(flatten)]
    pub value: MetricValue,
}

/// The kind of a metric and its value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum MetricValue {
    /// A value that only grows.
    Counter {
        /// The count.
        value: u64,
    },
    /// A value that goes up and down.
    Gauge {
        /// The last value; it is finite.
        value: f64,
    },
    /// How observed values are distributed.
    Histogram {
        /// The counts by upper bound, in ascending order. Values above the last bound are only in `count`.
        buckets: Vec<Bucket>,
        /// The sum of the observed values; it is finite.
        sum: f64,
        /// How many values were observed.
        count: u64,
    },
}

/// One bucket of a histogram.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
pub struct Bucket {
    /// The upper bound, which belongs to the bucket.
    pub le: f64,
    /// How many values up to this bound were observed: those of the buckets before it are included.
    pub count: u64,
}

impl GuestMetric {
    /// A counter that is not described.
    #[must_use]
    pub fn counter(name: impl Into<String>, value: u64) -> Self {
        Self::of(name.into(), MetricValue::Counter { value })
    }

    /// A gauge that is not described.
    #[must_use]
    pub fn gauge(name: impl Into<String>, value: f64) -> Self {
        Self::of(name.into(), MetricValue::Gauge { value })
    }

    fn of(name: String, value: MetricValue) -> Self {
        Self { name, help: String::new(), unit: String::new(), value }
    }
}
