//! TOML to documents, from the parser's tree: its `serde` side hides dates in maps with a key of
//! its own, which a text may hold as well.

use ::toml::Spanned;
use ::toml::de::{DeTable, DeValue};
use plugbay_sdk::document::cbor::Writer;
use plugbay_sdk::{Document, Error, Result};

use crate::Datetimes;

/// How many levels of arrays, of inline tables and of dotted keys the parser follows.
pub(crate) const MAX_DEPTH: usize = 80;

pub(crate) fn read(bytes: &[u8], datetimes: Datetimes) -> Result<Document> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Error::invalid_input(format_args!("expected utf-8 text, found other bytes at byte {at}"))
    })?;
    let table = DeTable::parse(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let (line, column) = position(text, span.start);
        let what = match (error.message(), text.get(span)) {
            ("duplicate key", Some(key)) => &format!("duplicate key {key}"),
            (what, _) => what,
        };
        Error::invalid_input(format_args!("{what} at line {line} column {column}"))
    })?;
    let mut writer = Writer::with_capacity(bytes.len());
    Tree { text, datetimes, writer: &mut writer }.table(table.get_ref())?;
    Ok(writer.into_document())
}

struct Tree<'t> {
    text: &'t str,
    datetimes: Datetimes,
    writer: &'t mut Writer,
}

impl Tree<'_> {
    fn table(&mut self, table: &DeTable<'_>) -> Result<()> {
        self.writer.open_map()?;
        for (key, value) in table {
            self.writer.text(key.get_ref())?;
            self.value(value)?;
        }
        Ok(self.writer.close()?)
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>) -> Result<()> {
        match value.get_ref() {
            DeValue::String(text) => self.writer.text(text)?,
            DeValue::Boolean(value) => self.writer.bool(*value)?,
            DeValue::Integer(integer) => {
                let number = i64::from_str_radix(integer.as_str(), integer.radix());
                let what = format_args!("expected an integer of 64 bits, found {integer}");
                self.writer.integer(number.map_err(|_| self.at(value, what))?.into())?;
            }
            DeValue::Float(float) => {
                let number = float.as_str().parse::<f64>().ok();
                let finite = |number: &f64| {
                    number.is_finite() || !float.as_str().contains(|c: char| c.is_ascii_digit())
                };
                let what = format_args!("expected a float of 64 bits, found {}", float.as_str());
                self.writer.float(number.filter(finite).ok_or_else(|| self.at(value, what))?)?;
            }
            DeValue::Datetime(datetime) => {
                if self.datetimes == Datetimes::Refuse {
                    let what =
                        format_args!("a document has no place for the date or time {datetime}");
                    return Err(Error::unsupported(self.at(value, what)));
                }
                self.writer.text(&datetime.to_string())?;
            }
            DeValue::Array(items) => {
                self.writer.open_array()?;
                for item in items {
                    self.value(item)?;
                }
                self.writer.close()?;
            }
            DeValue::Table(table) => self.table(table)?,
        }
        Ok(())
    }

    fn at(&self, value: &Spanned<DeValue<'_>>, what: impl std::fmt::Display) -> Error {
        let (line, column) = position(self.text, value.span().start);
        Error::invalid_input(format_args!("{what} at line {line} column {column}"))
    }
}

/// The line and the column of a byte, both from 1, columns in characters.
fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = 1 + before.matches('\n').count();
    let column = 1 + before.rsplit('\n').next().map_or(0, |line| line.chars().count());
    (line, column)
}
