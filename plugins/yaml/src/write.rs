//! Documents to YAML, item by item, in block style.
//!
//! A collection whose indentation alone would be longer than the document twice over, and some, is
//! written in flow style: what is nested deep stays in proportion.

use std::fmt::Write as _;

use plugbay_sdk::document::cbor::{Reader, Token};
use plugbay_sdk::document::{Path, reserve};
use plugbay_sdk::{Document, Error, Result, bail};

use crate::plain::{Place, is_plain, is_printable};

/// A key that is longer does not stand before its colon (section 7.4.2: 1,024 characters).
const LONG_KEY: usize = 1000;

pub(crate) fn write(document: &Document) -> Result<Vec<u8>> {
    let mut yaml = Yaml::new(document);
    yaml.item(Path::Root, 0, Position::Root)?;
    yaml.reader.finish()?;
    Ok(yaml.out)
}

pub(crate) fn write_stream(document: &Document) -> Result<Vec<u8>> {
    let mut yaml = Yaml::new(document);
    let Token::Array(mut left) = yaml.reader.next_token()? else {
        bail!(unsupported, "a YAML stream cannot hold anything but a list of documents");
    };
    yaml.reader.enter()?;
    let mut index = 0;
    while yaml.reader.more(&mut left)? {
        yaml.put("---\n");
        yaml.item(Path::Index(&Path::Root, index), 0, Position::Root)?;
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

/// What stands before an item on its line. It writes the space before it, and the line's end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Position {
    /// Nothing: the line is its own.
    Root,
    /// `-`, `?`, or `:` on a line of its own.
    Indicator,
    /// A key and its colon.
    Value,
    /// Whatever there is in a flow collection.
    Flow,
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

    /// Writes one item. Of a block collection, lines begin at `column`.
    fn item(&mut self, path: Path<'_>, column: usize, position: Position) -> Result<()> {
        let start = self.reader;
        let token = self.reader.next_token()?;
        match token {
            Token::Array(count) => {
                self.reader.enter()?;
                let count = self.count(count, 1)?;
                let is_indefinite = matches!(token, Token::Array(None));
                self.list(path, column, position, count)?;
                self.leave(is_indefinite)
            }
            Token::Map(count) => {
                self.reader.enter()?;
                let count = self.count(count, 2)?;
                let is_indefinite = matches!(token, Token::Map(None));
                self.map(path, column, position, count)?;
                self.leave(is_indefinite)
            }
            _ => {
                self.reader = start;
                if matches!(position, Position::Indicator | Position::Value) {
                    self.put(" ");
                }
                let place = if position == Position::Flow { Place::Flow } else { Place::Block };
                self.scalar(path, place)?;
                if position != Position::Flow {
                    self.put("\n");
                }
                Ok(())
            }
        }
    }

    fn list(
        &mut self,
        path: Path<'_>,
        column: usize,
        position: Position,
        count: usize,
    ) -> Result<()> {
        // Under a key the entries stand where the key does.
        let column = if position == Position::Value { column - 2 } else { column };
        if !self.is_block(column, position, count) {
            return self.flow(position, "[", "]", |yaml| {
                for index in 0..count {
                    yaml.put(if index > 0 { ", " } else { "" });
                    yaml.item(Path::Index(&path, index), 0, Position::Flow)?;
                }
                Ok(())
            });
        }
        self.begin(position);
        for index in 0..count {
            self.indent(column, position, index);
            self.put("-");
            self.item(Path::Index(&path, index), column + 2, Position::Indicator)?;
        }
        Ok(())
    }

    fn map(
        &mut self,
        path: Path<'_>,
        column: usize,
        position: Position,
        count: usize,
    ) -> Result<()> {
        if !self.is_block(column, position, count) {
            return self.flow(position, "{", "}", |yaml| {
                for index in 0..count {
                    yaml.put(if index > 0 { ", " } else { "" });
                    yaml.flow_pair(path)?;
                }
                Ok(())
            });
        }
        self.begin(position);
        for index in 0..count {
            self.indent(column, position, index);
            self.pair(path, column)?;
        }
        Ok(())
    }

    /// Writes a key and its value in block style.
    fn pair(&mut self, path: Path<'_>, column: usize) -> Result<()> {
        let name = self.name()?;
        let begin = self.out.len();
        if self.is_scalar() {
            self.scalar(path, Place::Key)?;
            if self.out.len() - begin <= LONG_KEY {
                self.put(":");
                return self.item(Path::Key(&path, &name), column + 2, Position::Value);
            }
            // It is explicit after all.
            self.out.splice(begin..begin, *b"? ");
            self.put("\n");
        } else {
            self.put("?");
            self.item(path, column + 2, Position::Indicator)?;
        }
        self.spread(column);
        self.put(":");
        self.item(Path::Key(&path, &name), column + 2, Position::Indicator)
    }

    /// Writes a key and its value in flow style.
    fn flow_pair(&mut self, path: Path<'_>) -> Result<()> {
        let name = self.name()?;
        let begin = self.out.len();
        self.item(path, 0, Position::Flow)?;
        let is_long = self.out.len() - begin > LONG_KEY;
        if is_long || self.out[begin..].starts_with(b"[") || self.out[begin..].starts_with(b"{") {
            self.out.splice(begin..begin, *b"? ");
        }
        self.put(" : ");
        self.item(Path::Key(&path, &name), 0, Position::Flow)
    }

    /// The key that follows, as a path names it.
    fn name(&self) -> Result<std::borrow::Cow<'a, str>> {
        let mut ahead = self.reader;
        Ok(match ahead.next_token()? {
            Token::Text(name) => name,
            other => other.to_string().into(),
        })
    }

    /// Whether what follows is no collection.
    fn is_scalar(&self) -> bool {
        let mut ahead = self.reader;
        !matches!(ahead.next_token(), Ok(Token::Array(_) | Token::Map(_)))
    }

    /// Whether a collection of so many elements is written on lines of its own.
    fn is_block(&mut self, column: usize, position: Position, count: usize) -> bool {
        if position == Position::Flow || count == 0 {
            return false;
        }
        let left = self.spaces.checked_sub((column + 2).saturating_mul(count));
        self.spaces = left.unwrap_or(self.spaces);
        left.is_some()
    }

    fn flow(
        &mut self,
        position: Position,
        open: &str,
        close: &str,
        inside: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        if matches!(position, Position::Indicator | Position::Value) {
            self.put(" ");
        }
        self.put(open);
        inside(self)?;
        self.put(close);
        if position != Position::Flow {
            self.put("\n");
        }
        Ok(())
    }

    /// A block collection begins: after a key on the next line, after an indicator on its line.
    fn begin(&mut self, position: Position) {
        match position {
            Position::Value => self.put("\n"),
            Position::Indicator => self.put(" "),
            Position::Root | Position::Flow => {}
        }
    }

    /// The line of an entry begins, unless an indicator stands on it.
    fn indent(&mut self, column: usize, position: Position, index: usize) {
        if index > 0 || position == Position::Value {
            self.spread(column);
        }
    }

    fn spread(&mut self, column: usize) {
        reserve(&mut self.out, column);
        self.out.resize(self.out.len() + column, b' ');
    }

    /// How many elements there are: those of an indefinite length are counted.
    fn count(&self, count: Option<usize>, width: usize) -> Result<usize> {
        if let Some(count) = count {
            return Ok(count);
        }
        let (mut ahead, mut left, mut count) = (self.reader, None, 0);
        while ahead.more(&mut left)? {
            for _ in 0..width {
                ahead.skip()?;
            }
            count += 1;
        }
        Ok(count)
    }

    fn leave(&mut self, is_indefinite: bool) -> Result<()> {
        if is_indefinite {
            self.reader.more(&mut None)?;
        }
        self.reader.leave();
        Ok(())
    }

    fn scalar(&mut self, path: Path<'_>, place: Place) -> Result<()> {
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
            Token::F32(value) => self.float((*value).into()),
            Token::F64(value) => self.float(*value),
            Token::Text(text) => self.text(text, place),
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
                    self.text(&date, place);
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

    /// With a point, and with the exponent's sign: readers of YAML 1.1 want both.
    fn float(&mut self, value: f64) {
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

    fn text(&mut self, text: &str, place: Place) {
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
            self.escape(c);
            rest = chars.as_str();
        }
        self.put(rest);
        self.put("\"");
    }

    fn escape(&mut self, c: char) {
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
