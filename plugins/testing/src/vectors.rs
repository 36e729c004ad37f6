//! Reads files of test vectors.
//!
//! There are two layouts: one case on a line (`input ⇒ expected`), and blocks for formats with
//! several lines (`=== name`, the lines, `⇒ expected`). Lines that begin with `#` and empty lines
//! between cases are comments. `⟦0A⟧` is a byte, `⟦5B*128⟧` is the byte 128 times, `⟦-⟧` at the end
//! of a block says that its last line has no line break.

use std::fmt;

use plugbay_sdk::{Error, ErrorKind, Result};

/// A case of a file.
pub struct Case {
    /// The name, or the number of the line.
    pub name: String,
    /// The input of the codec.
    pub input: Vec<u8>,
    /// The expected result: the columns after the input.
    pub expected: Vec<String>,
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.name, String::from_utf8_lossy(&self.input))
    }
}

/// The cases of a file with one case per line.
///
/// # Panics
///
/// If an escape is not valid.
pub fn lines(file: &str) -> Vec<Case> {
    let numbered = file.lines().zip(1..);
    numbered
        .filter(|(line, _)| !line.is_empty() && !line.starts_with("# ") && *line != "#")
        .map(|(line, number)| {
            let mut columns = line.split(" ⇒ ");
            Case {
                name: format!("line {number}"),
                input: unescape(columns.next().expect("an input")),
                expected: columns.map(expand).collect(),
            }
        })
        .collect()
}

/// The cases of a file of blocks.
///
/// # Panics
///
/// If a block has no `⇒`.
pub fn blocks(file: &str) -> Vec<Case> {
    let body = file.split_once("\n=== ").expect("a first block").1;
    body.split("\n=== ")
        .map(|block| {
            let (name, rest) = block.split_once('\n').expect("a name");
            let rest = format!("\n{rest}");
            let (input, expected) =
                rest.rsplit_once("\n⇒").unwrap_or_else(|| panic!("{name}: no ⇒"));
            let input = format!("{input}\n");
            let input = input.strip_prefix('\n').expect("put there");
            let input = input.strip_suffix("⟦-⟧\n").unwrap_or(input);
            Case {
                name: name.to_owned(),
                input: unescape(input),
                expected: vec![expand(expected.trim_start_matches('!').trim())],
            }
        })
        .collect()
}

/// The cases of a file with one case per line whose first and third columns are hexadecimal.
pub fn hex_lines(file: &str) -> Vec<Case> {
    let numbered =
        file.lines().zip(1..).filter(|(line, _)| !line.is_empty() && !line.starts_with('#'));
    numbered
        .map(|(line, number)| {
            let columns: Vec<&str> = line.split(" ⇒ ").collect();
            let expected = columns.iter().enumerate().skip(1).map(|(index, column)| match index {
                2 if *column != "=" => data_encoding::HEXLOWER.encode(&from_hex(column)),
                _ => expand(column),
            });
            Case {
                name: format!("line {number}"),
                input: from_hex(columns[0]),
                expected: expected.collect(),
            }
        })
        .collect()
}

/// The bytes of hexadecimal digits; spaces are ignored, and `⟦81*128⟧` is 128 times `81`.
///
/// # Panics
///
/// If the text has other characters.
pub fn from_hex(text: &str) -> Vec<u8> {
    let mut digits = String::new();
    for part in text.split_inclusive('⟧') {
        let (before, repeated) = part.split_once('⟦').unwrap_or((part, ""));
        digits.push_str(before);
        let (unit, times) = repeated.trim_end_matches('⟧').split_once('*').unwrap_or(("", "0"));
        digits += &unit.repeat(times.parse().expect("a number"));
    }
    digits.retain(|c| !c.is_whitespace());
    data_encoding::HEXLOWER_PERMISSIVE.decode(digits.as_bytes()).expect("hexadecimal")
}

/// Checks all cases, and fails with a list of those that failed.
///
/// # Panics
///
/// If a case failed, or if there are fewer than `least` cases.
pub fn check(cases: &[Case], least: usize, check: impl Fn(&Case) -> Result<(), String>) {
    assert!(cases.len() >= least, "expected at least {least} cases, found {}", cases.len());
    let wrong: Vec<String> =
        cases.iter().filter_map(|case| Some(format!("{case}: {}", check(case).err()?))).collect();
    assert!(wrong.is_empty(), "{} of {} failed:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// An error unless `found` is the first expected column.
pub fn same(case: &Case, found: &str) -> Result<(), String> {
    let expected = case.expected.first().map_or("", String::as_str);
    if found == expected {
        Ok(())
    } else {
        Err(format!("\n  expected {expected}\n  found    {found}"))
    }
}

/// An error unless `result` is an error whose message has the expected part, and whose kind says that
/// the input is wrong.
pub fn refused<T: fmt::Debug>(case: &Case, result: Result<T>) -> Result<(), String> {
    let part = case.expected.first().map_or("", String::as_str);
    match result {
        Ok(found) => Err(format!("accepted as {found:?}")),
        Err(error) if !error.message().contains(part) => {
            Err(format!("\n  expected {part}\n  found    {error}"))
        }
        Err(error) => match error.kind() {
            None | Some(ErrorKind::InvalidInput | ErrorKind::Unsupported) => Ok(()),
            Some(kind) => Err(format!("expected an error of the input, found one of {kind:?}")),
        },
    }
}

/// The message of an error, cut for a table.
pub fn message(error: &Error) -> String {
    error.message().chars().take(160).collect()
}

fn expand(text: &str) -> String {
    String::from_utf8(unescape(text)).expect("utf-8")
}

fn unescape(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = text;
    while let Some((before, escape)) = rest.split_once('⟦') {
        let (escape, after) = escape.split_once('⟧').expect("a closing bracket");
        let (digits, times) = escape.split_once('*').unwrap_or((escape, "1"));
        bytes.extend_from_slice(before.as_bytes());
        bytes.extend(from_hex(digits).repeat(times.parse().expect("a number")));
        rest = after;
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}
