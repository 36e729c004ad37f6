#![doc = include_str!("../README.md")]

mod date;
mod position;
mod read;
mod tree;
mod write;

use plugbay_sdk::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// The plugin, and its one codec.
#[derive(Debug)]
pub struct Toml {
    config: Config,
}

/// `[plugins.toml.config]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How dates and times are read.
    pub datetimes: Datetimes,
    /// How integer keys are written; keys in TOML are text.
    pub integer_keys: IntegerKeys,
}

/// How dates and times are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Datetimes {
    /// Dates with a time and an offset, and days, are read as dates, and dates are written as such.
    /// Times without an offset, which documents do not have, are read as text.
    #[default]
    Date,
    /// All are read as text, in the format of RFC 3339 with a `T`.
    Text,
    /// The text is refused as unsupported.
    Refuse,
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

impl Plugin for Toml {
    const NAME: &'static str = "toml";
    const DESCRIPTION: &'static str = "TOML 1.1";
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        Ok(Self { config })
    }
}

impl Codec for Toml {
    const NAME: &'static str = "toml";
    const MEDIA_TYPES: &'static [&'static str] = &["application/toml"];
    const DESCRIPTION: &'static str = "TOML 1.1, which includes 1.0";

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        document.verify().map_err(Error::invalid_input)?;
        write::write(document, self.config.integer_keys)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        read::read(bytes, self.config.datetimes)
    }
}

export!(Toml: codec);
