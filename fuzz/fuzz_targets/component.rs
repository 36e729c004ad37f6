//! A file in the plugin folder, before anything is compiled: what it is, whether it is whole, what
//! it imports and exports. Never a panic, and never a cut component taken for a whole one.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugbay::wasm::scan::{self, Form};

fuzz_target!(|bytes: &[u8]| {
    let form = scan::form(bytes);
    if let Ok(shape) = scan::shape(bytes) {
        assert_eq!(form, Form::Component);
        assert!(shape.imports.is_sorted() && shape.exports.is_sorted());
    }
    // What is seen of a file while it is being written is "not yet" or wrong, but never a panic.
    let _ = scan::is_whole(&bytes[..bytes.len() / 2]);
});
