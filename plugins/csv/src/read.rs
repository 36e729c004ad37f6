//! Tables to documents. Every cell is text: the format has no types, and guessing loses leading
//! zeros, long numbers and whatever else looks like something it is not.

use plugbay_sdk::document::cbor::Writer;
use plugbay_sdk::{Document, Error, Result, document};

use crate::dialect::Dialect;
use crate::quotes;

pub(crate) fn read(bytes: &[u8], dialect: Dialect) -> Result<Document> {
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let at = error.valid_up_to();
        Error::invalid_input(format_args!("expected utf-8 text, found other bytes at byte {at}"))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    quotes::check(text, dialect)?;
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(dialect.delimiter)
        .quoting(dialect.quote.is_some())
        .quote(dialect.quote.unwrap_or(b'"'))
        .has_headers(dialect.header)
        .flexible(true)
        .from_reader(text.as_bytes());
    let header = if dialect.header { Some(reader.headers()?.clone()) } else { None };
    if let Some(header) = &header {
        check_names(header)?;
    }
    let mut writer = Writer::with_capacity(bytes.len() * 2);
    let mut record = csv::StringRecord::new();
    let mut columns = header.as_ref().map(csv::StringRecord::len);
    let mut number = 0;
    writer.open_array()?;
    while reader.read_record(&mut record)? {
        number += 1;
        let (expected, found) = (*columns.get_or_insert(record.len()), record.len());
        if expected != found {
            let line = record.position().map_or(0, csv::Position::line);
            return Err(Error::invalid_input(format_args!(
                "expected {expected} fields, found {found} in record {number} (line {line})"
            )));
        }
        match &header {
            Some(header) => row(&mut writer, header, &record)?,
            None => list(&mut writer, &record)?,
        }
    }
    writer.close()?;
    Ok(writer.into_document())
}

/// Two columns of one name are refused even when no record follows.
fn check_names(header: &csv::StringRecord) -> Result<(), document::Error> {
    let mut writer = Writer::default();
    row(&mut writer, header, header)
}

fn row(
    writer: &mut Writer,
    header: &csv::StringRecord,
    record: &csv::StringRecord,
) -> Result<(), document::Error> {
    writer.open_map()?;
    for (name, cell) in header.iter().zip(record) {
        writer.text(name)?;
        writer.text(cell)?;
    }
    writer.close()
}

fn list(writer: &mut Writer, record: &csv::StringRecord) -> Result<(), document::Error> {
    writer.open_array()?;
    for cell in record {
        writer.text(cell)?;
    }
    writer.close()
}
