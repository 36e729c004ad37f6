//! The text formats, written by the crate prometheus-client. Nothing else of that crate is used.

use std::fmt;
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::encoding::{EncodeLabelSet, prometheus_text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit};

use crate::family::{Family, Kind};
use crate::samples::{Collected, Histogram, Number, Series, Value};

/// A text format of an exposition.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// The Prometheus text format, version 0.0.4: what every reader understands.
    #[default]
    Text,
    /// `OpenMetrics` 1.0, which also has units and infos.
    OpenMetrics,
}

impl Format {
    /// The value of the header `Content-Type`.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Text => prometheus_text::CONTENT_TYPE,
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
        }
    }
}

/// Writes the exposition of these families, which have different names.
pub(crate) fn encode(families: &Arc<[Collected]>, format: Format) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Families(Arc::clone(families))));
    let mut text = String::new();
    let written = match format {
        Format::Text => prometheus_text::encode(&mut text, &registry),
        Format::OpenMetrics => text::encode(&mut text, &registry),
    };
    debug_assert!(written.is_ok(), "a text takes everything that is written to it");
    text
}

#[derive(Debug)]
struct Families(Arc<[Collected]>);

impl Collector for Families {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        for Collected { family, series } in &*self.0 {
            let unit = family.unit_name().map(|unit| Unit::Other(unit.to_owned()));
            // The encoder adds the unit and the suffix of the kind again.
            let base = family.base();
            let name = match family.unit_name() {
                Some(unit) => {
                    base.strip_suffix(unit).map_or(base, |rest| rest.trim_end_matches('_'))
                }
                None => base,
            };
            let help = one_line(family.help());
            let mut metric = encoder.encode_descriptor(
                name,
                &help,
                unit.as_ref(),
                metric_type(family.kind()),
            )?;
            for series in series {
                write(&mut metric, family, series)?;
            }
        }
        Ok(())
    }
}

fn metric_type(kind: Kind) -> MetricType {
    match kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
        Kind::Info => MetricType::Info,
        Kind::Unknown => MetricType::Unknown,
    }
}

/// The help of a family without what the formats would escape: they do not agree on it.
fn one_line(help: &str) -> String {
    help.chars()
        .map(|c| match c {
            '\\' => '/',
            '"' => '\'',
            c if c.is_control() => ' ',
            c => c,
        })
        .collect()
}

fn write(metric: &mut MetricEncoder, family: &Family, series: &Series) -> Result<(), fmt::Error> {
    let names = family.label_names().iter().copied();
    let labels: Vec<(&str, &str)> = names.zip(series.labels()).collect();
    match &series.value {
        Value::Info => metric.encode_info(&labels),
        value if labels.is_empty() => write_value(metric, family.kind(), value),
        value => {
            let labels = labels.as_slice();
            write_value(&mut metric.encode_family(&labels)?, family.kind(), value)
        }
    }
}

fn write_value(metric: &mut MetricEncoder, kind: Kind, value: &Value) -> Result<(), fmt::Error> {
    match value {
        Value::Number(Number::Whole(value)) if kind == Kind::Counter => {
            metric.encode_counter::<NoLabelSet, _, f64>(value, None)
        }
        Value::Number(Number::Float(value)) if kind == Kind::Counter => {
            metric.encode_counter::<NoLabelSet, _, f64>(value, None)
        }
        Value::Number(Number::Whole(value)) => metric.encode_gauge(value),
        Value::Number(Number::Float(value)) => metric.encode_gauge(value),
        Value::Histogram(histogram) => write_histogram(metric, histogram),
        Value::Info => metric.encode_info(&NoLabels),
    }
}

fn write_histogram(metric: &mut MetricEncoder, histogram: &Histogram) -> Result<(), fmt::Error> {
    let mut buckets = histogram.buckets.clone();
    buckets.push((f64::INFINITY, histogram.above));
    metric.encode_histogram::<NoLabelSet>(histogram.sum, histogram.count(), &buckets, None)
}

/// No labels. (`NoLabelSet` has no value.)
struct NoLabels;

impl EncodeLabelSet for NoLabels {
    fn encode(
        &self,
        _encoder: &mut prometheus_client::encoding::LabelSetEncoder,
    ) -> Result<(), fmt::Error> {
        Ok(())
    }
}
