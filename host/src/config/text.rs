//! Reads the text of the configuration file.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

use super::file::{Stamp, regular};
use super::problem::error::{ConfigError, ConfigSource, Problem, ProblemKind};
use super::problem::report::locate;

/// The largest configuration file, in bytes.
const LARGEST: u64 = 4 << 20;
/// How often a file is read again that changes while it is read.
const MAX_READS: u32 = 5;

/// A configuration file, as it was at one moment.
pub(crate) struct FileText {
    /// `None` if there is no file, or its metadata cannot be read.
    pub(crate) stamp: Option<Stamp>,
    pub(crate) text: Result<String, ConfigError>,
}

/// Reads a configuration file, which must be a regular file: nothing else is opened.
pub(crate) fn read(path: &Path) -> FileText {
    for _ in 1..MAX_READS {
        if let Some(read) = try_read(path) {
            return read;
        }
    }
    try_read(path).unwrap_or_else(|| {
        let problem = Problem {
            message:
                "expected a file that does not change, found that it changed while it was read"
                    .to_owned(),
            hint: Some("try again once it is written".to_owned()),
            ..io_problem(path)
        };
        FileText { stamp: stamp(path), text: Err(problem.into()) }
    })
}

fn stamp(path: &Path) -> Option<Stamp> {
    fs::metadata(path).ok().map(|metadata| Stamp::of(&metadata))
}

/// `None` if the file changed while it was read.
fn try_read(path: &Path) -> Option<FileText> {
    let failed = |problem: Problem| FileText { stamp: stamp(path), text: Err(problem.into()) };
    match regular(path) {
        Ok(Ok(_)) => {}
        Ok(Err(found)) => return Some(failed(no_file(path, found))),
        Err(error) => return Some(failed(unreadable(path, &error))),
    }
    let read = || {
        let file = File::open(path)?;
        let before = Stamp::of(&file.metadata()?);
        let mut bytes = Vec::new();
        file.take(LARGEST + 1).read_to_end(&mut bytes)?;
        // The name may lead to another file by now.
        let after = Stamp::of(&fs::metadata(path)?);
        Ok((before == after).then_some((before, bytes)))
    };
    let (stamp, bytes) = match read() {
        Ok(read) => read?,
        Err(error) => return Some(failed(unreadable(path, &error))),
    };
    let text = if bytes.len() as u64 > LARGEST {
        let found = io::Error::other(format!("expected at most {LARGEST} bytes, found more"));
        Err(unreadable(path, &found).into())
    } else {
        String::from_utf8(bytes).map_err(|error| not_text(path, &error).into())
    };
    Some(FileText { stamp: Some(stamp), text })
}

fn no_file(path: &Path, found: &str) -> Problem {
    Problem {
        message: format!("expected a file, found {found}"),
        hint: Some("name a regular file, or a link to one".to_owned()),
        ..io_problem(path)
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Problem {
    let hint = match error.kind() {
        io::ErrorKind::NotFound => "create the file, or name another one",
        io::ErrorKind::PermissionDenied => "let the user that runs plugbay read the file",
        _ => "name a readable file",
    };
    Problem {
        message: format!("expected a readable file, found: {error}"),
        hint: Some(hint.to_owned()),
        ..io_problem(path)
    }
}

fn not_text(path: &Path, error: &std::string::FromUtf8Error) -> Problem {
    let text = String::from_utf8_lossy(error.as_bytes());
    let at = error.utf8_error().valid_up_to();
    let (line, column, excerpt) = locate(&text, at..at + 1);
    Problem {
        kind: ProblemKind::Syntax,
        line: Some(line),
        column: Some(column),
        message: "expected UTF-8 text, found another byte".to_owned(),
        hint: Some("save the file as UTF-8".to_owned()),
        excerpt,
        ..io_problem(path)
    }
}

fn io_problem(path: &Path) -> Problem {
    Problem {
        kind: ProblemKind::Io,
        origin: ConfigSource::File(path.to_owned()),
        line: None,
        column: None,
        key: None,
        message: String::new(),
        hint: None,
        excerpt: None,
    }
}
