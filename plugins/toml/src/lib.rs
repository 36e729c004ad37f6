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
    /// What becomes of dates and times.
    pub datetimes: Datetimes,
    /// What becomes of keys that are integers: TOML's are text.
    pub integer_keys: IntegerKeys,
}

/// What becomes of dates and times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Datetimes {
    /// Dates with a time and its offset, and days, are read as dates, and dates are written as
    /// such. Times without an offset, which documents do not have, are read as text.
    #[default]
    Date,
    /// All are read as text, in the notation of RFC 3339 with a `T`.
    Text,
    /// The text is refused as unsupported.
    Refuse,
}

/// What becomes of keys that are integers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum IntegerKeys {
    /// The document is refused as unsupported.
    #[default]
    Refuse,
    /// They are written as text, in decimal digits, and read back as that text. A map that has
    /// such a text as a key as well is refused.
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
    const DESCRIPTION: &'static str = "TOML 1.1; 1.0 is part of it";

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        document.verify().map_err(Error::invalid_input)?;
        write::write(document, self.config.integer_keys)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        read::read(bytes, self.config.datetimes)
    }
}

export!(Toml: codec);
