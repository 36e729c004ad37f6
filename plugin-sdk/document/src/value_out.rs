//! Reads a value from a document.

use std::borrow::Cow;

use serde::de::{
    DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, MapAccess, SeqAccess, Unexpected,
    VariantAccess, Visitor, value::BorrowedStrDeserializer,
};
use serde::forward_to_deserialize_any;

use crate::cbor::head::{NULL, TAG};
use crate::cbor::{Reader, Token, Wide, negative};
use crate::{Error, Path};

/// Reads one item.
pub(crate) struct Deserializer<'r, 'de> {
    reader: &'r mut Reader<'de>,
}

impl<'r, 'de> Deserializer<'r, 'de> {
    pub(crate) fn new(reader: &'r mut Reader<'de>) -> Self {
        Self { reader }
    }

    /// Skips the tags without meaning for `serde`.
    fn untagged(self) -> Result<Self, Error> {
        while self.reader.peek()? >> 5 == TAG {
            let start = *self.reader;
            let Token::Tag(tag) = self.reader.next_token()? else { break };
            if self.reader.tagged(tag)?.is_some() {
                *self.reader = start;
                break;
            }
        }
        Ok(self)
    }
}

impl<'de> serde::Deserializer<'de> for Deserializer<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let reader = self.reader;
        let token = reader.next_token()?;
        match token {
            Token::Unsigned(n) => visitor.visit_u64(n),
            Token::Negative(n) => match negative(n) {
                Ok(n) => visitor.visit_i64(n),
                Err(n) => visitor.visit_i128(n),
            },
            Token::Bytes(Cow::Borrowed(bytes)) => visitor.visit_borrowed_bytes(bytes),
            Token::Bytes(Cow::Owned(bytes)) => visitor.visit_byte_buf(bytes),
            Token::Text(Cow::Borrowed(text)) => visitor.visit_borrowed_str(text),
            Token::Text(Cow::Owned(text)) => visitor.visit_string(text),
            Token::Bool(value) => visitor.visit_bool(value),
            Token::Null => visitor.visit_unit(),
            Token::F32(n) => visitor.visit_f32(n),
            Token::F64(n) => visitor.visit_f64(n),
            Token::Array(left) => {
                reader.enter()?;
                let mut elements = Elements::new(reader, left);
                let value = visitor.visit_seq(&mut elements)?;
                elements.end("elements")?;
                Ok(value)
            }
            Token::Map(left) => {
                reader.enter()?;
                let mut elements = Elements::new(reader, left);
                let value = visitor.visit_map(&mut elements)?;
                elements.end("entries")?;
                Ok(value)
            }
            Token::Tag(tag) => match reader.tagged(tag)? {
                // A bignum that is not in preferred form may be an ordinary integer.
                Some(Wide::Unsigned(n)) => match u64::try_from(n) {
                    Ok(n) => visitor.visit_u64(n),
                    Err(_) => visitor.visit_u128(n),
                },
                Some(Wide::Signed(n)) => match i64::try_from(n) {
                    Ok(n) => visitor.visit_i64(n),
                    Err(_) => visitor.visit_i128(n),
                },
                None => {
                    reader.enter()?;
                    let value = Deserializer { reader }.deserialize_any(visitor)?;
                    reader.leave();
                    Ok(value)
                }
            },
            Token::Undefined | Token::Simple(_) => Err(token.unnamed()),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let inner = self.untagged()?;
        if inner.reader.peek()? == NULL {
            inner.reader.next_token()?;
            visitor.visit_none()
        } else {
            visitor.visit_some(inner)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let reader = self.untagged()?.reader;
        match reader.next_token()? {
            Token::Text(Cow::Borrowed(name)) => {
                visitor.visit_enum(BorrowedStrDeserializer::new(name))
            }
            Token::Text(Cow::Owned(name)) => visitor.visit_enum(name.into_deserializer()),
            Token::Map(mut left) => {
                reader.enter()?;
                let one = "a map with one entry, the variant";
                if !reader.advance(&mut left)? {
                    return Err(Error::invalid_length(0, &one));
                }
                let value = visitor.visit_enum(Variant { reader: &mut *reader })?;
                if reader.advance(&mut left)? {
                    return Err(Error::invalid_length(2, &one));
                }
                reader.leave();
                Ok(value)
            }
            other => Err(Error::invalid_type(unexpected(&other), &"an enum")),
        }
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        self.reader.skip()?;
        visitor.visit_unit()
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf
        unit unit_struct seq tuple tuple_struct map struct identifier
    }
}

fn unexpected<'t>(token: &'t Token<'_>) -> Unexpected<'t> {
    match token {
        Token::Unsigned(n) => Unexpected::Unsigned(*n),
        Token::Negative(n) => {
            negative(*n).map_or(Unexpected::Other("an integer"), Unexpected::Signed)
        }
        Token::Bytes(bytes) => Unexpected::Bytes(bytes),
        Token::Text(text) => Unexpected::Str(text),
        Token::Bool(value) => Unexpected::Bool(*value),
        Token::Null => Unexpected::Unit,
        Token::F32(n) => Unexpected::Float((*n).into()),
        Token::F64(n) => Unexpected::Float(*n),
        Token::Array(_) => Unexpected::Seq,
        Token::Map(_) => Unexpected::Map,
        Token::Tag(_) | Token::Undefined | Token::Simple(_) => Unexpected::Other("a CBOR item"),
    }
}

