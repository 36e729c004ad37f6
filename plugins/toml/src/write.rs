//! Converts documents to TOML, one item after the other: for each table first its values, then its
//! tables under their headers.
//!
//! A header contains the whole path to its table. The total length of these paths is limited in
//! proportion to the document; beyond the limit, tables are written inline.

use std::fmt::Write as _;

use plugbay_sdk::document::cbor::{Reader, Token};
use plugbay_sdk::document::{Path, reserve};
use plugbay_sdk::{Document, Error, Result, bail};

use crate::{IntegerKeys, date};

pub(crate) fn write(document: &Document, integer_keys: IntegerKeys) -> Result<Vec<u8>> {
    let cbor = document.as_cbor();
    let mut reader = Reader::new(cbor);
    let left = match reader.next_token()? {
        Token::Map(left) => left,
        found => bail!(unsupported, "expected a map for TOML, found {found} at the document"),
    };
    let mut toml = Toml {
        out: Vec::with_capacity(cbor.len() + cbor.len() / 4 + 16),
        path: Vec::new(),
        header_bytes: 2 * cbor.len() + (4 << 20),
        integer_keys,
    };
    reader.enter()?;
    toml.write_table(&mut reader, left, Path::Root, None)?;
    reader.finish()?;
    Ok(toml.out)
}

struct Toml {
    out: Vec<u8>,
    /// The path to the current table, as in its header.
    path: Vec<u8>,
    /// How many bytes of headers may still be written.
    header_bytes: usize,
    integer_keys: IntegerKeys,
}

/// The form in which a pair of a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `key = value`
    Value,
    /// `[key]`
    Table,
    /// `[[key]]`
    ArrayOfTables,
}

impl Toml {
    /// Writes a map as a table: its header in these brackets, its values, its tables. `reader` has
    /// entered the map, and leaves it.
    fn write_table(
        &mut self,
        reader: &mut Reader<'_>,
        left: Option<usize>,
        path: Path<'_>,
        brackets: Option<(&str, &str)>,
    ) -> Result<()> {
        let start = *reader;
        let (forms, end) = self.choose_forms(start, left, path)?;
        // A table that contains only tables needs no header, because their headers contain its
        // name.
        let needs_header = forms.is_empty() || forms.contains(&Form::Value);
        if let Some((open, close)) = brackets
            && (needs_header || open == "[[")
        {
            self.write_header(open, close);
        }
        if forms.contains(&Form::Value) {
            for form in &forms {
                let name = self.read_key(reader, path, &mut IntegerKeyCheck::default())?;
                if *form != Form::Value {
                    reader.skip()?;
                    continue;
                }
                self.write_key(&name);
                self.put(" = ");
                self.write_value(reader, Path::Key(&path, &name))?;
                self.put("\n");
            }
        }
        *reader = start;
        let last = forms.iter().rposition(|form| *form != Form::Value);
        for form in &forms[..last.map_or(0, |last| last + 1)] {
            let name = self.read_key(reader, path, &mut IntegerKeyCheck::default())?;
            if *form == Form::Value {
                reader.skip()?;
                continue;
            }
            let length = self.path.len();
            if length > 0 {
                self.path.push(b'.');
            }
            write_key(&mut self.path, &name);
            self.write_tables(reader, Path::Key(&path, &name))?;
            self.path.truncate(length);
        }
        *reader = end;
        reader.leave();
        Ok(())
    }

    /// Writes a map, or a list of maps, under headers.
    fn write_tables(&mut self, reader: &mut Reader<'_>, path: Path<'_>) -> Result<()> {
        match reader.next_token()? {
            Token::Array(mut left) => {
                reader.enter()?;
                let mut index = 0;
                while reader.advance(&mut left)? {
                    if let Token::Map(pairs) = reader.next_token()? {
                        reader.enter()?;
                        let path = Path::Index(&path, index);
                        self.write_table(reader, pairs, path, Some(("[[", "]]")))?;
                    }
                    index += 1;
                }
                reader.leave();
                Ok(())
            }
            Token::Map(pairs) => {
                reader.enter()?;
                self.write_table(reader, pairs, path, Some(("[", "]")))
            }
            found => Err(Error::internal(format_args!("expected a map or a list, found {found}"))),
        }
    }

