//! The metrics that a plugin reports, bounded in number.
//!
//! A report takes no lock, but for the first of a name, which may wait for another first one: guests report from
//! threads of a low priority and from threads that serve sockets, and one of the latter must not wait for one
//! of the former.

mod description;
mod histogram;
mod reported;

use std::array;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use self::description::{DEFAULT_BUCKETS, is_name_byte, start};
pub use self::description::{
    MAX_BUCKETS, MAX_METRIC_HELP, MetricDescription, MetricError, MetricKind,
};
use self::histogram::Histogram;
pub use self::reported::{Bucket, GuestMetric, MetricValue};

/// The maximum number of names per plugin; reports of further ones are counted in `dropped`.
const MAX_NAMES: usize = 64;
/// The longest name, in bytes.
const MAX_NAME: usize = 64;
const DROPPED: &str = "dropped";

/// The metrics of a plugin, shared by all its instances.
#[derive(Debug)]
pub struct GuestMetrics {
    /// In the order in which they came. A place that was taken stays.
    metrics: [OnceLock<Metric>; MAX_NAMES],
    dropped: AtomicU64,
}

#[derive(Debug)]
struct Metric {
    name: Box<str>,
    value: Value,
    words: OnceLock<Words>,
}

/// What a plugin said about a metric.
#[derive(Debug, PartialEq, Eq)]
struct Words {
    help: Box<str>,
    unit: Box<str>,
}

#[derive(Debug)]
enum Value {
    Counter(AtomicU64),
    /// The bits of the value.
    Gauge(AtomicU64),
    Histogram(Histogram),
}

impl Default for GuestMetrics {
    fn default() -> Self {
        Self { metrics: array::from_fn(|_| OnceLock::new()), dropped: AtomicU64::new(0) }
    }
}

impl GuestMetrics {
    /// Adds to the counter `name`.
    pub fn add(&self, name: &str, delta: u64) {
        match self.value(name, || Value::Counter(AtomicU64::new(0))) {
            Some(Value::Counter(count)) => saturating_add(count, delta),
            _ => self.drop_one(),
        }
    }

    /// Sets the gauge `name`. A value that is not finite is dropped.
    pub fn set(&self, name: &str, to: f64) {
        let bits = to.to_bits();
        let gauge = || self.value(name, || Value::Gauge(AtomicU64::new(bits)));
        match to.is_finite().then(gauge).flatten() {
            Some(Value::Gauge(value)) => value.store(bits, Ordering::Relaxed),
            _ => self.drop_one(),
        }
    }

    /// Counts a value in the histogram `name`, which has the default buckets if it was not described. A value
    /// that is not finite is dropped: it would spoil the sum for ever.
    pub fn observe(&self, name: &str, value: f64) {
        let histogram = || self.value(name, || Value::Histogram(Histogram::new(&DEFAULT_BUCKETS)));
        match value.is_finite().then(histogram).flatten() {
            Some(Value::Histogram(histogram)) => histogram.observe(value),
            _ => self.drop_one(),
        }
    }

    /// Describes the metric `name`. Describing it again in the same way changes nothing: each instance of a
    /// plugin does it.
    ///
    /// # Errors
    ///
    /// If the name or the description breaks a rule, if the metric is of another kind, has other buckets or is
    /// described otherwise, or if the plugin has too many metrics.
    pub fn describe(
        &self,
        name: &str,
        description: &MetricDescription<'_>,
    ) -> Result<(), MetricError> {
        if !is_name(name) {
            return Err(MetricError::Name { found: start(name) });
        }
        description.check(name)?;
        let first = || match description.kind {
            MetricKind::Counter => Value::Counter(AtomicU64::new(0)),
            MetricKind::Gauge => Value::Gauge(AtomicU64::new(0.0_f64.to_bits())),
            MetricKind::Histogram => Value::Histogram(Histogram::new(description.bounds())),
        };
        let metric = self
            .find(name, first)
            .ok_or_else(|| MetricError::TooMany { name: name.to_owned(), most: MAX_NAMES })?;
        let changed = |part| Err(MetricError::Changed { name: name.to_owned(), part });
        match (&metric.value, description.kind) {
            (Value::Histogram(histogram), MetricKind::Histogram) => {
                if histogram.bounds() != description.bounds() {
                    return changed("list of buckets");
                }
            }
            (Value::Counter(_), MetricKind::Counter) | (Value::Gauge(_), MetricKind::Gauge) => {}
            _ => return changed("kind"),
        }
        let words = || Words { help: description.help().into(), unit: description.unit.into() };
        if *metric.words.get_or_init(words) == words() { Ok(()) } else { changed("help or unit") }
    }

