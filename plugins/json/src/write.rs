//! Documents to JSON.

use data_encoding::BASE64;
use plugbay_sdk::Document;
use plugbay_sdk::document::MAX_DEPTH;
use plugbay_sdk::document::format::{self, Rules, View};
use serde::Serialize as _;

use crate::{Bytes, Config};

/// The integers that CBOR has and JSON, which sets no limit, can spell out.
const INTEGERS: (i128, i128) = (-(1 << 64), (1 << 64) - 1);

pub(crate) fn write(document: &Document, config: &Config) -> Result<Vec<u8>, serde_json::Error> {
    let rules = Rules {
        format: "JSON",
        null: true,
        bytes: match config.bytes {
            Bytes::Refuse => format::Bytes::Refuse,
            Bytes::Base64 => format::Bytes::Text(|bytes, f| BASE64.encode_write(bytes, f)),
        },
        non_finite: false,
        integers: INTEGERS,
        any_keys: false,
        depth: MAX_DEPTH,
    };
    let view = View::new(document, &rules);
    let mut out = Vec::with_capacity(document.as_cbor().len() * 5 / 4);
    if config.pretty {
        view.serialize(&mut serde_json::Serializer::pretty(&mut out))?;
    } else {
        view.serialize(&mut serde_json::Serializer::new(&mut out))?;
    }
    Ok(out)
}
