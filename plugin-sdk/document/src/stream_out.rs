//! Writes a document to any serializer, without a tree.

use std::cell::Cell;

use serde::ser::{Error as _, Serialize, SerializeMap, SerializeSeq, Serializer};

use crate::cbor::{Reader, Token, Wide, negative};
use crate::{Document, Error};

/// Streams the document: texts and bytes are borrowed from it.
///
/// # Errors
///
/// The errors of the serializer, and values that `serde` cannot express: see the
/// [crate's page](crate).
impl Serialize for Document {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let item = Item::at(Reader::new(self.as_cbor()));
        let answer = item.serialize(serializer)?;
        // If a serializer skips the value, there is nothing to check.
        if let Some(reader) = item.end.get() {
            reader.finish().map_err(S::Error::custom)?;
        }
        Ok(answer)
    }
}

/// The item at a place. It may be serialized any number of times.
struct Item<'a> {
    start: Reader<'a>,
    /// The end of the item, after it was serialized.
    end: Cell<Option<Reader<'a>>>,
}

impl<'a> Item<'a> {
    fn at(start: Reader<'a>) -> Self {
        Self { start, end: Cell::new(None) }
    }

    /// The end of the item.
    fn end(&self) -> Result<Reader<'a>, Error> {
        self.end.get().map_or_else(
            || {
                let mut reader = self.start;
                reader.skip()?;
                Ok(reader)
            },
            Ok,
        )
    }
}

impl Serialize for Item<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut reader = self.start;
        let token = reader.next_token().map_err(S::Error::custom)?;
        let answer = match token {
            Token::Unsigned(n) => serializer.serialize_u64(n),
            Token::Negative(n) => match negative(n) {
                Ok(n) => serializer.serialize_i64(n),
                Err(n) => serializer.serialize_i128(n),
            },
            Token::Bytes(bytes) => serializer.serialize_bytes(&bytes),
            Token::Text(text) => serializer.serialize_str(&text),
            Token::Bool(value) => serializer.serialize_bool(value),
            Token::Null => serializer.serialize_none(),
            // In text, the shortest digits of an f32 are a different number when they are read as
            // an f64, as by most readers.
            Token::F32(n) if serializer.is_human_readable() => serializer.serialize_f64(n.into()),
            Token::F32(n) => serializer.serialize_f32(n),
            Token::F64(n) => serializer.serialize_f64(n),
            Token::Array(count) => array(&mut reader, count, serializer),
            Token::Map(count) => map(&mut reader, count, serializer),
            Token::Tag(tag) => tagged(&mut reader, tag, serializer),
            Token::Undefined | Token::Simple(_) => Err(S::Error::custom(token.unnamed())),
        }?;
        self.end.set(Some(reader));
        Ok(answer)
    }
}

fn array<S: Serializer>(
    reader: &mut Reader<'_>,
    mut left: Option<usize>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    reader.enter().map_err(S::Error::custom)?;
    let mut seq = serializer.serialize_seq(left)?;
    while reader.advance(&mut left).map_err(S::Error::custom)? {
        let item = Item::at(*reader);
        seq.serialize_element(&item)?;
        *reader = item.end().map_err(S::Error::custom)?;
    }
    reader.leave();
    seq.end()
}

fn map<S: Serializer>(
    reader: &mut Reader<'_>,
    mut left: Option<usize>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    reader.enter().map_err(S::Error::custom)?;
    let mut map = serializer.serialize_map(left)?;
    while reader.advance(&mut left).map_err(S::Error::custom)? {
        let key = Item::at(*reader);
        map.serialize_key(&key)?;
        let value = Item::at(key.end().map_err(S::Error::custom)?);
        map.serialize_value(&value)?;
        *reader = value.end().map_err(S::Error::custom)?;
    }
    reader.leave();
    map.end()
}

fn tagged<S: Serializer>(
    reader: &mut Reader<'_>,
    tag: u64,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match reader.tagged(tag).map_err(S::Error::custom)? {
        // A bignum that is not in preferred form may be an ordinary integer.
        Some(Wide::Unsigned(n)) => match u64::try_from(n) {
            Ok(n) => serializer.serialize_u64(n),
            Err(_) => serializer.serialize_u128(n),
        },
        Some(Wide::Signed(n)) => match i64::try_from(n) {
            Ok(n) => serializer.serialize_i64(n),
            Err(_) => serializer.serialize_i128(n),
        },
        None => {
            reader.enter().map_err(S::Error::custom)?;
            let item = Item::at(*reader);
            let answer = item.serialize(serializer)?;
            *reader = item.end().map_err(S::Error::custom)?;
            reader.leave();
            Ok(answer)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Some serializers serialize an element twice, and some skip it.
    #[test]
    fn an_item_may_be_looked_at_twice_or_never() {
        // [[1, 2], 3]
        let cbor = [0x82, 0x82, 0x01, 0x02, 0x03];
        let mut reader = Reader::new(&cbor);
        assert!(matches!(reader.next_token(), Ok(Token::Array(Some(2)))));
        let first = Item::at(reader);
        assert_eq!(serde_json::to_string(&first).unwrap(), "[1,2]");
        assert_eq!(serde_json::to_string(&first).unwrap(), "[1,2]");
        let second = Item::at(first.end().unwrap());
        assert_eq!(serde_json::to_string(&second).unwrap(), "3");
        let skipped = Item::at(Item::at(reader).end().unwrap());
        assert_eq!(serde_json::to_string(&skipped).unwrap(), "3");
    }
}
