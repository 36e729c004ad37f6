#![doc = include_str!("../README.md")]

mod dialect;
mod read;
mod write;

use plugbay_sdk::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

use dialect::Dialect;

/// The plugin. It offers two codecs that differ in their dialects.
#[derive(Debug)]
pub struct Tabular {
    csv: Csv,
    tsv: Tsv,
}

/// The codec `csv`: RFC 4180.
#[derive(Debug)]
pub struct Csv(Dialect);

/// The codec `tsv`: fields separated by tabs, without quotes, as registered for its media type.
#[derive(Debug)]
pub struct Tsv(Dialect);

/// `[plugins.csv.config]`
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The separator of fields of `csv`: one ASCII character.
    pub delimiter: char,
    /// The quote around fields of `csv` that need one: one ASCII character.
    pub quote: char,
    /// Whether the first record names the columns. If so, a document is a list of maps, otherwise a
    /// list of lists. Also for `tsv`.
    pub header: bool,
    /// The form of documents that are read. Also for `tsv`.
    pub form: Form,
    /// How records are treated that have fewer or more fields than the first. Also for `tsv`.
    pub ragged: Ragged,
    /// How quotes inside a field, and text after a closing quote, are treated.
    pub quotes: Quotes,
    /// Write a byte order mark first, as some spreadsheets require. A byte order mark is always
    /// accepted. Also for `tsv`.
    pub bom: bool,
}

/// The form of documents that are read. Documents of both forms can be written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Form {
    /// A list of rows. If there are no rows, the header is lost.
    #[default]
    Rows,
    /// A map of `columns`, the names, and `rows`, a list of lists. The names are kept even if there
    /// are no rows, and the document contains them once.
    Table,
}

/// How records are treated that have fewer or more fields than the first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ragged {
    /// They are refused, in both directions.
    #[default]
    Refuse,
    /// A row that is a map lacks the columns that its record lacks; rows that are lists can have
    /// any length. For a column that a row lacks, an empty cell is written. A cell without a column
    /// is refused.
    Accept,
}

/// How quotes are treated where RFC 4180 does not allow them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Quotes {
    /// They are refused.
    #[default]
    Strict,
    /// A quote inside a field that is not quoted is part of the field, and so is text after a
    /// closing quote.
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
    /// The codec `csv`.
    pub fn csv(&self) -> &Csv {
        &self.csv
    }

    /// The codec `tsv`.
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
