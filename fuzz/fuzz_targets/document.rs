//! CBOR from a plugin: whatever the bytes are, checking, reading and writing on neither
//! panics nor recurses without bound; and what is accepted survives the way through JSON or is
//! refused, but is never changed. (What JSON's readers take for a float, integers past 64 bits,
//! changes on the first way, and never again.)
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugbay_document::Document;

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = Document::from_cbor(bytes) else { return };
    let Ok(json) = serde_json::to_vec(&document) else { return };
    let Ok(again) = serde_json::from_slice::<Document>(&json) else { return };
    let Ok(second) = serde_json::to_vec(&again) else { panic!("what came from JSON goes there") };
    assert!(second == json || has_wide_integer(&json), "changed by JSON");
    let third = serde_json::from_slice::<Document>(&second).ok();
    assert_eq!(third.and_then(|it| serde_json::to_vec(&it).ok()), Some(second));
});

/// Whether the text may hold an integer past 64 bits: 19 digits in a row.
fn has_wide_integer(json: &[u8]) -> bool {
    json.split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() >= 19)
}
