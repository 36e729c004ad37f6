//! Documents to JSON.

use plugbay_strict::{Bytes as Fate, MAX_DEPTH, Rules, View};
use serde::Serialize as _;

use crate::{Bytes, Config};

/// The integers that CBOR has and JSON, which sets no limit, can spell out.
const INTEGERS: (i128, i128) = (-(1 << 64), (1 << 64) - 1);

pub(crate) fn write(document: &[u8], config: &Config) -> Result<Vec<u8>, serde_json::Error> {
    let rules = Rules {
        format: "JSON",
        null: true,
        bytes: match config.bytes {
            Bytes::Refuse => Fate::Refuse,
            Bytes::Base64 => Fate::Base64,
        },
        non_finite: false,
        integers: INTEGERS,
        any_keys: false,
        depth: MAX_DEPTH,
    };
    let view = View::new(document, &rules);
    let mut out = Vec::with_capacity(document.len() * 5 / 4);
    if config.pretty {
        view.serialize(&mut serde_json::Serializer::pretty(&mut out))?;
    } else {
        view.serialize(&mut serde_json::Serializer::new(&mut out))?;
    }
    Ok(out)
}
