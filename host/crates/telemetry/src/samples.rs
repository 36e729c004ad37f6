//! What one collector collects: checked against its descriptions, and bounded.

use std::collections::HashMap;
use std::sync::Arc;

use crate::claims::Claims;
use crate::described::Described;
use crate::family::{Family, Kind};

/// The longest value of a label, in bytes. Longer ones are cut.
const MAX_LABEL_VALUE: usize = 256;

/// The label whose values have a bound of their own, [`Limits::per_plugin`].
const PLUGIN: &str = "plugin";

/// Between the values of labels. No value contains it, because control characters are replaced.
const SEPARATOR: char = '\0';

/// The most lines of the exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Of one collector.
    pub per_collector: usize,
    /// Of one collector with the same value of the label `plugin`.
    pub per_plugin: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { per_collector: 200_000, per_plugin: 4_000 }
    }
}

impl Limits {
    /// These limits.
    #[must_use]
    pub fn new(per_collector: usize, per_plugin: usize) -> Self {
        Self { per_collector, per_plugin }
    }
}

/// Why a series is not in the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum DropReason {
    /// The collector has too many.
    CollectorLimit,
    /// The plugin has too many.
    PluginLimit,
    /// The collector did not describe the family like that.
    Undescribed,
    /// The number of label values is not that of the labels.
    Labels,
    /// Another series has the same labels.
    Duplicate,
    /// The value is not one of the family's kind.
    Value,
}

impl DropReason {
    /// All of them.
    pub(crate) const ALL: [Self; 6] = [
        Self::CollectorLimit,
        Self::PluginLimit,
        Self::Undescribed,
        Self::Labels,
        Self::Duplicate,
        Self::Value,
    ];

    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CollectorLimit => "collector-limit",
            Self::PluginLimit => "plugin-limit",
            Self::Undescribed => "undescribed",
            Self::Labels => "labels",
            Self::Duplicate => "duplicate",
            Self::Value => "value",
        }
    }
}

/// A value. Whole numbers are written as such.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Whole(u64),
    /// Any other number.
    Float(f64),
}

impl From<u64> for Number {
    fn from(value: u64) -> Self {
        Self::Whole(value)
    }
}

impl From<u32> for Number {
    fn from(value: u32) -> Self {
        Self::Whole(value.into())
    }
}

impl From<usize> for Number {
    fn from(value: usize) -> Self {
        Self::Whole(value as u64)
    }
}

impl From<bool> for Number {
    fn from(value: bool) -> Self {
        Self::Whole(value.into())
    }
}

impl From<f64> for Number {
    fn from(value: f64) -> Self {
        Self::Float(value)
    }
}

/// The state of a histogram.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// The sum of all observations.
    pub sum: f64,
    /// The upper bound of each bucket, rising, and the observations in this bucket alone.
    pub buckets: Vec<(f64, u64)>,
    /// The observations above the last bound.
    pub above: u64,
}

impl Histogram {
    /// All observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(self.above, |sum, (_, count)| sum.saturating_add(*count))
    }

    fn is_valid(&self) -> bool {
        let bounds = self.buckets.iter().map(|(bound, _)| bound);
        bounds.clone().all(|bound| bound.is_finite()) && bounds.is_sorted_by(|a, b| a < b)
    }
}

/// The value of a series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Number(Number),
    Histogram(Histogram),
    Info,
}

/// A series of a family.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Series {
    /// The values of its labels, with separators.
    labels: String,
    pub(crate) value: Value,
}

impl Series {
    /// The values of its labels.
    pub(crate) fn labels(&self) -> impl Iterator<Item = &str> {
        self.labels.split(SEPARATOR)
    }
}

/// A family and its series.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Collected {
    pub(crate) family: Family,
    pub(crate) series: Vec<Series>,
}

/// The series of one collector. A series that breaks a rule is dropped and counted.
#[derive(Debug)]
pub struct Samples {
    limits: Limits,
    namespaces: Vec<String>,
    /// The names that the families of namespaces have taken so far.
    taken: Claims,
    collected: Vec<Collected>,
    /// The places of families in `collected`, by name.
    places: HashMap<String, usize>,
    lines: usize,
    lines_of_plugins: HashMap<String, usize>,
    dropped: [u64; DropReason::ALL.len()],
}

impl Samples {
    /// Nothing yet, of a collector that described this.
    pub(crate) fn new(described: &Arc<[Described]>, limits: Limits) -> Self {
        let mut samples = Self {
            limits,
            namespaces: Vec::new(),
            taken: Claims::default(),
            collected: Vec::new(),
            places: HashMap::new(),
            lines: 0,
            lines_of_plugins: HashMap::new(),
            dropped: [0; DropReason::ALL.len()],
        };
        for one in described.iter() {
            match one {
                Described::Namespace(prefix) => samples.namespaces.push(prefix.clone()),
                Described::Family(family) => samples.add(family),
            }
        }
        samples
    }

