//! The MessagePack specification, family by family.

use data_encoding::HEXLOWER;
use plugbay_plugin_msgpack::Msgpack;
use plugbay_plugin_testing::{diagnostic, vectors};
use plugbay_sdk::Codec as _;

#[test]
fn every_family_at_its_boundaries() {
    let cases = vectors::hex_lines(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 95, |case| {
        let document = Msgpack.decode(&case.input).map_err(|error| error.to_string())?;
        vectors::same(case, &diagnostic(document.as_cbor()))?;
        let written = Msgpack.encode(&document).map_err(|error| error.to_string())?;
        let expected = match case.expected[1].as_str() {
            "=" => HEXLOWER.encode(&case.input),
            other => other.to_owned(),
        };
        let written = HEXLOWER.encode(&written);
        if written == expected {
            Ok(())
        } else {
            Err(format!("expected {expected}, wrote {written}"))
        }
    });
}

#[test]
fn everything_else_is_refused_and_says_why() {
    let cases = vectors::hex_lines(include_str!("vectors/reject.txt"));
    vectors::check(&cases, 50, |case| vectors::refused(case, Msgpack.decode(&case.input)));
}

/// The example of the format's home page.
#[test]
fn a_small_map_takes_four_bytes() {
    let document = Msgpack.decode(&[0x81, 0xa1, 0x61, 0x01]).expect("a document");
    assert_eq!(diagnostic(document.as_cbor()), r#"{"a": 1}"#);
    assert_eq!(Msgpack.encode(&document).expect("bytes"), [0x81, 0xa1, 0x61, 0x01]);
}
