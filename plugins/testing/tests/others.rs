//! Other implementations read the output of the codecs, and the codecs read theirs.

use std::collections::BTreeMap;

use plugbay_sdk::{Codec, Document, Plugin as _};
use serde::{Deserialize, Serialize};

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Sample {
    text: String,
    numbers: Vec<i64>,
    ratio: f64,
    nested: BTreeMap<String, Inner>,
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Inner {
    flag: bool,
    unsigned: u32,
}

fn msgpack() -> plugbay_plugin_msgpack::Msgpack {
    plugbay_plugin_msgpack::Msgpack::new(plugbay_plugin_msgpack::Config::default())
        .expect("a plugin")
}

fn sample() -> Sample {
    let inner = |flag, unsigned| Inner { flag, unsigned };
    Sample {
        text: "a\n\"b\" é 😀 \u{0}".to_owned(),
        numbers: vec![0, -1, 23, 24, 255, 256, -129, 65536, i64::MAX, i64::MIN],
        ratio: 0.1,
        nested: BTreeMap::from([
            (String::new(), inner(true, 0)),
            ("x.y".to_owned(), inner(false, u32::MAX)),
        ]),
    }
}

/// Checks that the other implementation reads the codec's bytes, and the codec reads `theirs`.
fn assert_agrees<C: Codec>(codec: &C, theirs: &[u8], read: impl Fn(&[u8]) -> Sample) {
    let document = Document::from_value(&sample()).expect("a document");
    let ours = codec.encode(&document).expect("bytes");
    assert_eq!(
        read(&ours),
        sample(),
        "{}: the other implementation reads the output of the codec",
        C::NAME
    );
    let document = codec.decode(theirs).expect("a document");
    assert_eq!(
        document.to_value::<Sample>().expect("a sample"),
        sample(),
        "{}: the codec reads the output of the other implementation",
        C::NAME
    );
}

#[test]
fn json_agrees_with_serde_json() {
    let codec =
        plugbay_plugin_json::Json::new(plugbay_plugin_json::Config::default()).expect("a plugin");
    let theirs = serde_json::to_vec_pretty(&sample()).expect("bytes");
    assert_agrees(&codec, &theirs, |bytes| serde_json::from_slice(bytes).expect("a sample"));
}

#[test]
fn cbor_agrees_with_cbor4ii() {
    let codec =
        plugbay_plugin_cbor::Cbor::new(plugbay_plugin_cbor::Config::default()).expect("a plugin");
    let theirs = cbor4ii::serde::to_vec(Vec::new(), &sample()).expect("bytes");
    assert_agrees(&codec, &theirs, |bytes| cbor4ii::serde::from_slice(bytes).expect("a sample"));
}

#[test]
fn msgpack_agrees_with_rmp_serde() {
    let theirs = rmp_serde::to_vec_named(&sample()).expect("bytes");
    assert_agrees(&msgpack(), &theirs, |bytes| rmp_serde::from_slice(bytes).expect("a sample"));
}

#[test]
fn toml_agrees_with_the_crate_toml() {
    let codec =
        plugbay_plugin_toml::Toml::new(plugbay_plugin_toml::Config::default()).expect("a plugin");
    let theirs = ::toml::to_string_pretty(&sample()).expect("text");
    assert_agrees(&codec, theirs.as_bytes(), |bytes| {
        ::toml::from_str(std::str::from_utf8(bytes).expect("utf-8")).expect("a sample")
    });
}
