//! Scanning a file of the plugin folder before it is compiled: its form, whether it is complete, its
//! imports and exports. Nothing panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugbay::wasm::scan::{self, Form};

fuzz_target!(|bytes: &[u8]| {
    let form = scan::form(bytes);
    if let Ok(shape) = scan::shape(bytes) {
        assert_eq!(form, Form::Component);
        assert!(shape.imports.is_sorted() && shape.exports.is_sorted());
    }
    // A file that is still being written does not panic either.
    let _ = scan::is_whole(&bytes[..bytes.len() / 2]);
});
