//! RFC 8259, case by case.

use plugbay_plugin_json::{Bytes, Config, IntegerKeys, Json};
use plugbay_plugin_testing::{diagnostic, vectors};
use plugbay_sdk::{Codec as _, Document, Plugin as _};

fn json() -> Json {
    Json::new(Config::default()).expect("a plugin")
}

#[test]
fn valid_texts_are_read() {
    let cases = vectors::lines(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 110, |case| {
        let document = json().decode(&case.input).map_err(|error| error.to_string())?;
        vectors::same(case, &diagnostic(document.as_cbor()))
    });
}

#[test]
fn written_documents_are_read_back_unchanged() {
    let cases = vectors::lines(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 110, |case| {
        let document = json().decode(&case.input).map_err(|error| error.to_string())?;
        let text = json().encode(&document).map_err(|error| error.to_string())?;
        let again = json().decode(&text).map_err(|error| error.to_string())?;
        vectors::same(case, &diagnostic(again.as_cbor()))
    });
}

#[test]
fn invalid_texts_are_refused_with_the_reason() {
    let cases = vectors::lines(include_str!("vectors/reject.txt"));
    vectors::check(&cases, 125, |case| vectors::refused(case, json().decode(&case.input)));
}

/// CBOR `{"a": h'010203', "b": [1.0]}`.
const BYTES: &str = "a2 6161 43010203 6162 81 fb3ff0000000000000";

#[test]
fn bytes_are_refused_with_their_place_or_written_as_base64() {
    let document = Document::from_trusted_cbor(vectors::from_hex(BYTES));
    let error = json().encode(&document).expect_err("bytes");
    assert_eq!(error.message(), "JSON cannot hold a byte string (3 bytes) at a");
    let json = Json::new(Config { bytes: Bytes::Base64, ..Config::default() }).expect("a plugin");
    assert_eq!(json.encode(&document).expect("text"), br#"{"a":"AQID","b":[1.0]}"#);
}

#[test]
fn pretty_output_is_indented_by_two_spaces() {
    let document = Document::from_trusted_cbor(vectors::from_hex(BYTES));
    let json = Json::new(Config { bytes: Bytes::Base64, pretty: true, ..Config::default() })
        .expect("a plugin");
    let expected = b"{\n  \"a\": \"AQID\",\n  \"b\": [\n    1.0\n  ]\n}";
    assert_eq!(json.encode(&document).expect("text"), expected);
}

#[test]
fn integer_keys_become_text_by_option() {
    // {200: 1, "a": -1}
    let document = Document::from_trusted_cbor(vectors::from_hex("a2 18c8 01 6161 20"));
    let error = json().encode(&document).expect_err("an integer");
    assert_eq!(error.message(), "JSON cannot hold the integer 200 as a key in the document");
    let config = Config { integer_keys: IntegerKeys::Text, ..Config::default() };
    let text = Json::new(config).expect("a plugin").encode(&document).expect("text");
    assert_eq!(text, br#"{"200":1,"a":-1}"#);
}

#[test]
fn json_lines_are_a_list() {
    let json = json();
    let lines = json.lines();
    let read = |text: &str| {
        let document = lines.decode(text.as_bytes()).map_err(|error| error.message().to_owned())?;
        Ok::<_, String>(diagnostic(document.as_cbor()))
    };
    let expected = r#"[{"a": 1}, [18446744073709551615, 1.0e+19], "x\ny"]"#;
    let text = "{\"a\":1}\n\r\n [18446744073709551615,1e19] \r\n\"x\\ny\"";
    assert_eq!(read(text).as_deref(), Ok(expected));
    assert_eq!(read("").as_deref(), Ok("[]"));
    for (text, message) in [
        ("1\n{\"a\":\n2}", "line 2: EOF"),
        ("1 2", "line 1: trailing characters"),
        ("1\n\n{\"a\":1,\"a\":2}", "line 3: duplicate key \"a\""),
        ("1\n\u{feff}2", "line 2: expected JSON text, found a byte order mark"),
    ] {
        let error = read(text).expect_err("no JSON");
        assert!(error.starts_with(message), "{error}");
    }
    let document = lines.decode(text.as_bytes()).expect("a list");
    let written = lines.encode(&document).expect("text");
    let expected = "{\"a\":1}\n[18446744073709551615,1e+19]\n\"x\\ny\"\n";
    assert_eq!(String::from_utf8_lossy(&written).replace("1e19", "1e+19"), expected);
    // `pretty` does not apply to JSON Lines.
    let pretty = Json::new(Config { pretty: true, ..Config::default() }).expect("a plugin");
    assert_eq!(pretty.lines().encode(&document).expect("text"), written);
    let error = lines.encode(&Document::default()).expect_err("no list");
    assert_eq!(error.message(), "expected a list of documents for JSON Lines, found null");
    let bytes = Document::from_trusted_cbor(vec![0x81, 0x41, 0x00]);
    let error = lines.encode(&bytes).expect_err("bytes");
    assert_eq!(error.message(), "JSON cannot hold a byte string (1 bytes) at [0]");
}
