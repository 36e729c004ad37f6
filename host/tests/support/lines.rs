//! Counts the log lines that guests write, to count the calls of their exports, and keeps the
//! warnings of the host.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Mutex, Once, PoisonError};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};

static LINES: Mutex<Option<HashMap<String, usize>>> = Mutex::new(None);
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
            event.record(&mut Plugin);
        } else {
            event.record(&mut Warning);
        }
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

struct Plugin;

impl Visit for Plugin {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "plugin" {
            let mut lines = LINES.lock().unwrap_or_else(PoisonError::into_inner);
            *lines.get_or_insert_default().entry(value.to_owned()).or_default() += 1;
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
