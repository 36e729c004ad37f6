//! Files of vectors.
//!
//! Two layouts: one case per line (`input ⇒ expected`), and blocks for formats of many lines
//! (`=== name`, the lines, `⇒ expected`). Lines that begin with `#` and empty lines between
//! cases are comments. `⟦0A⟧` stands for a byte, `⟦5B*128⟧` for as many of them, `⟦-⟧` at the
//! end of a block for no line break there.

use std::fmt;

use plugbay_sdk::{Error, Kind, Result};

/// One case.
pub struct Case {
    /// Its name, or the line that it stands on.
    pub name: String,
    /// What is read.
    pub input: Vec<u8>,
    /// What is expected: the columns after the input.
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
/// If an escape is none.
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

/// The bytes of hexadecimal digits, spaces ignored; `⟦81*128⟧` is 128 times `81`.
///
/// # Panics
///
/// If there is anything else.
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

/// Checks every case, and fails with a list of all that went wrong.
///
/// # Panics
///
/// If any went wrong, or if there are fewer than `least` cases.
pub fn check(cases: &[Case], least: usize, check: impl Fn(&Case) -> Result<(), String>) {
    assert!(cases.len() >= least, "{} cases, expected at least {least}", cases.len());
    let wrong: Vec<String> =
        cases.iter().filter_map(|case| Some(format!("{case}: {}", check(case).err()?))).collect();
    assert!(wrong.is_empty(), "{} of {} wrong:\n{}", wrong.len(), cases.len(), wrong.join("\n"));
}

/// Says what is wrong if `found` is not the first expected column.
pub fn same(case: &Case, found: &str) -> Result<(), String> {
    let expected = case.expected.first().map_or("", String::as_str);
    if found == expected {
        Ok(())
    } else {
        Err(format!("\n  expected {expected}\n  found    {found}"))
    }
}

/// Says what is wrong if `result` is not an error whose message has the expected part, or if the
/// plugin blames itself for it.
pub fn refused<T: fmt::Debug>(case: &Case, result: Result<T>) -> Result<(), String> {
    let part = case.expected.first().map_or("", String::as_str);
    match result {
        Ok(found) => Err(format!("accepted as {found:?}")),
        Err(error) if !error.message().contains(part) => {
            Err(format!("\n  expected {part}\n  found    {error}"))
        }
        Err(error) => match error.kind() {
            None | Some(Kind::InvalidInput | Kind::Unsupported) => Ok(()),
            Some(kind) => Err(format!("expected the input to be blamed, found {kind:?}")),
        },
    }
}

/// The message of an error, short enough for a table.
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
