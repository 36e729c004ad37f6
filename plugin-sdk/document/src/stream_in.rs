//! From any self-describing deserializer into a document, without a tree.

use std::fmt;

use serde::de::{Deserialize, DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::cbor::head::{self, ARRAY, FALSE, MAP, NULL, Open, TRUE, UNSIGNED};
use crate::error::TooDeep;
use crate::{Document, MAX_DEPTH};

/// Takes whatever a self-describing format holds.
impl<'de> Deserialize<'de> for Document {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let mut cbor = Vec::with_capacity(128);
        Appender { out: &mut cbor, depth: MAX_DEPTH }.deserialize(deserializer)?;
        Ok(Document::from_trusted_cbor(cbor))
    }
}

/// Appends one item.
struct Appender<'a> {
    out: &'a mut Vec<u8>,
    /// How many levels may still be entered.
    depth: usize,
}

impl Appender<'_> {
    fn down<E: Error>(&self) -> Result<usize, E> {
        self.depth.checked_sub(1).ok_or_else(|| E::custom(TooDeep(MAX_DEPTH)))
    }
}

impl<'de> DeserializeSeed<'de> for Appender<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Appender<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<(), E> {
        self.out.push(if value { TRUE } else { FALSE });
        Ok(())
    }

    fn visit_i64<E>(self, value: i64) -> Result<(), E> {
        head::write_signed(self.out, value);
        Ok(())
    }

    fn visit_i128<E>(self, value: i128) -> Result<(), E> {
        head::write_i128(self.out, value);
        Ok(())
    }

    fn visit_u64<E>(self, value: u64) -> Result<(), E> {
        head::write(self.out, UNSIGNED, value);
        Ok(())
    }

    fn visit_u128<E>(self, value: u128) -> Result<(), E> {
        head::write_u128(self.out, value);
        Ok(())
    }

    fn visit_f32<E>(self, value: f32) -> Result<(), E> {
        head::write_f32(self.out, value);
        Ok(())
    }

    fn visit_f64<E>(self, value: f64) -> Result<(), E> {
        head::write_f64(self.out, value);
        Ok(())
    }

    fn visit_str<E>(self, value: &str) -> Result<(), E> {
        head::write_text(self.out, value);
        Ok(())
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<(), E> {
        head::write_bytes(self.out, value);
        Ok(())
    }

    fn visit_none<E>(self) -> Result<(), E> {
        self.out.push(NULL);
        Ok(())
    }

    fn visit_unit<E>(self) -> Result<(), E> {
        self.out.push(NULL);
        Ok(())
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let depth = self.down()?;
        let open = Open::new(self.out, ARRAY, seq.size_hint());
        let mut count = 0;
        while seq.next_element_seed(Appender { out: self.out, depth })?.is_some() {
            count += 1;
        }
        open.close(self.out, count);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let depth = self.down()?;
        let open = Open::new(self.out, MAP, map.size_hint());
        let mut count = 0;
        while map.next_key_seed(Appender { out: self.out, depth })?.is_some() {
            map.next_value_seed(Appender { out: self.out, depth })?;
            count += 1;
        }
        open.close(self.out, count);
        Ok(())
    }
}
