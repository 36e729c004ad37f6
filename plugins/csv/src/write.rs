//! Converts documents to tables. A document is a list of flat maps with the same keys, a list of
//! flat lists of the same length, or a map of `columns` and `rows`.

use plugbay_sdk::document::cbor::{Reader, Token};
use plugbay_sdk::document::{Path, reserve};
use plugbay_sdk::{Document, Result, bail};

use crate::Ragged;
use crate::dialect::Dialect;
use crate::read::{COLUMNS, ROWS};

const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

pub(crate) fn write(document: &Document, dialect: Dialect) -> Result<Vec<u8>> {
    let cbor = document.as_cbor();
    let mut out = Vec::with_capacity(cbor.len() + 16);
    if dialect.bom {
        out.extend_from_slice(BYTE_ORDER_MARK);
    }
    let start = out.len();
    let mut table = Table {
        reader: Reader::new(cbor),
        dialect,
        out,
        text: String::new(),
        cells: Vec::new(),
        columns: None,
        names: Names::default(),
        rows_are_lists: !dialect.header,
    };
    match table.reader.next_token()? {
        Token::Array(rows) => table.write_rows(Path::Root, rows)?,
        Token::Map(pairs) => table.write_table(pairs)?,
        found => return table.expected(Path::Root, "a list of rows", &found),
    }
    table.reader.finish()?;
    if !dialect.bom && table.out[start..].starts_with(BYTE_ORDER_MARK) {
        bail!(
            unsupported,
            "{} cannot begin with the character U+FEFF: it would be read as a byte order mark; set \
             bom = true in [plugins.csv.config]",
            dialect.name()
        );
    }
    Ok(table.out)
}

struct Table<'a> {
    reader: Reader<'a>,
    dialect: Dialect,
    out: Vec<u8>,
    /// The cells of the current row, one after the other.
    text: String,
    /// The start and the end of each column's cell in `text`; [`NO_CELL`] if the row lacks it.
    cells: Vec<(u32, u32)>,
    /// The number of columns, as soon as it is known.
    columns: Option<usize>,
    /// The columns of the first row, if rows are maps.
    names: Names,
    /// Whether rows are lists, and not maps.
    rows_are_lists: bool,
}

const NO_CELL: (u32, u32) = (u32::MAX, u32::MAX);

/// The names of the columns.
#[derive(Default)]
struct Names {
    /// All names, one after the other.
    text: String,
    /// The end of each name.
    ends: Vec<u32>,
    /// The columns, sorted by their names.
    sorted: Vec<u32>,
}

impl Names {
    fn name(&self, column: usize) -> &str {
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.text[start..self.ends[column] as usize]
    }

    fn sort(&mut self) {
        let mut sorted: Vec<u32> = (0..offset(self.ends.len())).collect();
        sorted.sort_unstable_by(|a, b| self.name(*a as usize).cmp(self.name(*b as usize)));
        self.sorted = sorted;
    }

    /// The column with this name; `guess` is the most likely one.
    fn column(&self, name: &str, guess: usize) -> Option<usize> {
        if guess < self.ends.len() && self.name(guess) == name {
            return Some(guess);
        }
        let found = self.sorted.binary_search_by(|column| self.name(*column as usize).cmp(name));
        found.ok().map(|index| self.sorted[index] as usize)
    }
}

