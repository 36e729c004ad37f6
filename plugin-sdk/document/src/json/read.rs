//! JSON to documents.
//!
//! `serde_json` turns an integer past 64 bits into a float, and rounds it. The text alone says
//! which numbers those were. So the first pass only notes that it met a float of such a size;
//! when it did, the numbers of the text are looked at, and if there are integers among them, a
//! second pass puts them in. Texts without such numbers, that is nearly all, pay one comparison
//! per float.

use std::collections::VecDeque;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};

use crate::cbor::{Integer, Writer};
use crate::{Document, Error};

/// 2^63: from here on a float may have been an integer.
const BIG: f64 = 9_223_372_036_854_775_808.0;

/// The document that a JSON text is.
///
/// # Errors
///
/// Says what is no JSON, or what no document can be, with its line and column.
pub fn read(text: &[u8]) -> Result<Document, Error> {
    let mut writer = Writer::with_capacity(text.len());
    let target = first_pass(text, &mut writer)?;
    if target.big == 0 {
        return Ok(writer.into_document());
    }
    let exact = big_numbers(text)?;
    if exact.iter().all(Option::is_none) {
        return Ok(writer.into_document());
    }
    drop(writer);
    let mut writer = Writer::with_capacity(text.len());
    Target { exact, ..Target::new(&mut writer) }.read(text)?;
    Ok(writer.into_document())
}

/// Writes the item that a JSON text is where `writer` stands.
///
/// # Errors
///
/// As for [`read()`]; and what the writer refuses.
pub fn read_into(text: &[u8], writer: &mut Writer) -> Result<(), Error> {
    let exact = if may_hold_big(text) { big_numbers(text)? } else { VecDeque::new() };
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err(byte_order_mark());
    }
    Target { exact, ..Target::new(writer) }.read(text)
}

fn first_pass<'a, 't>(text: &'t [u8], writer: &'a mut Writer) -> Result<Target<'a, 't>, Error> {
    if text.starts_with(b"\xef\xbb\xbf") {
        return Err(byte_order_mark());
    }
    let mut target = Target::new(writer);
    target.read(text)?;
    Ok(target)
}

#[cold]
fn byte_order_mark() -> Error {
    Error::new("expected JSON text, found a byte order mark before it")
}

/// What a pass writes to.
struct Target<'a, 't> {
    writer: &'a mut Writer,
    /// How many floats from [`BIG`] on there were.
    big: usize,
    /// For each of them, in order, the digits of the integer that it was; empty in the first pass.
    exact: VecDeque<Option<&'t str>>,
}

impl<'a> Target<'a, '_> {
    fn new(writer: &'a mut Writer) -> Self {
        Self { writer, big: 0, exact: VecDeque::new() }
    }

    fn read(&mut self, text: &[u8]) -> Result<(), Error> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        // The writer bounds the depth, one level later than this limit would.
        reader.disable_recursion_limit();
        let read = Seed(self).deserialize(&mut reader).and_then(|()| reader.end());
        read.map_err(Error::new)
    }

    fn float(&mut self, value: f64) -> Result<(), Error> {
        if value.abs() >= BIG {
            self.big += 1;
            if let Some(Some(text)) = self.exact.pop_front() {
                let digits = text.strip_prefix('-');
                let integer = Integer::from_digits(digits.is_some(), digits.unwrap_or(text), 10);
                let integer = integer.ok_or_else(|| Error::new("number out of range"))?;
                return self.writer.big_integer(&integer);
            }
        }
        self.writer.float(value)
    }
}

struct Seed<'s, 'a, 't>(&'s mut Target<'a, 't>);

impl<'de> DeserializeSeed<'de> for Seed<'_, '_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_, '_, '_> {
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

/// Whether there are numbers from [`BIG`] on: nineteen digits in a row, or an exponent.
fn may_hold_big(text: &[u8]) -> bool {
    text.split(|byte| !byte.is_ascii_digit()).any(|digits| digits.len() >= 19)
        || text.iter().any(|byte| matches!(byte, b'e' | b'E'))
}

/// The numbers from [`BIG`] on of a text, in order: the digits of integers that `serde_json`
/// reads as floats, and `None` for what the text writes as floats.
fn big_numbers(text: &[u8]) -> Result<VecDeque<Option<&str>>, Error> {
    let mut numbers = VecDeque::new();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        match byte {
            b'"' => at = string_end(text, at),
            b'-' | b'0'..=b'9' => {
                let part =
                    |byte: &u8| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9');
                let length = text[at..].iter().take_while(|byte| part(byte)).count();
                let number = &text[at..at + length];
                match big_number(std::str::from_utf8(number).map_err(Error::new)?) {
                    Number::Small => {}
                    Number::Float => numbers.push_back(None),
                    Number::Integer(digits) => numbers.push_back(Some(digits)),
                }
                at += length;
            }
            _ => at += 1,
        }
    }
    Ok(numbers)
}

enum Number<'t> {
    /// It is read as what it is.
    Small,
    /// The text writes a float.
    Float,
    /// The text writes an integer, read as a float.
    Integer(&'t str),
}

/// What a number is.
fn big_number(number: &str) -> Number<'_> {
    if number.contains(['.', 'e', 'E']) {
        let big = number.parse::<f64>().is_ok_and(|value| value.abs() >= BIG);
        return if big { Number::Float } else { Number::Small };
    }
    if number.parse::<u64>().is_ok() || number.parse::<i64>().is_ok() {
        return Number::Small;
    }
    Number::Integer(number)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::{Options, write};

    fn again(text: &str) -> Result<String, String> {
        let document = read(text.as_bytes()).map_err(|error| error.to_string())?;
        let mut writer = Writer::default();
        read_into(text.as_bytes(), &mut writer).map_err(|error| error.to_string())?;
        assert_eq!(writer.into_document(), document);
        let bytes = write(&document, &Options::default()).map_err(|error| error.to_string())?;
        Ok(String::from_utf8(bytes).unwrap())
    }

    #[test]
    fn integers_are_exact_whatever_their_size() {
        for text in [
            "18446744073709551615",
            "18446744073709551616",
            "-9223372036854775808",
            "-9223372036854775809",
            "-18446744073709551616",
            "-18446744073709551617",
            "340282366920938463463374607431768211456",
            "[1e19,10000000000000000000,100000000000000000000,1e20,1.5]",
            r#"{"18446744073709551616":"18446744073709551616","a":-100000000000000000000}"#,
        ] {
            let expected = text.replace("1e19", "1e+19").replace("1e20", "1e+20");
            let found = again(text).unwrap();
            assert!(found == text || found == expected, "{text}: {found}");
        }
        assert_eq!(again(&"9".repeat(308)), Ok("9".repeat(308)));
        assert!(again(&"9".repeat(400)).unwrap_err().contains("number out of range"));
    }

    #[test]
    fn equal_keys_are_refused_and_depth_is_the_documents() {
        for text in [r#"{"a":1,"a":2}"#, r#"[{"b":{"a":1,"\u0061":2}}]"#] {
            assert!(again(text).unwrap_err().contains(r#"duplicate key "a""#), "{text}");
        }
        let deep = |levels| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        assert_eq!(again(&deep(128)), Ok(deep(128)));
        assert!(again(&deep(129)).unwrap_err().contains("nested deeper than 128 levels"));
    }
}