    /// Chooses the form of each pair of a map. Returns the forms, and a reader at the end of the
    /// map.
    fn choose_forms<'a>(
        &mut self,
        mut reader: Reader<'a>,
        mut left: Option<usize>,
        path: Path<'_>,
    ) -> Result<(Vec<Form>, Reader<'a>)> {
        let mut forms = Vec::new();
        let mut keys = IntegerKeyCheck::default();
        while reader.advance(&mut left)? {
            let name = self.read_key(&mut reader, path, &mut keys)?;
            forms.push(self.choose_form(&reader, &name)?);
            reader.skip()?;
        }
        keys.check(path)?;
        Ok((forms, reader))
    }

    fn write_header(&mut self, open: &str, close: &str) {
        if !self.out.is_empty() {
            self.put("\n");
        }
        self.put(open);
        reserve(&mut self.out, self.path.len());
        self.out.extend_from_slice(&self.path);
        self.put(close);
        self.put("\n");
    }

    /// Chooses the form of the next item, the value of the key `name`, and counts its headers
    /// towards the limit.
    fn choose_form(&mut self, reader: &Reader<'_>, name: &str) -> Result<Form> {
        let mut ahead = *reader;
        let (form, count) = match ahead.next_token()? {
            Token::Map(_) => (Form::Table, 1),
            Token::Array(left) => match count_maps(ahead, left)? {
                0 => return Ok(Form::Value),
                count => (Form::ArrayOfTables, count),
            },
            _ => return Ok(Form::Value),
        };
        let length = self.path.len() + name.len() + 6;
        match self.header_bytes.checked_sub(length.saturating_mul(count)) {
            Some(left) => {
                self.header_bytes = left;
                Ok(form)
            }
            None => Ok(Form::Value),
        }
    }

    /// Reads the next key.
    fn read_key<'a>(
        &self,
        reader: &mut Reader<'a>,
        path: Path<'_>,
        keys: &mut IntegerKeyCheck,
    ) -> Result<std::borrow::Cow<'a, str>> {
        let token = reader.next_token()?;
        match (token.as_integer(), token) {
            (Some(integer), _) if self.integer_keys == IntegerKeys::Text => {
                let text = integer.to_string();
                keys.integers.push(text.clone());
                Ok(text.into())
            }
            (_, Token::Text(name)) => {
                if self.integer_keys == IntegerKeys::Text && is_integer(&name) {
                    keys.texts.push(name.as_ref().to_owned());
                }
                Ok(name)
            }
            (_, other) => {
                bail!(unsupported, "TOML cannot hold {other} as a key in {path}")
            }
        }
    }

    fn write_value(&mut self, reader: &mut Reader<'_>, path: Path<'_>) -> Result<()> {
        let token = reader.next_token()?;
        let refuse = |what: &dyn std::fmt::Display| {
            Err(Error::unsupported(format_args!("TOML cannot hold {what} at {path}")))
        };
        match &token {
            Token::Bool(value) => self.put(if *value { "true" } else { "false" }),
            Token::Unsigned(_) | Token::Negative(_) => {
                let value = token.as_integer().and_then(|value| i64::try_from(value).ok());
                let Some(value) = value else { return refuse(&token) };
                self.put(&value.to_string());
            }
            Token::F32(value) => self.write_float((*value).into()),
            Token::F64(value) => self.write_float(*value),
            Token::Text(text) => self.write_text(text),
            Token::Array(left) => {
                reader.enter()?;
                let (mut left, mut index) = (*left, 0);
                self.put("[");
                while reader.advance(&mut left)? {
                    self.put(if index > 0 { ", " } else { "" });
                    self.write_value(reader, Path::Index(&path, index))?;
                    index += 1;
                }
                self.put("]");
                reader.leave();
            }
            Token::Map(left) => {
                reader.enter()?;
                let (mut left, mut separator) = (*left, " ");
                let mut keys = IntegerKeyCheck::default();
                self.put("{");
                while reader.advance(&mut left)? {
                    self.put(separator);
                    let name = self.read_key(reader, path, &mut keys)?;
                    self.write_key(&name);
                    self.put(" = ");
                    self.write_value(reader, Path::Key(&path, &name))?;
                    separator = ", ";
                }
                keys.check(path)?;
                self.put(if separator == " " { "}" } else { " }" });
                reader.leave();
            }
            Token::Tag(tag) => {
                if let Some(text) = reader.date(*tag)? {
                    if date::is_date(*tag, &text) {
                        self.put(&text);
                    } else {
                        self.write_text(&text);
                    }
                    return Ok(());
                }
                let Some(integer) = reader.bignum(*tag)? else { return refuse(&token) };
                match integer.to_i128().and_then(|value| i64::try_from(value).ok()) {
                    Some(value) => self.put(&value.to_string()),
                    None => return refuse(&format_args!("the integer {integer}")),
                }
            }
            _ => return refuse(&token),
        }
        Ok(())
    }

    fn write_float(&mut self, value: f64) {
        if value.is_nan() {
            return self.put("nan");
        }
        if value.is_infinite() {
            return self.put(if value > 0.0 { "inf" } else { "-inf" });
        }
        self.put(&format!("{value:?}"));
    }

    fn write_key(&mut self, name: &str) {
        reserve(&mut self.out, name.len() + 2);
        write_key(&mut self.out, name);
    }

    fn write_text(&mut self, text: &str) {
        reserve(&mut self.out, text.len() + 2);
        write_text(&mut self.out, text);
    }

    fn put(&mut self, text: &str) {
        reserve(&mut self.out, text.len());
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// The integer keys of a map as text, and those texts among its keys that look like integers: an
/// integer and a text could become equal keys.
#[derive(Default)]
struct IntegerKeyCheck {
    integers: Vec<String>,
    texts: Vec<String>,
}

impl IntegerKeyCheck {
    fn check(&mut self, path: Path<'_>) -> Result<()> {
        self.texts.sort_unstable();
        let both = self.integers.iter().find(|integer| self.texts.binary_search(integer).is_ok());
        match both {
            None => Ok(()),
            Some(key) => bail!(
                unsupported,
                "TOML cannot hold an integer and the text {key:?} as two keys in {path}"
            ),
        }
    }
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.len() <= 20 && digits.bytes().all(|byte| byte.is_ascii_digit())
}

/// The number of maps in an array that contains only maps; 0 for other arrays.
fn count_maps(mut reader: Reader<'_>, mut left: Option<usize>) -> Result<usize> {
    let mut count = 0;
    while reader.advance(&mut left)? {
        let mut ahead = reader;
        if !matches!(ahead.next_token()?, Token::Map(_)) {
            return Ok(0);
        }
        reader.skip()?;
        count += 1;
    }
    Ok(count)
}

fn write_key(out: &mut Vec<u8>, name: &str) {
    let is_bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-';
    if !name.is_empty() && name.bytes().all(is_bare) {
        out.extend_from_slice(name.as_bytes());
    } else {
        write_text(out, name);
    }
}

/// Writes a text as a basic string.
fn write_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text;
    let special = |c: char| matches!(c, '"' | '\\') || c.is_ascii_control();
    while let Some(at) = rest.find(special) {
        let (before, after) = rest.split_at(at);
        let mut chars = after.chars();
        let mut escape = String::new();
        match chars.next() {
            Some('"') => escape.push_str("\\\""),
            Some('\\') => escape.push_str("\\\\"),
            Some('\n') => escape.push_str("\\n"),
            Some('\r') => escape.push_str("\\r"),
            Some('\t') => escape.push_str("\\t"),
            Some('\u{8}') => escape.push_str("\\b"),
            Some('\u{c}') => escape.push_str("\\f"),
            // Writing to a text cannot fail.
            Some(c) => drop(write!(escape, "\\u{:04X}", u32::from(c))),
            None => {}
        }
        reserve(out, before.len() + escape.len());
        out.extend_from_slice(before.as_bytes());
        out.extend_from_slice(escape.as_bytes());
        rest = chars.as_str();
    }
    reserve(out, rest.len() + 1);
    out.extend_from_slice(rest.as_bytes());
    out.push(b'"');
}
