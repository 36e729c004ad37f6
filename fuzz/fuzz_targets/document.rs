//! CBOR from a plugin: whatever the bytes are, checking, reading and writing on neither
//! panics nor recurses without bound; and what is accepted survives the way through JSON or is
//! refused, but is never changed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugbay_document::Document;
use plugbay_document::cbor::{Reader, Writer};
use plugbay_document::json::{self, Options};

fuzz_target!(|bytes: &[u8]| {
    let Ok(document) = Document::from_cbor(bytes) else { return };
    // In preferred form it is a document as well.
    let mut writer = Writer::default();
    writer.copy(&mut Reader::new(bytes)).expect("a checked document");
    writer.into_document().verify().expect("a document");
    let _ = serde_json::to_vec(&document);
    let Ok(text) = json::write(&document, &Options::default()) else { return };
    let again = json::read(&text).expect("JSON");
    assert_eq!(json::write(&again, &Options::default()), Ok(text), "changed by JSON");
});
