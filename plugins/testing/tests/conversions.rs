//! The tables in every codec's README are current: values that a format cannot express or writes in
//! another form, and unusual input.

use std::path::Path;

use plugbay_plugin_testing::conversions::{self, Subject};
use plugbay_plugin_testing::vectors::from_hex;
use plugbay_sdk::{Codec, Plugin as _};

type Inputs<'i> = &'i [(&'static str, &'i str)];

fn check<C: Codec>(
    folder: &str,
    codec: &C,
    frame: (&'static str, &'static str),
    text: bool,
    inputs: Inputs<'_>,
) {
    let bytes = |input: &str| if text { input.as_bytes().to_vec() } else { from_hex(input) };
    let inputs: Vec<_> = inputs.iter().map(|(what, input)| (*what, bytes(input))).collect();
    let table = Subject { codec, frame, text, inputs: &inputs }.table();
    assert!(!table.contains("INTERNAL"), "{table}");
    let readme = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(folder).join("README.md");
    conversions::check(&readme, &table);
}

#[test]
fn the_table_of_json_is_current() {
    let codec =
        plugbay_plugin_json::Json::new(plugbay_plugin_json::Config::default()).expect("a plugin");
    let deep = "[".repeat(129);
    check(
        "json",
        &codec,
        ("", ""),
        true,
        &[
            ("nothing", ""),
            ("a duplicate key", r#"{"a":1,"b":[{"c":1,"c":2}]}"#),
            ("a byte order mark", "\u{feff}1"),
            ("trailing text", "1 2"),
            ("a lone surrogate", r#""\ud800""#),
            ("129 levels", &deep),
            ("2^64 - 1", "18446744073709551615"),
            ("2^64", "[18446744073709551616]"),
            ("an integer of 400 digits", &"9".repeat(400)),
            ("-0", "-0"),
            ("1e400", "1e400"),
            ("0.1 and 1.0", "[0.1, 1.0]"),
        ],
    );
}

#[test]
fn the_table_of_cbor_is_current() {
    let codec =
        plugbay_plugin_cbor::Cbor::new(plugbay_plugin_cbor::Config::default()).expect("a plugin");
    check(
        "cbor",
        &codec,
        ("", ""),
        false,
        &[
            ("nothing", ""),
            ("a duplicate key", "a2 6161 01 6161 02"),
            ("the same key, written longer", "a2 01 00 1801 00"),
            ("trailing bytes", "01 02"),
            ("text that is not UTF-8", "62c328"),
            ("129 levels", "⟦81*129⟧00"),
            ("a length of 2^63 - 1", "9b7fffffffffffffff"),
            ("an indefinite length", "9f01ff"),
            ("a half float", "f93e00"),
            ("NaN with a payload", "fb7ff8000000000001"),
            ("a bignum of one byte", "c24101"),
            ("a bignum with leading zeros", "c24a00010000000000000000"),
            ("a reserved byte", "1c"),
        ],
    );
}

#[test]
fn the_table_of_msgpack_is_current() {
    let codec = plugbay_plugin_msgpack::Msgpack::new(plugbay_plugin_msgpack::Config::default())
        .expect("a plugin");
    check(
        "msgpack",
        &codec,
        ("", ""),
        false,
        &[
            ("nothing", ""),
            ("a duplicate key", "82 a161 01 a161 02"),
            ("the same key, written longer", "82 01 c0 cc01 c0"),
            ("trailing bytes", "01 02"),
            ("text that is not UTF-8", "a2c328"),
            ("129 levels", "⟦91*129⟧00"),
            ("a length of 2^32 - 1", "ddffffffff"),
            ("a float of 32 bits", "ca3fc00000"),
            ("a timestamp", "d6ff00000000"),
            ("a timestamp with a billion nanoseconds", "c70cff 3b9aca00 0000000000000000"),
            ("a timestamp of the year 10000", "c70cff 00000000 0000003afff44180"),
            ("an extension type", "d40500"),
            ("the byte 0xc1", "c1"),
        ],
    );
}

#[test]
fn the_table_of_toml_is_current() {
    let codec =
        plugbay_plugin_toml::Toml::new(plugbay_plugin_toml::Config::default()).expect("a plugin");
    let deep = format!("a = {}1{}", "[".repeat(128), "]".repeat(128));
    check(
        "toml",
        &codec,
        ("a1 6176", ""),
        true,
        &[
            ("nothing", ""),
            ("a duplicate key", "a = 1\na = 2"),
            ("a byte order mark", "\u{feff}a = 1"),
            ("a lone surrogate", r#"a = "\ud800""#),
            ("129 levels", &deep),
            ("2^63 - 1", "a = 9223372036854775807"),
            ("2^63", "a = 9223372036854775808"),
            ("-0", "a = -0"),
            ("1 and 1.0", "a = [1, 1.0]"),
            ("an offset date-time", "a = 1979-05-27 07:32:00Z"),
            ("a day", "a = 1979-05-27"),
            ("a date and a time without an offset", "a = 1979-05-27T07:32:00"),
            ("a local time", "a = 07:32"),
            ("a null", "a = null"),
        ],
    );
}

#[test]
fn the_table_of_yaml_is_current() {
    let deep = "[".repeat(129);
    let codec =
        plugbay_plugin_yaml::Yaml::new(plugbay_plugin_yaml::Config::default()).expect("a plugin");
    check(
        "yaml",
        &codec,
        ("", ""),
        true,
        &[
            ("nothing", ""),
            ("a duplicate key", "{a: 1, a: 2}"),
            ("1, 1.0 and \"1\" as keys", "{1: a, 1.0: b, '1': c}"),
            ("a byte order mark", "\u{feff}a: 1"),
            ("two documents", "a\n---\nb"),
            ("a lone surrogate", r#""\ud800""#),
            ("129 levels", &deep),
            ("2^64", "18446744073709551616"),
            ("an integer of 400 digits", &"9".repeat(400)),
            ("1e400", "1e400"),
            ("-0", "-0"),
            ("yes, no, on, off", "[yes, no, on, off]"),
            ("0o14, 014, 1_000", "[0o14, 014, 1_000]"),
            ("a date", "2001-12-14"),
            ("an alias", "[&a [1], *a]"),
            ("an alias of itself", "&a [*a]"),
            ("a merge key", "{<<: {a: 1}}"),
            ("a tag of its own", "!point [1, 2]"),
            ("a set", "!!set {a, b}"),
        ],
    );
}

#[test]
fn the_table_of_csv_is_current() {
    let tabular =
        plugbay_plugin_csv::Tabular::new(plugbay_plugin_csv::Config::default()).expect("a plugin");
    check(
        "csv",
        tabular.csv(),
        ("81a1 6176", ""),
        true,
        &[
            ("nothing", ""),
            ("a header alone", "a,b\n"),
            ("two columns of one name", "a,a\n1,2\n"),
            ("a byte order mark", "\u{feff}a\n1\n"),
            ("a record that is too short", "a,b\n1\n"),
            ("a record that is too long", "a\n1,2\n"),
            ("an empty line", "a\n\n1\n"),
            ("an empty field", "a,b\n,\n"),
            ("an unclosed quote", "a\n\"1\n"),
            ("a quote inside a field", "a\n1\"2\n"),
            ("a line break in quotes", "a\n\"1\n2\"\n"),
            ("a number", "a\n007\n"),
            ("an empty line of two columns", "a,b\n\n1,2\n"),
        ],
    );
}
