//! Collecting problems while reading goes on.

use super::error::{ConfigError, Origin, Problem, ProblemKind};
use super::secret;
use super::tree::{FILE, Place, Sources, locate};

/// A file of noise must not flood the terminal, nor cost a scan of the file for each mistake.
const KEPT: usize = 100;

pub(super) struct Report<'s> {
    sources: &'s Sources,
    problems: Vec<Problem>,
    omitted: usize,
    file_is_done: bool,
}

impl<'s> Report<'s> {
    pub(super) fn new(sources: &'s Sources) -> Report<'s> {
        Report { sources, problems: Vec::new(), omitted: 0, file_is_done: false }
    }

    /// The file is read alone and again under its layers: whether what it says is reported already.
    pub(super) fn file_is_done(&mut self, done: bool) {
        self.file_is_done = done;
    }

    pub(super) fn sources(&self) -> &'s Sources {
        self.sources
    }

    pub(super) fn unknown_key(
        &mut self,
        at: &Place,
        key: &str,
        message: String,
        hint: Option<String>,
    ) {
        self.add(ProblemKind::UnknownKey, at, key, message, hint);
    }

    pub(super) fn wrong_type(
        &mut self,
        at: &Place,
        key: &str,
        message: String,
        hint: Option<String>,
    ) {
        self.add(ProblemKind::Type, at, key, message, hint);
    }

    pub(super) fn value(&mut self, at: &Place, key: &str, message: String, hint: Option<String>) {
        self.add(ProblemKind::Value, at, key, message, hint);
    }

    /// `key` may be empty: no key is concerned.
    pub(super) fn add(
        &mut self,
        kind: ProblemKind,
        at: &Place,
        key: &str,
        message: String,
        hint: Option<String>,
    ) {
        if self.file_is_done && at.source == FILE {
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
        if matches!(source.origin, Origin::File(_)) {
            let (line, column, excerpt) = locate(&source.text, at.span.clone());
            problem.line = Some(line);
            problem.column = Some(column);
            problem.excerpt = excerpt.filter(|_| !secret::is_hidden(key));
        }
        self.problems.push(problem);
    }

    /// # Errors
    /// When anything was reported.
    pub(super) fn finish(mut self) -> Result<(), ConfigError> {
        if self.problems.is_empty() {
            return Ok(());
        }
        self.problems.sort_by_key(|problem| (layer(&problem.origin), problem.line, problem.column));
        Err(ConfigError { problems: self.problems, omitted: self.omitted })
    }
}

fn layer(origin: &Origin) -> u8 {
    match origin {
        Origin::Default => 0,
        Origin::File(_) => 1,
        Origin::Environment(_) => 2,
        Origin::Flag(_) => 3,
    }
}
