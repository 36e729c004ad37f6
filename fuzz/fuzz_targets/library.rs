//! A native library in the plugin folder, before any of it runs: whether it is whole, and what its
//! header says, on a host of each system. Never a panic, and every refusal says what was expected
//! and what to do.
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
    // What is seen of a file while it is being written is "not yet" or wrong, but never a panic.
    let _ = header::is_whole(&bytes[..bytes.len() / 2]);
});
