//! Documents to TOML, item by item: of each table first its values, then its tables under their
//! headers.
//!
//! A header names its table by the whole way to it. Where those ways alone would be longer than the
//! document twice over, and some, a table is written inline: what is nested deep stays in proportion.

use std::fmt::Write as _;

use plugbay_sdk::document::cbor::{Reader, Token};
use plugbay_sdk::document::{Path, reserve};
use plugbay_sdk::{Document, Error, Result, bail};

use crate::{IntegerKeys, date};

pub(crate) fn write(document: &Document, integer_keys: IntegerKeys) -> Result<Vec<u8>> {
    let cbor = document.as_cbor();
    let mut reader = Reader::new(cbor);
    let Token::Map(count) = reader.next_token()? else {
        bail!(unsupported, "TOML cannot hold anything but a map at the document");
    };
    let mut toml = Toml {
        out: Vec::with_capacity(cbor.len() + cbor.len() / 4 + 16),
        way: Vec::new(),
        names: 2 * cbor.len() + (4 << 20),
        integer_keys,
    };
    reader.enter()?;
    toml.table(&mut reader, count, Path::Root, None)?;
    reader.finish()?;
    Ok(toml.out)
}

struct Toml {
    out: Vec<u8>,
    /// The way to the table that is being written, as its header has it.
    way: Vec<u8>,
    /// How many bytes of ways may still be written.
    names: usize,
    integer_keys: IntegerKeys,
}

/// How a pair of a table is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// `key = value`
    Value,
    /// `[key]`
    Table,
    /// `[[key]]`
    Tables,
}

impl Toml {
    /// Writes a map: its header between these brackets, its values, its tables. The reader is in the
    /// map, and is left after it.
    fn table(
        &mut self,
        reader: &mut Reader<'_>,
        count: Option<usize>,
        path: Path<'_>,
        brackets: Option<(&str, &str)>,
    ) -> Result<()> {
        let start = *reader;
        let (forms, end) = self.forms(start, count, path)?;
        // A table that only holds tables needs no header: theirs say that it is there.
        let needs_header = forms.is_empty() || forms.contains(&Form::Value);
        if let Some((open, close)) = brackets
            && (needs_header || open == "[[")
        {
            self.header(open, close);
        }
        if forms.contains(&Form::Value) {
            for form in &forms {
                let name = self.name(reader, path, &mut Digits::default())?;
                if *form != Form::Value {
                    reader.skip()?;
                    continue;
                }
                self.key(&name);
                self.put(" = ");
                self.value(reader, Path::Key(&path, &name))?;
                self.put("\n");
            }
        }
        *reader = start;
        let last = forms.iter().rposition(|form| *form != Form::Value);
        for form in &forms[..last.map_or(0, |last| last + 1)] {
            let name = self.name(reader, path, &mut Digits::default())?;
            if *form == Form::Value {
                reader.skip()?;
                continue;
            }
            let length = self.way.len();
            if length > 0 {
                self.way.push(b'.');
            }
            write_key(&mut self.way, &name);
            self.tables(reader, Path::Key(&path, &name))?;
            self.way.truncate(length);
        }
        *reader = end;
        reader.leave();
        Ok(())
    }

    /// Writes a map, or a list of maps, under headers.
    fn tables(&mut self, reader: &mut Reader<'_>, path: Path<'_>) -> Result<()> {
        match reader.next_token()? {
            Token::Array(mut left) => {
                reader.enter()?;
                let mut index = 0;
                while reader.more(&mut left)? {
                    if let Token::Map(count) = reader.next_token()? {
                        reader.enter()?;
                        let path = Path::Index(&path, index);
                        self.table(reader, count, path, Some(("[[", "]]")))?;
                    }
                    index += 1;
                }
                reader.leave();
                Ok(())
            }
            Token::Map(count) => {
                reader.enter()?;
                self.table(reader, count, path, Some(("[", "]")))
            }
            _ => Err(Error::internal("expected a table")),
        }
    }

