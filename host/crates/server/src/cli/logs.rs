//! `logs`

use std::time::Duration;

use axum::http::StatusCode;
use clap::Args;
use plugbay::escaped;
use serde::{Deserialize, Serialize};

use super::failure::{Failure, Outcome};
use super::globals::Globals;
use super::inspect::percent_encode;
use super::retry::Connection;
use super::target::Target;
use super::{print, source};

/// How often a follower asks for further lines.
const EVERY: Duration = Duration::from_millis(500);
/// The most lines of one answer.
const LIMIT: usize = 1000;

/// Shows the latest lines of the running host's log, of all plugins or of one
///
/// The host keeps the lines that its log filter lets through: start it with -v for a line of each request. With --follow
/// the command asks again when the host does not answer, says so, and goes on when it does; it ends after ten minutes
/// without an answer.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay logs
  plugbay logs hello --follow
  plugbay logs --json")]
pub(super) struct Logs {
    /// The name of a plugin
    name: Option<String>,
    /// Waits for further lines until it is interrupted
    #[arg(short, long)]
    follow: bool,
}

/// A part of the log.
#[derive(Deserialize)]
struct LogPart {
    lines: Vec<LogLine>,
    /// The number after which the next part begins.
    after: u64,
}

/// A line of the log.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct LogLine {
    seq: u64,
    at: String,
    level: String,
    target: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    plugin: Option<String>,
    message: String,
    /// `name=value`, separated by blanks.
    pub(super) fields: String,
}

impl LogLine {
    /// The line for people. Foreign text in it is escaped.
    pub(super) fn text(&self) -> String {
        let Self { at, level, target, plugin, message, fields, .. } = self;
        let plugin = plugin.as_ref().map(|plugin| format!(" plugin={plugin}")).unwrap_or_default();
        let fields = if fields.is_empty() { String::new() } else { format!(" {fields}") };
        escaped(format!("{at} {level:>5} {target}: {message}{fields}{plugin}")).into_owned()
    }

    /// Whether it was written for the request with this id.
    pub(super) fn is_of_request(&self, id: &str) -> bool {
        let names = |field: &str| {
            field.strip_prefix("request_id=").is_some_and(|it| it.trim_matches('"') == id)
        };
        self.fields.split(' ').any(names)
    }
}

impl Logs {
    pub(super) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let target = Target::of(globals)?;
        let mut connection = Connection::new(globals.json);
        let mut after = None;
        loop {
            let path = path(self.name.as_deref(), after);
            // The first answer says whether there is such a host.
            let answer = if after.is_none() {
                Some(source::query(&target, &path)?.ok_or_else(|| source::no_host(&target))?)
            } else {
                source::query_again(&target, &path)?
            };
            let Some(answer) = answer else {
                wait(connection.lost(&target)?);
                continue;
            };
            connection.answered()?;
            let part: LogPart = source::read(answer)?;
            for line in &part.lines {
                if globals.json {
                    print::line(&serde_json::to_string(line)?)?;
                } else {
                    print::line(&line.text())?;
                }
            }
            if !self.follow {
                return Ok(Outcome::Done);
            }
            // A host that was started again counts from 1.
            let is_new = after.is_some_and(|after| part.after < after);
            if is_new {
                connection.say("the host was started again")?;
            }
            after = Some(if is_new { 0 } else { part.after });
            if part.lines.is_empty() && !is_new {
                wait(EVERY);
            }
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "the pause between two questions")]
fn wait(pause: Duration) {
    std::thread::sleep(pause);
}

/// The latest lines; none of a program that keeps none.
pub(super) fn read_if_kept(target: &Target) -> Result<Vec<LogLine>, Failure> {
    let answer = source::query(target, &path(None, None))?;
    let answer = answer.ok_or_else(|| source::no_host(target))?;
    if answer.0 == StatusCode::NOT_FOUND {
        return Ok(Vec::new());
    }
    let LogPart { lines, .. } = source::read(answer)?;
    Ok(lines)
}

fn path(plugin: Option<&str>, after: Option<u64>) -> String {
    let plugin = plugin.map(|name| format!("&plugin={}", percent_encode(name))).unwrap_or_default();
    let after = after.map(|after| format!("&after={after}")).unwrap_or_default();
    format!("/v1/logs?limit={LIMIT}{plugin}{after}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_shows_its_fields_and_knows_its_request() {
        let line: LogLine = serde_json::from_value(serde_json::json!({
            "seq": 3, "at": "2026-01-31T12:00:00.123Z", "level": "INFO", "target": "plugbay_server::request",
            "plugin": "hello", "message": "answered\u{1b}", "fields": "status=200 request_id=\"a-1\"",
        }))
        .unwrap();
        let text = line.text();
        assert!(
            text.contains(" INFO plugbay_server::request: answered\\u{1b} status=200"),
            "{text}"
        );
        assert!(text.ends_with("plugin=hello"), "{text}");
        assert!(line.is_of_request("a-1") && !line.is_of_request("a"));
    }
}
