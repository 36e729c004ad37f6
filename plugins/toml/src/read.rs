//! Converts TOML to documents, while it is parsed.
//!
//! The lexer and the decoding of scalars are those of `toml_parser`. Its parser requires all tokens
//! at once, which take many times the memory of the text; so this parser of expressions reads one
//! token at a time. Values become bytes of the document at once. Tables, to which a text may return
//! later, become entries of a [`Tree`]. If a text is not valid, the parser of `toml_parser`
//! explains why.

use std::borrow::Cow;

use plugbay_sdk::document::MAX_DEPTH;
use plugbay_sdk::document::cbor::{Integer, Writer};
use plugbay_sdk::{Document, Error, Result};
use toml_datetime::Datetime;
use toml_parser::decoder::{Encoding, ScalarKind};
use toml_parser::lexer::{Lexer, Token, TokenKind};
use toml_parser::{ErrorSink, Expected, ParseError, Raw, Source};

use crate::position::position;
use crate::tree::{Name, Tree};
use crate::{Datetimes, date};

/// The maximum number of tokens of an expression that are parsed again to explain an error.
const MAX_EXPLAINED: usize = 1 << 14;

pub(crate) fn read(bytes: &[u8], datetimes: Datetimes) -> Result<Document> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Error::invalid_input(format_args!("expected utf-8 text, found other bytes at byte {at}"))
    })?;
    if u32::try_from(text.len()).is_err() {
        return Err(Error::unsupported("expected a text of less than 4 GiB"));
    }
    let mut parser = Parser::new(text, datetimes);
    let mut tree = Tree::new(text);
    parser.read_document(&mut tree)?;
    let mut writer = Writer::with_capacity(bytes.len());
    tree.write(&mut writer)?;
    Ok(writer.into_document())
}

struct Parser<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    /// The next token, and the one after it.
    next: Token,
    after: Token,
    /// The start of the current expression.
    expression: usize,
    datetimes: Datetimes,
    /// The number of open arrays and inline tables.
    depth: usize,
    /// The parts of the last key.
    key: Vec<Name>,
}

impl<'t> Parser<'t> {
    fn new(text: &'t str, datetimes: Datetimes) -> Self {
        let mut lexer = Source::new(text).lex();
        let next = token(&mut lexer, text);
        let after = token(&mut lexer, text);
        let key = Vec::new();
        Self { text, lexer, next, after, expression: 0, datetimes, depth: 0, key }
    }

    fn read_document(&mut self, tree: &mut Tree<'t>) -> Result<()> {
        let mut table = tree.root();
        loop {
            self.expression = self.next.span().start();
            match self.next.kind() {
                TokenKind::Eof => return Ok(()),
                TokenKind::Whitespace => drop(self.bump()),
                TokenKind::Newline | TokenKind::Comment => self.read_line_end()?,
                TokenKind::LeftSquareBracket => {
                    table = self.read_header(tree)?;
                    self.read_line_end()?;
                }
                _ => {
                    self.read_pair(tree, table)?;
                    self.read_line_end()?;
                }
            }
        }
    }

    /// Reads `[a.b]` or `[[a.b]]`, and returns the table that it opens.
    fn read_header(&mut self, tree: &mut Tree<'t>) -> Result<u32> {
        self.bump();
        let is_array = self.take(TokenKind::LeftSquareBracket);
        self.skip_space();
        self.read_key(tree)?;
        self.expect(TokenKind::RightSquareBracket)?;
        if is_array {
            self.expect(TokenKind::RightSquareBracket)?;
        }
        tree.open_header(&self.key, is_array).map_err(|name| self.duplicate(tree, name))
    }

    /// Reads `a.b = value` into a table.
    fn read_pair(&mut self, tree: &mut Tree<'t>, table: u32) -> Result<()> {
        self.read_key(tree)?;
        let place = tree.open_key(table, &self.key).map_err(|name| self.duplicate(tree, name))?;
        self.expect(TokenKind::Equals)?;
        self.skip_space();
        let start = tree.values.written().len();
        // Reading the value reads other keys.
        let key = std::mem::take(&mut self.key);
        self.read_value(&mut tree.values)?;
        self.key = key;
        tree.put(place, start);
        Ok(())
    }

    /// Reads the parts of a key, and the space after them.
    fn read_key(&mut self, tree: &mut Tree<'t>) -> Result<()> {
        self.key.clear();
        loop {
            let token = self.next;
            let encoding = match token.kind() {
                TokenKind::Atom => None,
                TokenKind::LiteralString
                | TokenKind::BasicString
                | TokenKind::MlLiteralString
                | TokenKind::MlBasicString => token.kind().encoding(),
                _ => return Err(self.invalid()),
            };
            self.bump();
            let mut name = Cow::Borrowed("");
            let mut first = First(None);
            self.raw(token.span().start(), token.span().end(), encoding)
                .decode_key(&mut name, &mut first);
            self.check(first)?;
            let name = tree.add_name(name);
            self.key.push(name);
            if self.key.len() > MAX_DEPTH {
                return Err(self.too_deep());
            }
            self.skip_space();
            if !self.take(TokenKind::Dot) {
                return Ok(());
            }
            self.skip_space();
        }
    }

