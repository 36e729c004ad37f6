//! Tables to documents. Every cell is text: the format has no types, and guessing them loses leading
//! zeros, long numbers and whatever else looks like something it is not.

use std::borrow::Cow;

use plugbay_sdk::document::cbor::{Writer, escaped};
use plugbay_sdk::document::repeats;
use plugbay_sdk::{Document, Error, Result, document};

use crate::dialect::Dialect;
use crate::{Form, Quotes, Ragged};

/// The keys of a document of the form `table`.
pub(crate) const COLUMNS: &str = "columns";
pub(crate) const ROWS: &str = "rows";

pub(crate) fn read(bytes: &[u8], dialect: Dialect) -> Result<Document> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Error::invalid_input(format_args!("expected utf-8 text, found other bytes at byte {at}"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut table = Table {
        dialect,
        records: Records { text, at: 0, line: 1, dialect },
        writer: Writer::with_capacity(bytes.len() + bytes.len() / 4 + 16),
        header: None,
        columns: None,
        empty: 0,
        number: 0,
        repeats: repeats(bytes.len()),
    };
    if dialect.header {
        // Empty lines before the header name nothing.
        while table.records.empty_line() {}
        if !table.records.at_end() {
            table.header()?;
        }
    }
    table.begin()?;
    while !table.records.at_end() {
        if table.records.empty_line() {
            table.empty_line()?;
        } else {
            table.record()?;
        }
    }
    table.end()
}

struct Table<'t> {
    dialect: Dialect,
    records: Records<'t>,
    writer: Writer,
    header: Option<Header>,
    /// How many fields a record has, once that is known.
    columns: Option<usize>,
    /// The empty lines so far, as long as that is not known.
    empty: usize,
    /// The records so far.
    number: usize,
    /// How many bytes of names may still be repeated.
    repeats: usize,
}

/// The names of the columns, one after the other, and where each ends.
#[derive(Default)]
struct Header {
    names: String,
    ends: Vec<usize>,
}

impl Header {
    fn name(&self, index: usize) -> Option<&str> {
        let end = *self.ends.get(index)?;
        let start = index.checked_sub(1).map_or(0, |before| self.ends[before]);
        Some(&self.names[start..end])
    }
}

impl Table<'_> {
    /// Two columns of one name are refused even when no record follows.
    fn header(&mut self) -> Result<()> {
        let mut header = Header::default();
        let mut names = Writer::default();
        names.open_map()?;
        loop {
            let name = self.records.field()?;
            names.text(&name)?;
            names.null()?;
            header.names.push_str(&name);
            header.ends.push(header.names.len());
            if !self.records.another() {
                break;
            }
        }
        names.close()?;
        self.columns = Some(header.ends.len());
        self.header = Some(header);
        Ok(())
    }

    fn begin(&mut self) -> Result<(), document::Error> {
        if self.dialect.form == Form::Table {
            self.writer.open_map()?;
            if let Some(header) = &self.header {
                self.writer.text(COLUMNS)?;
                self.writer.open_array()?;
                for index in 0..header.ends.len() {
                    self.writer.text(header.name(index).unwrap_or(""))?;
                }
                self.writer.close()?;
            }
            self.writer.text(ROWS)?;
        }
        self.writer.open_array()
    }

    /// A line with nothing on it: of one column it is a record.
    fn empty_line(&mut self) -> Result<()> {
        match self.columns {
            None => self.empty += 1,
            Some(1) => self.empty_row()?,
            Some(_) => {}
        }
        Ok(())
    }

    fn empty_row(&mut self) -> Result<()> {
        self.number += 1;
        let named = self.open()?;
        if named {
            self.name(0)?;
        }
        self.writer.text("")?;
        Ok(self.writer.close()?)
    }

    /// Opens a row, and says whether its cells have names.
    fn open(&mut self) -> Result<bool> {
        let named = self.header.is_some() && self.dialect.form == Form::Rows;
        if named {
            self.writer.open_map()?;
        } else {
            self.writer.open_array()?;
        }
        Ok(named)
    }

    /// Writes the name of a column, if there is one.
    fn name(&mut self, index: usize) -> Result<bool> {
        let Some(name) = self.header.as_ref().and_then(|header| header.name(index)) else {
            return Ok(false);
        };
        if self.number > 1 {
            let left = self.repeats.checked_sub(escaped(name));
            self.repeats = left.ok_or_else(|| too_long(self.records.line))?;
        }
        self.writer.text(name)?;
        Ok(true)
    }

    fn record(&mut self) -> Result<()> {
        let line = self.records.line;
        if self.columns.is_none() && self.empty > 0 && self.records.is_alone()? {
            // Of one column, as the empty lines before it are.
            for _ in 0..std::mem::take(&mut self.empty) {
                self.empty_row()?;
            }
        }
        self.number += 1;
        let named = self.open()?;
        let mut found = 0;
        loop {
            let cell = self.records.field()?;
            if !named || self.name(found)? {
                self.writer.text(&cell)?;
            }
            found += 1;
            if !self.records.another() {
                break;
            }
        }
        self.writer.close()?;
        let expected = *self.columns.get_or_insert(found);
        let fits = match self.dialect.ragged {
            Ragged::Refuse => found == expected,
            // A cell without a column has no name.
            Ragged::Accept => !named || found <= expected,
        };
        if !fits {
            let number = self.number;
            return Err(Error::invalid_input(format_args!(
                "expected {expected} fields, found {found} in record {number} (line {line})"
            )));
        }
        Ok(())
    }

    fn end(mut self) -> Result<Document> {
        if self.columns.is_none() && !self.dialect.header {
            for _ in 0..std::mem::take(&mut self.empty) {
                self.empty_row()?;
            }
        }
        self.writer.close()?;
        if self.dialect.form == Form::Table {
            self.writer.close()?;
        }
        Ok(self.writer.into_document())
    }
}

