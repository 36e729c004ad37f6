//! Content negotiation: for all header fields one of the media types is chosen, or none, and nothing
//! panics.
#![no_main]

use libfuzzer_sys::fuzz_target;
use plugbay_accept::{best, essence, parameter};

fuzz_target!(|input: (Option<&str>, Vec<&str>)| {
    let (accept, types) = input;
    match best(accept, &types) {
        Some(chosen) => assert!(chosen < types.len()),
        None => assert!(accept.is_some() || types.is_empty()),
    }
    for field in accept.into_iter().chain(types) {
        assert!(!essence(field).contains(';'));
        let _ = parameter(field, "q");
    }
});
