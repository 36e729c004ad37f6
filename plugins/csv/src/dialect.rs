//! The options in which the two table formats, CSV and TSV, differ.

use plugbay_sdk::{Error, Result};

use crate::{Config, Form, Quotes, Ragged};

/// The options of one table format.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Dialect {
    pub(crate) delimiter: u8,
    /// `None`: fields are never quoted, and cannot contain delimiters or line breaks.
    pub(crate) quote: Option<u8>,
    pub(crate) header: bool,
    pub(crate) form: Form,
    pub(crate) ragged: Ragged,
    pub(crate) quotes: Quotes,
    /// Whether a byte order mark is written first.
    pub(crate) bom: bool,
}

impl Dialect {
    pub(crate) fn new(delimiter: char, quote: Option<char>, config: &Config) -> Result<Self> {
        let byte = |what, c: char| match u8::try_from(c) {
            Ok(byte) if byte.is_ascii() && byte != b'\n' && byte != b'\r' => Ok(byte),
            _ => Err(Error::invalid_input(format_args!(
                "expected one ASCII character other than a line break as {what}, found {c:?}"
            ))),
        };
        let dialect = Self {
            delimiter: byte("the delimiter", delimiter)?,
            quote: quote.map(|quote| byte("the quote", quote)).transpose()?,
            header: config.header,
            form: config.form,
            ragged: config.ragged,
            quotes: config.quotes,
            bom: config.bom,
        };
        if Some(dialect.delimiter) == dialect.quote {
            return Err(Error::invalid_input(format_args!(
                "expected different characters as the delimiter and the quote, found {delimiter:?} \
                 for both"
            )));
        }
        Ok(dialect)
    }

    pub(crate) fn name(self) -> &'static str {
        if self.quote.is_some() { "CSV" } else { "TSV" }
    }
}