    /// How each pair of a map is written, and where it ends.
    fn forms<'a>(
        &mut self,
        mut reader: Reader<'a>,
        mut left: Option<usize>,
        path: Path<'_>,
    ) -> Result<(Vec<Form>, Reader<'a>)> {
        let mut forms = Vec::new();
        let mut digits = Digits::default();
        while reader.more(&mut left)? {
            let name = self.name(&mut reader, path, &mut digits)?;
            forms.push(self.form(&reader, &name)?);
            reader.skip()?;
        }
        digits.check(path)?;
        Ok((forms, reader))
    }

    fn header(&mut self, open: &str, close: &str) {
        if !self.out.is_empty() {
            self.put("\n");
        }
        self.put(open);
        reserve(&mut self.out, self.way.len());
        self.out.extend_from_slice(&self.way);
        self.put(close);
        self.put("\n");
    }

    /// How the item that follows is written.
    fn form(&mut self, reader: &Reader<'_>, name: &str) -> Result<Form> {
        let mut ahead = *reader;
        let (form, count) = match ahead.next_token()? {
            Token::Map(_) => (Form::Table, 1),
            Token::Array(left) => match maps(ahead, left)? {
                0 => return Ok(Form::Value),
                count => (Form::Tables, count),
            },
            _ => return Ok(Form::Value),
        };
        let length = self.way.len() + name.len() + 6;
        match self.names.checked_sub(length.saturating_mul(count)) {
            Some(left) => {
                self.names = left;
                Ok(form)
            }
            None => Ok(Form::Value),
        }
    }

    /// The key that follows.
    fn name<'a>(
        &self,
        reader: &mut Reader<'a>,
        path: Path<'_>,
        digits: &mut Digits,
    ) -> Result<std::borrow::Cow<'a, str>> {
        let token = reader.next_token()?;
        match (token.as_integer(), token) {
            (Some(integer), _) if self.integer_keys == IntegerKeys::Text => {
                let text = integer.to_string();
                digits.integers.push(text.clone());
                Ok(text.into())
            }
            (_, Token::Text(name)) => {
                if self.integer_keys == IntegerKeys::Text && is_integer(&name) {
                    digits.texts.push(name.as_ref().to_owned());
                }
                Ok(name)
            }
            (_, other) => {
                bail!(unsupported, "TOML cannot hold {other} as a key in {path}")
            }
        }
    }

    fn value(&mut self, reader: &mut Reader<'_>, path: Path<'_>) -> Result<()> {
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
            Token::F32(value) => self.float((*value).into()),
            Token::F64(value) => self.float(*value),
            Token::Text(text) => self.text(text),
            Token::Array(left) => {
                reader.enter()?;
                let (mut left, mut index) = (*left, 0);
                self.put("[");
                while reader.more(&mut left)? {
                    self.put(if index > 0 { ", " } else { "" });
                    self.value(reader, Path::Index(&path, index))?;
                    index += 1;
                }
                self.put("]");
                reader.leave();
            }
            Token::Map(left) => {
                reader.enter()?;
                let (mut left, mut separator) = (*left, " ");
                let mut digits = Digits::default();
                self.put("{");
                while reader.more(&mut left)? {
                    self.put(separator);
                    let name = self.name(reader, path, &mut digits)?;
                    self.key(&name);
                    self.put(" = ");
                    self.value(reader, Path::Key(&path, &name))?;
                    separator = ", ";
                }
                digits.check(path)?;
                self.put(if separator == " " { "}" } else { " }" });
                reader.leave();
            }
            Token::Tag(tag) => {
                if let Some(text) = reader.date(*tag)? {
                    if date::is_date(*tag, &text) {
                        self.put(&text);
                    } else {
                        self.text(&text);
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

    fn float(&mut self, value: f64) {
        if value.is_nan() {
            return self.put("nan");
        }
        if value.is_infinite() {
            return self.put(if value > 0.0 { "inf" } else { "-inf" });
        }
        self.put(&format!("{value:?}"));
    }

    fn key(&mut self, name: &str) {
        reserve(&mut self.out, name.len() + 2);
        write_key(&mut self.out, name);
    }

    fn text(&mut self, text: &str) {
        reserve(&mut self.out, text.len() + 2);
        write_text(&mut self.out, text);
    }

    fn put(&mut self, text: &str) {
        reserve(&mut self.out, text.len());
        self.out.extend_from_slice(text.as_bytes());
    }
}

/// The keys of a map that are integers, and those that are texts of integers: they may be the same.
#[derive(Default)]
struct Digits {
    integers: Vec<String>,
    texts: Vec<String>,
}

impl Digits {
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

/// How many maps an array holds, if it holds nothing else; 0 if it does.
fn maps(mut reader: Reader<'_>, mut left: Option<usize>) -> Result<usize> {
    let mut count = 0;
    while reader.more(&mut left)? {
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

/// As a basic string.
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
