//! Converts documents to YAML in block style, one item after the other.
//!
//! The total length of the indentation is limited in proportion to the document; beyond the limit,
//! collections are written in flow style.

use std::fmt::Write as _;

use plugbay_sdk::document::cbor::{Reader, Token};
use plugbay_sdk::document::{Path, reserve};
use plugbay_sdk::{Document, Error, Result, bail};

use crate::plain::{Place, is_plain, is_printable};

/// Longer keys are written as explicit keys (section 7.4.2: implicit ones have at most 1,024
/// characters).
const MAX_IMPLICIT_KEY: usize = 1000;

pub(crate) fn write(document: &Document) -> Result<Vec<u8>> {
    let mut yaml = Yaml::new(document);
    yaml.write_item(Path::Root, 0, Position::Root)?;
    yaml.reader.finish()?;
    Ok(yaml.out)
}

pub(crate) fn write_stream(document: &Document) -> Result<Vec<u8>> {
    let mut yaml = Yaml::new(document);
    let mut left = match yaml.reader.next_token()? {
        Token::Array(left) => left,
        found => {
            bail!(unsupported, "expected a list of documents for a YAML stream, found {found}")
        }
    };
    yaml.reader.enter()?;
    let mut index = 0;
    while yaml.reader.advance(&mut left)? {
        yaml.put("---\n");
        yaml.write_item(Path::Index(&Path::Root, index), 0, Position::Root)?;
        index += 1;
    }
    yaml.reader.finish()?;
    Ok(yaml.out)
}

struct Yaml<'a> {
    reader: Reader<'a>,
    out: Vec<u8>,
    /// How many bytes of indentation may still be written.
    spaces: usize,
}

/// The position of an item: what precedes it on its line. Writing the item includes the space
/// before it and the end of the line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// At the beginning of a line.
    Root,
    /// After `-`, `?`, or a `:` at the beginning of a line.
    Indicator,
    /// After a key and its colon.
    Value,
    /// In a flow collection.
    Flow,
}

/// The frame of a collection.
#[derive(Clone, Copy)]
struct Frame {
    /// The brackets in flow style.
    brackets: [&'static str; 2],
    /// The column of its lines in block style.
    column: usize,
    position: Position,
    /// The content of the token that begins the collection.
    left: Option<usize>,
    /// The number of items in each element.
    items: usize,
}

impl<'a> Yaml<'a> {
    fn new(document: &'a Document) -> Self {
        let cbor = document.as_cbor();
        Self {
            reader: Reader::new(cbor),
            out: Vec::with_capacity(cbor.len() + cbor.len() / 4 + 16),
            spaces: 2 * cbor.len() + (4 << 20),
        }
    }

    /// Writes one item. The lines of a block collection begin at `column`.
    fn write_item(&mut self, path: Path<'_>, column: usize, position: Position) -> Result<()> {
        let start = self.reader;
        match self.reader.next_token()? {
            Token::Array(left) => self.write_list(path, column, position, left),
            Token::Map(left) => self.write_map(path, column, position, left),
            _ => {
                self.reader = start;
                if matches!(position, Position::Indicator | Position::Value) {
                    self.put(" ");
                }
                let place = if position == Position::Flow { Place::Flow } else { Place::Block };
                self.write_scalar(path, place)?;
                if position != Position::Flow {
                    self.put("\n");
                }
                Ok(())
            }
        }
    }

    fn write_list(
        &mut self,
        path: Path<'_>,
        column: usize,
        position: Position,
        left: Option<usize>,
    ) -> Result<()> {
        // The entries of a list under a key begin at the column of the key.
        let column = if position == Position::Value { column - 2 } else { column };
        let frame = Frame { brackets: ["[", "]"], column, position, left, items: 1 };
        self.write_collection(frame, |yaml, index, is_block| {
            let path = Path::Index(&path, index);
            if is_block {
                yaml.put("-");
                yaml.write_item(path, column + 2, Position::Indicator)
            } else {
                yaml.write_item(path, 0, Position::Flow)
            }
        })
    }