/// An offset in a row as 32 bits: documents are shorter than 4 GiB.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Table<'_> {
    fn write_rows(&mut self, path: Path<'_>, mut rows: Option<usize>) -> Result<()> {
        let mut index = 0;
        while self.reader.advance(&mut rows)? {
            self.write_row(Path::Index(&path, index))?;
            index += 1;
        }
        Ok(())
    }

    /// Writes a map of `columns` and `rows`: the names of the columns, if there are any, and then
    /// the rows.
    fn write_table(&mut self, mut pairs: Option<usize>) -> Result<()> {
        self.rows_are_lists = true;
        let (mut columns, mut rows) = (None, None);
        while self.reader.advance(&mut pairs)? {
            let key = self.reader.next_token()?;
            let start = self.reader;
            self.reader.skip()?;
            match key {
                Token::Text(key) if key == COLUMNS => columns = Some(start),
                Token::Text(key) if key == ROWS => rows = Some(start),
                _ => return self.refuse(Path::Root, "a map with keys other than columns and rows"),
            }
        }
        let end = self.reader;
        if let Some(columns) = columns {
            self.reader = columns;
            let path = Path::Key(&Path::Root, COLUMNS);
            match self.reader.next_token()? {
                Token::Array(cells) => self.write_list(path, cells)?,
                found => return self.expected(path, "a list of names", &found),
            }
        }
        let Some(rows) = rows else {
            return self.refuse(Path::Root, "a map without the key rows");
        };
        self.reader = rows;
        let path = Path::Key(&Path::Root, ROWS);
        match self.reader.next_token()? {
            Token::Array(rows) => self.write_rows(path, rows)?,
            found => return self.expected(path, "a list of rows", &found),
        }
        self.reader = end;
        Ok(())
    }

    fn write_row(&mut self, path: Path<'_>) -> Result<()> {
        match (self.reader.next_token()?, self.rows_are_lists) {
            (Token::Map(pairs), false) => self.write_map(path, pairs),
            (Token::Array(cells), true) => self.write_list(path, cells),
            (found, false) => {
                self.expected(path, "a map with the names of the columns as keys", &found)
            }
            (found, true) => self.expected(path, "a list of cells", &found),
        }
    }

    fn write_map(&mut self, path: Path<'_>, mut pairs: Option<usize>) -> Result<()> {
        if self.columns.is_none() {
            self.write_header(path, pairs)?;
        }
        self.text.clear();
        self.cells.fill(NO_CELL);
        let mut index = 0;
        while self.reader.advance(&mut pairs)? {
            let Token::Text(name) = self.reader.next_token()? else {
                return self.refuse(path, "a key that is not text");
            };
            let start = offset(self.text.len());
            self.read_cell(Path::Key(&path, &name))?;
            let Some(column) = self.names.column(&name, index) else {
                let what = format!("the column {name:?}, which the first row lacks,");
                return self.refuse(path, &what);
            };
            self.cells[column] = (start, offset(self.text.len()));
            index += 1;
        }
        let is_only = self.cells.len() == 1;
        for column in 0..self.cells.len() {
            let cell = self.cells[column];
            if cell == NO_CELL && self.dialect.ragged == Ragged::Refuse {
                return self.refuse(path, "a row that lacks a column of the first row");
            }
            self.delimit(column);
            let range = if cell == NO_CELL { 0..0 } else { cell.0 as usize..cell.1 as usize };
            self.write_cell(path, range, is_only)?;
        }
        self.end_row();
        Ok(())
    }

    /// Writes the names of the next pairs, which it reads in a copy of the reader.
    fn write_header(&mut self, path: Path<'_>, mut pairs: Option<usize>) -> Result<()> {
        let mut ahead = self.reader;
        while ahead.advance(&mut pairs)? {
            let Token::Text(name) = ahead.next_token()? else {
                return self.refuse(path, "a key that is not text");
            };
            ahead.skip()?;
            self.names.text.push_str(&name);
            self.names.ends.push(offset(self.names.text.len()));
        }
        let count = self.names.ends.len();
        if count == 0 {
            return self.refuse(path, "a row without columns");
        }
        for column in 0..count {
            self.delimit(column);
            self.text.clear();
            self.text.push_str(self.names.name(column));
            self.write_cell(path, 0..self.text.len(), count == 1)?;
        }
        self.end_row();
        self.names.sort();
        self.cells = vec![NO_CELL; count];
        self.columns = Some(count);
        Ok(())
    }

    fn write_list(&mut self, path: Path<'_>, mut cells: Option<usize>) -> Result<()> {
        let mut found = 0;
        let mut more = self.reader.advance(&mut cells)?;
        while more {
            self.text.clear();
            self.read_cell(Path::Index(&path, found))?;
            more = self.reader.advance(&mut cells)?;
            self.delimit(found);
            self.write_cell(path, 0..self.text.len(), found == 0 && !more)?;
            found += 1;
        }
        if found == 0 {
            return self.refuse(path, "a row without columns");
        }
        let count = *self.columns.get_or_insert(found);
        if count != found && self.dialect.ragged == Ragged::Refuse {
            return self.refuse(path, "a row that is longer or shorter than the first row");
        }
        self.end_row();
        Ok(())
    }

    fn delimit(&mut self, column: usize) {
        if column > 0 {
            reserve(&mut self.out, 1);
            self.out.push(self.dialect.delimiter);
        }
    }

    fn end_row(&mut self) {
        reserve(&mut self.out, 2);
        self.out.extend_from_slice(b"\r\n");
    }

    /// Writes the cell in this range of `text`; `is_only` if it is the only cell of its row.
    fn write_cell(
        &mut self,
        path: Path<'_>,
        range: std::ops::Range<usize>,
        is_only: bool,
    ) -> Result<()> {
        let cell = &self.text[range];
        reserve(&mut self.out, cell.len() + 2);
        let Dialect { delimiter, quote, .. } = self.dialect;
        let special =
            |byte: u8| byte == delimiter || byte == b'\n' || byte == b'\r' || Some(byte) == quote;
        match quote {
            // Other readers could skip an empty line, so an empty cell alone in its row is quoted.
            Some(quote) if cell.bytes().any(special) || cell.is_empty() && is_only => {
                self.out.push(quote);
                for part in cell.as_bytes().split_inclusive(|byte| *byte == quote) {
                    reserve(&mut self.out, part.len() + 2);
                    self.out.extend_from_slice(part);
                    if part.ends_with(&[quote]) {
                        self.out.push(quote);
                    }
                }
                self.out.push(quote);
            }
            None if cell.bytes().any(special) => {
                return self.refuse(path, "a tab or a line break in a cell");
            }
            _ => self.out.extend_from_slice(cell.as_bytes()),
        }
        Ok(())
    }

    /// Reads a cell, and appends it to `text`.
    fn read_cell(&mut self, path: Path<'_>) -> Result<()> {
        let token = self.reader.next_token()?;
        let text = &mut self.text;
        match &token {
            Token::Text(cell) => text.push_str(cell),
            Token::Bool(value) => text.push_str(if *value { "true" } else { "false" }),
            Token::Unsigned(_) | Token::Negative(_) => {
                text.push_str(&token.as_integer().unwrap_or(0).to_string());
            }
            Token::F32(_) | Token::F64(_) => match token.as_float().filter(|it| it.is_finite()) {
                Some(value) => text.push_str(&format!("{value:?}")),
                None => return self.refuse(path, &token.to_string()),
            },
            Token::Bytes(_) => return self.refuse(path, "a byte string"),
            Token::Array(_) | Token::Map(_) => {
                return self.refuse(path, &format!("{token} in a cell"));
            }
            Token::Tag(tag) => {
                if let Some(date) = self.reader.date(*tag)? {
                    text.push_str(&date);
                } else {
                    match self.reader.bignum(*tag)? {
                        Some(integer) if integer.has_digits() => {
                            text.push_str(&integer.to_string());
                        }
                        Some(integer) => {
                            return self.refuse(path, &format!("the integer {integer}"));
                        }
                        None => return self.refuse(path, &token.to_string()),
                    }
                }
            }
            _ => return self.refuse(path, &token.to_string()),
        }
        Ok(())
    }

    fn expected<T>(&self, path: Path<'_>, expected: &str, found: &Token<'_>) -> Result<T> {
        let format = self.dialect.name();
        bail!(unsupported, "expected {expected} for {format}, found {found} at {path}")
    }

    fn refuse<T>(&self, path: Path<'_>, what: &str) -> Result<T> {
        bail!(unsupported, "{} cannot hold {what} at {path}", self.dialect.name())
    }
}
