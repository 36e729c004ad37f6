//! The metrics that plugins report themselves, in a namespace of their own.
//!
//! A counter `hits` of a plugin is `plugbay_guest_hits_total{plugin,version}`, and a gauge or histogram `depth` is
//! `plugbay_guest_depth{plugin,version}`: users of Prometheus look for a name, and compare the plugins that
//! have it by the label. A plugin cannot take a name of the host, because all its names begin with the
//! prefix, and none of another plugin, because the label tells them apart. If plugins disagree on the kind
//! of one name, its kind is given as unknown. A histogram is dropped and counted where another metric has its name
//! or that of one of its series: it must not hide that metric. The help is that of the first plugin that describes
//! the name.

use std::borrow::Cow;
use std::collections::BTreeMap;

use plugbay_core::MetricValue;
use plugbay_telemetry::{Family, Histogram, Kind, Number, Samples};

use crate::set::Row;

/// What all names begin with.
pub(super) const PREFIX: &str = "plugbay_guest_";

/// The suffixes by which the formats know other kinds than gauges.
const RESERVED: [&str; 6] = ["_total", "_info", "_bucket", "_sum", "_count", "_created"];

/// The series of one name.
struct Named<'a> {
    /// `None` once plugins disagree.
    kind: Option<Kind>,
    /// Empty if no plugin describes it.
    help: &'a str,
    series: Vec<([&'a str; 2], Value<'a>)>,
}

enum Value<'a> {
    Number(Number),
    Histogram(&'a Histogram),
}

pub(super) fn collect(samples: &mut Samples, rows: &[Row]) {
    let named = by_name(rows);
    for (name, Named { kind, help, series }) in &named {
        let kind = kind.filter(|kind| match kind {
            Kind::Counter => !shadows(&named, name),
            Kind::Histogram => !hides(&named, name),
            _ => true,
        });
        let kind = kind.unwrap_or(Kind::Unknown);
        let help = if help.is_empty() { "Reported by plugins themselves." } else { help };
        let family = Family::new(kind, Cow::Owned(name.clone()), Cow::Owned(help.to_owned()));
        let family = family.labels(&["plugin", "version"]);
        for (version, value) in series {
            match (kind, value) {
                (_, Value::Histogram(value)) => {
                    samples.histogram(&family, version, (*value).clone());
                }
                (Kind::Counter, Value::Number(value)) => samples.counter(&family, version, *value),
                (Kind::Gauge, Value::Number(value)) => samples.gauge(&family, version, *value),
                (_, Value::Number(value)) => samples.unknown(&family, version, *value),
            }
        }
    }
}

/// All series by their full name.
fn by_name(rows: &[Row]) -> BTreeMap<String, Named<'_>> {
    let mut named: BTreeMap<String, Named<'_>> = BTreeMap::new();
    let mut add = |name: String, kind: Kind, version, value| {
        let of_name = named.entry(name);
        let of_name = of_name.or_insert(Named { kind: Some(kind), help: "", series: Vec::new() });
        of_name.kind = of_name.kind.filter(|known| *known == kind);
        of_name.series.push((version, value));
    };
    for row in rows {
        let version = [&*row.plugin, &*row.version];
        for (name, count) in &row.totals.stats.guest {
            let base = name.strip_suffix("_total").unwrap_or(name);
            add(
                format!("{PREFIX}{base}_total"),
                Kind::Counter,
                version,
                Value::Number(Number::Whole(*count)),
            );
        }
        for (name, histogram) in &row.totals.stats.histograms {
            add(format!("{PREFIX}{name}"), Kind::Histogram, version, Value::Histogram(histogram));
        }
        // Of two runs of one version the later one is right.
        let Some(live) = row.live.last() else { continue };
        for metric in &live.stats.metrics {
            if let MetricValue::Gauge { value } = metric.value {
                let name = &metric.name;
                let reserved = RESERVED.iter().any(|suffix| name.ends_with(suffix));
                let kind = if reserved { Kind::Unknown } else { Kind::Gauge };
                let value = Value::Number(Number::Float(value));
                add(format!("{PREFIX}{name}"), kind, version, value);
            }
        }
    }
    for metric in rows.iter().filter_map(|row| row.live.last()).flat_map(|it| &it.stats.metrics) {
        let name = match metric.value {
            MetricValue::Counter { .. } => {
                let base = metric.name.strip_suffix("_total").unwrap_or(&metric.name);
                format!("{PREFIX}{base}_total")
            }
            _ => format!("{PREFIX}{}", metric.name),
        };
        if let Some(of_name) = named.get_mut(&name).filter(|it| it.help.is_empty()) {
            // A registry refuses a blank help, and all series of the name with it.
            of_name.help = metric.help.trim();
        }
    }
    named
}

/// Whether a counter of this name would take a name that another family has.
fn shadows(named: &BTreeMap<String, Named<'_>>, counter: &str) -> bool {
    let base = counter.strip_suffix("_total").unwrap_or(counter);
    named.contains_key(base) || named.contains_key(&format!("{base}_created"))
}

