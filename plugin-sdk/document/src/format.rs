//! Documents for formats that can express less than CBOR, such as JSON and YAML, with their `serde`
//! serializers.
//!
//! A [`Document`] can be serialized itself, but leaves all checks to the serializer. A [`View`]
//! follows the [`Rules`] of the format, and refuses other values by their name and place.
//!
//! ```
//! use plugbay_document::Document;
//! use plugbay_document::format::{Bytes, Rules, View};
//!
//! const JSON: Rules = Rules {
//!     format: "JSON",
//!     null: true,
//!     bytes: Bytes::Refuse,
//!     non_finite: false,
//!     integers: (-(1 << 64), (1 << 64) - 1),
//!     any_keys: false,
//!     depth: plugbay_document::MAX_DEPTH,
//! };
//!
//! let document = Document::from_value(&[("ratio", 0.5), ("rest", f64::NAN)])?;
//! let error = serde_json::to_string(&View::new(&document, &JSON)).unwrap_err();
//! assert_eq!(error.to_string(), "JSON cannot hold the float NaN at [1][1]");
//! # Ok::<(), plugbay_document::Error>(())
//! ```

use std::cell::Cell;
use std::fmt;

use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::cbor::{Reader, Token};
use crate::error::TooDeep;
use crate::{Document, MAX_DEPTH, Path};

/// The values that a format can express. Others are refused, with their place.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The format's name, for messages.
    pub format: &'static str,
    /// Whether the format has null.
    pub null: bool,
    /// How byte strings are written.
    pub bytes: Bytes,
    /// Whether the format has NaN and the infinities.
    pub non_finite: bool,
    /// The least and the greatest integer of the format.
    pub integers: (i128, i128),
    /// Whether keys can be other values than text.
    pub any_keys: bool,
    /// The maximum number of levels, at most [`MAX_DEPTH`].
    pub depth: usize,
}

/// How byte strings are written.
#[derive(Clone, Copy, Debug, Default)]
pub enum Bytes {
    /// As bytes of the serializer.
    Native,
    /// They are refused.
    #[default]
    Refuse,
    /// As the text that the function writes, for example base64.
    Text(fn(&[u8], &mut fmt::Formatter<'_>) -> fmt::Result),
}

/// A document that can be serialized by [`Rules`], without a tree.
///
/// # Errors
///
/// Values that the rules refuse, with their place in the document; errors of the serializer, and
/// malformed bytes.
#[derive(Debug)]
pub struct View<'a> {
    rules: &'a Rules,
    start: Reader<'a>,
    /// The end of the item that was serialized last.
    end: Cell<Reader<'a>>,
}

impl<'a> View<'a> {
    /// A view of the document with these rules.
    #[must_use]
    pub fn new(document: &'a Document, rules: &'a Rules) -> Self {
        let start = Reader::new(document.as_cbor());
        Self { rules, start, end: Cell::new(start) }
    }
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Node { view: self, start: self.start, path: Path::Root, depth: 0, key: false }
            .serialize(serializer)
    }
}

/// The item at a place. Serializing it stores its end in `View::end`.
struct Node<'v, 'd> {
    view: &'v View<'d>,
    start: Reader<'d>,
    path: Path<'v>,
    depth: usize,
    key: bool,
}

impl<'d> Node<'_, 'd> {
    fn refuse<E: serde::ser::Error>(&self, what: impl std::fmt::Display) -> E {
        let (format, path) = (self.view.rules.format, self.path);
        if self.key {
            E::custom(format_args!("{format} cannot hold {what} as a key in {path}"))
        } else {
            E::custom(format_args!("{format} cannot hold {what} at {path}"))
        }
    }

    fn token<E: serde::ser::Error>(&self) -> Result<Token<'d>, E> {
        let mut reader = self.start;
        let token = reader.next_token().map_err(E::custom)?;
        self.view.end.set(reader);
        Ok(token)
    }

    fn child<'c>(&'c self, path: Path<'c>) -> Node<'c, 'd> {
        let start = self.view.end.get();
        Node { view: self.view, start, path, depth: self.depth + 1, key: false }
    }

    /// Advances to the next element, of which `left` remain; `false` at the end.
    fn advance<E: serde::ser::Error>(&self, left: &mut Option<usize>) -> Result<bool, E> {
        let mut reader = self.view.end.get();
        let more = reader.advance(left).map_err(E::custom)?;
        self.view.end.set(reader);
        Ok(more)
    }

    fn sequence<S: Serializer>(
        &self,
        mut left: Option<usize>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(left)?;
        let mut index = 0;
        while self.advance(&mut left)? {
            sequence.serialize_element(&self.child(Path::Index(&self.path, index)))?;
            index += 1;
        }
        sequence.end()
    }

    fn map<S: Serializer>(
        &self,
        mut left: Option<usize>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(left)?;
        while self.advance(&mut left)? {
            let key = Node { key: true, ..self.child(self.path) };
            let name = match key.token::<S::Error>()? {
                Token::Text(name) => {
                    map.serialize_key(&*name)?;
                    name
                }
                other if self.view.rules.any_keys => {
                    map.serialize_key(&key)?;
                    other.to_string().into()
                }
                other => return Err(key.refuse(other)),
            };
            map.serialize_value(&self.child(Path::Key(&self.path, &name)))?;
        }
        map.end()
    }

    /// Serializes a bignum that the rules allow, and a date as text.
    fn tagged<S: Serializer>(&self, tag: u64, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reader = self.view.end.get();
        if let Some(text) = reader.date(tag).map_err(S::Error::custom)? {
            self.view.end.set(reader);
            return serializer.serialize_str(&text);
        }
        let Some(integer) = reader.bignum(tag).map_err(S::Error::custom)? else {
            return Err(self.refuse(Token::Tag(tag)));
        };
        self.view.end.set(reader);
        match integer.to_i128() {
            Some(value) => self.integer(value, serializer),
            None => Err(self.refuse(format_args!("the integer {integer}"))),
        }
    }

    fn integer<S: Serializer>(&self, value: i128, serializer: S) -> Result<S::Ok, S::Error> {
        let (least, greatest) = self.view.rules.integers;
        if value < least || value > greatest {
            return Err(self.refuse(format_args!("the integer {value}")));
        }
        if let Ok(value) = i64::try_from(value) {
            serializer.serialize_i64(value)
        } else if let Ok(value) = u64::try_from(value) {
            serializer.serialize_u64(value)
        } else {
            serializer.serialize_i128(value)
        }
    }
}

