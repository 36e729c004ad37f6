//! Descriptions of metrics.

/// The kind of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum MetricKind {
    Counter,
    Gauge,
    Histogram,
}

/// The description of a metric: its kind, and what it measures in words for people, without control characters.
/// The host cuts them to 1,024 bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric<'a> {
    pub(crate) kind: MetricKind,
    pub(crate) help: &'a str,
    pub(crate) unit: &'a str,
    pub(crate) buckets: &'a [f64],
}

impl<'a> Metric<'a> {
    /// A value that only grows, by [`add`](super::add).
    #[must_use]
    pub const fn counter(help: &'a str) -> Self {
        Self { kind: MetricKind::Counter, help, unit: "", buckets: &[] }
    }

    /// A value that goes up and down, by [`set`](super::set).
    #[must_use]
    pub const fn gauge(help: &'a str) -> Self {
        Self { kind: MetricKind::Gauge, ..Self::counter(help) }
    }

    /// How the values are distributed that [`observe`](super::observe) counts.
    #[must_use]
    pub const fn histogram(help: &'a str) -> Self {
        Self { kind: MetricKind::Histogram, ..Self::counter(help) }
    }

    /// Sets the unit of its values, as `seconds` or `bytes`: at most 32 lowercase letters, digits and `_`.
    #[must_use]
    pub const fn unit(mut self, unit: &'a str) -> Self {
        self.unit = unit;
        self
    }

    /// Sets the upper bounds of a histogram's buckets: at most 32 finite, ascending numbers. A value that equals a
    /// bound is counted there. The default is for durations in seconds: 0.005, 0.01, 0.025, 0.05, 0.1, 0.25,
    /// 0.5, 1, 2.5, 5 and 10.
    #[must_use]
    pub const fn buckets(mut self, bounds: &'a [f64]) -> Self {
        self.buckets = bounds;
        self
    }
}
