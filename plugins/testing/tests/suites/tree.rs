//! Documents as trees, in which the order of keys does not matter.

use std::collections::BTreeMap;

use plugbay_plugin_testing::diagnostic;
use plugbay_sdk::Document;
use plugbay_sdk::document::cbor::{Reader, Token};
use serde_json::Value;

/// A value, in a form in which a suite and a codec can be compared.
#[derive(Debug, PartialEq)]
pub(crate) enum Tree {
    /// The diagnostic notation of null, booleans and other values.
    Word(String),
    /// The digits of a number. `1` and `1.0` are the same number, as in JSON.
    Number(String),
    Text(String),
    List(Vec<Tree>),
    /// A map, by the diagnostic notation of its keys.
    Map(BTreeMap<String, Tree>),
}

/// The tree of a document.
pub(crate) fn tree(document: &Document) -> Tree {
    item(&mut Reader::new(document.as_cbor()))
}

fn item(reader: &mut Reader<'_>) -> Tree {
    let start = *reader;
    let token = reader.next_token().expect("an item");
    if let Some(integer) = token.as_integer() {
        return Tree::Number(integer.to_string());
    }
    if let Some(float) = token.as_float() {
        return number(float);
    }
    match token {
        Token::Text(text) => Tree::Text(text.into_owned()),
        Token::Array(mut left) => {
            let mut items = Vec::new();
            while reader.advance(&mut left).expect("an element") {
                items.push(item(reader));
            }
            Tree::List(items)
        }
        Token::Map(mut left) => {
            let mut pairs = BTreeMap::new();
            while reader.advance(&mut left).expect("a pair") {
                let key = notation(reader);
                pairs.insert(key, item(reader));
            }
            Tree::Map(pairs)
        }
        Token::Tag(tag) => {
            if let Some(date) = reader.date(tag).expect("an item") {
                return Tree::Text(date.into_owned());
            }
            if let Some(integer) = reader.bignum(tag).expect("an item") {
                return Tree::Number(integer.to_string());
            }
            *reader = start;
            Tree::Word(notation(reader))
        }
        _ => {
            *reader = start;
            Tree::Word(notation(reader))
        }
    }
}

/// Reads the next item, and returns its diagnostic notation.
fn notation(reader: &mut Reader<'_>) -> String {
    let mut writer = plugbay_sdk::document::cbor::Writer::default();
    writer.copy(reader).expect("an item");
    diagnostic(&writer.finish())
}

fn number(float: f64) -> Tree {
    #[expect(clippy::cast_possible_truncation, reason = "an integer below 10^15")]
    Tree::Number(if float.fract() == 0.0 && float.abs() < 1e15 {
        (float as i64).to_string()
    } else {
        format!("{float:?}")
    })
}

impl Tree {
    /// The tree of a value in toml-test, where each scalar is a map of its type and its text.
    pub(crate) fn tagged(value: &Value) -> Self {
        match value {
            Value::Array(items) => Self::List(items.iter().map(Self::tagged).collect()),
            Value::Object(pairs) => {
                let kind = pairs.get("type").and_then(Value::as_str);
                let text = pairs.get("value").and_then(Value::as_str);
                if let (Some(kind), Some(text), 2) = (kind, text, pairs.len()) {
                    return Self::scalar(kind, text);
                }
                let pairs = pairs.iter().map(|(name, value)| {
                    let name = Document::from_value(name).expect("a text");
                    (diagnostic(name.as_cbor()), Self::tagged(value))
                });
                Self::Map(pairs.collect())
            }
            other => panic!("expected a list or a map, found {other}"),
        }
    }

    fn scalar(kind: &str, text: &str) -> Self {
        match kind {
            "integer" => Self::Number(text.to_owned()),
            "float" => number(text.parse().expect("a float")),
            "bool" => Self::Word(text.to_owned()),
            _ => Self::Text(text.to_owned()),
        }
    }

    /// The expected tree of a case in msgpack-test-suite.
    pub(crate) fn msgpack(case: &Value) -> Self {
        let (kind, value) = case
            .as_object()
            .expect("a case")
            .iter()
            .find(|(key, _)| *key != "msgpack")
            .expect("a value");
        let hex =
            |value: &Value| format!("h'{}'", value.as_str().expect("hexadecimal").replace('-', ""));
        match kind.as_str() {
            "binary" => Self::Word(hex(value)),
            "bignum" => Self::Number(value.as_str().expect("digits").to_owned()),
            "timestamp" => {
                let seconds = value[0].as_i64().expect("seconds");
                let nanoseconds = value[1].as_u64().expect("nanoseconds");
                Self::Text(time(seconds, nanoseconds))
            }
            "ext" => Self::Map(BTreeMap::from([
                ("\"$ext\"".to_owned(), Self::Number(value[0].to_string())),
                ("\"$data\"".to_owned(), Self::Word(hex(&value[1]))),
            ])),
            _ => tree(&Document::from_value(value).expect("a document")),
        }
    }
}

/// The text of a time in UTC, computed day by day from 1970 on.
fn time(seconds: i64, nanoseconds: u64) -> String {
    let leap = |year: i64| year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let (mut days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let mut year = 1970;
    while days < 0 {
        year -= 1;
        days += if leap(year) { 366 } else { 365 };
    }
    while days >= if leap(year) { 366 } else { 365 } {
        days -= if leap(year) { 366 } else { 365 };
        year += 1;
    }
    let lengths = [31, if leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let mut month = 0;
    while days >= lengths[month] {
        days -= lengths[month];
        month += 1;
    }
    let (month, day) = (month + 1, days + 1);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    let fraction = format!(".{nanoseconds:09}");
    let fraction = if nanoseconds == 0 { "" } else { fraction.trim_end_matches('0') };
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}{fraction}Z")
}