    fn write_map(
        &mut self,
        path: Path<'_>,
        column: usize,
        position: Position,
        left: Option<usize>,
    ) -> Result<()> {
        let frame = Frame { brackets: ["{", "}"], column, position, left, items: 2 };
        self.write_collection(frame, |yaml, _, is_block| {
            if is_block { yaml.write_pair(path, column) } else { yaml.write_flow_pair(path) }
        })
    }

    /// Writes a collection, whose elements `element` writes: in block style on lines of their own,
    /// or in flow style.
    fn write_collection(
        &mut self,
        frame: Frame,
        mut element: impl FnMut(&mut Self, usize, bool) -> Result<()>,
    ) -> Result<()> {
        let Frame { brackets: [open, close], column, position, mut left, items } = frame;
        self.reader.enter()?;
        let count = self.reader.count(left, items)?;
        let is_block =
            position != Position::Flow && count > 0 && self.reserve_indent(column, count);
        match position {
            Position::Value if is_block => self.put("\n"),
            Position::Value | Position::Indicator => self.put(" "),
            Position::Root | Position::Flow => {}
        }
        if !is_block {
            self.put(open);
        }
        let mut index = 0;
        while self.reader.advance(&mut left)? {
            if !is_block {
                self.put(if index > 0 { ", " } else { "" });
            } else if index > 0 || position == Position::Value {
                self.indent(column);
            }
            element(self, index, is_block)?;
            index += 1;
        }
        self.reader.leave();
        if !is_block {
            self.put(close);
            self.put(if position == Position::Flow { "" } else { "\n" });
        }
        Ok(())
    }

    /// Writes a key and its value in block style.
    fn write_pair(&mut self, path: Path<'_>, column: usize) -> Result<()> {
        let name = self.peek_key()?;
        let begin = self.out.len();
        if self.is_scalar_next() {
            self.write_scalar(path, Place::Key)?;
            if self.out.len() - begin <= MAX_IMPLICIT_KEY {
                self.put(":");
                return self.write_item(Path::Key(&path, &name), column + 2, Position::Value);
            }
            // It is too long for an implicit key.
            self.out.splice(begin..begin, *b"? ");
            self.put("\n");
        } else {
            self.put("?");
            self.write_item(path, column + 2, Position::Indicator)?;
        }
        self.indent(column);
        self.put(":");
        self.write_item(Path::Key(&path, &name), column + 2, Position::Indicator)
    }

    /// Writes a key and its value in flow style.
    fn write_flow_pair(&mut self, path: Path<'_>) -> Result<()> {
        let name = self.peek_key()?;
        let begin = self.out.len();
        self.write_item(path, 0, Position::Flow)?;
        let is_long = self.out.len() - begin > MAX_IMPLICIT_KEY;
        if is_long || self.out[begin..].starts_with(b"[") || self.out[begin..].starts_with(b"{") {
            self.out.splice(begin..begin, *b"? ");
        }
        self.put(" : ");
        self.write_item(Path::Key(&path, &name), 0, Position::Flow)
    }

    /// The next key, as in a path, without reading it.
    fn peek_key(&self) -> Result<std::borrow::Cow<'a, str>> {
        let mut ahead = self.reader;
        Ok(match ahead.next_token()? {
            Token::Text(name) => name,
            other => other.to_string().into(),
        })
    }

    /// Whether the next item is not a collection.
    fn is_scalar_next(&self) -> bool {
        let mut ahead = self.reader;
        !matches!(ahead.next_token(), Ok(Token::Array(_) | Token::Map(_)))
    }

    /// Reserves the indentation of so many elements; `false` if it would exceed the limit.
    fn reserve_indent(&mut self, column: usize, count: usize) -> bool {
        let left = self.spaces.checked_sub((column + 2).saturating_mul(count));
        self.spaces = left.unwrap_or(self.spaces);
        left.is_some()
    }

