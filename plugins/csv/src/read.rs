//! Converts tables to documents. Every cell is text: the format has no types, and guessing them
//! would lose leading zeros and long numbers.

use std::borrow::Cow;

use plugbay_sdk::document::cbor::{Writer, escaped_len};
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
        empty_lines: 0,
        rows: 0,
        repeats: repeats(bytes.len()),
    };
    if dialect.header {
        // Empty lines before the header are skipped.
        while table.records.take_line_end() {}
        if !table.records.is_at_end() {
            table.read_header()?;
        }
    }
    table.begin()?;
    while !table.records.is_at_end() {
        if table.records.take_line_end() {
            table.add_empty_line()?;
        } else {
            table.read_record()?;
        }
    }
    table.end()
}

struct Table<'t> {
    dialect: Dialect,
    records: Records<'t>,
    writer: Writer,
    header: Option<Header>,
    /// The number of fields in a record, as soon as it is known.
    columns: Option<usize>,
    /// The number of empty lines so far, while the number of fields is not known.
    empty_lines: usize,
    /// The number of rows so far.
    rows: usize,
    /// How many bytes of names may still be repeated.
    repeats: usize,
}

/// The names of the columns.
#[derive(Default)]
struct Header {
    /// All names, one after the other.
    names: String,
    /// The end of each name.
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
    /// Reads the header. Two columns with the same name are refused even if no record follows.
    fn read_header(&mut self) -> Result<()> {
        let mut header = Header::default();
        let mut names = Writer::default();
        names.open_map()?;
        loop {
            let name = self.records.read_field()?;
            names.text(&name)?;
            names.null()?;
            header.names.push_str(&name);
            header.ends.push(header.names.len());
            if !self.records.take_separator() {
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

    /// Adds an empty line: in a table with one column it is a record.
    fn add_empty_line(&mut self) -> Result<()> {
        match self.columns {
            None => self.empty_lines += 1,
            Some(1) => self.write_empty_row()?,
            Some(_) => {}
        }
        Ok(())
    }

    /// Writes a row with one empty cell.
    fn write_empty_row(&mut self) -> Result<()> {
        self.rows += 1;
        let named = self.open_row()?;
        if named {
            self.write_name(0)?;
        }
        self.writer.text("")?;
        Ok(self.writer.close()?)
    }

    /// Opens a row, and returns whether its cells have names.
    fn open_row(&mut self) -> Result<bool> {
        let named = self.header.is_some() && self.dialect.form == Form::Rows;
        if named {
            self.writer.open_map()?;
        } else {
            self.writer.open_array()?;
        }
        Ok(named)
    }

    /// Writes the name of a column; `false` if there is no such column.
    fn write_name(&mut self, index: usize) -> Result<bool> {
        let Some(name) = self.header.as_ref().and_then(|header| header.name(index)) else {
            return Ok(false);
        };
        if self.rows > 1 {
            let left = self.repeats.checked_sub(escaped_len(name));
            self.repeats = left.ok_or_else(|| too_long(self.records.line))?;
        }
        self.writer.text(name)?;
        Ok(true)
    }

    /// Reads a record, and writes its row.
    fn read_record(&mut self) -> Result<()> {
        let line = self.records.line;
        if self.columns.is_none() && self.empty_lines > 0 && self.records.has_one_field()? {
            // With one column, the empty lines before this record are records.
            for _ in 0..std::mem::take(&mut self.empty_lines) {
                self.write_empty_row()?;
            }
        }
        self.rows += 1;
        let named = self.open_row()?;
        let mut found = 0;
        loop {
            let cell = self.records.read_field()?;
            if !named || self.write_name(found)? {
                self.writer.text(&cell)?;
            }
            found += 1;
            if !self.records.take_separator() {
                break;
            }
        }
        self.writer.close()?;
        let expected = *self.columns.get_or_insert(found);
        let fits = match self.dialect.ragged {
            Ragged::Refuse => found == expected,
            // Only in a list can there be a cell without a column.
            Ragged::Accept => !named || found <= expected,
        };
        if !fits {
            let row = self.rows;
            return Err(Error::invalid_input(format_args!(
                "expected {expected} fields, found {found} in record {row} (line {line})"
            )));
        }
        Ok(())
    }

    fn end(mut self) -> Result<Document> {
        if self.columns.is_none() && !self.dialect.header {
            for _ in 0..std::mem::take(&mut self.empty_lines) {
                self.write_empty_row()?;
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
        "the names of the columns are repeated in every row, and at line {line} they exceed the \
         limit of repetitions; set form = \"table\" in [plugins.csv.config] to have them once"
    ))
}

/// Reads the fields of a text, one after the other.
#[derive(Clone, Copy)]
struct Records<'t> {
    text: &'t str,
    at: usize,
    line: usize,
    dialect: Dialect,
}

impl<'t> Records<'t> {
    fn is_at_end(&self) -> bool {
        self.at == self.text.len()
    }

    /// Reads the end of a line, if it is next; `false` otherwise.
    fn take_line_end(&mut self) -> bool {
        let length = match self.text.as_bytes()[self.at..] {
            [b'\r', b'\n', ..] => 2,
            [b'\r' | b'\n', ..] => 1,
            _ => return false,
        };
        self.at += length;
        self.line += 1;
        true
    }

    /// Reads what separates a field from the next one: `true` for a delimiter, after which another
    /// field follows, and `false` for the end of the record.
    fn take_separator(&mut self) -> bool {
        let more = self.text.as_bytes().get(self.at) == Some(&self.dialect.delimiter);
        if more {
            self.at += 1;
        } else {
            self.take_line_end();
        }
        more
    }

    /// Whether the next record has one field. This reads ahead in a copy.
    fn has_one_field(mut self) -> Result<bool> {
        self.read_field()?;
        Ok(!self.take_separator())
    }

    fn read_field(&mut self) -> Result<Cow<'t, str>> {
        match self.dialect.quote {
            Some(quote) if self.text.as_bytes().get(self.at) == Some(&quote) => {
                self.read_quoted(quote)
            }
            quote => {
                let plain = self.read_plain();
                if self.dialect.quotes == Quotes::Strict
                    && quote.is_some_and(|quote| plain.as_bytes().contains(&quote))
                {
                    return Err(self.invalid(
                        "expected a quote only around a whole field, found one inside a field",
                    ));
                }
                Ok(plain.into())
            }
        }
    }

    /// Reads up to the end of the field.
    fn read_plain(&mut self) -> &'t str {
        let rest = &self.text[self.at..];
        let delimiter = self.dialect.delimiter;
        let ends = |byte: &u8| *byte == delimiter || *byte == b'\n' || *byte == b'\r';
        let length = rest.bytes().position(|byte| ends(&byte)).unwrap_or(rest.len());
        self.at += length;
        &rest[..length]
    }

    fn read_quoted(&mut self, quote: u8) -> Result<Cow<'t, str>> {
        let since = self.line;
        self.at += 1;
        let mut field = Cow::Borrowed("");
        loop {
            let rest = &self.text[self.at..];
            let Some(length) = rest.bytes().position(|byte| byte == quote) else {
                self.line = since;
                return Err(self.invalid("expected a closing quote, found the end of the text"));
            };
            let part = &rest[..length];
            self.line += part.bytes().filter(|byte| *byte == b'\n').count();
            self.at += length + 1;
            if self.text.as_bytes().get(self.at) != Some(&quote) {
                append(&mut field, part);
                break;
            }
            // Two quotes are one quote of the text.
            append(&mut field, &rest[..=length]);
            self.at += 1;
        }
        let after = self.read_plain();
        if !after.is_empty() {
            if self.dialect.quotes == Quotes::Strict {
                return Err(self.invalid(
                    "expected a delimiter or a line break after a closing quote, found text",
                ));
            }
            append(&mut field, after);
        }
        Ok(field)
    }

    #[cold]
    fn invalid(&self, what: &str) -> Error {
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
