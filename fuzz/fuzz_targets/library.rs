//! Reading the header of a native library before any of its code runs, on a host of each system:
//! nothing panics, and every error says what was expected and what to do.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugbay_native::header;

fuzz_target!(|bytes: &[u8]| {
    for read in header::read_on_each(bytes) {
        match read {
            Ok(found) => {
                assert!(header::recognises(bytes));
                assert!(header::ABI_VERSIONS.contains(&found.version));
            }
            Err(error) => {
                assert!(error.to_string().starts_with("expected"));
                assert!(!error.hint().is_empty());
            }
        }
    }
    // A file that is still being written does not panic either.
    let _ = header::is_whole(&bytes[..bytes.len() / 2]);
});
