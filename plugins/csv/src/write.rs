//! Documents to tables: a list of flat maps with the same keys, or a list of flat lists of the
//! same length.

use std::collections::HashMap;

use plugbay_sdk::document::Path;
use plugbay_sdk::document::cbor::{Reader, Token};
use plugbay_sdk::{Document, Error, Result, bail};

use crate::dialect::Dialect;

pub(crate) fn write(document: &Document, dialect: Dialect) -> Result<Vec<u8>> {
    let cbor = document.as_cbor();
    let mut table = Table {
        reader: Reader::new(cbor),
        dialect,
        out: csv::WriterBuilder::new()
            .delimiter(dialect.delimiter)
            .quote(dialect.quote.unwrap_or(b'"'))
            .quote_style(if dialect.quote.is_some() {
                csv::QuoteStyle::Necessary
            } else {
                csv::QuoteStyle::Never
            })
            .terminator(csv::Terminator::CRLF)
            .flexible(true)
            .from_writer(Vec::with_capacity(cbor.len())),
        columns: None,
    };
    let Token::Array(mut rows) = table.reader.next_token()? else {
        bail!(unsupported, "{} cannot hold anything but a list of rows", dialect.name());
    };
    let mut index = 0;
    while table.reader.more(&mut rows)? {
        table.row(index)?;
        index += 1;
    }
    let out = table.out.into_inner().map_err(|error| Error::internal(error.error()))?;
    if out.starts_with(b"\xef\xbb\xbf") {
        bail!(unsupported, "{} cannot begin with the character U+FEFF", dialect.name());
    }
    Ok(out)
}

struct Table<'a> {
    reader: Reader<'a>,
    dialect: Dialect,
    out: csv::Writer<Vec<u8>>,
    columns: Option<Columns>,
}

/// The columns that the first row set. The names are empty if rows are lists.
struct Columns {
    count: usize,
    places: HashMap<String, usize>,
}

impl Table<'_> {
    fn row(&mut self, index: usize) -> Result<()> {
        let path = Path::Index(&Path::Root, index);
        match (self.reader.next_token()?, self.dialect.header) {
            (Token::Map(pairs), true) => self.map(path, pairs),
            (Token::Array(cells), false) => self.list(path, cells),
            (_, true) => self.refuse(path, "anything but a map with the columns' names as keys"),
            (_, false) => self.refuse(path, "anything but a list of cells"),
        }
    }

    fn map(&mut self, path: Path<'_>, mut pairs: Option<usize>) -> Result<()> {
        let mut cells: Vec<(String, String)> = Vec::new();
        while self.reader.more(&mut pairs)? {
            let Token::Text(name) = self.reader.next_token()? else {
                return self.refuse(path, "a key that is not text");
            };
            let cell = self.cell(Path::Key(&path, &name))?;
            cells.push((name.into_owned(), cell));
        }
        if self.columns.is_none() {
            let names: Vec<&String> = cells.iter().map(|(name, _)| name).collect();
            for name in &names {
                self.check_cell(Path::Key(&path, name), name, names.len())?;
            }
            self.out.write_record(names)?;
        }
        let columns = self.columns.get_or_insert_with(|| Columns {
            count: cells.len(),
            places: cells.iter().zip(0..).map(|((name, _), place)| (name.clone(), place)).collect(),
        });
        let mut record = vec![None; columns.count];
        for (name, cell) in cells {
            let place = columns.places.get(&name).and_then(|place| record.get_mut(*place));
            match place {
                Some(place) if place.is_none() => *place = Some(cell),
                _ => {
                    return self
                        .refuse(path, &format!("the column {name:?}, which the first row lacks,"));
                }
            }
        }
        match record.into_iter().collect::<Option<Vec<_>>>() {
            Some(record) => self.record(path, &record),
            None => self.refuse(path, "a row that lacks a column of the first"),
        }
    }

    fn list(&mut self, path: Path<'_>, mut cells: Option<usize>) -> Result<()> {
        let mut record = Vec::new();
        while self.reader.more(&mut cells)? {
            record.push(self.cell(Path::Index(&path, record.len()))?);
        }
        let count = record.len();
        let columns = self.columns.get_or_insert_with(|| Columns { count, places: HashMap::new() });
        if columns.count != count {
            return self.refuse(path, "a row that is longer or shorter than the first");
        }
        self.record(path, &record)
    }

    fn record(&mut self, path: Path<'_>, record: &[String]) -> Result<()> {
        for cell in record {
            self.check_cell(path, cell, record.len())?;
        }
        if record.is_empty() {
            return self.refuse(path, "a row without columns");
        }
        Ok(self.out.write_record(record)?)
    }

    /// What no quotes can help.
    fn check_cell(&self, path: Path<'_>, cell: &str, columns: usize) -> Result<()> {
        if self.dialect.quote.is_some() {
            return Ok(());
        }
        if cell.contains(['\t', '\n', '\r']) {
            return self.refuse(path, "a tab or a line break in a cell");
        }
        if cell.is_empty() && columns == 1 {
            return self.refuse(path, "a row that is an empty line");
        }
        Ok(())
    }

    fn cell(&mut self, path: Path<'_>) -> Result<String> {
        let token = self.reader.next_token()?;
        if let Some(value) = token.as_integer() {
            return Ok(value.to_string());
        }
        if let Some(value) = token.as_float().filter(|value| value.is_finite()) {
            return Ok(format!("{value:?}"));
        }
        match token {
            Token::Text(text) => Ok(text.into_owned()),
            Token::Bool(value) => Ok(value.to_string()),
            Token::Bytes(_) => self.refuse(path, "a byte string"),
            Token::Array(_) | Token::Map(_) => self.refuse(path, &format!("{token} in a cell")),
            _ => self.refuse(path, &token.to_string()),
        }
    }

    fn refuse<T>(&self, path: Path<'_>, what: &str) -> Result<T> {
        bail!(unsupported, "{} cannot hold {what} at {path}", self.dialect.name())
    }
}
