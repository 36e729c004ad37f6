//! The examples of RFC 8949, appendix A: what each is in JSON, and whether it is read back.

#![allow(clippy::float_cmp, reason = "the float that is read back is the same, to the bit")]

use plugbay_document::Document;
use serde_json::json;

fn bytes(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
}

fn document(hex: &str) -> Document {
    Document::from_cbor(bytes(hex)).unwrap_or_else(|error| panic!("{hex}: {error}"))
}

#[test]
fn items_that_json_can_hold_are_written_as_json() {
    let vectors = [
        ("00", json!(0)),
        ("01", json!(1)),
        ("0a", json!(10)),
        ("17", json!(23)),
        ("1818", json!(24)),
        ("1819", json!(25)),
        ("1864", json!(100)),
        ("1903e8", json!(1000)),
        ("1a000f4240", json!(1_000_000)),
        ("1b000000e8d4a51000", json!(1_000_000_000_000_u64)),
        ("1bffffffffffffffff", json!(u64::MAX)),
        ("20", json!(-1)),
        ("29", json!(-10)),
        ("3863", json!(-100)),
        ("3903e7", json!(-1000)),
        ("f90000", json!(0.0)),
        ("f98000", json!(-0.0)),
        ("f93c00", json!(1.0)),
        ("fb3ff199999999999a", json!(1.1)),
        ("f93e00", json!(1.5)),
        ("f97bff", json!(65504.0)),
        ("fa47c35000", json!(100_000.0)),
        ("fb7e37e43c8800759c", json!(1.0e300)),
        ("f9c400", json!(-4.0)),
        ("fbc010666666666666", json!(-4.1)),
        ("f4", json!(false)),
        ("f5", json!(true)),
        ("f6", json!(null)),
        ("60", json!("")),
        ("6161", json!("a")),
        ("6449455446", json!("IETF")),
        ("62225c", json!("\"\\")),
        ("62c3bc", json!("\u{fc}")),
        ("63e6b0b4", json!("\u{6c34}")),
        ("64f0908591", json!("\u{10151}")),
        ("80", json!([])),
        ("83010203", json!([1, 2, 3])),
        ("8301820203820405", json!([1, [2, 3], [4, 5]])),
        ("a0", json!({})),
        ("a26161016162820203", json!({"a": 1, "b": [2, 3]})),
        ("826161a161626163", json!(["a", {"b": "c"}])),
        (
            "a56161614161626142616361436164614461656145",
            json!({"a": "A", "b": "B", "c": "C", "d": "D", "e": "E"}),
        ),
        ("7f657374726561646d696e67ff", json!("streaming")),
        ("9fff", json!([])),
        ("9f018202039f0405ffff", json!([1, [2, 3], [4, 5]])),
        ("9f01820203820405ff", json!([1, [2, 3], [4, 5]])),
        ("83018202039f0405ff", json!([1, [2, 3], [4, 5]])),
        ("83019f0203ff820405", json!([1, [2, 3], [4, 5]])),
        ("bf61610161629f0203ffff", json!({"a": 1, "b": [2, 3]})),
        ("826161bf61626163ff", json!(["a", {"b": "c"}])),
        ("bf6346756ef563416d7421ff", json!({"Fun": true, "Amt": -2})),
        // a tag without a meaning
        ("d9d9f783010203", json!([1, 2, 3])),
    ];
    for (hex, expected) in vectors {
        let document = document(hex);
        assert_eq!(serde_json::to_value(&document).unwrap(), expected, "{hex}");
        assert_eq!(document.to_value::<serde_json::Value>().unwrap(), expected, "{hex}");
    }
    // keys that JSON writes as texts
    assert_eq!(serde_json::to_value(document("a201020304")).unwrap(), json!({"1": 2, "3": 4}));
    for (count, hex) in [
        (25, "98190102030405060708090a0b0c0d0e0f101112131415161718181819"),
        (25, "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff"),
    ] {
        let numbers: Vec<u32> = document(hex).to_value().unwrap();
        assert_eq!(numbers, (1..=count).collect::<Vec<u32>>());
    }
}

#[test]
fn integers_of_the_whole_range_are_read_back() {
    for (hex, expected) in [
        ("3bffffffffffffffff", -18_446_744_073_709_551_616_i128),
        ("1bffffffffffffffff", 18_446_744_073_709_551_615),
        ("c249010000000000000000", 18_446_744_073_709_551_616),
        ("c349010000000000000000", -18_446_744_073_709_551_617),
    ] {
        assert_eq!(document(hex).to_value::<i128>().unwrap(), expected, "{hex}");
        assert_eq!(Document::from_value(&expected).unwrap(), document(hex), "{hex}");
        let text = serde_json::to_string(&document(hex)).unwrap();
        assert_eq!(text, expected.to_string());
    }
    let widest = Document::from_value(&u128::MAX).unwrap();
    assert_eq!(widest.to_value::<u128>().unwrap(), u128::MAX);
    let lowest = Document::from_value(&i128::MIN).unwrap();
    assert_eq!(lowest.to_value::<i128>().unwrap(), i128::MIN);
    // 2^128 is out of range
    let beyond = document("c25101000000 00000000000000000000000000".replace(' ', "").as_str());
    assert!(beyond.to_value::<u128>().is_err());
    assert!(serde_json::to_string(&beyond).is_err());
}

