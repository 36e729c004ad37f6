//! Values are read back unchanged: from documents, from JSON, and by cbor4ii.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use plugbay_document::{Document, MAX_DEPTH};
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
struct Everything {
    unsigned: u64,
    signed: i64,
    wide: i128,
    narrow: f32,
    float: f64,
    text: String,
    letter: char,
    maybe: Option<Box<Everything>>,
    list: Vec<Choice>,
    numbered: BTreeMap<i32, bool>,
    switched: BTreeMap<bool, u8>,
    unit: (),
    tuple: (u8, String),
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
enum Choice {
    Unit,
    Newtype(i16),
    Tuple(u8, String),
    Struct { a: u32, b: Option<f32> },
}

fn choice() -> impl Strategy<Value = Choice> {
    prop_oneof![
        Just(Choice::Unit),
        any::<i16>().prop_map(Choice::Newtype),
        any::<(u8, String)>().prop_map(|(a, b)| Choice::Tuple(a, b)),
        (any::<u32>(), proptest::option::of(finite_32()))
            .prop_map(|(a, b)| Choice::Struct { a, b }),
    ]
}

fn finite_32() -> impl Strategy<Value = f32> {
    proptest::num::f32::NORMAL | proptest::num::f32::ZERO | proptest::num::f32::SUBNORMAL
}

fn finite_64() -> impl Strategy<Value = f64> {
    proptest::num::f64::NORMAL | proptest::num::f64::ZERO | proptest::num::f64::SUBNORMAL
}

fn everything() -> impl Strategy<Value = Everything> {
    let scalars = (
        (any::<u64>(), any::<i64>(), any::<i128>(), finite_32(), finite_64()),
        (any::<String>(), any::<char>()),
    );
    let nested = (
        proptest::collection::vec(choice(), 0..40),
        proptest::collection::btree_map(any::<i32>(), any::<bool>(), 0..4),
        proptest::collection::btree_map(any::<bool>(), any::<u8>(), 0..2),
        any::<(u8, String)>(),
    );
    let flat = (scalars, nested).prop_map(|(scalars, nested)| {
        let ((unsigned, signed, wide, narrow, float), (text, letter)) = scalars;
        let (list, numbered, switched, tuple) = nested;
        let (maybe, unit) = (None, ());
        Everything {
            unsigned,
            signed,
            wide,
            narrow,
            float,
            text,
            letter,
            maybe,
            list,
            numbered,
            switched,
            unit,
            tuple,
        }
    });
    flat.prop_recursive(4, 8, 1, |inner| {
        (inner.clone(), inner)
            .prop_map(|(outer, inner)| Everything { maybe: Some(Box::new(inner)), ..outer })
    })
}

/// Any tree of items that JSON can hold.
fn json() -> impl Strategy<Value = serde_json::Value> {
    use serde_json::Value;
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        finite_64().prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 100, 30, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..30).prop_map(Value::from),
            proptest::collection::hash_map(any::<String>(), inner, 0..30)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

fn without_null(value: serde_json::Value) -> serde_json::Value {
    use serde_json::Value;
    match value {
        Value::Null => Value::Bool(false),
        Value::Array(items) => items.into_iter().map(without_null).collect(),
        Value::Object(map) => {
            map.into_iter().map(|(key, value)| (key, without_null(value))).collect()
        }
        other => other,
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 128,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn a_value_is_read_back(value in everything()) {
        let document = Document::from_value(&value).unwrap();
        Document::check(document.as_cbor()).unwrap();
        prop_assert_eq!(&document.to_value::<Everything>().unwrap(), &value);
    }

    /// Without `wide`, which JSON can hold, but serde_json cannot read.
    #[test]
    fn a_value_is_read_back_through_json(value in everything()) {
        let value = Everything { wide: 0, maybe: None, ..value };
        let json = serde_json::to_vec(&Document::from_value(&value).unwrap()).unwrap();
        let document: Document = serde_json::from_slice(&json).unwrap();
        prop_assert_eq!(document.to_value::<Everything>().unwrap(), value);
    }

    #[test]
    fn json_is_read_and_written_unchanged(value in json()) {
        let document: Document = serde_json::from_str(&value.to_string()).unwrap();
        Document::check(document.as_cbor()).unwrap();
        prop_assert_eq!(serde_json::to_value(&document).unwrap(), value.clone());
        prop_assert_eq!(document.to_value::<serde_json::Value>().unwrap(), value);
    }

    #[test]
    fn cbor4ii_reads_what_is_written(value in json()) {
        let document = Document::from_value(&value).unwrap();
        let read: serde_json::Value = cbor4ii::serde::from_slice(document.as_cbor()).unwrap();
        prop_assert_eq!(read, value);
    }

    /// Without null: cbor4ii writes it, as serde's unit, as an empty array.
    #[test]
    fn what_cbor4ii_writes_is_read(value in json()) {
        let value = without_null(value);
        let document =
            Document::from_cbor(cbor4ii::serde::to_vec(Vec::new(), &value).unwrap()).unwrap();
        prop_assert_eq!(document.to_value::<serde_json::Value>().unwrap(), value);
    }

    /// A valid document can be traversed; an invalid one is an error everywhere.
    #[test]
    fn any_bytes_are_traversed_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        let valid = Document::check(&bytes).is_ok();
        let document = Document::from_trusted_cbor(bytes);
        let text = serde_json::to_string(&document);
        let value = document.to_value::<serde_json::Value>();
        let ignored = document.to_value::<serde::de::IgnoredAny>();
        prop_assert_eq!(valid, ignored.is_ok());
        prop_assert!(valid || (text.is_err() && value.is_err()));
    }
}

#[test]
fn text_keys_are_read_as_the_requested_type() {
    let document: Document = serde_json::from_str(r#"{"1":"a","-2":"b"}"#).unwrap();
    let expected = HashMap::from([(1_i8, "a".to_owned()), (-2, "b".to_owned())]);
    assert_eq!(document.to_value::<HashMap<i8, String>>().unwrap(), expected);
    assert!(document.to_value::<HashMap<u8, String>>().is_err());
}

#[test]
fn addresses_are_texts() {
    let address: IpAddr = "127.0.0.1".parse().unwrap();
    let document = Document::from_value(&address).unwrap();
    assert_eq!(document, Document::from_value("127.0.0.1").unwrap());
    assert_eq!(document.to_value::<IpAddr>().unwrap(), address);
}

#[test]
fn texts_are_borrowed() {
    let document = Document::from_value("borrowed").unwrap();
    let text: &str = document.to_value().unwrap();
    assert_eq!(text, "borrowed");
}

#[test]
fn nesting_is_bounded() {
    let nested = |levels: usize| {
        let mut cbor = vec![0x81; levels];
        cbor.push(0);
        cbor
    };
    let deepest = Document::from_cbor(nested(MAX_DEPTH)).unwrap();
    let value = deepest.to_value::<serde_json::Value>().unwrap();
    assert_eq!(Document::from_value(&value).unwrap(), deepest);
    assert_eq!(serde_json::to_value(&deepest).unwrap(), value);

    let deeper = nested(1_000_000);
    assert!(Document::check(&deeper).is_err());
    assert!(Document::check(&vec![0xc6; 1_000_000]).is_err());
    let deeper = Document::from_trusted_cbor(deeper);
    assert!(deeper.to_value::<serde_json::Value>().is_err());
    assert!(serde_json::to_vec(&deeper).is_err());
    assert!(Document::from_value(&serde_json::json!([value])).is_err());
    assert!(
        serde::Deserialize::deserialize(serde_json::json!([value])).map(|_: Document| ()).is_err()
    );
    // Tags without a meaning nest, too.
    let tags = Document::from_trusted_cbor([0xd9, 0xd9, 0xf7].repeat(1_000_000));
    assert!(tags.to_value::<serde_json::Value>().is_err());
    assert!(serde_json::to_vec(&tags).is_err());
    assert!(tags.to_value::<Option<u8>>().is_err());
}

#[test]
fn a_borrowed_document_is_copied_by_clone() {
    let bytes = Document::from_value("lent").unwrap().into_cbor();
    let kept = Document::with_borrowed(&bytes, Document::clone);
    drop(bytes);
    assert_eq!(kept.to_value::<String>().unwrap(), "lent");
}