    /// Writes the indentation of a line that begins at `column`.
    fn indent(&mut self, column: usize) {
        reserve(&mut self.out, column);
        self.out.resize(self.out.len() + column, b' ');
    }

    fn write_scalar(&mut self, path: Path<'_>, place: Place) -> Result<()> {
        let token = self.reader.next_token()?;
        let refuse = |what: &dyn std::fmt::Display| {
            let as_a_key = if place == Place::Key { " as a key in" } else { " at" };
            Err(Error::unsupported(format_args!("YAML cannot hold {what}{as_a_key} {path}")))
        };
        match &token {
            Token::Null => self.put("null"),
            Token::Bool(value) => self.put(if *value { "true" } else { "false" }),
            Token::Unsigned(_) | Token::Negative(_) => {
                self.put(&token.as_integer().unwrap_or(0).to_string());
            }
            Token::F32(value) => self.write_float((*value).into()),
            Token::F64(value) => self.write_float(*value),
            Token::Text(text) => self.write_text(text, place),
            Token::Bytes(bytes) => {
                self.put("!!binary \"");
                let base64 = data_encoding::BASE64;
                reserve(&mut self.out, base64.encode_len(bytes.len()));
                for chunk in bytes.chunks(3 << 10) {
                    self.put(&base64.encode(chunk));
                }
                self.put("\"");
            }
            Token::Tag(tag) => {
                if let Some(date) = self.reader.date(*tag)? {
                    self.write_text(&date, place);
                    return Ok(());
                }
                match self.reader.bignum(*tag)? {
                    Some(integer) if integer.has_digits() => self.put(&integer.to_string()),
                    Some(integer) => return refuse(&format_args!("the integer {integer}")),
                    None => return refuse(&token),
                }
            }
            _ => return refuse(&token),
        }
        Ok(())
    }

    /// Writes a float with a point, and its exponent with a sign: readers of YAML 1.1 require both.
    fn write_float(&mut self, value: f64) {
        if value.is_nan() {
            return self.put(".nan");
        }
        if value.is_infinite() {
            return self.put(if value > 0.0 { ".inf" } else { "-.inf" });
        }
        let text = format!("{value:?}");
        let Some((mantissa, exponent)) = text.split_once('e') else {
            return self.put(&text);
        };
        let point = if mantissa.contains('.') { "" } else { ".0" };
        let sign = if exponent.starts_with('-') { "" } else { "+" };
        self.put(&format!("{mantissa}{point}e{sign}{exponent}"));
    }

    fn write_text(&mut self, text: &str, place: Place) {
        if is_plain(text, place) {
            return self.put(text);
        }
        self.put("\"");
        let mut rest = text;
        while let Some(at) = rest.find(|c| matches!(c, '"' | '\\') || !is_printable(c)) {
            let (before, special) = rest.split_at(at);
            self.put(before);
            let mut chars = special.chars();
            let c = chars.next().unwrap_or(' ');
            self.write_escape(c);
            rest = chars.as_str();
        }
        self.put(rest);
        self.put("\"");
    }

    fn write_escape(&mut self, c: char) {
        let named = match c {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\0' => "\\0",
            '\u{7}' => "\\a",
            '\u{8}' => "\\b",
            '\t' => "\\t",
            '\n' => "\\n",
            '\u{b}' => "\\v",
            '\u{c}' => "\\f",
            '\r' => "\\r",
            '\u{1b}' => "\\e",
            '\u{85}' => "\\N",
            '\u{2028}' => "\\L",
            '\u{2029}' => "\\P",
            _ => "",
        };
        if !named.is_empty() {
            return self.put(named);
        }
        let mut hex = String::new();
        let code = u32::from(c);
        // Writing to a text cannot fail.
        let _ =
            if code <= 0xff { write!(hex, "\\x{code:02X}") } else { write!(hex, "\\u{code:04X}") };
        self.put(&hex);
    }

    fn put(&mut self, text: &str) {
        reserve(&mut self.out, text.len());
        self.out.extend_from_slice(text.as_bytes());
    }
}
