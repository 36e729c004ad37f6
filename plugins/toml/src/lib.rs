#![doc = include_str!("../README.md")]

mod read;

use plugbay_sdk::document::format::{Bytes, Rules, View};
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
    /// What becomes of dates and times, which documents do not have.
    pub datetimes: Datetimes,
}

/// What becomes of dates and times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Datetimes {
    /// They are read as text, in the notation of RFC 3339 with a `T`.
    #[default]
    Text,
    /// The text is refused as unsupported.
    Refuse,
}

/// The depth is what the parser reads.
const RULES: Rules = Rules {
    format: "TOML",
    null: false,
    bytes: Bytes::Refuse,
    non_finite: true,
    integers: (i64::MIN as i128, i64::MAX as i128),
    any_keys: false,
    depth: read::MAX_DEPTH,
};

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
        // Major type 5 is a map.
        let is_map = document.as_cbor().first().is_some_and(|byte| byte >> 5 == 5);
        ensure!(is_map, unsupported, "TOML cannot hold anything but a map at the document");
        Ok(::toml::to_string(&View::new(document, &RULES))?.into_bytes())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        read::read(bytes, self.config.datetimes)
    }
}

export!(Toml: codec);
