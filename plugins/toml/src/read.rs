//! TOML to documents, built while it is parsed.
//!
//! The lexer and the scalars are those of `toml_parser`. Its parser wants all tokens at once, which
//! take many times the text; so the grammar of expressions is walked here, a token at a time. Values
//! become bytes of the document at once, and tables, which a text may go back to, entries of a
//! [`Tree`]. Where a text is wrong, `toml_parser`'s parser is asked to say what is.

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

/// How many tokens of an expression are looked at to say what is wrong in it.
const EXPLAINED: usize = 1 << 14;

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
    parser.document(&mut tree)?;
    let mut writer = Writer::with_capacity(bytes.len());
    tree.write(&mut writer)?;
    Ok(writer.into_document())
}

struct Parser<'t> {
    text: &'t str,
    lexer: Lexer<'t>,
    /// What comes next, and after that.
    next: Token,
    after: Token,
    /// Where the expression began that is being read.
    expression: usize,
    datetimes: Datetimes,
    /// How many arrays and inline tables are open.
    depth: usize,
    /// The parts of the key that was read last.
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

    fn document(&mut self, tree: &mut Tree<'t>) -> Result<()> {
        let mut table = tree.root();
        loop {
            self.expression = self.next.span().start();
            match self.next.kind() {
                TokenKind::Eof => return Ok(()),
                TokenKind::Whitespace => drop(self.bump()),
                TokenKind::Newline | TokenKind::Comment => self.rest_of_line()?,
                TokenKind::LeftSquareBracket => {
                    table = self.header(tree)?;
                    self.rest_of_line()?;
                }
                _ => {
                    self.pair(tree, table)?;
                    self.rest_of_line()?;
                }
            }
        }
    }

    /// `[a.b]` or `[[a.b]]`: the table that it opens.
    fn header(&mut self, tree: &mut Tree<'t>) -> Result<u32> {
        self.bump();
        let is_array = self.take(TokenKind::LeftSquareBracket);
        self.space();
        self.key(tree)?;
        self.expect(TokenKind::RightSquareBracket)?;
        if is_array {
            self.expect(TokenKind::RightSquareBracket)?;
        }
        tree.header(&self.key, is_array).map_err(|name| self.duplicate(tree, name))
    }

    /// `a.b = value`, put into a table.
    fn pair(&mut self, tree: &mut Tree<'t>, table: u32) -> Result<()> {
        self.key(tree)?;
        let place = tree.place(table, &self.key).map_err(|name| self.duplicate(tree, name))?;
        self.expect(TokenKind::Equals)?;
        self.space();
        let start = tree.values.written().len();
        // A value has keys of its own.
        let key = std::mem::take(&mut self.key);
        self.value(&mut tree.values)?;
        self.key = key;
        tree.put(place, start);
        Ok(())
    }

    /// The parts of a key, and the space after them.
    fn key(&mut self, tree: &mut Tree<'t>) -> Result<()> {
        self.key.clear();
        loop {
            let token = self.next;
            let encoding = match token.kind() {
                TokenKind::Atom => None,
                TokenKind::LiteralString
                | TokenKind::BasicString
                | TokenKind::MlLiteralString
                | TokenKind::MlBasicString => token.kind().encoding(),
                _ => return Err(self.wrong()),
            };
            self.bump();
            let mut name = Cow::Borrowed("");
            let mut first = First(None);
            self.raw(token.span().start(), token.span().end(), encoding)
                .decode_key(&mut name, &mut first);
            self.explain(first)?;
            let name = tree.name(name);
            self.key.push(name);
            if self.key.len() > MAX_DEPTH {
                return Err(self.too_deep());
            }
            self.space();
            if !self.take(TokenKind::Dot) {
                return Ok(());
            }
            self.space();
        }
    }

    fn value(&mut self, writer: &mut Writer) -> Result<()> {
        match self.next.kind() {
            TokenKind::LeftSquareBracket => {
                self.enter()?;
                writer.open_array()?;
                loop {
                    self.lines()?;
                    if self.next.kind() == TokenKind::RightSquareBracket {
                        break;
                    }
                    self.value(writer)?;
                    self.lines()?;
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
                    self.lines()?;
                    if self.next.kind() == TokenKind::RightCurlyBracket {
                        break;
                    }
                    let root = tree.root();
                    self.pair(&mut tree, root)?;
                    self.lines()?;
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
            | TokenKind::Atom => self.scalar(writer),
            _ => Err(self.wrong()),
        }
    }

    fn scalar(&mut self, writer: &mut Writer) -> Result<()> {
        let token = self.bump();
        let (start, mut end) = (token.span().start(), token.span().end());
        let encoding = token.kind().encoding();
        // Numbers have points, dates and times spaces.
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
        self.explain(first)?;
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
            ScalarKind::DateTime => self.datetime(&text, start, writer)?,
        }
        Ok(())
    }

    fn datetime(&self, text: &str, start: usize, writer: &mut Writer) -> Result<()> {
        let datetime = text.parse::<Datetime>().map_err(|error| self.at(error, start))?;
        if self.datetimes == Datetimes::Refuse {
            let what = format_args!("a document has no place for the date or time {datetime}");
            return Err(self.at(what, start).with_kind(plugbay_sdk::ErrorKind::Unsupported));
        }
        if let Some(tag) = date::tag(&datetime).filter(|_| self.datetimes == Datetimes::Date) {
            writer.open_tag(tag)?;
        }
        Ok(writer.text(&date::text(&datetime))?)
    }

    fn enter(&mut self) -> Result<()> {
        self.depth += 1;
        // The document itself is a level.
        if self.depth >= MAX_DEPTH {
            return Err(self.too_deep());
        }
        self.bump();
        Ok(())
    }

    /// Takes a token.
    fn bump(&mut self) -> Token {
        let token = self.next;
        self.next = self.after;
        self.after = self::token(&mut self.lexer, self.text);
        token
    }

    fn take(&mut self, kind: TokenKind) -> bool {
        let found = self.next.kind() == kind;
        if found {
            self.bump();
        }
        found
    }

    fn expect(&mut self, kind: TokenKind) -> Result<()> {
        if self.take(kind) { Ok(()) } else { Err(self.wrong()) }
    }

    fn space(&mut self) {
        self.take(TokenKind::Whitespace);
    }

    /// What may stand before the end of a line, and that end.
    fn rest_of_line(&mut self) -> Result<()> {
        self.space();
        if self.next.kind() == TokenKind::Comment {
            self.comment()?;
        }
        match self.next.kind() {
            TokenKind::Newline => self.newline(),
            TokenKind::Eof => Ok(()),
            _ => Err(self.wrong()),
        }
    }

    /// What may stand between the parts of an array or an inline table.
    fn lines(&mut self) -> Result<()> {
        loop {
            match self.next.kind() {
                TokenKind::Whitespace => drop(self.bump()),
                TokenKind::Newline => self.newline()?,
                TokenKind::Comment => self.comment()?,
                _ => return Ok(()),
            }
        }
    }

    fn comment(&mut self) -> Result<()> {
        let token = self.bump();
        let mut first = First(None);
        self.raw(token.span().start(), token.span().end(), None).decode_comment(&mut first);
        self.explain(first)
    }

    fn newline(&mut self) -> Result<()> {
        let token = self.bump();
        let mut first = First(None);
        self.raw(token.span().start(), token.span().end(), None).decode_newline(&mut first);
        self.explain(first)
    }

    fn raw(&self, start: usize, end: usize, encoding: Option<Encoding>) -> Raw<'t> {
        let span = toml_parser::Span::new_unchecked(start, end);
        Raw::new_unchecked(&self.text[start..end], encoding, span)
    }

    /// The error that was reported first.
    fn explain(&self, first: First) -> Result<()> {
        match first.0 {
            Some(error) => Err(self.parse_error(&error, 0)),
            None => Ok(()),
        }
    }

    /// What is wrong with the expression, as `toml_parser` says it.
    #[cold]
    fn wrong(&self) -> Error {
        let start = self.expression;
        let source = Source::new(&self.text[start..]);
        let tokens: Vec<Token> = source.lex().take(EXPLAINED).collect();
        let mut first = First(None);
        let mut ignored = |_event: toml_parser::parser::Event| {};
        toml_parser::parser::parse_document(&tokens, &mut ignored, &mut first);
        match first.0 {
            Some(error) => self.parse_error(&error, start),
            None => self.at("expected TOML, found something else", self.next.span().start()),
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

/// The next token; at the end that of the end, any number of times.
fn token(lexer: &mut Lexer<'_>, text: &str) -> Token {
    lexer.next().unwrap_or_else(|| {
        // An empty text has that token alone.
        let mut end = Source::new(&text[text.len()..]).lex();
        end.next().unwrap_or_else(|| unreachable!("an empty text ends"))
    })
}

/// The error that is reported first.
struct First(Option<ParseError>);

impl ErrorSink for First {
    fn report_error(&mut self, error: ParseError) {
        self.0.get_or_insert(error);
    }
}
