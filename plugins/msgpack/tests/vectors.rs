//! The MessagePack specification, one family of types after the other.

use data_encoding::HEXLOWER;
use plugbay_plugin_msgpack::{Config, Ext, Msgpack, Timestamps};
use plugbay_plugin_testing::{diagnostic, vectors};
use plugbay_sdk::{Codec as _, Document, Plugin as _};

fn msgpack() -> Msgpack {
    Msgpack::new(Config::default()).expect("a plugin")
}

#[test]
fn every_family_is_read_and_written_at_its_boundaries() {
    let cases = vectors::hex_lines(include_str!("vectors/accept.txt"));
    vectors::check(&cases, 95, |case| {
        let document = msgpack().decode(&case.input).map_err(|error| error.to_string())?;
        vectors::same(case, &diagnostic(document.as_cbor()))?;
        let written = msgpack().encode(&document).map_err(|error| error.to_string())?;
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
fn invalid_input_is_refused_with_the_reason() {
    let cases = vectors::hex_lines(include_str!("vectors/reject.txt"));
    let config = Config { ext: Ext::Refuse, timestamps: Timestamps::Refuse };
    let msgpack = Msgpack::new(config).expect("a plugin");
    vectors::check(&cases, 50, |case| vectors::refused(case, msgpack.decode(&case.input)));
}

/// The example of the format's home page.
#[test]
fn a_small_map_takes_four_bytes() {
    let document = msgpack().decode(&[0x81, 0xa1, 0x61, 0x01]).expect("a document");
    assert_eq!(diagnostic(document.as_cbor()), r#"{"a": 1}"#);
    assert_eq!(msgpack().encode(&document).expect("bytes"), [0x81, 0xa1, 0x61, 0x01]);
}

/// The document that is read, in diagnostic notation, and the bytes that are written for it.
fn read_and_write(bytes: &str) -> (String, String) {
    let document = msgpack().decode(&vectors::from_hex(bytes)).expect("a document");
    let written = msgpack().encode(&document).expect("bytes");
    (diagnostic(document.as_cbor()), HEXLOWER.encode(&written))
}

#[test]
fn timestamps_are_read_as_dates() {
    for (bytes, date, written) in [
        ("d6ff 514b67b0", "2013-03-21T20:04:00Z", "d6ff514b67b0"),
        ("d7ff 77359400514b67b0", "2013-03-21T20:04:00.5Z", "d7ff77359400514b67b0"),
        (
            "c70cff 00000000 ffffffffffffffff",
            "1969-12-31T23:59:59Z",
            "c70cff00000000ffffffffffffffff",
        ),
        // not in the shortest form
        ("c70cff 00000000 00000000514b67b0", "2013-03-21T20:04:00Z", "d6ff514b67b0"),
    ] {
        assert_eq!(read_and_write(bytes), (format!("0({date:?})"), written.to_owned()), "{bytes}");
    }
    let refuse = Msgpack::new(Config { timestamps: Timestamps::Refuse, ..Config::default() });
    let error = refuse.expect("a plugin").decode(&vectors::from_hex("d6ff514b67b0"));
    assert!(error.expect_err("refused").message().contains("timestamp"));
}

#[test]
fn dates_are_written_as_timestamps_in_utc() {
    let write = |text: &str| {
        let mut writer = plugbay_sdk::document::cbor::Writer::default();
        writer.open_tag(0).and_then(|()| writer.text(text)).expect("a date");
        msgpack().encode(&writer.into_document()).map(|bytes| HEXLOWER.encode(&bytes))
    };
    assert_eq!(write("1970-01-01T02:00:01+02:00").expect("bytes"), "d6ff00000001");
    let error = write("1979-05-27").expect_err("a day alone");
    assert_eq!(error.message(), "MessagePack cannot hold the date \"1979-05-27\" at the document");
    // Tag 1: seconds since 1970.
    let seconds = Document::from_trusted_cbor(vec![0xc1, 0x01]);
    assert_eq!(HEXLOWER.encode(&msgpack().encode(&seconds).expect("bytes")), "d6ff00000001");
}

#[test]
fn extension_types_are_read_as_maps() {
    for (bytes, data) in [("d405 07", "07"), ("c70380 010203", "010203"), ("c70005", "")] {
        let kind = if bytes.starts_with("c70380") { -128 } else { 5 };
        let (read, written) = read_and_write(bytes);
        assert_eq!(read, format!("{{\"$ext\": {kind}, \"$data\": h'{data}'}}"));
        assert_eq!(written, bytes.replace(' ', ""));
    }
    // Other maps are written as maps.
    for cbor in [
        "a2 6424657874 05 652464617461 6178",
        "a1 6424657874 05",
        "a2 6424657874 190100 652464617461 40",
    ] {
        let document = Document::from_trusted_cbor(vectors::from_hex(cbor));
        let bytes = msgpack().encode(&document).expect("bytes");
        assert!(bytes[0] & 0xf0 == 0x80, "{cbor}");
    }
    let refuse = Msgpack::new(Config { ext: Ext::Refuse, ..Config::default() }).expect("a plugin");
    let error = refuse.decode(&vectors::from_hex("d40507")).expect_err("refused");
    assert!(error.message().contains("extension type 5"), "{error}");
}

#[test]
fn elements_of_indefinite_lengths_are_counted() {
    let document = Document::from_trusted_cbor(vectors::from_hex("9f 01 bf 6161 02 ff ff"));
    let bytes = msgpack().encode(&document).expect("bytes");
    assert_eq!(HEXLOWER.encode(&bytes), "920181a16102");
}
