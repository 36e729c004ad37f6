//! Writes a document from any self-describing deserializer, without a tree.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::Document;
use crate::cbor::{Token, Writer};

/// Accepts any value of a self-describing format, and refuses equal keys in a map.
impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut writer = Writer::with_capacity(128);
        Appender(&mut writer).deserialize(deserializer)?;
        Ok(writer.into_document())
    }
}

/// Appends one item. The writer limits the depth.
pub(crate) struct Appender<'a>(pub(crate) &'a mut Writer);

impl<'de> DeserializeSeed<'de> for Appender<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

macro_rules! scalars {
    ($($visit:ident $type:ty => $write:ident),* $(,)?) => { $(
        fn $visit<E: Error>(self, value: $type) -> Result<(), E> {
            self.0.$write(value.into()).map_err(E::custom)
        }
    )* };
}

impl<'de> Visitor<'de> for Appender<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    scalars! {
        visit_bool bool => bool,
        visit_i64 i64 => integer,
        visit_i128 i128 => integer,
        visit_f32 f32 => single,
        visit_f64 f64 => float,
        visit_str &str => text,
        visit_bytes &[u8] => bytes,
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.0.token(&Token::Unsigned(value)).map_err(E::custom)
    }

    fn visit_u128<E: Error>(self, value: u128) -> Result<(), E> {
        self.0.unsigned(value).map_err(E::custom)
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        self.0.null().map_err(E::custom)
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.null().map_err(E::custom)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        self.0.open_array().map_err(A::Error::custom)?;
        while seq.next_element_seed(Appender(self.0))?.is_some() {}
        self.0.close().map_err(A::Error::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        self.0.open_map().map_err(A::Error::custom)?;
        while map.next_key_seed(Appender(self.0))?.is_some() {
            map.next_value_seed(Appender(self.0))?;
        }
        self.0.close().map_err(A::Error::custom)
    }
}
