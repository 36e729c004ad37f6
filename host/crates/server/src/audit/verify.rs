//! Verifies the chain of an audit log.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::line::{FIRST, Line, MAX_LINE, Phase, hash};

/// Why a file cannot be verified.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub struct VerifyError {
    path: PathBuf,
    source: io::Error,
}

/// What a file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verified {
    /// The lines up to the one that breaks, or all.
    pub lines: u64,
    /// How many of them a crash has torn; each is followed by a line that says so.
    pub torn: u64,
    /// The hash of the last line of the file before, if this one continues it.
    pub continues: Option<String>,
    /// The hash of the last good line. To notice that the end of a log was removed, keep it elsewhere.
    pub last: String,
    /// The first line that breaks.
    pub broken: Option<Broken>,
}

/// A line that does not follow from the one before.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Broken {
    /// Its number in the file, from 1.
    pub line: u64,
    /// What was expected and found.
    pub why: String,
}

/// Verifies a file. Takes one line at a time into memory.
///
/// # Errors
///
/// If it cannot be read.
pub fn verify(path: &Path) -> Result<Verified, VerifyError> {
    let failed = |source| VerifyError { path: path.to_owned(), source };
    let mut reader = BufReader::new(File::open(path).map_err(failed)?);
    let last = FIRST.to_owned();
    let mut verified = Verified { lines: 0, torn: 0, continues: None, last, broken: None };
    let (mut seq, mut torn) = (0, None);
    loop {
        let mut line = Vec::new();
        let bounded = (&mut reader).take(MAX_LINE as u64 + 1);
        if { bounded }.read_until(b'\n', &mut line).map_err(failed)? == 0 {
            break;
        }
        let number = verified.lines + 1;
        let line = line.strip_suffix(b"\n").unwrap_or(&line);
        match follows(line, seq, &verified.last, number == 1) {
            Ok(found) => {
                if matches!(found.phase, Phase::Torn) {
                    torn = None;
                    verified.torn += 1;
                }
                if torn.is_some() {
                    break;
                }
                if matches!(found.phase, Phase::Continued) {
                    verified.continues = Some(found.prev);
                }
                seq = found.seq;
            }
            // Good only if the next line says that it is torn.
            Err(why) if torn.is_none() && serde_json::from_slice::<Line>(line).is_err() => {
                torn = Some(Broken { line: number, why });
            }
            Err(why) => {
                verified.broken = torn.take().or(Some(Broken { line: number, why }));
                return Ok(verified);
            }
        }
        verified.lines = number;
        verified.last = hash(line);
    }
    verified.broken = torn;
    Ok(verified)
}

/// Checks one line against the one before.
fn follows(line: &[u8], seq: u64, prev: &str, is_first: bool) -> Result<Line, String> {
    let found: Line = serde_json::from_slice(line)
        .map_err(|error| format!("expected a line of an audit log, found another one: {error}"))?;
    if is_first && matches!(found.phase, Phase::Continued) {
        return Ok(found);
    }
    if found.prev != prev {
        return Err(format!("expected the hash {prev} of the line before, found another one"));
    }
    if found.seq != seq + 1 {
        return Err(format!("expected number {}, found {}", seq + 1, found.seq));
    }
    Ok(found)
}
