//! The latest lines of the log, by the plugin that they are about, for later readers.

use std::borrow::Cow;
use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use plugbay::timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// The most lines of one plugin.
const MAX_LINES: usize = 500;
/// The most bytes of all lines. Beyond that the plugin with the most bytes loses its oldest line: a plugin that logs
/// much does not push out what others wrote.
const MAX_BYTES: usize = 8 << 20;
/// The most bytes of a message, and of the fields of a line.
pub(super) const MAX_TEXT: usize = 4 << 10;
/// What a line takes beside its texts.
const OVERHEAD: usize = 96;

/// A line of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[non_exhaustive]
pub struct LogLine {
    /// Its number: from 1, over all plugins.
    pub seq: u64,
    /// When it was written.
    #[serde(with = "timestamp")]
    #[schema(value_type = String, format = DateTime)]
    pub at: SystemTime,
    /// `ERROR`, `WARN`, `INFO`, `DEBUG` or `TRACE`.
    pub level: Cow<'static, str>,
    /// Who wrote it; `plugbay::plugin` is a plugin.
    pub target: String,
    /// The name of the plugin that it is about, if it is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub plugin: Option<String>,
    /// The message, at most 4 KiB of it.
    pub message: String,
    /// The other fields as `name=value`, at most 4 KiB of them.
    pub fields: String,
}

/// Keeps the latest lines of the log. Each clone keeps the same ones.
///
/// There are at most 500 lines of each plugin, and 8 MiB of all.
#[derive(Clone, Debug, Default)]
pub struct LogTail(Arc<Mutex<Lines>>);

#[derive(Debug, Default)]
struct Lines {
    latest: u64,
    bytes: usize,
    /// By plugin; those that are about none have an empty name.
    rings: HashMap<String, Ring>,
}

#[derive(Debug, Default)]
struct Ring {
    lines: VecDeque<LogLine>,
    bytes: usize,
}

impl LogTail {
    /// Keeps a line, and numbers it.
    pub(super) fn push(&self, mut line: LogLine) {
        let mut lines = self.lock();
        lines.latest += 1;
        line.seq = lines.latest;
        let bytes = size(&line);
        let name = line.plugin.clone().unwrap_or_default();
        let ring = lines.rings.entry(name).or_default();
        let lost = if ring.lines.len() == MAX_LINES { ring.pop() } else { 0 };
        ring.lines.push_back(line);
        ring.bytes += bytes;
        lines.bytes = lines.bytes + bytes - lost;
        lines.trim();
    }

    /// The oldest lines after number `after`: those about `plugin`, or all. At most `limit`. If `after` is not given,
    /// the latest lines.
    #[must_use]
    pub fn read(&self, plugin: Option<&str>, after: Option<u64>, limit: usize) -> Vec<LogLine> {
        let lines = self.lock();
        let is_newer = |line: &&LogLine| after.is_none_or(|after| line.seq > after);
        let mut found: Vec<&LogLine> = match plugin {
            Some(plugin) => {
                let ring = lines.rings.get(plugin);
                ring.into_iter().flat_map(|ring| &ring.lines).filter(is_newer).collect()
            }
            None => lines.rings.values().flat_map(|ring| &ring.lines).filter(is_newer).collect(),
        };
        found.sort_unstable_by_key(|line| line.seq);
        let skipped = if after.is_none() { found.len().saturating_sub(limit) } else { 0 };
        found.into_iter().skip(skipped).take(limit).cloned().collect()
    }

    /// The number of the latest line of all.
    #[must_use]
    pub fn latest(&self) -> u64 {
        self.lock().latest
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        // A panic while the lock is held leaves at worst a count of bytes that is too large.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Lines {
    /// Removes lines until the rest fits.
    fn trim(&mut self) {
        while self.bytes > MAX_BYTES {
            let Some((name, ring)) = self.rings.iter_mut().max_by_key(|(_, ring)| ring.bytes)
            else {
                return;
            };
            self.bytes -= ring.pop();
            if ring.lines.is_empty() {
                let name = name.clone();
                self.rings.remove(&name);
            }
        }
    }
}

impl Ring {
    /// Removes the oldest line, and returns its size.
    fn pop(&mut self) -> usize {
        let bytes = self.lines.pop_front().map_or(self.bytes, |line| size(&line));
        self.bytes -= bytes;
        bytes
    }
}

fn size(line: &LogLine) -> usize {
    // Most lines are about a plugin, whose name is kept twice.
    let name = line.plugin.as_ref().map_or(0, String::len);
    OVERHEAD + line.target.len() + line.message.len() + line.fields.len() + 2 * name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(plugin: Option<&str>, message: String) -> LogLine {
        LogLine {
            seq: 0,
            at: SystemTime::UNIX_EPOCH,
            level: "INFO".into(),
            target: "t".into(),
            plugin: plugin.map(str::to_owned),
            message,
            fields: String::new(),
        }
    }

    fn numbers(lines: &[LogLine]) -> Vec<u64> {
        lines.iter().map(|line| line.seq).collect()
    }

    #[test]
    fn lines_are_read_by_plugin_and_number() {
        let tail = LogTail::default();
        for plugin in [Some("a"), None, Some("b"), Some("a"), Some("a")] {
            tail.push(line(plugin, "m".into()));
        }
        assert_eq!(numbers(&tail.read(Some("a"), None, 10)), [1, 4, 5]);
        assert_eq!(numbers(&tail.read(Some("a"), None, 2)), [4, 5], "the latest");
        assert_eq!(numbers(&tail.read(Some("a"), Some(0), 2)), [1, 4], "the oldest after it");
        assert_eq!(numbers(&tail.read(None, Some(1), 10)), [2, 3, 4, 5]);
        assert_eq!(numbers(&tail.read(Some("c"), None, 10)), [0; 0]);
        assert_eq!(tail.latest(), 5);
    }

    #[test]
    fn a_plugin_that_logs_much_loses_only_its_own_lines() {
        let tail = LogTail::default();
        tail.push(line(Some("quiet"), "kept".into()));
        for _ in 0..2 * MAX_LINES {
            tail.push(line(Some("loud"), "m".into()));
        }
        assert_eq!(tail.read(Some("loud"), None, usize::MAX).len(), MAX_LINES);
        // Many plugins, each below its own bound.
        for number in 0..2 * MAX_BYTES / MAX_TEXT {
            tail.push(line(Some(&format!("p{}", number % 50)), "x".repeat(MAX_TEXT)));
        }
        let lines = tail.lock();
        let kept: usize = lines.rings.values().flat_map(|ring| &ring.lines).map(size).sum();
        assert_eq!(lines.bytes, kept);
        assert!((MAX_BYTES - 2 * MAX_TEXT..=MAX_BYTES).contains(&kept), "{kept}");
        drop(lines);
        assert_eq!(tail.read(Some("quiet"), None, 1)[0].message, "kept");
    }
}