    /// All metrics, sorted by name.
    #[must_use]
    pub fn snapshot(&self) -> Vec<GuestMetric> {
        let metrics = self.metrics.iter().map_while(OnceLock::get);
        let mut all: Vec<GuestMetric> = metrics.map(Metric::snapshot).collect();
        let dropped = self.dropped.load(Ordering::Relaxed);
        if dropped > 0 {
            all.push(GuestMetric::counter(DROPPED, dropped));
        }
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// Counts a report that has no place: of a bad name or value, of one name too many, or of another kind than
    /// the metric's, so that the author sees the mistake.
    #[cold]
    fn drop_one(&self) {
        saturating_add(&self.dropped, 1);
    }

    fn value(&self, name: &str, first: impl Fn() -> Value) -> Option<&Value> {
        if is_name(name) { Some(&self.find(name, first)?.value) } else { None }
    }

    /// The metric `name`, which is good; new with the value `first` if it is not there yet. There is none for
    /// one name too many.
    fn find(&self, name: &str, first: impl Fn() -> Value) -> Option<&Metric> {
        let fresh = || Metric { name: name.into(), value: first(), words: OnceLock::new() };
        self.metrics.iter().find_map(|place| {
            // If another thread takes the place at the same time, it may be for another name.
            let metric = place.get_or_init(fresh);
            (*metric.name == *name).then_some(metric)
        })
    }
}

impl Metric {
    fn snapshot(&self) -> GuestMetric {
        let value = match &self.value {
            Value::Counter(count) => MetricValue::Counter { value: count.load(Ordering::Relaxed) },
            Value::Gauge(bits) => {
                MetricValue::Gauge { value: f64::from_bits(bits.load(Ordering::Relaxed)) }
            }
            Value::Histogram(histogram) => histogram.snapshot(),
        };
        let text = |text: fn(&Words) -> &str| self.words.get().map_or("", text).to_owned();
        let (help, unit) = (text(|words| &words.help), text(|words| &words.unit));
        GuestMetric { name: self.name.to_string(), help, unit, value }
    }
}

fn is_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(is_name_byte) && name != DROPPED
}

