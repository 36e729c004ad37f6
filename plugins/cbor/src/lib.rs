#![doc = include_str!("../README.md")]

use plugbay_sdk::prelude::*;
use plugbay_strict::{Builder, Floats, Item, Order, Reader, Refused};
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
    /// Sort the pairs of maps by their encoded keys. What is written then is the deterministic
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
        let order = if self.config.sorted { Order::Sorted } else { Order::Kept };
        let builder = Builder::with_capacity(document.as_cbor().len());
        Ok(rewrite(document.as_cbor(), builder.floats(Floats::Shortest).order(order))?)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        Ok(Document::from_trusted_cbor(rewrite(bytes, Builder::with_capacity(bytes.len()))?))
    }
}

export!(Cbor: codec);

/// Reads exactly one item and writes it again, well-formed, without duplicate keys, with every
/// length given and every argument as short as it can be.
fn rewrite(bytes: &[u8], mut builder: Builder) -> Result<Vec<u8>, Refused> {
    let mut reader = Reader::new(bytes, 0);
    // How many items each open array or map still lacks; none for those that a break ends.
    let mut lacking: Vec<Option<u64>> = Vec::new();
    loop {
        let item = reader.pull()?;
        let opened = match item {
            Item::Array(length) => Some(length),
            Item::Map(None) => Some(None),
            Item::Map(Some(pairs)) => Some(Some(pairs.saturating_mul(2))),
            _ => None,
        };
        match (&item, lacking.last()) {
            (Item::Break, Some(None)) => {
                lacking.pop();
            }
            (Item::Break, _) => {
                return Err(builder.refused("found a break where an item is expected"));
            }
            _ => {}
        }
        builder.item(&item)?;
        if let Some(length) = opened {
            lacking.push(length);
        } else if matches!(item, Item::Tag(_)) {
            // Its item follows, and counts for both.
            continue;
        } else {
            count(&mut lacking);
        }
        while lacking.last() == Some(&Some(0)) {
            lacking.pop();
            builder.close()?;
            count(&mut lacking);
        }
        if lacking.is_empty() {
            break;
        }
    }
    match reader.rest().len() {
        0 => Ok(builder.finish()),
        1 => Err(Refused::new("expected one item, found 1 byte after it")),
        more => Err(Refused::new(format_args!("expected one item, found {more} bytes after it"))),
    }
}

/// One item of the innermost open array or map is there.
fn count(lacking: &mut [Option<u64>]) {
    if let Some(Some(more)) = lacking.last_mut() {
        *more -= 1;
    }
}
