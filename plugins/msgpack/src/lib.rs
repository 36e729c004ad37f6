#![doc = include_str!("../README.md")]

mod read;
mod time;
mod write;

use plugbay_sdk::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// The plugin, and its one codec.
#[derive(Debug)]
pub struct Msgpack {
    config: Config,
}

/// `[plugins.msgpack.config]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// How extension types other than timestamps are read, which documents do not have.
    pub ext: Ext,
    /// How timestamps are read.
    pub timestamps: Timestamps,
}

/// How extension types are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Ext {
    /// As a map of two keys, `$ext` with the type and `$data` with the bytes. Such a map is written
    /// as an extension type.
    #[default]
    Map,
    /// They are refused as unsupported, and no map is written as an extension type.
    Refuse,
}

/// How timestamps are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Timestamps {
    /// As dates. Dates are written as timestamps.
    #[default]
    Date,
    /// They are refused as unsupported, and so are dates.
    Refuse,
}

impl Plugin for Msgpack {
    const NAME: &'static str = "msgpack";
    const DESCRIPTION: &'static str = "MessagePack";
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        Ok(Self { config })
    }
}

impl Codec for Msgpack {
    const NAME: &'static str = "msgpack";
    const MEDIA_TYPES: &'static [&'static str] =
        &["application/vnd.msgpack", "application/msgpack", "application/x-msgpack"];
    const DESCRIPTION: &'static str = "MessagePack, in its shortest forms";

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        document.verify().map_err(Error::invalid_input)?;
        write::write(document, &self.config)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        read::read(bytes, &self.config)
    }
}

export!(Msgpack: codec);
