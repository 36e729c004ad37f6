//! CBOR from a plugin: for any bytes, checking, reading and converting to JSON neither panics nor
//! recurses without bound. An accepted document is converted to JSON and back unchanged, or refused.
//! (Integers beyond 64 bits, which JSON readers take for floats, change in the first conversion, and
//! not again.)
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugbay_document::Document;

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = Document::from_cbor(bytes) else { return };
    let Ok(json) = serde_json::to_vec(&document) else { return };
    let Ok(again) = serde_json::from_slice::<Document>(&json) else { return };
    let Ok(second) = serde_json::to_vec(&again) else {
        panic!("a document from JSON cannot be written as JSON")
    };
    assert!(second == json || has_wide_integer(&json), "changed by JSON");
    let third = serde_json::from_slice::<Document>(&second).ok();
    assert_eq!(third.and_then(|it| serde_json::to_vec(&it).ok()), Some(second));
});

/// Whether the text may hold an integer past 64 bits: 19 digits in a row.
fn has_wide_integer(json: &[u8]) -> bool {
    json.split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() >= 19)
}