/// Reads the elements of an array or a map.
struct Elements<'r, 'de> {
    reader: &'r mut Reader<'de>,
    left: Option<usize>,
    /// How many elements of an array were begun.
    count: usize,
    /// The reader at the key of the last entry of a map.
    key: Reader<'de>,
}

impl<'r, 'de> Elements<'r, 'de> {
    fn new(reader: &'r mut Reader<'de>, left: Option<usize>) -> Self {
        let key = *reader;
        Self { reader, left, count: 0, key }
    }

    /// The key of the last entry of a map, for a message.
    #[cold]
    fn last_key(&mut self) -> String {
        match self.key.next_token() {
            Ok(Token::Text(text)) => text.into_owned(),
            Ok(Token::Unsigned(n)) => n.to_string(),
            Ok(Token::Negative(n)) => negative(n).map_or_else(|n| n.to_string(), |n| n.to_string()),
            _ => "…".to_owned(),
        }
    }
}

impl Elements<'_, '_> {
    /// Checks that the visitor has read all elements.
    fn end(mut self, what: &str) -> Result<(), Error> {
        if self.reader.advance(&mut self.left)? {
            return Err(Error::new(format_args!("expected fewer {what}, found more")));
        }
        self.reader.leave();
        Ok(())
    }
}

impl<'de> SeqAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, Error> {
        if !self.reader.advance(&mut self.left)? {
            // Later calls also return the end.
            self.left = Some(0);
            return Ok(None);
        }
        self.count += 1;
        seed.deserialize(Deserializer::new(self.reader))
            .map(Some)
            .map_err(|error| error.within(&Path::Index(&Path::Root, self.count - 1)))
    }

    fn size_hint(&self) -> Option<usize> {
        self.left
    }
}

impl<'de> MapAccess<'de> for &mut Elements<'_, 'de> {
    type Error = Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Error> {
        if !self.reader.advance(&mut self.left)? {
            self.left = Some(0);
            return Ok(None);
        }
        self.key = *self.reader;
        seed.deserialize(Key { reader: self.reader }).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Error> {
        let value = seed.deserialize(Deserializer::new(self.reader));
        value.map_err(|error| error.within(&Path::Key(&Path::Root, &self.last_key())))
    }

    fn size_hint(&self) -> Option<usize> {
        self.left
    }
}

/// Reads the key of a map. If the type is a number or a `bool` and the key is text, it parses the
/// text.
struct Key<'r, 'de> {
    reader: &'r mut Reader<'de>,
}

macro_rules! parsed_keys {
    ($($method:ident $type:ty => $visit:ident),* $(,)?) => { $(
        fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
            let mut ahead = *self.reader;
            if let Token::Text(text) = ahead.next_token()?
                && let Ok(value) = text.parse::<$type>()
            {
                *self.reader = ahead;
                return visitor.$visit(value);
            }
            self.deserialize_any(visitor)
        }
    )* };
}

impl<'de> serde::Deserializer<'de> for Key<'_, 'de> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        Deserializer::new(self.reader).deserialize_any(visitor)
    }

    parsed_keys! {
        deserialize_bool bool => visit_bool,
        deserialize_i8 i8 => visit_i8,
        deserialize_i16 i16 => visit_i16,
        deserialize_i32 i32 => visit_i32,
        deserialize_i64 i64 => visit_i64,
        deserialize_i128 i128 => visit_i128,
        deserialize_u8 u8 => visit_u8,
        deserialize_u16 u16 => visit_u16,
        deserialize_u32 u32 => visit_u32,
        deserialize_u64 u64 => visit_u64,
        deserialize_u128 u128 => visit_u128,
        deserialize_f32 f32 => visit_f32,
        deserialize_f64 f64 => visit_f64,
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.reader.peek()? == NULL {
            self.reader.next_token()?;
            visitor.visit_none()
        } else {
            visitor.visit_some(self)
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        Deserializer::new(self.reader).deserialize_enum(name, variants, visitor)
    }

    forward_to_deserialize_any! {
        char str string bytes byte_buf unit unit_struct seq tuple tuple_struct map struct
        identifier ignored_any
    }
}

/// Reads an enum's variant with content: the only pair of a map.
struct Variant<'r, 'de> {
    reader: &'r mut Reader<'de>,
}

impl<'de> EnumAccess<'de> for Variant<'_, 'de> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<V: DeserializeSeed<'de>>(self, seed: V) -> Result<(V::Value, Self), Error> {
        let name = seed.deserialize(Deserializer::new(self.reader))?;
        Ok((name, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, 'de> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        serde::Deserialize::deserialize(Deserializer::new(self.reader))
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(Deserializer::new(self.reader))
    }

    fn tuple_variant<V: Visitor<'de>>(self, _len: usize, visitor: V) -> Result<V::Value, Error> {
        serde::Deserializer::deserialize_any(Deserializer::new(self.reader), visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        _fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        serde::Deserializer::deserialize_any(Deserializer::new(self.reader), visitor)
    }
}
