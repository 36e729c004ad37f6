//! An implementation: the codec `hex`. Nothing here is public, and nothing needs to
//! be; linking this crate is all it takes.
#![forbid(unsafe_code)]

use std::fmt::Write as _;
use std::sync::Arc;

use plugbay_registry_example_codec::{Codec, SharedCodec};

struct Hex;

impl Codec for Hex {
    fn encode(&self, bytes: &[u8]) -> String {
        bytes.iter().fold(String::new(), |mut text, byte| {
            // Writing to a string cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
    }
}

plugbay_registry::link!(SharedCodec, "hex", || Arc::new(Hex));
