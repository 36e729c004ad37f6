//! A document as JSON, as the HTTP API and the command line write it: JSON comes of it, or a refusal;
//! never a panic, whatever the bytes are. And JSON as they read it: what is read is written so that
//! it reads the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugbay_document::Document;
use plugbay_document::json::{self, Options};

fuzz_target!(|bytes: &[u8]| {
    let document = Document::from_trusted_cbor(bytes.to_vec());
    let written = json::write(&document, &Options::default());
    // What is no document at all only must not panic.
    if let Ok(text) = written
        && document.verify().is_ok()
    {
        assert_eq!(json::write(&json::read(&text).expect("JSON"), &Options::default()), Ok(text));
    }
    if let Ok(document) = json::read(bytes) {
        document.verify().expect("a document");
        let text = json::write(&document, &Options::default()).expect("what came from JSON");
        assert_eq!(json::read(&text), Ok(document));
    }
});
