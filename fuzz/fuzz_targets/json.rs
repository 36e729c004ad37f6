//! Writing a document as JSON, as the HTTP API and the command line do: for any bytes the result is
//! JSON or an error, and nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugbay_document::format::{Bytes, Rules, View};
use plugbay_document::{Document, MAX_DEPTH};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

const JSON: Rules = Rules {
    format: "JSON",
    null: true,
    bytes: Bytes::Refuse,
    non_finite: false,
    integers: (-(1 << 64), (1 << 64) - 1),
    any_keys: false,
    depth: MAX_DEPTH,
};

fuzz_target!(|bytes: &[u8]| {
    let document = Document::from_trusted_cbor(bytes.to_vec());
    let mut json = Vec::new();
    let written =
        View::new(&document, &JSON).serialize(&mut serde_json::Serializer::new(&mut json));
    // For bytes that are not a document it only must not panic.
    if written.is_ok() && Document::check(bytes).is_ok() {
        let mut reader = serde_json::Deserializer::from_slice(&json);
        reader.disable_recursion_limit();
        assert!(IgnoredAny::deserialize(&mut reader).is_ok() && reader.end().is_ok());
    }
});
