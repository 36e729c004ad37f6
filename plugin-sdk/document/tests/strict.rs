//! No document has equal keys in a map, however it is created.

use std::collections::BTreeMap;

use plugbay_document::Document;
use serde::ser::{Serialize, SerializeMap, Serializer};

/// A map with these keys, each with the value 0.
struct Pairs<K>(Vec<K>);

impl<K: Serialize> Serialize for Pairs<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.0.iter().try_for_each(|key| map.serialize_entry(key, &0))?;
        map.end()
    }
}

/// The keys below `count`, and the key 1 once more at the end.
fn keys(count: u32) -> Vec<u32> {
    (0..count).chain([1]).collect()
}

#[test]
fn a_value_with_equal_keys_has_no_document() {
    for count in [2, 15, 16, 17, 40, 64, 300] {
        let error = Document::from_value(&Pairs(keys(count))).unwrap_err().to_string();
        assert_eq!(error, "duplicate key 1", "{count}");
        let nested = [BTreeMap::from([("a", Pairs(keys(count)))])];
        assert!(Document::from_value(&nested).is_err(), "{count}");
    }
    let numbers: BTreeMap<u32, u32> = (0..1000).map(|key| (key, 0)).collect();
    assert!(Document::from_value(&numbers).is_ok());
    // A plugin that reads `a=1&a=2` may create such a value.
    assert!(Document::from_value(&Pairs(vec!["a", "b", "a"])).is_err());
}

#[test]
fn a_text_with_equal_keys_has_no_document() {
    for count in [2, 15, 16, 17, 40, 64, 300] {
        let pairs: Vec<String> = keys(count).iter().map(|key| format!("\"{key}\":0")).collect();
        let text = format!("[{{{}}}]", pairs.join(","));
        let error = serde_json::from_str::<Document>(&text).unwrap_err().to_string();
        assert!(error.contains("duplicate key \"1\" in [0]"), "{error}");
    }
}

#[test]
fn bytes_with_equal_keys_are_no_document() {
    for (hex, key) in [
        ("a2 6161 01 6161 02", "\"a\" at byte 4"),
        ("81 a1 01 a2 6161 01 6161 02", "\"a\" at byte 7"),
        // written in other widths, in chunks, and not in preferred form
        ("a2 01 00 1801 00", "1 at byte 3"),
        ("bf 01 00 1801 00 ff", "1 at byte 3"),
        ("a2 6161 00 7f6161ff 00", "\"a\" at byte 4"),
        ("a2 fb3ff8000000000000 00 f93e00 00", "1.5 at byte 11"),
        ("a2 c24101 00 01 00", "1 at byte 5"),
        // keys that are items with others
        ("a2 8101 00 9f1801ff 00", "9f1801ff at byte 4"),
        // a key inside a key
        ("a1 a2 6161 00 6161 00 00", "\"a\" at byte 5"),
    ] {
        let bytes = from_hex(hex);
        let error = Document::from_cbor(bytes.clone()).unwrap_err().to_string();
        assert_eq!(error, format!("duplicate key {key}"), "{hex}");
        assert!(Document::from_trusted_cbor(bytes).verify().is_err());
    }
    for hex in ["a2 6161 01 4161 02", "a2 01 00 fb3ff0000000000000 00", "82 a1 01 00 a1 01 00"] {
        assert!(Document::from_cbor(from_hex(hex)).is_ok(), "{hex}");
    }
    for count in [15, 16, 17, 40, 64, 300] {
        let mut text = vec![0xb9];
        let keys = keys(count);
        text.extend(u16::try_from(keys.len()).unwrap().to_be_bytes());
        for key in keys {
            text.extend([0x1a]);
            text.extend(key.to_be_bytes());
            text.push(0);
        }
        let error = Document::from_cbor(text).unwrap_err().to_string();
        assert!(error.starts_with("duplicate key 1 at byte"), "{error}");
    }
}

/// Bignums that are not in preferred form are integers for `serde` too, and dates are texts.
#[test]
fn bignums_and_dates_are_read_as_values() {
    let value = |hex: &str| Document::from_cbor(from_hex(hex)).unwrap();
    assert_eq!(value("c24107").to_value::<u8>(), Ok(7));
    assert_eq!(value("c34107").to_value::<i64>(), Ok(-8));
    assert_eq!(value("c249010000000000000000").to_value::<u128>(), Ok(1 << 64));
    assert_eq!(value("d903ec6a323031332d30332d3231").to_value::<String>().unwrap(), "2013-03-21");
    assert_eq!(serde_json::to_string(&value("81c24107")).unwrap(), "[7]");
}

fn from_hex(text: &str) -> Vec<u8> {
    let digits: String = text.split_whitespace().collect();
    (0..digits.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap())
        .collect()
}