/// Adds to a count that does not wrap around.
fn saturating_add(count: &AtomicU64, delta: u64) {
    let added = |value: u64| Some(value.saturating_add(delta));
    // It never fails.
    let _ = count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, added);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(name: &str, value: u64) -> GuestMetric {
        GuestMetric::counter(name, value)
    }

    fn described<'a>(help: &'a str, unit: &'a str, buckets: &'a [f64]) -> MetricDescription<'a> {
        MetricDescription { kind: MetricKind::Histogram, help, unit, buckets }
    }

    /// The bounds and counts, the sum, and the count of a histogram.
    fn histogram(metrics: &GuestMetrics, name: &str) -> (Vec<(f64, u64)>, f64, u64) {
        let metric = metrics.snapshot().into_iter().find(|it| it.name == name).unwrap();
        let MetricValue::Histogram { buckets, sum, count } = metric.value else { panic!("{name}") };
        (buckets.iter().map(|bucket| (bucket.le, bucket.count)).collect(), sum, count)
    }

    #[test]
    fn a_histogram_counts_values_up_to_each_bound() {
        let metrics = GuestMetrics::default();
        metrics.describe("took", &described("How long it took.", "seconds", &[1.0, 2.0])).unwrap();
        for value in [-0.5, 1.0, 1.5, 2.0, 8.0] {
            metrics.observe("took", value);
        }
        assert_eq!(histogram(&metrics, "took"), (vec![(1.0, 2), (2.0, 4)], 12.0, 5));
        let metric = metrics.snapshot().remove(0);
        assert_eq!((&*metric.help, &*metric.unit), ("How long it took.", "seconds"));
        // Without a description it has the default buckets.
        metrics.observe("other", 0.25);
        let (buckets, _, count) = histogram(&metrics, "other");
        assert_eq!((buckets.len(), buckets[5], count), (DEFAULT_BUCKETS.len(), (0.25, 1), 1));
        // The sum stays finite, and so can be written as JSON.
        metrics.observe("took", f64::MAX);
        metrics.observe("took", f64::MAX);
        assert_eq!(histogram(&metrics, "took"), (vec![(1.0, 2), (2.0, 4)], f64::MAX, 7));
    }

    #[test]
    fn values_that_are_not_finite_are_dropped() {
        let metrics = GuestMetrics::default();
        for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
            metrics.observe("h", value);
            metrics.set("g", value);
        }
        assert_eq!(metrics.snapshot(), [counter(DROPPED, 6)]);
    }

    #[test]
    fn each_instance_describes_a_metric_in_the_same_way() {
        let metrics = GuestMetrics::default();
        let first = described("help", "bytes", &[1.0]);
        metrics.add("reported", 1);
        let count = MetricDescription { kind: MetricKind::Counter, buckets: &[], ..first };
        for _ in 0..3 {
            metrics.describe("sizes", &first).unwrap();
            metrics.describe("reported", &count).unwrap();
        }
        for (part, other) in [
            ("kind", count),
            ("list of buckets", described("help", "bytes", &[2.0])),
            ("help or unit", described("other", "bytes", &[1.0])),
            ("help or unit", described("help", "seconds", &[1.0])),
        ] {
            let error = metrics.describe("sizes", &other).unwrap_err();
            assert_eq!(error, MetricError::Changed { name: "sizes".into(), part });
        }
        assert_eq!(metrics.snapshot().len(), 2, "what is described is reported, too");
    }

    #[test]
    fn descriptions_are_bounded() {
        let metrics = GuestMetrics::default();
        let refusal = |name: &str, description: MetricDescription<'_>| {
            metrics.describe(name, &description).unwrap_err().to_string()
        };
        let good = described("", "", &[]);
        assert!(refusal("Bad Name", good).contains("found \"Bad Name\""));
        assert!(refusal(DROPPED, good).contains("other than `dropped`"));
        assert!(refusal("h", described("a\nb", "", &[])).contains("control characters"));
        assert!(refusal("h", described("", "per cent", &[])).contains("found \"per cent\""));
        let many: Vec<f64> = (0..=32_u8).map(f64::from).collect();
        assert!(refusal("h", described("", "", &many)).contains("at most 32 bounds"));
        assert!(refusal("h", described("", "", &[1.0, 1.0])).contains("found 1 after 1"));
        assert!(refusal("h", described("", "", &[f64::NAN])).contains("found NaN"));
        let gauge = MetricDescription { kind: MetricKind::Gauge, ..described("", "", &[1.0]) };
        assert!(refusal("g", gauge).contains("no buckets of a gauge"));
        assert!(metrics.snapshot().is_empty(), "nothing that was refused is there");

        let long = "é".repeat(MAX_METRIC_HELP);
        metrics.describe("h", &described(&long, "", &many[1..])).unwrap();
        assert_eq!(metrics.snapshot()[0].help.len(), MAX_METRIC_HELP);
        for index in 1..MAX_NAMES {
            metrics.describe(&format!("n{index}"), &good).unwrap();
        }
        assert!(refusal("one_more", good).contains("expected at most 64 metrics"));
    }

    #[test]
    fn names_are_bounded_and_drops_are_counted() {
        let metrics = GuestMetrics::default();
        for index in 0..100 {
            metrics.add(&format!("n{index}"), 1);
        }
        metrics.add("Bad Name", 1);
        metrics.set("n0", 1.0);
        assert!(metrics.snapshot().contains(&counter(DROPPED, 36 + 2)));
        assert_eq!(metrics.snapshot().len(), MAX_NAMES + 1);
    }

    #[test]
    fn threads_share_the_metrics() {
        let metrics = GuestMetrics::default();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let metrics = &metrics;
                scope.spawn(move || {
                    for index in 0..80 {
                        metrics.add(&format!("n{}", (index + 20 * thread) % 80), 2);
                    }
                    metrics.add("n0", u64::MAX);
                });
            }
        });
        let snapshot = metrics.snapshot();
        let counts = snapshot.iter().filter(|it| it.name.starts_with('n'));
        // The first names that came have places, in whichever order that was.
        assert_eq!(counts.clone().count(), MAX_NAMES);
        assert!(counts.clone().all(|it| it.name == "n0" || *it == counter(&it.name, 8)));
        assert!(snapshot.is_sorted_by(|one, next| one.name <= next.name), "{snapshot:?}");
    }
}
