//! `explain`

use std::fmt::Write as _;

use clap::Args;
use plugbay::escaped;
use serde::Serialize;

use crate::cli::failure::{Failure, Outcome};
use crate::cli::globals::Globals;
use crate::cli::print;

/// The pages whose tables explain the reasons: the one place where that is written.
const PAGES: [&str; 3] = [
    include_str!("../../../../../../docs/operating.md"),
    include_str!("../../../../../../docs/writing-a-plugin.md"),
    include_str!("../../../../../../docs/embedding.md"),
];

/// Says what a reason means, and what to do
///
/// Reasons are the stable words of refusals, failed calls, answers over HTTP, events and failed builds. Without one,
/// it lists them all.
#[derive(Args)]
#[command(after_help = "Examples:
  plugbay explain missing-import
  plugbay explain                       the list of all reasons")]
pub(in crate::cli) struct Explain {
    /// The reason, as a log, an event or an error names it
    reason: Option<String>,
}

/// A row of a table of reasons.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Row {
    reason: String,
    /// Of what it is a reason: the heading of its table.
    of: String,
    /// The cells after the first, each with the head of its column.
    says: Vec<(String, String)>,
}

impl Explain {
    pub(in crate::cli) fn run(&self, globals: &Globals) -> Result<Outcome, Failure> {
        let rows = rows();
        let found: Vec<&Row> = match &self.reason {
            Some(reason) => rows.iter().filter(|row| row.reason == *reason).collect(),
            None => rows.iter().collect(),
        };
        if let (Some(reason), true) = (&self.reason, found.is_empty()) {
            let hint = nearest(reason, &rows)
                .map_or_else(String::new, |near| format!("did you mean {near}? "));
            return Err(Failure::usage(format!("expected a reason, found {reason:?}"))
                .hint(format!("{hint}`plugbay explain` lists them all")));
        }
        if globals.json {
            print::json(&found)?;
        } else if self.reason.is_some() {
            for row in found {
                print::line(&print::lines(&text(row)))?;
            }
        } else {
            let cells = found.iter().map(|row| vec![row.reason.clone(), row.of.clone()]);
            print::line(&print::table(&["reason", "of"], cells.collect()))?;
        }
        Ok(Outcome::Done)
    }
}

fn text(row: &Row) -> String {
    let mut text = format!("{} ({})\n", row.reason, row.of);
    for (head, cell) in &row.says {
        let _ = writeln!(text, "  {head}: {cell}");
    }
    escaped_lines(text.trim_end())
}

fn escaped_lines(text: &str) -> String {
    text.lines().map(escaped).collect::<Vec<_>>().join("\n")
}

/// The rows of all tables whose first column is `reason`, `code` or `event`.
fn rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for page in PAGES {
        let (mut heading, mut heads): (&str, Vec<&str>) = ("", Vec::new());
        for line in page.lines() {
            if let Some(title) = line.strip_prefix('#') {
                heading = title.trim_start_matches('#').trim();
            }
            let Some(cells) = cells(line) else {
                heads.clear();
                continue;
            };
            if heads.is_empty() {
                heads = cells;
            } else if matches!(heads.first(), Some(&("reason" | "`code`" | "code" | "event"))) {
                rows.extend(rows_of(heading, &heads, &cells));
            }
        }
    }
    rows
}

/// The cells of a line of a table.
fn cells(line: &str) -> Option<Vec<&str>> {
    let inner = line.strip_prefix('|')?.strip_suffix('|')?;
    Some(inner.split(" | ").map(str::trim).collect())
}

/// A row for each reason that the first cell names.
fn rows_of(heading: &str, heads: &[&str], cells: &[&str]) -> Vec<Row> {
    let Some((first, rest)) = cells.split_first() else { return Vec::new() };
    let reasons = first.split(", ").filter_map(|it| it.strip_prefix('`')?.strip_suffix('`'));
    let says = heads.iter().skip(1).zip(rest).filter(|(_, cell)| !cell.is_empty());
    let says: Vec<_> = says.map(|(head, cell)| (plain(head), plain(cell))).collect();
    let row = |reason: &str| Row {
        reason: reason.to_owned(),
        of: heading.to_owned(),
        says: says.clone(),
    };
    reasons.map(row).collect()
}

/// Markdown as text: links lose their targets, code its marks.
fn plain(cell: &str) -> String {
    let mut text = String::new();
    let mut rest = cell;
    while let Some((before, after)) = rest.split_once("](") {
        let (start, label) = before.rsplit_once('[').unwrap_or((before, ""));
        text.push_str(start);
        text.push_str(label);
        rest = after.split_once(')').map_or("", |(_, rest)| rest);
    }
    text.push_str(rest);
    text.replace('`', "").replace("\\|", "|")
}

/// The reason that is spelt most like this word.
fn nearest<'a>(word: &str, rows: &'a [Row]) -> Option<&'a str> {
    let distance = |reason: &&str| strsim::osa_distance(word, reason);
    let reasons = rows.iter().map(|row| row.reason.as_str());
    reasons.min_by_key(distance).filter(|reason| distance(reason) <= 2)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;

    /// The files whose `reason()` is a stable word, and how many words each has at least.
    const SOURCES: [(&str, usize); 10] = [
        ("host/crates/core/src/refusal.rs", 30),
        ("host/crates/core/src/call.rs", 15),
        ("host/src/report/outcome.rs", 20),
        ("host/crates/toolchain/src/error.rs", 10),
        ("host/crates/scaffold/src/files.rs", 5),
        ("host/crates/core/src/notice.rs", 5),
        ("host/src/call/error.rs", 2),
        ("host/src/config/problem/error.rs", 5),
        ("host/src/control/action.rs", 3),
        ("host/src/control/rollback.rs", 3),
    ];

    #[test]
    fn every_reason_of_the_code_is_explained() {
        let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../.."));
        let explained: BTreeSet<String> = rows().into_iter().map(|row| row.reason).collect();
        let mut missing = Vec::new();
        for (source, at_least) in SOURCES {
            let code = fs::read_to_string(root.join(source)).unwrap();
            let code = code.split("#[cfg(test)]").next().unwrap();
            let words = code.lines().filter_map(|line| {
                let (case, word) = line.trim().split_once(" => \"")?;
                let word = word.strip_suffix("\",")?;
                let is_word = word.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
                (case.contains("::") && is_word).then(|| word.to_owned())
            });
            let words: Vec<String> = words.collect();
            assert!(words.len() >= at_least, "{source}: found {words:?}");
            let unexplained = words.into_iter().filter(|word| !explained.contains(word));
            missing.extend(unexplained.map(|word| format!("{source}: {word}")));
        }
        assert!(missing.is_empty(), "no row of a table in docs: {missing:#?}");
    }

    #[test]
    fn each_meaning_of_a_word_is_said() {
        let rows = rows();
        let of = |reason: &str| rows.iter().filter(|row| row.reason == reason).count();
        assert_eq!(of("missing-import"), 1);
        assert_eq!(of("unhealthy"), 3, "a refusal, a failed call, an event");
        assert_eq!(of("operator-drain"), 1);
        assert_eq!(of("memory"), 1, "the limit of that name is no reason");
    }

    #[test]
    fn markdown_becomes_text() {
        assert_eq!(plain("build it with [`wit/`](../wit), or `x`"), "build it with wit/, or x");
        assert_eq!(nearest("mising-import", &rows()), Some("missing-import"));
        assert_eq!(nearest("zzzzzzzz", &rows()), None);
    }
}
