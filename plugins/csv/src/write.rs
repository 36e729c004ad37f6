//! Documents to tables: a list of flat maps with the same keys, a list of flat lists of the same
//! length, or a map of `columns` and `rows`.

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
        count: None,
        names: Names::default(),
        lists: !dialect.header,
    };
    match table.reader.next_token()? {
        Token::Array(rows) => table.rows(Path::Root, rows)?,
        Token::Map(pairs) => table.parts(pairs)?,
        _ => bail!(unsupported, "{} cannot hold anything but a list of rows", dialect.name()),
    }
    table.reader.finish()?;
    if !dialect.bom && table.out[start..].starts_with(BYTE_ORDER_MARK) {
        bail!(
            unsupported,
            "{} cannot begin with the character U+FEFF, unless bom = true",
            dialect.name()
        );
    }
    Ok(table.out)
}

struct Table<'a> {
    reader: Reader<'a>,
    dialect: Dialect,
    out: Vec<u8>,
    /// The cells of the row that is being read, one after the other.
    text: String,
    /// Where each column's cell is in `text`; [`NONE`] is nowhere.
    cells: Vec<(u32, u32)>,
    /// How many cells the first row has.
    count: Option<usize>,
    /// The columns that the first row set, if rows are maps.
    names: Names,
    /// Rows are lists.
    lists: bool,
}

/// No cell.
const NONE: (u32, u32) = (u32::MAX, u32::MAX);

/// The names of columns, one after the other.
#[derive(Default)]
struct Names {
    text: String,
    /// Where each ends.
    ends: Vec<u32>,
    /// Their places in the order of the names.
    sorted: Vec<u32>,
}

impl Names {
    fn name(&self, place: usize) -> &str {
        let start = place.checked_sub(1).map_or(0, |before| self.ends[before] as usize);
        &self.text[start..self.ends[place] as usize]
    }

    fn sort(&mut self) {
        let mut sorted: Vec<u32> = (0..place(self.ends.len())).collect();
        sorted.sort_unstable_by(|a, b| self.name(*a as usize).cmp(self.name(*b as usize)));
        self.sorted = sorted;
    }

    /// The place of a name; `guess` is where it most likely is.
    fn place(&self, name: &str, guess: usize) -> Option<usize> {
        if guess < self.ends.len() && self.name(guess) == name {
            return Some(guess);
        }
        let found = self.sorted.binary_search_by(|place| self.name(*place as usize).cmp(name));
        found.ok().map(|index| self.sorted[index] as usize)
    }
}

