#![doc = include_str!("../README.md")]

mod lines;

use data_encoding::BASE64;
use plugbay_document::format;
use plugbay_document::json::{self, Options};
use plugbay_sdk::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// The plugin, which is also the codec `json`. Its field `lines` is the codec `jsonl`.
#[derive(Debug)]
pub struct Json {
    options: Options,
    lines: JsonLines,
}

/// The codec `jsonl`: a list of documents, one per line.
#[derive(Debug)]
pub struct JsonLines {
    options: Options,
}

/// `[plugins.json.config]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How byte strings are written, which JSON does not have.
    pub bytes: Bytes,
    /// How integer keys are written; keys in JSON are text.
    pub integer_keys: IntegerKeys,
    /// Indent the output of `json` by two spaces. `jsonl` writes each document on one line.
    pub pretty: bool,
}

/// How byte strings are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bytes {
    /// The document is refused as unsupported.
    #[default]
    Refuse,
    /// As text in base64 (RFC 4648 section 4). They are read back as that text.
    Base64,
}

/// How integer keys are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IntegerKeys {
    /// The document is refused as unsupported.
    #[default]
    Refuse,
    /// As text, in decimal digits. They are read back as that text. A map that also has the same
    /// text as a key is refused.
    Text,
}

impl Plugin for Json {
    const NAME: &'static str = "json";
    const DESCRIPTION: &'static str = "JSON text (RFC 8259), and JSON Lines";
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        let options = Options {
            bytes: match config.bytes {
                Bytes::Refuse => format::Bytes::Refuse,
                Bytes::Base64 => format::Bytes::Text(|bytes, f| BASE64.encode_write(bytes, f)),
            },
            integer_keys: match config.integer_keys {
                IntegerKeys::Refuse => json::IntegerKeys::Refuse,
                IntegerKeys::Text => json::IntegerKeys::Text,
            },
            pretty: config.pretty,
        };
        Ok(Self { options, lines: JsonLines { options: Options { pretty: false, ..options } } })
    }
}

impl Json {
    /// The codec `jsonl`.
    pub fn lines(&self) -> &JsonLines {
        &self.lines
    }
}

impl Codec for Json {
    const NAME: &'static str = "json";
    const MEDIA_TYPES: &'static [&'static str] = &["application/json", "text/json"];
    const DESCRIPTION: &'static str = "JSON text (RFC 8259)";

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        document.verify().map_err(Error::invalid_input)?;
        Ok(json::write(document, &self.options)?)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        Ok(json::read(bytes)?)
    }
}

impl Codec for JsonLines {
    const NAME: &'static str = "jsonl";
    const MEDIA_TYPES: &'static [&'static str] =
        &["application/jsonl", "application/x-ndjson", "application/json-lines"];
    const DESCRIPTION: &'static str = "JSON Lines: one JSON text per line";

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        document.verify().map_err(Error::invalid_input)?;
        lines::write(document, &self.options)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        lines::read(bytes)
    }
}

export!(Json: codec, codec lines);