    /// Adds a value of a counter. It must not be negative.
    pub fn counter(&mut self, family: &Family, labels: &[&str], value: impl Into<Number>) {
        let value = value.into();
        let valid = match value {
            Number::Whole(_) => true,
            Number::Float(value) => value >= 0.0 && value.is_finite(),
        };
        self.push(family, Kind::Counter, labels, valid, Value::Number(value));
    }

    /// Adds a value of a gauge.
    pub fn gauge(&mut self, family: &Family, labels: &[&str], value: impl Into<Number>) {
        self.push(family, Kind::Gauge, labels, true, Value::Number(value.into()));
    }

    /// Adds a value of an unknown kind.
    pub fn unknown(&mut self, family: &Family, labels: &[&str], value: impl Into<Number>) {
        self.push(family, Kind::Unknown, labels, true, Value::Number(value.into()));
    }

    /// Adds a histogram. Its bounds must rise.
    pub fn histogram(&mut self, family: &Family, labels: &[&str], value: Histogram) {
        let valid = value.is_valid();
        self.push(family, Kind::Histogram, labels, valid, Value::Histogram(value));
    }

    /// Adds a fact, as labels.
    pub fn info(&mut self, family: &Family, labels: &[&str]) {
        self.push(family, Kind::Info, labels, true, Value::Info);
    }

    fn push(&mut self, family: &Family, kind: Kind, labels: &[&str], valid: bool, value: Value) {
        if let Err(reason) = self.try_push(family, kind, labels, valid, value) {
            self.drop_one(reason);
        }
    }

    fn try_push(
        &mut self,
        family: &Family,
        kind: Kind,
        labels: &[&str],
        valid: bool,
        value: Value,
    ) -> Result<(), DropReason> {
        if kind != family.kind() || !valid {
            return Err(DropReason::Value);
        }
        let names = family.label_names();
        if labels.len() != names.len() {
            return Err(DropReason::Labels);
        }
        let place = self.place(family).ok_or(DropReason::Undescribed)?;
        let lines = match &value {
            Value::Number(_) | Value::Info => 1,
            Value::Histogram(histogram) => histogram.buckets.len() + 3,
        };
        if self.lines + lines > self.limits.per_collector {
            return Err(DropReason::CollectorLimit);
        }
        if let Some(plugin) = names.iter().position(|name| *name == PLUGIN) {
            let plugin = labels[plugin];
            let known = self.lines_of_plugins.get(plugin).copied().unwrap_or_default();
            if known + lines > self.limits.per_plugin {
                return Err(DropReason::PluginLimit);
            }
            match self.lines_of_plugins.get_mut(plugin) {
                Some(count) => *count += lines,
                None => drop(self.lines_of_plugins.insert(plugin.to_owned(), lines)),
            }
        }
        self.lines += lines;
        self.collected[place].series.push(Series { labels: joined(labels), value });
        Ok(())
    }

    /// The place of a family that is described like this, or that is new in a namespace.
    fn place(&mut self, family: &Family) -> Option<usize> {
        if let Some(&place) = self.places.get(family.name()) {
            let known = &self.collected[place].family;
            let same = known.kind() == family.kind() && known.label_names() == family.label_names();
            return same.then_some(place);
        }
        let within = |prefix: &String| family.name().starts_with(prefix.as_str());
        if !self.namespaces.iter().any(within) || family.problem().is_some() {
            return None;
        }
        let claims = Claims::of(&[family.clone().into()]).ok()?;
        if self.taken.clash(&claims).is_some() {
            return None;
        }
        self.taken.extend(claims);
        self.add(family);
        Some(self.collected.len() - 1)
    }

    fn add(&mut self, family: &Family) {
        self.places.insert(family.name().to_owned(), self.collected.len());
        self.collected.push(Collected { family: family.clone(), series: Vec::new() });
    }

    fn drop_one(&mut self, reason: DropReason) {
        self.dropped[reason as usize] += 1;
    }

    /// The families that have series, each with its series in the order of their labels; and how many
    /// were dropped, by the position of the reason in [`DropReason::ALL`].
    pub(crate) fn finish(mut self) -> (Vec<Collected>, [u64; DropReason::ALL.len()]) {
        let mut duplicates = 0;
        for Collected { series, .. } in &mut self.collected {
            // The sort keeps the order of equal ones: the first that came stays.
            series.sort_by(|one, other| one.labels.cmp(&other.labels));
            let before = series.len();
            series.dedup_by(|later, first| later.labels == first.labels);
            duplicates += before - series.len();
        }
        self.dropped[DropReason::Duplicate as usize] += duplicates as u64;
        self.collected.retain(|it| !it.series.is_empty());
        (self.collected, self.dropped)
    }
}

/// The values of labels as one text. Values are cut, and their control characters replaced: not every
/// reader of an exposition accepts them.
fn joined(labels: &[&str]) -> String {
    let mut text = String::with_capacity(labels.iter().map(|label| label.len() + 1).sum());
    for (index, label) in labels.iter().enumerate() {
        if index > 0 {
            text.push(SEPARATOR);
        }
        let label = &label[..label.floor_char_boundary(MAX_LABEL_VALUE)];
        if label.contains(char::is_control) {
            text.extend(label.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
        } else {
            text.push_str(label);
        }
    }
    text
}
