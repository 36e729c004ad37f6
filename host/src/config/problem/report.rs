//! Collects problems while reading goes on.

use std::ops::Range;

use super::error::{ConfigError, ConfigSource, Excerpt, Problem, ProblemKind};
use super::source::{FILE, Place, Sources};
use super::{render, secret};

/// The most problems that are kept: a file full of mistakes must not flood the terminal, nor cost a
/// scan of the file for each mistake.
const KEPT: usize = 100;

pub(crate) struct Report<'s> {
    sources: &'s Sources,
    problems: Vec<Problem>,
    omitted: usize,
    set_file_done: bool,
}

impl<'s> Report<'s> {
    pub(crate) fn new(sources: &'s Sources) -> Report<'s> {
        Report { sources, problems: Vec::new(), omitted: 0, set_file_done: false }
    }

    /// Sets whether the problems of the file are reported already. The file is read twice: alone,
    /// and with its layers.
    pub(crate) fn set_file_done(&mut self, done: bool) {
        self.set_file_done = done;
    }

    pub(crate) fn sources(&self) -> &'s Sources {
        self.sources
    }

    pub(crate) fn unknown_key(
        &mut self,
        at: &Place,
        key: &str,
        message: String,
        hint: Option<String>,
    ) {
        self.add(ProblemKind::UnknownKey, at, key, message, hint);
    }

    pub(crate) fn wrong_type(
        &mut self,
        at: &Place,
        key: &str,
        message: String,
        hint: Option<String>,
    ) {
        self.add(ProblemKind::Type, at, key, message, hint);
    }

    pub(crate) fn value(&mut self, at: &Place, key: &str, message: String, hint: Option<String>) {
        self.add(ProblemKind::Value, at, key, message, hint);
    }

    /// Adds a problem. `key` may be empty if no key is concerned.
    pub(crate) fn add(
        &mut self,
        kind: ProblemKind,
        at: &Place,
        key: &str,
        message: String,
        hint: Option<String>,
    ) {
        if self.set_file_done && at.source == FILE {
            return;
        }
        if self.problems.len() == KEPT {
            self.omitted += 1;
            return;
        }
        let source = &self.sources.0[at.source];
        let mut problem = Problem {
            kind,
            origin: source.origin.clone(),
            line: None,
            column: None,
            key: (!key.is_empty()).then(|| key.to_owned()),
            message,
            hint,
            excerpt: None,
        };
        if matches!(source.origin, ConfigSource::File(_)) {
            let (line, column, excerpt) = locate(&source.text, at.span.clone());
            problem.line = Some(line);
            problem.column = Some(column);
            problem.excerpt = excerpt.filter(|_| !secret::is_hidden(key));
        }
        self.problems.push(problem);
    }

    /// # Errors
    /// If any problem was reported.
    pub(crate) fn finish(mut self) -> Result<(), ConfigError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort_by_key(|problem| (layer(&problem.origin), problem.line, problem.column));
        Err(ConfigError { problems: self.problems, omitted: self.omitted })
    }
}

fn layer(origin: &ConfigSource) -> u8 {
    match origin {
        ConfigSource::Default => 0,
        ConfigSource::File(_) => 1,
        ConfigSource::Environment(_) => 2,
        ConfigSource::Flag(_) => 3,
    }
}

/// The longest line, in bytes, of which an excerpt is shown.
const SHOWN_LINE: usize = 64 << 10;

/// Line and column (from 1, in characters) of the beginning of a span, and its line.
pub(crate) fn locate(text: &str, span: Range<usize>) -> (usize, usize, Option<Excerpt>) {
    let start = text.floor_char_boundary(span.start.min(text.len()));
    let end = text.floor_char_boundary(span.end.clamp(start, text.len()));
    let before = &text[..start];
    let line_start = before.rfind('\n').map_or(0, |at| at + 1);
    let line_end = text[start..].find('\n').map_or(text.len(), |at| start + at);
    let line = 1 + before.matches('\n').count();
    let column = 1 + text[line_start..start].chars().count();
    let width = text[start..end.min(line_end)].chars().count();
    let line_text = &text[line_start..line_end];
    let shown = line_text.len() <= SHOWN_LINE && !secret::in_hidden_table(&text[..line_start]);
    let excerpt = shown.then(|| render::excerpt(line_text, column, width));
    (line, column, excerpt)
}
