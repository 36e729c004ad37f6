//! Any document that a format can express is read back unchanged, and no bytes make a codec panic.

use plugbay_plugin_testing::{Shape, diagnostic, documents};
use plugbay_sdk::{Codec, Document, ErrorKind, Plugin as _};
use proptest::prelude::*;

const ALL: Shape = Shape {
    null: true,
    bytes: true,
    non_finite: true,
    integers: (-(1 << 64), (1 << 64) - 1),
    any_keys: true,
    map: false,
};

fn json() -> plugbay_plugin_json::Json {
    plugbay_plugin_json::Json::new(plugbay_plugin_json::Config::default()).expect("a plugin")
}

fn msgpack() -> plugbay_plugin_msgpack::Msgpack {
    plugbay_plugin_msgpack::Msgpack::new(plugbay_plugin_msgpack::Config::default())
        .expect("a plugin")
}

fn yaml() -> plugbay_plugin_yaml::Yaml {
    plugbay_plugin_yaml::Yaml::new(plugbay_plugin_yaml::Config::default()).expect("a plugin")
}

fn cbor(sorted: bool) -> plugbay_plugin_cbor::Cbor {
    plugbay_plugin_cbor::Cbor::new(plugbay_plugin_cbor::Config { sorted }).expect("a plugin")
}

fn toml() -> plugbay_plugin_toml::Toml {
    plugbay_plugin_toml::Toml::new(plugbay_plugin_toml::Config::default()).expect("a plugin")
}

fn tabular(header: bool) -> plugbay_plugin_csv::Tabular {
    let config = plugbay_plugin_csv::Config { header, ..Default::default() };
    plugbay_plugin_csv::Tabular::new(config).expect("a plugin")
}

fn round_trip<C: Codec>(codec: &C, document: &Document) -> Result<String, TestCaseError> {
    let bytes = codec.encode(document).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let shown = String::from_utf8_lossy(&bytes).into_owned();
    let again =
        codec.decode(&bytes).map_err(|error| TestCaseError::fail(format!("{error}: {shown:?}")))?;
    Ok(diagnostic(again.as_cbor()))
}

fn notation(document: &Document) -> String {
    diagnostic(document.as_cbor())
}

/// Checks that the codec reads the bytes into a valid document, or returns an error of the input.
fn check_decode<C: Codec>(codec: &C, bytes: &[u8]) -> Result<(), TestCaseError> {
    match codec.decode(bytes) {
        Ok(document) => {
            prop_assert!(Document::check(document.as_cbor()).is_ok());
            prop_assert!(cbor(false).encode(&document).is_ok());
        }
        Err(error) => prop_assert!(matches!(
            error.kind(),
            None | Some(ErrorKind::InvalidInput | ErrorKind::Unsupported)
        )),
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn json_round_trips(document in documents(Shape { bytes: false, non_finite: false, any_keys: false, ..ALL })) {
        prop_assert_eq!(round_trip(&json(), &document)?, notation(&document));
    }

    #[test]
    fn cbor_round_trips(document in documents(ALL)) {
        prop_assert_eq!(round_trip(&cbor(false), &document)?, notation(&document));
    }

    #[test]
    fn sorted_cbor_is_deterministic(document in documents(ALL)) {
        let bytes = cbor(true).encode(&document).expect("bytes");
        let again = cbor(true).decode(&bytes).expect("a document");
        prop_assert_eq!(cbor(true).encode(&again).expect("bytes"), bytes);
    }

    #[test]
    fn msgpack_round_trips(document in documents(Shape { integers: (i64::MIN.into(), u64::MAX.into()), ..ALL })) {
        prop_assert_eq!(round_trip(&msgpack(), &document)?, notation(&document));
    }

    #[test]
    fn yaml_round_trips(document in documents(ALL)) {
        prop_assert_eq!(round_trip(&yaml(), &document)?, notation(&document));
    }

    /// TOML writes tables after values, so documents are compared with their keys sorted.
    #[test]
    fn toml_round_trips(document in documents(Shape {
        null: false, bytes: false, any_keys: false, map: true,
        integers: (i64::MIN.into(), i64::MAX.into()), ..ALL
    })) {
        let sorted = |document: &Document| notation(&cbor(true).decode(&cbor(true).encode(document).expect("bytes")).expect("a document"));
        let bytes = toml().encode(&document).map_err(|error| TestCaseError::fail(error.to_string()))?;
        let again = toml().decode(&bytes).map_err(|error| {
            TestCaseError::fail(format!("{error}: {}", String::from_utf8_lossy(&bytes)))
        })?;
        prop_assert_eq!(sorted(&again), sorted(&document));
    }

    #[test]
    fn tables_of_text_round_trip(
        columns in 1usize..5,
        cells in proptest::collection::vec("[a-z,;\"'\t\r\n é]{0,6}", 0..40),
        header in any::<bool>(),
    ) {
        let mut rows: Vec<Vec<String>> = cells.chunks_exact(columns).map(<[String]>::to_vec).collect();
        let document = if header {
            for row in &mut rows {
                row.truncate(columns);
            }
            let named: Vec<_> = rows.iter().map(|row| {
                row.iter().enumerate().map(|(index, cell)| (format!("\"{index},"), cell)).collect::<std::collections::BTreeMap<_, _>>()
            }).collect();
            Document::from_value(&named).expect("a document")
        } else {
            Document::from_value(&rows).expect("a document")
        };
        let tabular = tabular(header);
        prop_assert_eq!(round_trip(tabular.csv(), &document)?, notation(&document));
        if let Ok(bytes) = tabular.tsv().encode(&document) {
            let again = tabular.tsv().decode(&bytes).expect("a document");
            prop_assert_eq!(notation(&again), notation(&document));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
        check_decode(&json(), &bytes)?;
        check_decode(&cbor(true), &bytes)?;
        check_decode(&msgpack(), &bytes)?;
        check_decode(&toml(), &bytes)?;
        check_decode(&yaml(), &bytes)?;
        check_decode(tabular(true).csv(), &bytes)?;
        check_decode(tabular(false).tsv(), &bytes)?;
    }

    #[test]
    fn any_text_is_read_or_refused(text in "[\\[\\]{}:,\"'0-9a-c .\\-#&*!|>=\n\t\\\\e+?%~]{0,40}") {
        check_decode(&json(), text.as_bytes())?;
        check_decode(&toml(), text.as_bytes())?;
        check_decode(&yaml(), text.as_bytes())?;
        check_decode(tabular(true).csv(), text.as_bytes())?;
        check_decode(tabular(true).tsv(), text.as_bytes())?;
    }
}