impl Serialize for Node<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rules = self.view.rules;
        let token = self.token::<S::Error>()?;
        if let Some(value) = token.as_integer() {
            return self.integer(value, serializer);
        }
        if let Some(value) = token.as_float().filter(|it| rules.non_finite || it.is_finite()) {
            return serializer.serialize_f64(value);
        }
        match token {
            Token::Array(_) | Token::Map(_) if self.depth >= rules.depth.min(MAX_DEPTH) => {
                Err(S::Error::custom(TooDeep(rules.depth.min(MAX_DEPTH))))
            }
            Token::Array(count) => self.sequence(count, serializer),
            Token::Map(count) => self.map(count, serializer),
            Token::Null if rules.null => serializer.serialize_unit(),
            Token::Bool(value) => serializer.serialize_bool(value),
            Token::Text(text) => serializer.serialize_str(&text),
            Token::Bytes(bytes) => match rules.bytes {
                Bytes::Native => serializer.serialize_bytes(&bytes),
                Bytes::Text(write) => serializer.collect_str(&Written { bytes: &bytes, write }),
                Bytes::Refuse => Err(self.refuse(Token::Bytes(bytes))),
            },
            Token::Tag(tag) => self.tagged(tag, serializer),
            other => Err(self.refuse(other)),
        }
    }
}

/// Displays bytes as text.
pub(crate) struct Written<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) write: fn(&[u8], &mut fmt::Formatter<'_>) -> fmt::Result,
}

impl fmt::Display for Written<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.write)(self.bytes, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: Rules = Rules {
        format: "the format",
        null: false,
        bytes: Bytes::Refuse,
        non_finite: false,
        integers: (-1, 1),
        any_keys: false,
        depth: 2,
    };

    fn written(cbor: &[u8], rules: &Rules) -> Result<String, String> {
        let document = Document::from_trusted_cbor(cbor.to_vec());
        serde_json::to_string(&View::new(&document, rules)).map_err(|error| error.to_string())
    }

    #[test]
    fn the_error_for_a_refused_value_has_its_place() {
        for (cbor, expected) in [
            (&[0xf6][..], "the format cannot hold null at the document"),
            (&[0x81, 0x02], "the format cannot hold the integer 2 at [0]"),
            (&[0x81, 0x21], "the format cannot hold the integer -2 at [0]"),
            (&[0xf9, 0x7c, 0x00], "the format cannot hold the float inf at the document"),
            (
                &[0xa1, 0x61, b'k', 0x41, 0x00],
                "the format cannot hold a byte string (1 bytes) at k",
            ),
            (&[0xa1, 0x01, 0x00], "the format cannot hold the integer 1 as a key in the document"),
            (&[0xc0, 0x00], "the format cannot hold the tag 0 at the document"),
            (
                &[0xc2, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0],
                "the format cannot hold the integer 18446744073709551616 at the document",
            ),
            (&[0xf7], "the format cannot hold undefined at the document"),
            (&[0x81, 0x81, 0x80], "nested deeper than 2 levels"),
            (
                &[0x81],
                "malformed CBOR at byte 1: expected 1 elements, the input ended after 0 bytes",
            ),
        ] {
            assert_eq!(written(cbor, &RULES), Err(expected.to_owned()), "{cbor:02x?}");
        }
    }

    #[test]
    fn allowed_values_are_written() {
        let rules = Rules {
            null: true,
            bytes: Bytes::Text(|bytes, f| write!(f, "{} bytes", bytes.len())),
            ..RULES
        };
        // [_ null, 1, -1, 0.5, h'0000', {_ "a": true}]
        let cbor = [
            0x9f, 0xf6, 0x01, 0x20, 0xf9, 0x38, 0x00, 0x42, 0x00, 0x00, 0xbf, 0x61, b'a', 0xf5,
            0xff, 0xff,
        ];
        let expected = r#"[null,1,-1,0.5,"2 bytes",{"a":true}]"#;
        assert_eq!(written(&cbor, &rules).as_deref(), Ok(expected));
    }
}
