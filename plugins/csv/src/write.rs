//! Documents to tables: a list of flat maps with the same keys, or a list of flat lists of the
//! same length.

use std::collections::HashMap;

use plugbay_sdk::{Error, Result, bail};
use plugbay_strict::{Item, Path, Reader};

use crate::dialect::Dialect;

pub(crate) fn write(document: &[u8], dialect: Dialect) -> Result<Vec<u8>> {
    let mut table = Table {
        reader: Reader::new(document, 0),
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
            .from_writer(Vec::with_capacity(document.len())),
        columns: None,
    };
    let Item::Array(rows) = table.reader.pull()? else {
        bail!(unsupported, "{} cannot hold anything but a list of rows", dialect.name());
    };
    let mut index = 0;
    while rows != Some(index) {
        let item = table.reader.pull()?;
        if item == Item::Break {
            break;
        }
        table.row(usize::try_from(index)?, &item)?;
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

impl<'a> Table<'a> {
    fn row(&mut self, index: usize, item: &Item<'a>) -> Result<()> {
        let path = Path::Index(&Path::Root, index);
        match (item, self.dialect.header) {
            (Item::Map(pairs), true) => self.map(path, *pairs),
            (Item::Array(length), false) => self.list(path, *length),
            (_, true) => self.refuse(path, "anything but a map with the columns' names as keys"),
            (_, false) => self.refuse(path, "anything but a list of cells"),
        }
    }

    fn map(&mut self, path: Path<'_>, pairs: Option<u64>) -> Result<()> {
        let mut cells: Vec<(String, String)> = Vec::new();
        while pairs != Some(cells.len() as u64) {
            let name = match self.reader.pull()? {
                Item::Break => break,
                Item::Text(name) => name.into_owned(),
                _ => return self.refuse(path, "a key that is not text"),
            };
            let item = self.reader.pull()?;
            let cell = self.cell(Path::Key(&path, &name), item)?;
            cells.push((name, cell));
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

    fn list(&mut self, path: Path<'_>, length: Option<u64>) -> Result<()> {
        let mut record = Vec::new();
        while length != Some(record.len() as u64) {
            let item = self.reader.pull()?;
            if item == Item::Break {
                break;
            }
            record.push(self.cell(Path::Index(&path, record.len()), item)?);
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

    fn cell(&self, path: Path<'_>, item: Item<'a>) -> Result<String> {
        Ok(match item {
            Item::Text(text) => text.into_owned(),
            Item::Bool(value) => value.to_string(),
            Item::Integer(value) => value.to_string(),
            Item::Float(value) if value.is_finite() => format!("{value:?}"),
            Item::Float(value) => return self.refuse(path, &format!("the float {value:?}")),
            Item::Null => return self.refuse(path, "null"),
            Item::Undefined => return self.refuse(path, "undefined"),
            Item::Bytes(_) => return self.refuse(path, "a byte string"),
            Item::Array(_) => return self.refuse(path, "an array in a cell"),
            Item::Map(_) => return self.refuse(path, "a map in a cell"),
            Item::Tag(tag) => return self.refuse(path, &format!("the tag {tag}")),
            Item::Simple(value) => return self.refuse(path, &format!("simple value {value}")),
            Item::Break => bail!(internal, "a break in a row of known length"),
        })
    }

    fn refuse<T>(&self, path: Path<'_>, what: &str) -> Result<T> {
        bail!(unsupported, "{} cannot hold {what} at {path}", self.dialect.name())
    }
}