/// Whether a series of this histogram would take a name that another family has.
fn hides(named: &BTreeMap<String, Named<'_>>, histogram: &str) -> bool {
    let series = ["_bucket", "_sum", "_count", "_created"];
    series.iter().any(|suffix| named.contains_key(&format!("{histogram}{suffix}")))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use plugbay_telemetry::{Collector, Collectors, Described, Format};

    use super::*;
    use crate::set::Totals;

    /// A version that reports these counters. (A gauge needs a version that lives: `host/tests/metrics`.)
    fn row(plugin: &str, counters: &[(&str, u64)]) -> Row {
        let mut totals = Totals::default();
        totals.stats.guest = counters.iter().map(|(name, it)| ((*name).to_owned(), *it)).collect();
        let (plugin, version) = (plugin.to_owned(), "1.0.0".to_owned());
        Row { plugin, version, totals, restarts: 0, live: Vec::new() }
    }

    struct Rows(Mutex<Vec<Row>>);

    impl Collector for Rows {
        fn describe(&self) -> Vec<Described> {
            vec![Described::Namespace(PREFIX.to_owned())]
        }

        fn collect(&self, samples: &mut Samples) {
            collect(samples, &self.0.lock().unwrap());
        }
    }

    #[test]
    fn a_histogram_is_exposed_unless_plugins_disagree_on_its_kind() {
        let histogram = Histogram { sum: 3.5, buckets: vec![(1.0, 1), (2.0, 1)], above: 0 };
        let with = |plugin: &str, name: &str| {
            let mut row = row(plugin, &[]);
            row.totals.stats.histograms.insert(name.to_owned(), histogram.clone());
            row
        };
        let rows =
            vec![with("a", "wait_seconds"), with("b", "hits_total"), row("c", &[("hits", 7)])];
        let collectors = Collectors::new();
        collectors.register("rows", Arc::new(Rows(Mutex::new(rows)))).unwrap();
        let text = collectors.gather(Duration::from_secs(60)).encode(Format::Text);
        let labels = "plugin=\"a\",version=\"1.0.0\"";
        for line in [
            "# TYPE plugbay_guest_wait_seconds histogram".to_owned(),
            format!("plugbay_guest_wait_seconds_sum{{{labels}}} 3.5"),
            format!("plugbay_guest_wait_seconds_count{{{labels}}} 2"),
        ] {
            assert!(text.contains(&line), "{line}: {text}");
        }
        let bucket = text.lines().find(|line| line.contains("le=\"2\"")).unwrap();
        assert!(bucket.ends_with(" 2") && bucket.contains("plugin=\"a\""), "{bucket}");
        assert!(text.contains("plugbay_guest_hits_total{plugin=\"c\",version=\"1.0.0\"} 7"));
        assert!(!text.contains("plugin=\"b\""), "{text}");
    }

    #[test]
    fn a_histogram_hides_no_metric_of_another_plugin() {
        // The second histogram has the name of a series of the first.
        let mut other = row("a", &[]);
        let histogram = Histogram { sum: 3.5, buckets: vec![(1.0, 1)], above: 0 };
        other.totals.stats.histograms.insert("wait".to_owned(), histogram.clone());
        other.totals.stats.histograms.insert("wait_sum".to_owned(), histogram);
        let rows = vec![other, row("b", &[("wait", 7)])];
        let collectors = Collectors::new();
        collectors.register("rows", Arc::new(Rows(Mutex::new(rows)))).unwrap();
        let text = collectors.gather(Duration::from_secs(60)).encode(Format::Text);
        let counter = "plugbay_guest_wait_total{plugin=\"b\",version=\"1.0.0\"} 7\n";
        assert!(text.contains(counter), "{text}");
        assert!(!text.contains("plugbay_guest_wait_count{"), "{text}");
        assert!(text.contains("plugbay_collector_dropped_series_total"), "{text}");
    }

    #[test]
    fn plugins_share_names_and_are_told_apart_by_their_label() {
        let rows = vec![row("a", &[("hits", 1), ("misses_total", 2)]), row("b", &[("hits", 3)])];
        let collectors = Collectors::new();
        collectors.register("rows", Arc::new(Rows(Mutex::new(rows)))).unwrap();
        let text = collectors.gather(Duration::from_secs(60)).encode(Format::Text);
        let expected = "# TYPE plugbay_guest_hits_total counter\n\
             plugbay_guest_hits_total{plugin=\"a\",version=\"1.0.0\"} 1\n\
             plugbay_guest_hits_total{plugin=\"b\",version=\"1.0.0\"} 3\n";
        assert!(text.contains(expected), "{text}");
        assert!(text.contains("plugbay_guest_misses_total{plugin=\"a\",version=\"1.0.0\"} 2\n"));
    }
}
