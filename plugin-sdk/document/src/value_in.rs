//! Writes a document from a value.

use serde::ser::{
    Serialize, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
    SerializeTupleStruct, SerializeTupleVariant,
};

use crate::cbor::Reader;
use crate::cbor::head::{self, ARRAY, FALSE, MAP, NULL, Open, TRUE, UNSIGNED};
use crate::cbor::keys::{FEW, Key, is_due, sorted};
use crate::{Error, MAX_DEPTH};

/// Appends one item.
pub(crate) struct Serializer<'a> {
    out: &'a mut Vec<u8>,
    /// The number of levels that may still be entered.
    depth: usize,
}

impl<'a> Serializer<'a> {
    pub(crate) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, depth: MAX_DEPTH }
    }

    fn open(self, kind: u8, expected: Option<usize>) -> Result<Elements<'a>, Error> {
        let depth = self.depth.checked_sub(1).ok_or_else(Error::too_deep)?;
        let open = Open::new(self.out, kind, expected);
        Ok(Elements { out: self.out, depth, open, count: 0, keys: Vec::new() })
    }

    /// Opens the map of one pair for an enum's variant with content; its value is written next.
    fn variant(self, variant: &str) -> Result<Self, Error> {
        let depth = self.depth.checked_sub(1).ok_or_else(Error::too_deep)?;
        head::write(self.out, MAP, 1);
        head::write_text(self.out, variant);
        Ok(Self { out: self.out, depth })
    }
}

/// Writes the elements of an array or a map. Those of a map are counted by its keys.
pub(crate) struct Elements<'a> {
    out: &'a mut Vec<u8>,
    depth: usize,
    open: Open,
    count: u64,
    /// The ranges of the keys of a map. Those of a struct are not checked, because its names
    /// differ.
    keys: Vec<(u32, u32)>,
}

impl Elements<'_> {
    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.count += 1;
        self.value(value)
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        value.serialize(Serializer { out: self.out, depth: self.depth })
    }

    fn field<T: Serialize + ?Sized>(&mut self, key: &str, value: &T) -> Result<(), Error> {
        self.count += 1;
        head::write_text(self.out, key);
        self.value(value)
    }

    fn key<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let start = self.out.len();
        self.element(value)?;
        let place = |at| u32::try_from(at).map_err(|_| Error::new("a document of 4 GiB"));
        let key = &self.out[start..];
        let repeated = self.keys.len() < FEW && self.keys.iter().any(|it| self.bytes(*it) == key);
        if repeated {
            return Err(self.duplicate(start));
        }
        self.keys.push((place(start)?, place(self.out.len())?));
        if is_due(self.keys.len()) { self.distinct() } else { Ok(()) }
    }

    fn bytes(&self, (start, end): (u32, u32)) -> &[u8] {
        &self.out[start as usize..end as usize]
    }

    fn distinct(&self) -> Result<(), Error> {
        match sorted(self.keys.len(), |index| self.bytes(self.keys[index])) {
            Ok(_) => Ok(()),
            Err(repeated) => Err(self.duplicate(self.keys[repeated].0 as usize)),
        }
    }

    #[cold]
    fn duplicate(&self, start: usize) -> Error {
        let key = Reader::new(&self.out[start..]);
        Error::new(format_args!("duplicate key {}", Key(&key)))
    }

    fn close(self) -> Result<(), Error> {
        if self.keys.len() > FEW {
            self.distinct()?;
        }
        self.open.close(self.out, self.count);
        Ok(())
    }
}

macro_rules! integers {
    ($($method:ident $type:ty => $write:ident),* $(,)?) => { $(
        fn $method(self, value: $type) -> Result<(), Error> {
            head::$write(self.out, value.into());
            Ok(())
        }
    )* };
}

impl<'a> serde::Serializer for Serializer<'a> {
    type Ok = ();
    type Error = Error;
    type SerializeSeq = Elements<'a>;
    type SerializeTuple = Elements<'a>;
    type SerializeTupleStruct = Elements<'a>;
    type SerializeTupleVariant = Elements<'a>;
    type SerializeMap = Elements<'a>;
    type SerializeStruct = Elements<'a>;
    type SerializeStructVariant = Elements<'a>;

    integers! {
        serialize_i8 i8 => write_signed,
        serialize_i16 i16 => write_signed,
        serialize_i32 i32 => write_signed,
        serialize_i64 i64 => write_signed,
        serialize_i128 i128 => write_i128,
        serialize_u128 u128 => write_u128,
        serialize_f32 f32 => write_f32,
        serialize_f64 f64 => write_f64,
    }

    fn serialize_u8(self, value: u8) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u16(self, value: u16) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u32(self, value: u32) -> Result<(), Error> {
        self.serialize_u64(value.into())
    }

    fn serialize_u64(self, value: u64) -> Result<(), Error> {
        head::write(self.out, UNSIGNED, value);
        Ok(())
    }

    fn serialize_bool(self, value: bool) -> Result<(), Error> {
        self.out.push(if value { TRUE } else { FALSE });
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), Error> {
        self.serialize_str(value.encode_utf8(&mut [0; 4]))
    }

    fn serialize_str(self, value: &str) -> Result<(), Error> {
        head::write_text(self.out, value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), Error> {
        head::write_bytes(self.out, value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), Error> {
        self.out.push(NULL);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Result<(), Error> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), Error> {
        self.serialize_none()
    }

    fn serialize_unit_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), Error> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Error> {
        value.serialize(self.variant(variant)?)
    }

    fn serialize_seq(self, len: Option<usize>) -> Result<Elements<'a>, Error> {
        self.open(ARRAY, len)
    }

    fn serialize_tuple(self, len: usize) -> Result<Elements<'a>, Error> {
        self.open(ARRAY, Some(len))
    }

    fn serialize_tuple_struct(
        self,
        _name: &'static str,
        len: usize,
    ) -> Result<Elements<'a>, Error> {
        self.open(ARRAY, Some(len))
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Elements<'a>, Error> {
        self.variant(variant)?.open(ARRAY, Some(len))
    }

    fn serialize_map(self, len: Option<usize>) -> Result<Elements<'a>, Error> {
        self.open(MAP, len)
    }

    fn serialize_struct(self, _name: &'static str, len: usize) -> Result<Elements<'a>, Error> {
        self.open(MAP, Some(len))
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        len: usize,
    ) -> Result<Elements<'a>, Error> {
        self.variant(variant)?.open(MAP, Some(len))
    }
}

macro_rules! elements {
    ($($trait:ident $method:ident),* $(,)?) => { $(
        impl $trait for Elements<'_> {
            type Ok = ();
            type Error = Error;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
                self.element(value)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        }
    )* };
}

elements! {
    SerializeSeq serialize_element,
    SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

macro_rules! fields {
    ($($trait:ident),*) => { $(
        impl $trait for Elements<'_> {
            type Ok = ();
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Error> {
                self.field(key, value)
            }

            fn end(self) -> Result<(), Error> {
                self.close()
            }
        }
    )* };
}

fields!(SerializeStruct, SerializeStructVariant);

impl SerializeMap for Elements<'_> {
    type Ok = ();
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        self.value(value)
    }

    fn end(self) -> Result<(), Error> {
        self.close()
    }
}