#[test]
fn floats_that_json_cannot_hold_are_read() {
    for hex in ["f97c00", "fa7f800000", "fb7ff0000000000000"] {
        assert_eq!(document(hex).to_value::<f64>().unwrap(), f64::INFINITY, "{hex}");
    }
    for hex in ["f9fc00", "faff800000", "fbfff0000000000000"] {
        assert_eq!(document(hex).to_value::<f64>().unwrap(), f64::NEG_INFINITY, "{hex}");
    }
    for hex in ["f97e00", "fa7fc00000", "fb7ff8000000000000"] {
        assert!(document(hex).to_value::<f64>().unwrap().is_nan(), "{hex}");
    }
    for (hex, expected) in [("f90001", 5.960_464_477_539_063e-8), ("f90400", 0.000_061_035_156_25)]
    {
        assert_eq!(document(hex).to_value::<f64>().unwrap(), expected, "{hex}");
    }
    assert_eq!(document("fa7f7fffff").to_value::<f32>().unwrap(), f32::MAX);
}

#[test]
fn byte_strings_are_read() {
    assert_eq!(document("4401020304").to_value::<Bytes>().unwrap().0, [1, 2, 3, 4]);
    assert_eq!(document("40").to_value::<Bytes>().unwrap().0.len(), 0);
    assert_eq!(document("5f42010243030405ff").to_value::<Bytes>().unwrap().0, [1, 2, 3, 4, 5]);
}

#[test]
fn items_that_json_cannot_hold_are_kept_and_refused_by_name() {
    for (hex, named) in [
        ("f7", "undefined"),
        ("f0", "simple value 16"),
        ("f8ff", "simple value 255"),
        ("c001", "tag 0"),
        ("c11a514b67b0", "tag 1"),
        ("c1fb41d452d9e8200000", "tag 1"),
        ("d74401020304", "tag 23"),
        ("d818456449455446", "tag 24"),
        ("d82076687474703a2f2f7777772e6578616d706c652e636f6d", "tag 32"),
    ] {
        let document = document(hex);
        assert_eq!(document.as_cbor(), bytes(hex));
        let error = serde_json::to_string(&document).unwrap_err().to_string();
        assert!(error.contains(named), "{hex}: {error}");
        let error = document.to_value::<serde_json::Value>().unwrap_err().to_string();
        assert!(error.contains(named), "{hex}: {error}");
    }
}

/// RFC 8949, appendix F, and other bytes that are not a single item.
#[test]
fn malformed_bytes_are_refused() {
    for hex in [
        "",
        "18",
        "19",
        "1a",
        "1b",
        "1901",
        "1a0102",
        "1b01020304050607",
        "38",
        "58",
        "78",
        "98",
        "9a01ff00",
        "b8",
        "d8",
        "f8",
        "f900",
        "fa0000",
        "fb000000",
        "41",
        "61",
        "5affffffff00",
        "5bffffffffffffffff010203",
        "7affffffff00",
        "7b7fffffffffffffff010203",
        "81",
        "818181818181",
        "8200",
        "a1",
        "a20102",
        "a100",
        "a2000000",
        "c0",
        "5f4100",
        "7f6100",
        "9f",
        "9f0102",
        "bf",
        "bf01020102",
        "819f",
        "9f8000",
        "9f9f9f9f9fffffffff",
        "9f819f819f9fffffff",
        "1c",
        "1d",
        "1e",
        "3c",
        "5c",
        "7c",
        "9c",
        "bc",
        "dc",
        "fc",
        "fd",
        "fe",
        "f800",
        "f801",
        "f818",
        "f81f",
        "5f00ff",
        "5f21ff",
        "5f6100ff",
        "5f80ff",
        "5fa0ff",
        "5fc000ff",
        "5fe0ff",
        "7f4100ff",
        "5f5f4100ffff",
        "7f7f6100ffff",
        "ff",
        "81ff",
        "8200ff",
        "a1ff",
        "a1ff00",
        "a100ff",
        "a20000ff",
        "9f81ff",
        "9f829f819f9fffffffff",
        "bf00ff",
        "bf000000ff",
        "1f",
        "3f",
        "df",
        // not UTF-8; a character that is split over two chunks
        "61ff",
        "7f61c361bcff",
        // more than one item
        "0000",
        "f600",
        // a length that would be a terabyte
        "9b000000ffffffffff00",
        "bb000000ffffffffff0000",
        "5b000000ffffffffff00",
    ] {
        let bytes = bytes(hex);
        assert!(Document::from_cbor(bytes.clone()).is_err(), "{hex}");
        // A document of trusted bytes returns errors.
        let trusted = Document::from_trusted_cbor(bytes);
        assert!(trusted.to_value::<serde_json::Value>().is_err(), "{hex}");
        assert!(serde_json::to_string(&trusted).is_err(), "{hex}");
    }
}

struct Bytes(Vec<u8>);

impl<'de> serde::Deserialize<'de> for Bytes {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl serde::de::Visitor<'_> for Visitor {
            type Value = Vec<u8>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("bytes")
            }
            fn visit_bytes<E>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
                Ok(bytes.to_vec())
            }
        }
        deserializer.deserialize_byte_buf(Visitor).map(Bytes)
    }
}

/// As in RFC 8949, appendix A: a single-precision number is written with its exact value, not with
/// the fewest digits that identify it.
#[test]
fn single_precision_is_exact_in_json() {
    for (cbor, json) in [
        (&[0xfa, 0x7f, 0x7f, 0xff, 0xff], "3.4028234663852886e+38"),
        (&[0xfa, 0xb6, 0xfa, 0xfa, 0x61], "-7.479728537873598e-6"),
    ] {
        let document = Document::from_cbor(cbor.to_vec()).unwrap();
        assert_eq!(serde_json::to_string(&document).unwrap(), json);
        let again: Document = serde_json::from_str(json).unwrap();
        assert_eq!(serde_json::to_string(&again).unwrap(), json);
    }
}