    fn read_value(&mut self, writer: &mut Writer) -> Result<()> {
        match self.next.kind() {
            TokenKind::LeftSquareBracket => {
                self.enter()?;
                writer.open_array()?;
                loop {
                    self.skip_lines()?;
                    if self.next.kind() == TokenKind::RightSquareBracket {
                        break;
                    }
                    self.read_value(writer)?;
                    self.skip_lines()?;
                    if !self.take(TokenKind::Comma) {
                        break;
                    }
                }
                self.expect(TokenKind::RightSquareBracket)?;
                self.depth -= 1;
                Ok(writer.close()?)
            }
            TokenKind::LeftCurlyBracket => {
                self.enter()?;
                let mut tree = Tree::new(self.text);
                loop {
                    self.skip_lines()?;
                    if self.next.kind() == TokenKind::RightCurlyBracket {
                        break;
                    }
                    let root = tree.root();
                    self.read_pair(&mut tree, root)?;
                    self.skip_lines()?;
                    if !self.take(TokenKind::Comma) {
                        break;
                    }
                }
                self.expect(TokenKind::RightCurlyBracket)?;
                self.depth -= 1;
                tree.write(writer)
            }
            TokenKind::LiteralString
            | TokenKind::BasicString
            | TokenKind::MlLiteralString
            | TokenKind::MlBasicString
            | TokenKind::Dot
            | TokenKind::Atom => self.read_scalar(writer),
            _ => Err(self.invalid()),
        }
    }

    fn read_scalar(&mut self, writer: &mut Writer) -> Result<()> {
        let token = self.bump();
        let (start, mut end) = (token.span().start(), token.span().end());
        let encoding = token.kind().encoding();
        // Numbers may contain points, and dates with times a space.
        while encoding.is_none() {
            match (self.next.kind(), self.after.kind()) {
                (TokenKind::Dot | TokenKind::Atom, _) => end = self.bump().span().end(),
                (TokenKind::Whitespace, TokenKind::Atom) => {
                    self.bump();
                    end = self.bump().span().end();
                }
                _ => break,
            }
        }
        let mut text = Cow::Borrowed("");
        let mut first = First(None);
        let kind = self.raw(start, end, encoding).decode_scalar(&mut text, &mut first);
        self.check(first)?;
        match kind {
            ScalarKind::String => writer.text(&text)?,
            ScalarKind::Boolean(value) => writer.bool(value)?,
            ScalarKind::Integer(radix) => {
                let number = i64::from_str_radix(&text, radix.value());
                let number = number.map_err(|_| self.out_of_range(&text, radix.value(), start))?;
                writer.integer(number.into())?;
            }
            ScalarKind::Float => {
                let digits = text.contains(|c: char| c.is_ascii_digit());
                let number = text.parse::<f64>().ok().filter(|it| it.is_finite() || !digits);
                let what = format_args!("expected a float of 64 bits, found {text}");
                writer.float(number.ok_or_else(|| self.at(what, start))?)?;
            }
            ScalarKind::DateTime => self.write_datetime(&text, start, writer)?,
        }
        Ok(())
    }

    fn write_datetime(&self, text: &str, start: usize, writer: &mut Writer) -> Result<()> {
        let datetime = text.parse::<Datetime>().map_err(|error| self.at(error, start))?;
        if self.datetimes == Datetimes::Refuse {
            let what = format_args!(
                "expected a value that a document can hold, found the date or time {datetime}"
            );
            return Err(self.at(what, start).with_kind(plugbay_sdk::ErrorKind::Unsupported));
        }
        if let Some(tag) = date::tag(&datetime).filter(|_| self.datetimes == Datetimes::Date) {
            writer.open_tag(tag)?;
        }
        Ok(writer.text(&date::text(&datetime))?)
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        // The document itself is one level.
        if self.depth >= MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.bump();
        Ok(())
    }

    /// Reads a token.
    fn bump(&mut self) -> Token {
        let token = self.next;
        self.next = self.after;
        self.after = self::token(&mut self.lexer, self.text);
        token
    }

    /// Reads a token of this kind, if it is next; `false` otherwise.
    fn take(&mut self, kind: TokenKind) -> bool {
        let found = self.next.kind() == kind;
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, kind: TokenKind) -> Result<()> {
        if self.take(kind) { Ok(()) } else { Err(self.invalid()) }
    }

