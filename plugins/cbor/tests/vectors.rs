//! RFC 8949: the examples of appendix A, and the malformed items of appendix F.

use data_encoding::HEXLOWER;
use plugbay_plugin_cbor::{Cbor, Config};
use plugbay_plugin_testing::diagnostic;
use plugbay_plugin_testing::vectors::{self, Case};
use plugbay_sdk::{Codec as _, Plugin as _};

fn cbor(sorted: bool) -> Cbor {
    Cbor::new(Config { sorted }).expect("a plugin")
}

fn check(case: &Case) -> Result<(), String> {
    let document = cbor(false).decode(&case.input).map_err(|error| error.to_string())?;
    vectors::same(case, &diagnostic(document.as_cbor()))?;
    let written = cbor(false).encode(&document).map_err(|error| error.to_string())?;
    let expected = match case.expected[1].as_str() {
        "=" => HEXLOWER.encode(&case.input),
        other => other.to_owned(),
    };
    let written = HEXLOWER.encode(&written);
    if written == expected { Ok(()) } else { Err(format!("expected {expected}, wrote {written}")) }
}

#[test]
fn every_example_of_appendix_a_is_read_and_written() {
    vectors::check(&vectors::hex_lines(include_str!("vectors/appendix-a.txt")), 81, check);
}

#[test]
fn other_serialisations_are_written_in_the_preferred_one() {
    vectors::check(&vectors::hex_lines(include_str!("vectors/beyond.txt")), 35, check);
}

#[test]
fn malformed_input_is_refused_with_the_reason() {
    let cases = vectors::hex_lines(include_str!("vectors/reject.txt"));
    vectors::check(&cases, 75, |case| vectors::refused(case, cbor(false).decode(&case.input)));
}

/// The example of RFC 8949 section 4.2.1.
#[test]
fn sorted_keys_are_deterministic() {
    let shuffled = "a8 f400 20 00 8120 00 617a 00 626161 00 811864 00 0a00 186400";
    let sorted = "a8 0a00 186400 2000 617a00 62616100 81186400 812000 f400";
    let document = cbor(true).decode(&vectors::from_hex(shuffled)).expect("a document");
    assert_eq!(cbor(true).encode(&document).expect("bytes"), vectors::from_hex(sorted));
    assert_eq!(cbor(false).encode(&document).expect("bytes"), vectors::from_hex(shuffled));
}

#[test]
fn maps_inside_maps_are_sorted_too() {
    let shuffled = "a2 6162 a2 02 01 01 01 6161 00";
    let sorted = "a2 6161 00 6162 a2 01 01 02 01";
    let document = cbor(true).decode(&vectors::from_hex(shuffled)).expect("a document");
    assert_eq!(cbor(true).encode(&document).expect("bytes"), vectors::from_hex(sorted));
}