/// A place in a row: documents are shorter than 4 GiB.
fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl Table<'_> {
    fn rows(&mut self, path: Path<'_>, mut rows: Option<usize>) -> Result<()> {
        let mut index = 0;
        while self.reader.more(&mut rows)? {
            self.next_row(Path::Index(&path, index))?;
            index += 1;
        }
        Ok(())
    }

    /// The names of the columns, if there are any, and then the rows.
    fn parts(&mut self, mut pairs: Option<usize>) -> Result<()> {
        self.lists = true;
        let (mut columns, mut rows) = (None, None);
        while self.reader.more(&mut pairs)? {
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
                Token::Array(cells) => self.list(path, cells)?,
                _ => return self.refuse(path, "anything but a list of names"),
            }
        }
        let Some(rows) = rows else {
            return self.refuse(Path::Root, "a map without the key rows");
        };
        self.reader = rows;
        let path = Path::Key(&Path::Root, ROWS);
        match self.reader.next_token()? {
            Token::Array(rows) => self.rows(path, rows)?,
            _ => return self.refuse(path, "anything but a list of rows"),
        }
        self.reader = end;
        Ok(())
    }

    fn next_row(&mut self, path: Path<'_>) -> Result<()> {
        match (self.reader.next_token()?, self.lists) {
            (Token::Map(pairs), false) => self.map(path, pairs),
            (Token::Array(cells), true) => self.list(path, cells),
            (_, false) => self.refuse(path, "anything but a map with the columns' names as keys"),
            (_, true) => self.refuse(path, "anything but a list of cells"),
        }
    }

    fn map(&mut self, path: Path<'_>, mut pairs: Option<usize>) -> Result<()> {
        if self.count.is_none() {
            self.header(path, pairs)?;
        }
        self.text.clear();
        self.cells.fill(NONE);
        let mut index = 0;
        while self.reader.more(&mut pairs)? {
            let Token::Text(name) = self.reader.next_token()? else {
                return self.refuse(path, "a key that is not text");
            };
            let start = place(self.text.len());
            self.cell(Path::Key(&path, &name))?;
            let Some(column) = self.names.place(&name, index) else {
                let what = format!("the column {name:?}, which the first row lacks,");
                return self.refuse(path, &what);
            };
            self.cells[column] = (start, place(self.text.len()));
            index += 1;
        }
        let alone = self.cells.len() == 1;
        for column in 0..self.cells.len() {
            let cell = self.cells[column];
            if cell == NONE && self.dialect.ragged == Ragged::Refuse {
                return self.refuse(path, "a row that lacks a column of the first");
            }
            self.delimit(column);
            let range = if cell == NONE { 0..0 } else { cell.0 as usize..cell.1 as usize };
            self.put(path, range, alone)?;
        }
        self.end_row();
        Ok(())
    }

    /// Writes the names of the pairs that follow, and takes nothing.
    fn header(&mut self, path: Path<'_>, mut pairs: Option<usize>) -> Result<()> {
        let mut ahead = self.reader;
        while ahead.more(&mut pairs)? {
            let Token::Text(name) = ahead.next_token()? else {
                return self.refuse(path, "a key that is not text");
            };
            ahead.skip()?;
            self.names.text.push_str(&name);
            self.names.ends.push(place(self.names.text.len()));
        }
        let count = self.names.ends.len();
        if count == 0 {
            return self.refuse(path, "a row without columns");
        }
        for column in 0..count {
            self.delimit(column);
            self.text.clear();
            self.text.push_str(self.names.name(column));
            self.put(path, 0..self.text.len(), count == 1)?;
        }
        self.end_row();
        self.names.sort();
        self.cells = vec![NONE; count];
        self.count = Some(count);
        Ok(())
    }

    fn list(&mut self, path: Path<'_>, mut cells: Option<usize>) -> Result<()> {
        let mut found = 0;
        let mut more = self.reader.more(&mut cells)?;
        while more {
            self.text.clear();
            self.cell(Path::Index(&path, found))?;
            more = self.reader.more(&mut cells)?;
            self.delimit(found);
            self.put(path, 0..self.text.len(), found == 0 && !more)?;
            found += 1;
            if !more {
                // A break is taken once.
                break;
            }
        }
        if found == 0 {
            return self.refuse(path, "a row without columns");
        }
        let count = *self.count.get_or_insert(found);
        if count != found && self.dialect.ragged == Ragged::Refuse {
            return self.refuse(path, "a row that is longer or shorter than the first");
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

    /// Writes the cell that is in this part of `text`; `alone` says that the row has no other.
    fn put(&mut self, path: Path<'_>, range: std::ops::Range<usize>, alone: bool) -> Result<()> {
        let cell = &self.text[range];
        reserve(&mut self.out, cell.len() + 2);
        let Dialect { delimiter, quote, .. } = self.dialect;
        let special =
            |byte: u8| byte == delimiter || byte == b'\n' || byte == b'\r' || Some(byte) == quote;
        match quote {
            // An empty line would be a record as well; quotes tell everyone.
            Some(quote) if cell.bytes().any(special) || cell.is_empty() && alone => {
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

    /// Takes a cell, and adds it to `text`.
    fn cell(&mut self, path: Path<'_>) -> Result<()> {
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

    fn refuse<T>(&self, path: Path<'_>, what: &str) -> Result<T> {
        bail!(unsupported, "{} cannot hold {what} at {path}", self.dialect.name())
    }
}
