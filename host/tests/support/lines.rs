//! Counts the log lines that guests write, to count the calls of their exports, and keeps which requests they
//! belong to, and the warnings of the host.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static LINES: Mutex<Option<HashMap<String, usize>>> = Mutex::new(None);
/// Plugin, generation and request of the lines that belong to a request.
static REQUESTS: Mutex<Vec<Line>> = Mutex::new(Vec::new());
static WARNINGS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Begins to count, once per process.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| tracing::subscriber::set_global_default(Counter).unwrap());
}

/// How many lines the plugin `name@version` has written in this process.
pub(crate) fn of(plugin: &str) -> usize {
    let lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
    lines.as_ref().and_then(|lines| lines.get(plugin).copied()).unwrap_or(0)
}

/// The plugins, `name@version`, that wrote lines for this request, with the generation of each line.
pub(crate) fn of_request(id: &str) -> Vec<(String, Option<u64>)> {
    let lines = REQUESTS.lock().unwrap_or_else(PoisonError::into_inner);
    let of = lines.iter().filter(|line| line.request_id == id);
    of.map(|line| (line.plugin.clone(), line.generation)).collect()
}

/// The warnings of the host in this process that contain this text.
pub(crate) fn warnings(part: &str) -> Vec<String> {
    let warnings = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner);
    warnings.iter().filter(|it| it.contains(part)).cloned().collect()
}

struct Counter;

/// The target of the lines of plugins.
const PLUGIN: &str = "plugbay::plugin";

impl Subscriber for Counter {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let warns = *metadata.level() == Level::WARN && metadata.target().starts_with("plugbay");
        warns || metadata.target() == PLUGIN
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        if event.metadata().target() == PLUGIN {
            let mut line = Line::default();
            event.record(&mut line);
            line.keep();
        } else {
            event.record(&mut Warning);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

/// A line of a plugin.
#[derive(Default)]
struct Line {
    /// `name@version`.
    plugin: String,
    request_id: String,
    generation: Option<u64>,
}

impl Line {
    fn keep(self) {
        let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
        *lines.get_or_insert_default().entry(self.plugin.clone()).or_default() += 1;
        if !self.request_id.is_empty() {
            REQUESTS.lock().unwrap_or_else(PoisonError::into_inner).push(self);
        }
    }
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "plugin" => value.clone_into(&mut self.plugin),
            // After the name.
            "version" => self.plugin.extend(["@", value]),
            "request_id" => value.clone_into(&mut self.request_id),
            _ => {}
        }
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        if field.name() == "generation" {
            self.generation = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

struct Warning;

impl Visit for Warning {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" {
            let mut warnings = WARNINGS.lock().unwrap_or_else(PoisonError::into_inner);
            warnings.push(format!("{value:?}"));
        }
    }
}
