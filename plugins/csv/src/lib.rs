#![doc = include_str!("../README.md")]

mod dialect;
mod read;
mod write;

use plugbay_sdk::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use dialect::Dialect;

/// The plugin. It offers two codecs that differ in their dialect.
#[derive(Debug)]
pub struct Tabular {
    csv: Csv,
    tsv: Tsv,
}

/// The codec `csv`: RFC 4180.
#[derive(Debug)]
pub struct Csv(Dialect);

/// The codec `tsv`: fields between tabs, without quotes, as its media type's registration says.
#[derive(Debug)]
pub struct Tsv(Dialect);

/// `[plugins.csv.config]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What stands between the fields of `csv`: one ASCII character.
    pub delimiter: char,
    /// What stands around the fields of `csv` that need it: one ASCII character.
    pub quote: char,
    /// Whether the first record names the columns. A document is a list of maps then, and a list
    /// of lists otherwise. For `tsv` too.
    pub header: bool,
    /// What a table is read as. For `tsv` too.
    pub form: Form,
    /// What becomes of records that have fewer or more fields than the first. For `tsv` too.
    pub ragged: Ragged,
    /// What becomes of quotes inside a field, and of text after a closing quote.
    pub quotes: Quotes,
    /// Write a byte order mark first, as some spreadsheets want it. One is always read. For `tsv`
    /// too.
    pub bom: bool,
}

/// What a table is read as. Both forms are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A list of rows. Without rows the header is lost.
    #[default]
    Rows,
    /// A map of `columns`, the names, and `rows`, a list of lists. The names are kept also when
    /// there are no rows, and stand in the document once.
    Table,
}

/// What becomes of records that have fewer or more fields than the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ragged {
    /// They are refused, in both directions.
    #[default]
    Refuse,
    /// A record that is too short lacks the last columns; rows of lists are as long as they are. A
    /// row that lacks a column is written with an empty cell. A cell that no column names is refused.
    Accept,
}

/// What becomes of quotes where RFC 4180 has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Quotes {
    /// They are refused.
    #[default]
    Strict,
    /// A quote inside a field that is not quoted is part of it, and so is text after a closing
    /// quote.
    Lax,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            delimiter: ',',
            quote: '"',
            header: true,
            form: Form::default(),
            ragged: Ragged::default(),
            quotes: Quotes::default(),
            bom: false,
        }
    }
}

impl Plugin for Tabular {
    const NAME: &'static str = "csv";
    const DESCRIPTION: &'static str = "tables as text: CSV (RFC 4180) and TSV";
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        let csv = Dialect::new(config.delimiter, Some(config.quote), &config)?;
        let tsv = Dialect::new('\t', None, &config)?;
        Ok(Self { csv: Csv(csv), tsv: Tsv(tsv) })
    }
}

impl Tabular {
    /// Its codec `csv`.
    pub fn csv(&self) -> &Csv {
        &self.csv
    }

    /// Its codec `tsv`.
    pub fn tsv(&self) -> &Tsv {
        &self.tsv
    }
}

impl Codec for Csv {
    const NAME: &'static str = "csv";
    const MEDIA_TYPES: &'static [&'static str] = &["text/csv"];
    const DESCRIPTION: &'static str = "comma-separated values (RFC 4180)";

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        document.verify().map_err(Error::invalid_input)?;
        write::write(document, self.0)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        read::read(bytes, self.0)
    }
}

impl Codec for Tsv {
    const NAME: &'static str = "tsv";
    const MEDIA_TYPES: &'static [&'static str] = &["text/tab-separated-values"];
    const DESCRIPTION: &'static str = "tab-separated values";

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        document.verify().map_err(Error::invalid_input)?;
        write::write(document, self.0)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        read::read(bytes, self.0)
    }
}

export!(Tabular: codec csv, codec tsv);
