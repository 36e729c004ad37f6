//! JSON to documents.
//!
//! `serde_json` turns an integer past 64 bits into a float, and rounds it. The text alone says
//! which numbers those were. So the first pass only notes that it met a float of such a size;
//! when it did, the numbers of the text are looked at, and if there are integers among them
//! that a document can hold, a second pass puts them in. Texts without such numbers, that is
//! nearly all, pay one comparison per float.

use std::collections::VecDeque;
use std::fmt;

use plugbay_sdk::document::cbor::Writer;
use plugbay_sdk::{Document, Error, Result, document};
use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

/// 2^63: from here on a float may have been an integer.
const BIG: f64 = 9_223_372_036_854_775_808.0;

pub(crate) fn read(bytes: &[u8]) -> Result<Document> {
    if bytes.starts_with(b"\xef\xbb\xbf") {
        return Err(Error::invalid_input("expected JSON text, found a byte order mark before it"));
    }
    let mut target = Target::new(bytes);
    target.read(bytes)?;
    if target.big == 0 {
        return Ok(target.writer.into_document());
    }
    let numbers = big_numbers(bytes)?;
    if numbers.iter().all(Option::is_none) {
        return Ok(target.writer.into_document());
    }
    let mut target = Target { exact: numbers, ..Target::new(bytes) };
    target.read(bytes)?;
    Ok(target.writer.into_document())
}

/// What a pass writes to.
struct Target {
    writer: Writer,
    /// How many floats from [`BIG`] on there were.
    big: usize,
    /// For each of them, in order, the integer that it was; empty in the first pass.
    exact: VecDeque<Option<i128>>,
}

impl Target {
    fn new(bytes: &[u8]) -> Self {
        Self { writer: Writer::with_capacity(bytes.len()), big: 0, exact: VecDeque::new() }
    }

    fn read(&mut self, bytes: &[u8]) -> serde_json::Result<()> {
        let mut reader = serde_json::Deserializer::from_slice(bytes);
        // The writer bounds the depth, one level later than this limit would.
        reader.disable_recursion_limit();
        Seed(self).deserialize(&mut reader)?;
        reader.end()
    }

    fn float(&mut self, value: f64) -> Result<(), document::Error> {
        if value.abs() >= BIG {
            self.big += 1;
            if let Some(Some(integer)) = self.exact.pop_front() {
                return self.writer.integer(integer);
            }
        }
        self.writer.float(value)
    }
}

struct Seed<'t>(&'t mut Target);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<(), E> {
        self.0.writer.null().map_err(E::custom)
    }

    fn visit_bool<E: serde::de::Error>(self, value: bool) -> Result<(), E> {
        self.0.writer.bool(value).map_err(E::custom)
    }

    fn visit_i64<E: serde::de::Error>(self, value: i64) -> Result<(), E> {
        self.0.writer.integer(value.into()).map_err(E::custom)
    }

    fn visit_u64<E: serde::de::Error>(self, value: u64) -> Result<(), E> {
        self.0.writer.integer(value.into()).map_err(E::custom)
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<(), E> {
        self.0.float(value).map_err(E::custom)
    }

    fn visit_str<E: serde::de::Error>(self, value: &str) -> Result<(), E> {
        self.0.writer.text(value).map_err(E::custom)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.writer.open_array().map_err(A::Error::custom)?;
        while items.next_element_seed(Seed(self.0))?.is_some() {}
        self.0.writer.close().map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut pairs: A) -> Result<(), A::Error> {
        self.0.writer.open_map().map_err(A::Error::custom)?;
        while pairs.next_key_seed(Seed(self.0))?.is_some() {
            pairs.next_value_seed(Seed(self.0))?;
        }
        self.0.writer.close().map_err(A::Error::custom)
    }
}

/// The numbers from [`BIG`] on of a well-formed text, in order: the integers that `serde_json`
/// reads as floats, and `None` for what the text writes as floats.
fn big_numbers(text: &[u8]) -> Result<VecDeque<Option<i128>>> {
    let mut numbers = VecDeque::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => at = string_end(text, at),
            b'-' | b'0'..=b'9' => {
                let part =
                    |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let length = text[at..].iter().take_while(|byte| part(byte)).count();
                match big_number(&text[at..at + length], text, at)? {
                    Number::Small => {}
                    Number::Float => numbers.push_back(None),
                    Number::Integer(integer) => numbers.push_back(Some(integer)),
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    Ok(numbers)
}

enum Number {
    /// It is read as what it is.
    Small,
    /// The text writes a float.
    Float,
    /// The text writes an integer, read as a float.
    Integer(i128),
}

/// What the number at `at` is.
fn big_number(number: &[u8], text: &[u8], at: usize) -> Result<Number> {
    let number = std::str::from_utf8(number)?;
    if number.contains(['.', 'e', 'E']) {
        let big = number.parse::<f64>().is_ok_and(|value| value.abs() >= BIG);
        return Ok(if big { Number::Float } else { Number::Small });
    }
    if number.parse::<u64>().is_ok() || number.parse::<i64>().is_ok() {
        return Ok(Number::Small);
    }
    match number.parse::<i128>() {
        Ok(integer) if (-(1 << 64)..1 << 64).contains(&integer) => Ok(Number::Integer(integer)),
        _ => {
            let before = &text[..at];
            let line = before.split(|&byte| byte == b'\n').count();
            let column = 1 + before.iter().rev().take_while(|&&byte| byte != b'\n').count();
            let number: String = number.chars().take(64).collect();
            Err(Error::unsupported(format_args!(
                "expected an integer from -2^64 to 2^64 - 1, found the integer {number} \
                 at line {line} column {column}"
            )))
        }
    }
}

/// The offset after the string that begins at `start`.
fn string_end(text: &[u8], start: usize) -> usize {
    let mut at = start + 1;
    while let Some(&byte) = text.get(at) {
        at += 1;
        match byte {
            b'"' => break,
            b'\\' => at += 1,
            _ => {}
        }
    }
    at
}