#[cold]
fn too_long(line: usize) -> Error {
    Error::unsupported(format_args!(
        "the names of the columns, repeated in every row, would make the document several times as \
         long as the text from line {line} on; form = \"table\" in [plugins.csv.config] names them once"
    ))
}

/// The fields of a text, one after the other.
#[derive(Clone, Copy)]
struct Records<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    dialect: Dialect,
}

impl<'t> Records<'t> {
    fn at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Takes the end of a line, if it is what follows.
    fn empty_line(&mut self) -> bool {
        let length = match self.text.as_bytes()[self.at..] {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => return false,
        };
        self.at += length;
        self.line += 1;
        true
    }

    /// After a field: takes the delimiter and says true, or the end of the line.
    fn another(&mut self) -> bool {
        let more = self.text.as_bytes().get(self.at) == Some(&self.dialect.delimiter);
        if more {
            self.at += 1;
        } else {
            self.empty_line();
        }
        more
    }

    /// Whether the record that follows has one field.
    fn is_alone(mut self) -> Result<bool> {
        self.field()?;
        Ok(!self.another())
    }

    fn field(&mut self) -> Result<Cow<'t, str>> {
        match self.dialect.quote {
            Some(quote) if self.text.as_bytes().get(self.at) == Some(&quote) => self.quoted(quote),
            quote => {
                let plain = self.plain();
                if self.dialect.quotes == Quotes::Strict
                    && quote.is_some_and(|quote| plain.as_bytes().contains(&quote))
                {
                    return Err(self.wrong(
                        "expected a field that is quoted as a whole, found a quote inside",
                    ));
                }
                Ok(plain.into())
            }
        }
    }

    /// What stands up to the end of the field.
    fn plain(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
        let delimiter = self.dialect.delimiter;
        let ends = |byte: &u8| *byte == delimiter || *byte == b'\n' || *byte == b'\r';
        let length = rest.bytes().position(|byte| ends(&byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn quoted(&mut self, quote: u8) -> Result<Cow<'t, str>> {
        let since = self.line;
        self.at += 1;
        let mut field = Cow::Borrowed("");
        loop {
            let rest = &self.text[self.at..];
            let Some(length) = rest.bytes().position(|byte| byte == quote) else {
                self.line = since;
                return Err(self.wrong("expected a closing quote, found the end"));
            };
            let part = &rest[..length];
            self.line += part.bytes().filter(|byte| *byte == b'\n').count();
            self.at += length + 1;
            if self.text.as_bytes().get(self.at) != Some(&quote) {
                append(&mut field, part);
                break;
            }
            // A quote that stands for itself.
            append(&mut field, &rest[..=length]);
            self.at += 1;
        }
        let after = self.plain();
        if !after.is_empty() {
            if self.dialect.quotes == Quotes::Strict {
                return Err(
                    self.wrong("expected the end of a field after its closing quote, found more")
                );
            }
            append(&mut field, after);
        }
        Ok(field)
    }

    #[cold]
    fn wrong(&self, what: &str) -> Error {
        Error::invalid_input(format_args!("{what} at line {}", self.line))
    }
}

fn append<'t>(field: &mut Cow<'t, str>, part: &'t str) {
    if field.is_empty() {
        *field = Cow::Borrowed(part);
    } else if !part.is_empty() {
        field.to_mut().push_str(part);
    }
}
