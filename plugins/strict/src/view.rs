//! A document as a `serde` value, as far as a format can hold it.

use std::cell::Cell;

use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::{Item, MAX_DEPTH, Path, Reader};

/// What a text format can hold. What it cannot is refused, with the place where it stands.
#[derive(Clone, Debug)]
pub struct Rules {
    /// The format's name, for messages.
    pub format: &'static str,
    /// Whether it has null.
    pub null: bool,
    /// What becomes of byte strings.
    pub bytes: Bytes,
    /// Whether it has NaN and the infinities.
    pub non_finite: bool,
    /// The least and the greatest integer.
    pub integers: (i128, i128),
    /// Whether keys can be anything but text.
    pub any_keys: bool,
    /// How many levels it can have, at most [`MAX_DEPTH`].
    pub depth: usize,
}

/// What becomes of byte strings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Bytes {
    /// They are handed to the serializer as bytes.
    Native,
    /// They are refused.
    Refuse,
    /// They are written as text in base64 (RFC 4648 section 4).
    Base64,
}

/// A document that serializes itself by [`Rules`].
#[derive(Debug)]
pub struct View<'a> {
    document: &'a [u8],
    rules: &'a Rules,
    end: Cell<usize>,
}

impl<'a> View<'a> {
    /// The CBOR item `document`, by `rules`.
    pub fn new(document: &'a [u8], rules: &'a Rules) -> Self {
        Self { document, rules, end: Cell::new(0) }
    }
}

impl Serialize for View<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Node { view: self, at: 0, path: Path::Root, depth: 0, key: false }.serialize(serializer)
    }
}

/// The item at one offset. Serializing it leaves the offset after it in `View::end`.
struct Node<'v> {
    view: &'v View<'v>,
    at: usize,
    path: Path<'v>,
    depth: usize,
    key: bool,
}

impl Node<'_> {
    fn refuse<E: serde::ser::Error>(&self, what: impl std::fmt::Display) -> E {
        let (format, path) = (self.view.rules.format, self.path);
        if self.key {
            E::custom(format_args!("{format} cannot hold {what} as a key in {path}"))
        } else {
            E::custom(format_args!("{format} cannot hold {what} at {path}"))
        }
    }

    fn item<E: serde::ser::Error>(&self) -> Result<Item<'_>, E> {
        let mut reader = Reader::new(self.view.document, self.at);
        let item = reader.pull().map_err(E::custom)?;
        self.view.end.set(reader.at());
        Ok(item)
    }

    fn child<'c>(&'c self, path: Path<'c>) -> Node<'c> {
        Node { view: self.view, at: self.view.end.get(), path, depth: self.depth + 1, key: false }
    }

    fn is_break<E: serde::ser::Error>(&self) -> Result<bool, E> {
        let mut reader = Reader::new(self.view.document, self.view.end.get());
        let is_break = reader.pull().map_err(E::custom)? == Item::Break;
        if is_break {
            self.view.end.set(reader.at());
        }
        Ok(is_break)
    }

    fn sequence<S: Serializer>(
        &self,
        length: Option<u64>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        let mut sequence = serializer.serialize_seq(hint(length))?;
        let mut index = 0;
        while self.goes_on(index, length)? {
            let place = usize::try_from(index).unwrap_or(usize::MAX);
            sequence.serialize_element(&self.child(Path::Index(&self.path, place)))?;
            index += 1;
        }
        sequence.end()
    }

    fn map<S: Serializer>(&self, pairs: Option<u64>, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(hint(pairs))?;
        let mut index = 0;
        while self.goes_on(index, pairs)? {
            let key = Node { key: true, ..self.child(self.path) };
            let name = match key.item::<S::Error>()? {
                Item::Text(name) => {
                    map.serialize_key(&*name)?;
                    name
                }
                other if self.view.rules.any_keys => {
                    map.serialize_key(&key)?;
                    format!("{other:?}").into()
                }
                other => return Err(key.refuse(name(&other))),
            };
            map.serialize_value(&self.child(Path::Key(&self.path, &name)))?;
            index += 1;
        }
        map.end()
    }

    fn goes_on<E: serde::ser::Error>(&self, index: u64, length: Option<u64>) -> Result<bool, E> {
        match length {
            Some(length) => Ok(index < length),
            None => Ok(!self.is_break()?),
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

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let rules = self.view.rules;
        let item = self.item::<S::Error>()?;
        match item {
            Item::Array(_) | Item::Map(_) if self.depth >= rules.depth.min(MAX_DEPTH) => {
                let depth = rules.depth.min(MAX_DEPTH);
                Err(S::Error::custom(format_args!("nested deeper than {depth} levels")))
            }
            Item::Array(length) => self.sequence(length, serializer),
            Item::Map(pairs) => self.map(pairs, serializer),
            Item::Null if rules.null => serializer.serialize_unit(),
            Item::Bool(value) => serializer.serialize_bool(value),
            Item::Integer(value) => self.integer(value, serializer),
            Item::Float(value) if rules.non_finite || value.is_finite() => {
                serializer.serialize_f64(value)
            }
            Item::Text(text) => serializer.serialize_str(&text),
            Item::Bytes(bytes) if rules.bytes == Bytes::Native => {
                serializer.serialize_bytes(&bytes)
            }
            Item::Bytes(bytes) if rules.bytes == Bytes::Base64 => {
                serializer.collect_str(&data_encoding::BASE64.encode_display(&bytes))
            }
            other => Err(self.refuse(name(&other))),
        }
    }
}

fn hint(length: Option<u64>) -> Option<usize> {
    length.and_then(|length| usize::try_from(length).ok())
}

/// How a message calls an item.
fn name(item: &Item<'_>) -> String {
    match item {
        Item::Null => "null".to_owned(),
        Item::Undefined => "undefined".to_owned(),
        Item::Bool(value) => format!("the boolean {value}"),
        Item::Integer(value) => format!("the integer {value}"),
        Item::Float(value) => format!("the float {value:?}"),
        Item::Bytes(bytes) => format!("a byte string ({} bytes)", bytes.len()),
        Item::Text(text) => format!("the text {text:?}"),
        Item::Array(_) => "an array".to_owned(),
        Item::Map(_) => "a map".to_owned(),
        Item::Tag(tag) => format!("the tag {tag}"),
        Item::Simple(value) => format!("simple value {value}"),
        Item::Break => "a break".to_owned(),
    }
}
