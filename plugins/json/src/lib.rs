#![doc = include_str!("../README.md")]

mod read;
mod write;

use plugbay_sdk::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// The plugin, and its one codec.
#[derive(Debug)]
pub struct Json {
    config: Config,
}

/// `[plugins.json.config]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// What becomes of byte strings, which JSON does not have.
    pub bytes: Bytes,
    /// Indent what is written by two spaces.
    pub pretty: bool,
}

/// What becomes of byte strings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Bytes {
    /// The document is refused as unsupported.
    #[default]
    Refuse,
    /// They are written as text in base64 (RFC 4648 section 4), and read back as that text.
    Base64,
}

impl Plugin for Json {
    const NAME: &'static str = "json";
    const DESCRIPTION: &'static str = "JSON text (RFC 8259)";
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        Ok(Self { config })
    }
}

impl Codec for Json {
    const NAME: &'static str = "json";
    const MEDIA_TYPES: &'static [&'static str] = &["application/json", "text/json"];
    const DESCRIPTION: &'static str = "JSON text (RFC 8259)";

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        Ok(write::write(document, &self.config)?)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        read::read(bytes)
    }
}

export!(Json: codec);