    fn skip_space(&mut self) {
        self.take(TokenKind::Whitespace);
    }

    /// Reads the end of a line, with a space and a comment before it.
    fn read_line_end(&mut self) -> Result<()> {
        self.skip_space();
        if self.next.kind() == TokenKind::Comment {
            self.read_comment()?;
        }
        match self.next.kind() {
            TokenKind::Newline => self.read_newline(),
            TokenKind::Eof => Ok(()),
            _ => Err(self.invalid()),
        }
    }

    /// Skips spaces, line breaks and comments between the parts of an array or an inline table.
    fn skip_lines(&mut self) -> Result<()> {
        loop {
            match self.next.kind() {
                TokenKind::Whitespace => drop(self.bump()),
                TokenKind::Newline => self.read_newline()?,
                TokenKind::Comment => self.read_comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn read_comment(&mut self) -> Result<()> {
        let token = self.bump();
        let mut first = First(None);
        self.raw(token.span().start(), token.span().end(), None).decode_comment(&mut first);
        self.check(first)
    }

    fn read_newline(&mut self) -> Result<()> {
        let token = self.bump();
        let mut first = First(None);
        self.raw(token.span().start(), token.span().end(), None).decode_newline(&mut first);
        self.check(first)
    }

    fn raw(&self, start: usize, end: usize, encoding: Option<Encoding>) -> Raw<'t> {
        let span = toml_parser::Span::new_unchecked(start, end);
        Raw::new_unchecked(&self.text[start..end], encoding, span)
    }

    /// Returns the error that was reported first, if there is one.
    fn check(&self, first: First) -> Result<()> {
        match first.0 {
            Some(error) => Err(self.parse_error(&error, 0)),
            None => Ok(()),
        }
    }

    /// The error of the current expression, as `toml_parser` explains it.
    #[cold]
    fn invalid(&self) -> Error {
        let start = self.expression;
        let source = Source::new(&self.text[start..]);
        let tokens: Vec<Token> = source.lex().take(MAX_EXPLAINED).collect();
        let mut first = First(None);
        let mut ignored = |_event: toml_parser::parser::Event| {};
        toml_parser::parser::parse_document(&tokens, &mut ignored, &mut first);
        match first.0 {
            Some(error) => self.parse_error(&error, start),
            None => self.at("expected a valid expression", self.next.span().start()),
        }
    }

    #[cold]
    fn parse_error(&self, error: &ParseError, offset: usize) -> Error {
        let mut what = error.description().to_owned();
        for (index, expected) in error.expected().unwrap_or(&[]).iter().enumerate() {
            what += if index == 0 { ", expected " } else { ", " };
            match expected {
                Expected::Literal("\n") => what += "newline",
                Expected::Literal(literal) => what += &format!("`{literal}`"),
                Expected::Description(text) => what += text,
                _ => what += "something else",
            }
        }
        if error.expected().is_some_and(<[Expected]>::is_empty) {
            what += ", expected nothing";
        }
        let at = error.unexpected().map_or(0, |span| span.start());
        self.at(what, offset + at)
    }

    #[cold]
    fn out_of_range(&self, digits: &str, radix: u32, start: usize) -> Error {
        let (negative, unsigned) = match digits.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, digits.strip_prefix('+').unwrap_or(digits)),
        };
        let found = match Integer::from_digits(negative, unsigned, radix) {
            Some(integer) => integer.to_string(),
            None => "one of more than 1024 bits".to_owned(),
        };
        self.at(format_args!("expected an integer of 64 bits, found {found}"), start)
    }

    #[cold]
    fn duplicate(&self, tree: &Tree<'_>, name: Name) -> Error {
        let what = format_args!("duplicate key {}", tree.shown(name));
        self.at(what, name.start().unwrap_or(self.expression))
    }

    #[cold]
    fn too_deep(&self) -> Error {
        let what = format_args!("nested deeper than {MAX_DEPTH} levels");
        self.at(what, self.next.span().start())
    }

    #[cold]
    fn at(&self, what: impl std::fmt::Display, at: usize) -> Error {
        let (line, column) = position(self.text, at);
        Error::invalid_input(format_args!("{what} at line {line} column {column}"))
    }
}

/// The next token. At the end of the text, each call returns the token of the end.
fn token(lexer: &mut Lexer<'_>, text: &str) -> Token {
    lexer.next().unwrap_or_else(|| {
        // It is the only token of an empty text.
        let mut end = Source::new(&text[text.len()..]).lex();
        end.next().unwrap_or_else(|| unreachable!("an empty text has the token of the end"))
    })
}

/// Keeps the error that is reported first.
struct First(Option<ParseError>);

impl ErrorSink for First {
    fn report_error(&mut self, error: ParseError) {
        self.0.get_or_insert(error);
    }
}
