#![doc = include_str!("../README.md")]

mod read;
mod scalar;

use plugbay_sdk::document::MAX_DEPTH;
use plugbay_sdk::document::cbor::{Reader, Token};
use plugbay_sdk::document::format::{Bytes, Rules, View};
use plugbay_sdk::prelude::*;

/// The plugin, and its one codec.
#[derive(Debug)]
pub struct Yaml;

/// YAML's own core schema sets no limits; what CBOR holds beyond it are tags and simple values.
const RULES: Rules = Rules {
    format: "YAML",
    null: true,
    bytes: Bytes::Native,
    non_finite: true,
    integers: (-(1 << 64), (1 << 64) - 1),
    any_keys: true,
    depth: MAX_DEPTH,
};

impl Plugin for Yaml {
    const NAME: &'static str = "yaml";
    const DESCRIPTION: &'static str = "YAML 1.2, core schema";
    type Config = ();

    fn new((): ()) -> Result<Self> {
        Ok(Self)
    }
}

impl Codec for Yaml {
    const NAME: &'static str = "yaml";
    const MEDIA_TYPES: &'static [&'static str] =
        &["application/yaml", "application/x-yaml", "text/yaml", "text/x-yaml"];
    const DESCRIPTION: &'static str = "YAML 1.2, core schema, one document";

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        // The serializer writes a root of bytes as a sequence of numbers; anywhere else as binary.
        if let Ok(Token::Bytes(bytes)) = Reader::new(document.as_cbor()).next_token() {
            let base64 = data_encoding::BASE64.encode(&bytes);
            return Ok(format!("!!binary \"{base64}\"\n").into_bytes());
        }
        let view = View::new(document, &RULES);
        // Block scalars depend on indentation; quotes say what they hold.
        let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
        Ok(serde_saphyr::to_string_with_options(&view, options)?.into_bytes())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        read::read(bytes)
    }
}

export!(Yaml: codec);
