//! CBOR from a plugin: whatever the bytes are, checking, reading and writing on neither
//! panics nor recurses without bound; and what is accepted survives the way through JSON or is
//! refused, but is never changed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugbay_document::Document;

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = Document::from_cbor(bytes) else { return };
    let Ok(json) = serde_json::to_vec(&document) else { return };
    let Ok(again) = serde_json::from_slice::<Document>(&json) else { return };
    assert_eq!(serde_json::to_vec(&again).ok(), Some(json));
});
