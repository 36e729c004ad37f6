//! RFC 8259, case by case.

use plugbay_plugin_json::{Bytes, Config, Json};
use plugbay_plugin_testing::{diagnostic, vectors};
use plugbay_sdk::{Codec as _, Document, Plugin as _};

fn json() -> Json {
    Json::new(Config::default()).expect("a plugin")
}

#[test]
fn what_the_grammar_allows_is_read() {
    let cases = vectors::lines(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 110, |case| {
        let document = json().decode(&case.input).map_err(|error| error.to_string())?;
        vectors::same(case, &diagnostic(document.as_cbor()))
    });
}

#[test]
fn what_is_read_is_written_so_that_it_reads_the_same() {
    let cases = vectors::lines(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 110, |case| {
        let document = json().decode(&case.input).map_err(|error| error.to_string())?;
        let text = json().encode(&document).map_err(|error| error.to_string())?;
        let again = json().decode(&text).map_err(|error| error.to_string())?;
        vectors::same(case, &diagnostic(again.as_cbor()))
    });
}

#[test]
fn everything_else_is_refused_and_says_why() {
    let cases = vectors::lines(include_str!("vectors/reject.txt"));
    vectors::check(&cases, 130, |case| vectors::refused(case, json().decode(&case.input)));
}

/// CBOR `{"a": h'010203', "b": [1.0]}`.
const BYTES: &str = "a2 6161 43010203 6162 81 fb3ff0000000000000";

#[test]
fn bytes_are_refused_with_their_place_or_become_base64() {
    let document = Document::from_trusted_cbor(vectors::from_hex(BYTES));
    let error = json().encode(&document).expect_err("bytes");
    assert_eq!(error.message(), "JSON cannot hold a byte string (3 bytes) at a");
    let json = Json::new(Config { bytes: Bytes::Base64, pretty: false }).expect("a plugin");
    assert_eq!(json.encode(&document).expect("text"), br#"{"a":"AQID","b":[1.0]}"#);
}

#[test]
fn pretty_is_indented_by_two_spaces() {
    let document = Document::from_trusted_cbor(vectors::from_hex(BYTES));
    let json = Json::new(Config { bytes: Bytes::Base64, pretty: true }).expect("a plugin");
    let expected = b"{\n  \"a\": \"AQID\",\n  \"b\": [\n    1.0\n  ]\n}";
    assert_eq!(json.encode(&document).expect("text"), expected);
}
