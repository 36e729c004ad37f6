#![doc = include_str!("../README.md")]

mod read;

use plugbay_sdk::document::MAX_DEPTH;
use plugbay_sdk::document::format::{Bytes, Rules, View};
use plugbay_sdk::prelude::*;
use serde::Serialize as _;

/// The plugin, and its one codec.
#[derive(Debug)]
pub struct Msgpack;

/// All that MessagePack has no form for are integers below -2^63, tags and simple values.
const RULES: Rules = Rules {
    format: "MessagePack",
    null: true,
    bytes: Bytes::Native,
    non_finite: true,
    integers: (i64::MIN as i128, u64::MAX as i128),
    any_keys: true,
    depth: MAX_DEPTH,
};

impl Plugin for Msgpack {
    const NAME: &'static str = "msgpack";
    const DESCRIPTION: &'static str = "MessagePack";
    type Config = ();

    fn new((): ()) -> Result<Self> {
        Ok(Self)
    }
}

impl Codec for Msgpack {
    const NAME: &'static str = "msgpack";
    const MEDIA_TYPES: &'static [&'static str] =
        &["application/vnd.msgpack", "application/msgpack", "application/x-msgpack"];
    const DESCRIPTION: &'static str = "MessagePack, in its shortest forms";

    fn encode(&self, document: &Document) -> Result<Vec<u8>> {
        let mut out = Vec::with_capacity(document.as_cbor().len());
        View::new(document, &RULES).serialize(&mut rmp_serde::Serializer::new(&mut out))?;
        Ok(out)
    }

    fn decode(&self, bytes: &[u8]) -> Result<Document> {
        read::read(bytes)
    }
}

export!(Msgpack: codec);
