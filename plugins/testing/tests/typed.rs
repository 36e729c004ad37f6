//! Any `serde` value can be written and read back by every codec, if the format can express it.

use std::collections::BTreeMap;
use std::fmt::Debug;

use plugbay_sdk::{Codec, Document, Plugin as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
    big: u64,
    small: i64,
    ratio: f64,
    whole: f64,
    paid: bool,
    letter: char,
    customer: Customer,
    lines: Vec<Line>,
    tags: BTreeMap<String, i16>,
    matrix: Vec<Vec<u8>>,
    pair: (i32, String),
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Customer {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    mail: Option<String>,
    state: State,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum State {
    New,
    Regular(u8),
    Lost { since: u16 },
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Line {
    item: String,
    price: f32,
}

/// A row of a table: flat, with text in every cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Row {
    name: String,
    note: String,
}

/// Values that only the binary formats and YAML can express.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Rich {
    nothing: Option<u8>,
    unit: (),
    past: u64,
    infinite: f64,
    numbered: BTreeMap<i8, bool>,
}

fn msgpack() -> plugbay_plugin_msgpack::Msgpack {
    plugbay_plugin_msgpack::Msgpack::new(plugbay_plugin_msgpack::Config::default())
        .expect("a plugin")
}

fn yaml() -> plugbay_plugin_yaml::Yaml {
    plugbay_plugin_yaml::Yaml::new(plugbay_plugin_yaml::Config::default()).expect("a plugin")
}

fn order(state: State, mail: Option<&str>) -> Order {
    Order {
        id: 7,
        big: (1 << 53) + 1,
        small: i64::MIN,
        ratio: 0.1,
        whole: 2.0,
        paid: true,
        letter: 'ß',
        customer: Customer {
            name: "Ada \"x\"\n- y: z".to_owned(),
            mail: mail.map(str::to_owned),
            state,
        },
        lines: vec![
            Line { item: String::new(), price: 0.1 },
            Line { item: "null".to_owned(), price: 1e10 },
        ],
        tags: BTreeMap::from([("a.b".to_owned(), -1), (String::new(), 2)]),
        matrix: vec![vec![], vec![1, 2], vec![255]],
        pair: (-5, "true".to_owned()),
    }
}

#[track_caller]
fn assert_round_trip<C: Codec, T>(codec: &C, value: &T)
where
    T: Serialize + DeserializeOwned + PartialEq + Debug,
{
    let document = Document::from_value(value).expect("a document");
    let bytes = codec.encode(&document).unwrap_or_else(|error| panic!("{}: {error}", C::NAME));
    let again = codec.decode(&bytes).unwrap_or_else(|error| panic!("{}: {error}", C::NAME));
    let again: T = again.to_value().unwrap_or_else(|error| panic!("{}: {error}", C::NAME));
    assert_eq!(&again, value, "{} wrote {:?}", C::NAME, String::from_utf8_lossy(&bytes));
}

fn check_orders(codec: &impl Codec) {
    assert_round_trip(codec, &order(State::New, None));
    assert_round_trip(codec, &order(State::Regular(3), Some("a@b.example")));
    assert_round_trip(codec, &order(State::Lost { since: 1999 }, Some("")));
}

fn check_rich_values(codec: &impl Codec) {
    let numbered = BTreeMap::from([(-1, true), (5, false)]);
    assert_round_trip(
        codec,
        &Rich { nothing: None, unit: (), past: u64::MAX, infinite: f64::NEG_INFINITY, numbered },
    );
    assert_round_trip(codec, &vec![Some(1), None]);
    assert_round_trip(codec, &"text".to_owned());
    assert_round_trip(codec, &-1i8);
    assert_round_trip(codec, &());
}

fn check_rows(codec: &impl Codec) {
    let row = |name: &str, note: &str| Row { name: name.to_owned(), note: note.to_owned() };
    assert_round_trip(codec, &vec![row("a", ""), row("", "é 😀"), row("1.0", "'")]);
    assert_round_trip(codec, &Vec::<Row>::new());
}

#[test]
fn json_round_trips_typed_values() {
    let codec =
        plugbay_plugin_json::Json::new(plugbay_plugin_json::Config::default()).expect("a plugin");
    check_orders(&codec);
    check_rows(&codec);
    assert_round_trip(&codec, &vec![Some(1), None]);
}

#[test]
fn cbor_round_trips_typed_values() {
    for sorted in [false, true] {
        let codec = plugbay_plugin_cbor::Cbor::new(plugbay_plugin_cbor::Config { sorted })
            .expect("a plugin");
        check_orders(&codec);
        check_rich_values(&codec);
        check_rows(&codec);
    }
}

#[test]
fn msgpack_round_trips_typed_values() {
    check_orders(&msgpack());
    check_rich_values(&msgpack());
    check_rows(&msgpack());
}

#[test]
fn toml_round_trips_typed_values() {
    let codec =
        plugbay_plugin_toml::Toml::new(plugbay_plugin_toml::Config::default()).expect("a plugin");
    check_orders(&codec);
}

#[test]
fn yaml_round_trips_typed_values() {
    check_orders(&yaml());
    check_rich_values(&yaml());
    check_rows(&yaml());
}

#[test]
fn csv_and_tsv_round_trip_rows() {
    let tabular =
        plugbay_plugin_csv::Tabular::new(plugbay_plugin_csv::Config::default()).expect("a plugin");
    check_rows(tabular.csv());
    check_rows(tabular.tsv());
}
