//! The description of a metric family.

use std::borrow::Cow;

/// The kind of a metric family.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A value that only grows. Its name ends in `_total`.
    Counter,
    /// A value that goes up and down.
    Gauge,
    /// Counts of observations by size.
    Histogram,
    /// The value 1, with the facts as labels. Its name ends in `_info`.
    Info,
    /// A value of which it is not known whether it only grows.
    Unknown,
}

impl Kind {
    /// The word of the `OpenMetrics` format.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
            Self::Info => "info",
            Self::Unknown => "unknown",
        }
    }
}

/// The suffixes that series of one kind have, and that names of other kinds must not have.
const RESERVED: [&str; 6] = ["_total", "_info", "_bucket", "_sum", "_count", "_created"];

/// The longest name.
const MAX_NAME: usize = 200;

/// A metric family: its name as it is queried, its kind, and what its series are labelled by.
///
/// The name is written in full, with `_total` for a counter, `_info` for an info and the unit, so that a
/// search for the name in a query finds the line that defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Family {
    name: Cow<'static, str>,
    kind: Kind,
    help: Cow<'static, str>,
    unit: Option<&'static str>,
    labels: &'static [&'static str],
}

impl Family {
    /// A family of any kind.
    #[must_use]
    pub const fn new(kind: Kind, name: Cow<'static, str>, help: Cow<'static, str>) -> Self {
        Self { name, kind, help, unit: None, labels: &[] }
    }

    /// A counter. The name ends in `_total`.
    #[must_use]
    pub const fn counter(name: &'static str, help: &'static str) -> Self {
        Self::new(Kind::Counter, Cow::Borrowed(name), Cow::Borrowed(help))
    }

    /// A gauge.
    #[must_use]
    pub const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self::new(Kind::Gauge, Cow::Borrowed(name), Cow::Borrowed(help))
    }

    /// A histogram.
    #[must_use]
    pub const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self::new(Kind::Histogram, Cow::Borrowed(name), Cow::Borrowed(help))
    }

    /// An info. The name ends in `_info`.
    #[must_use]
    pub const fn info(name: &'static str, help: &'static str) -> Self {
        Self::new(Kind::Info, Cow::Borrowed(name), Cow::Borrowed(help))
    }

    /// With the names of the labels. Series give their values in this order.
    #[must_use]
    pub const fn labels(mut self, labels: &'static [&'static str]) -> Self {
        self.labels = labels;
        self
    }

    /// With a unit: `bytes`, `seconds`. The name ends in it, before `_total`.
    #[must_use]
    pub const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }

    /// The name as it is queried. The series of a histogram add `_bucket`, `_sum` and `_count`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// One sentence for people.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
    }

    /// The unit, if it has one.
    #[must_use]
    pub fn unit_name(&self) -> Option<&'static str> {
        self.unit
    }

    /// The names of the labels.
    #[must_use]
    pub fn label_names(&self) -> &'static [&'static str] {
        self.labels
    }

    /// The name without the suffix of the kind: what `OpenMetrics` calls the name of the family.
    pub(crate) fn base(&self) -> &str {
        let suffix = match self.kind {
            Kind::Counter => "_total",
            Kind::Info => "_info",
            Kind::Gauge | Kind::Histogram | Kind::Unknown => "",
        };
        self.name.strip_suffix(suffix).unwrap_or(&self.name)
    }

    /// Every name that the family takes: its own, and those of its series.
    pub(crate) fn claims(&self) -> Vec<String> {
        let base = self.base();
        let suffixes: &[&str] = match self.kind {
            Kind::Counter => &["", "_total", "_created"],
            Kind::Histogram => &["", "_bucket", "_sum", "_count", "_created"],
            Kind::Info => &["", "_info"],
            Kind::Gauge | Kind::Unknown => &[""],
        };
        suffixes.iter().map(|suffix| format!("{base}{suffix}")).collect()
    }

    /// What is wrong with the description, if anything is.
    pub(crate) fn problem(&self) -> Option<String> {
        let name = &self.name;
        if !is_metric_name(name) {
            return Some(format!(
                "expected a metric name of letters, digits, _ and :, at most {MAX_NAME} long, found {name:?}"
            ));
        }
        let expected = match self.kind {
            Kind::Counter => Some("_total"),
            Kind::Info => Some("_info"),
            Kind::Gauge | Kind::Histogram | Kind::Unknown => None,
        };
        let base = self.base();
        if let Some(suffix) = expected.filter(|_| base.len() == name.len() || base.is_empty()) {
            let kind = self.kind.as_str();
            return Some(format!(
                "expected the name of a {kind} to end in {suffix}, found {name:?}"
            ));
        }
        // Of an unknown kind nothing is known, its suffix least of all.
        let reserved = RESERVED.iter().find(|suffix| base.ends_with(**suffix));
        if let Some(suffix) = reserved.filter(|_| self.kind != Kind::Unknown) {
            return Some(format!("expected a name without the suffix {suffix}, found {name:?}"));
        }
        if let Some(unit) = self.unit
            && base.strip_suffix(unit).is_none_or(|rest| !rest.ends_with('_') || rest.len() < 2)
        {
            return Some(format!("expected the name to end in its unit, _{unit}, found {name:?}"));
        }
        if self.help.trim().is_empty() {
            return Some(format!("expected a sentence of help for {name}, found none"));
        }
        for (index, label) in self.labels.iter().enumerate() {
            let taken = self.kind == Kind::Histogram && *label == "le";
            if !is_label_name(label) || taken {
                return Some(format!("expected a label of letters, digits and _, found {label:?}"));
            }
            if self.labels[..index].contains(label) {
                return Some(format!("expected the label {label} once in {name}, found it twice"));
            }
        }
        None
    }
}

/// Whether Prometheus accepts the name of a metric in every version.
pub(crate) fn is_metric_name(name: &str) -> bool {
    let legal = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b':';
    (1..=MAX_NAME).contains(&name.len())
        && name.bytes().all(legal)
        && !name.starts_with(|c: char| c.is_ascii_digit())
}

/// Whether Prometheus accepts the name of a label. Those that begin with two underscores are its own.
fn is_label_name(name: &str) -> bool {
    is_metric_name(name) && !name.contains(':') && !name.starts_with("__")
}
