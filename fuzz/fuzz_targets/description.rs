//! Reading the description of a native plugin, and the names and versions in it: nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugbay_core::{Description, Digest, check_name};

fuzz_target!(|bytes: &[u8]| {
    if let Ok(description) = serde_json::from_slice::<Description>(bytes) {
        let _ = description.check();
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        let _ = check_name(text);
        let _ = text.parse::<Digest>();
        let _ = Description::parse_version(text);
        let _ = Description::parse_schema(text);
    }
});
