#![doc = include_str!("../README.md")]

use plugbay_sdk::document;
use plugbay_sdk::document::cbor::{Floats, Order, Reader, Writer};
use plugbay_sdk::prelude::*;
use schemars::JsonSchema;
use serde::Deserialize;

/// The plugin, and its one codec.
#[derive(Debug)]
pub struct Cbor {
    config: Config,
}

/// `[plugins.cbor.config]`
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Sort the pairs of maps by their encoded keys. The output is then in the deterministic
    /// encoding of RFC 8949 section 4.2.1: equal documents become equal bytes.
    pub sorted: bool,
}

impl Plugin for Cbor {
    const NAME: &'static str = "cbor";
    const DESCRIPTION: &'static str = "CBOR (RFC 8949)";
    type Config = Config;

    fn new(config: Config) -> Result<Self> {
        Ok(Self { config })
    }
}

impl Codec for Cbor {
    const NAME: &'static str = "cbor";
    const MEDIA_TYPES: &'static [&'static str] = &["application/cbor"];
    const DESCRIPTION: &'static str = "CBOR (RFC 8949), written in preferred serialisation";

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        let order = if self.config.sorted { Order::Sorted } else { Order::Insertion };
        let writer = Writer::with_capacity(document.as_cbor().len());
        let writer = writer.floats(Floats::Shortest).order(order);
        Ok(rewrite(document.as_cbor(), writer)?.finish())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        Ok(rewrite(bytes, Writer::with_capacity(bytes.len()))?.into_document())
    }
}

export!(Cbor: codec);

/// Reads exactly one item and writes it again in preferred serialisation: with definite lengths and
/// the shortest arguments. Duplicate keys are refused.
fn rewrite(bytes: &[u8], mut writer: Writer) -> Result<Writer, document::Error> {
    let mut reader = Reader::new(bytes);
    writer.copy(&mut reader)?;
    reader.finish()?;
    Ok(writer)
}
