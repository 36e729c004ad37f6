//! Converts MessagePack to documents, one marker after the other.

use plugbay_sdk::document::cbor::Writer;
use plugbay_sdk::document::{MAX_DEPTH, repeats};
use plugbay_sdk::{Document, Error, Result};
use rmp::Marker;

use crate::time::{TIMESTAMP, Time};
use crate::{Config, Ext, Timestamps};

/// The keys of the map that represents an extension type.
pub(crate) const EXT: &str = "$ext";
pub(crate) const DATA: &str = "$data";

pub(crate) fn read(bytes: &[u8], config: &Config) -> Result<Document> {
    let mut input = Input { bytes, at: 0, config, repeats: repeats(bytes.len()) };
    let mut writer = Writer::with_capacity(bytes.len());
    // The number of items that each open array or map still needs.
    let mut missing = Vec::with_capacity(MAX_DEPTH);
    loop {
        if let Some(items) = input.read_item(&mut writer)? {
            missing.push(items);
        } else if let Some(items) = missing.last_mut() {
            *items -= 1;
        }
        while missing.last() == Some(&0) {
            writer.close()?;
            missing.pop();
            if let Some(items) = missing.last_mut() {
                *items -= 1;
            }
        }
        if missing.is_empty() {
            break;
        }
    }
    match bytes.len() - input.at {
        0 => Ok(writer.into_document()),
        1 => Err(Error::invalid_input("expected one value, found 1 byte after it")),
        more => Err(Error::invalid_input(format_args!(
            "expected one value, found {more} bytes after it"
        ))),
    }
}

struct Input<'a> {
    bytes: &'a [u8],
    at: usize,
    config: &'a Config,
    /// How many bytes of keys for extension types may still be written.
    repeats: usize,
}

impl<'a> Input<'a> {
    /// Reads one value; of an array or a map, only the head, and returns the number of its items.
    fn read_item(&mut self, writer: &mut Writer) -> Result<Option<u64>> {
        let at = self.at;
        match Marker::from_u8(self.read_number::<1>()?.to_be_bytes()[7]) {
            Marker::Null => writer.null()?,
            Marker::True => writer.bool(true)?,
            Marker::False => writer.bool(false)?,
            Marker::FixPos(value) => writer.integer(value.into())?,
            Marker::FixNeg(value) => writer.integer(value.into())?,
            Marker::U8 => writer.integer(self.read_number::<1>()?.into())?,
            Marker::U16 => writer.integer(self.read_number::<2>()?.into())?,
            Marker::U32 => writer.integer(self.read_number::<4>()?.into())?,
            Marker::U64 => writer.integer(self.read_number::<8>()?.into())?,
            Marker::I8 => writer.integer(i8::from_be_bytes(self.read_array()?).into())?,
            Marker::I16 => writer.integer(i16::from_be_bytes(self.read_array()?).into())?,
            Marker::I32 => writer.integer(i32::from_be_bytes(self.read_array()?).into())?,
            Marker::I64 => writer.integer(i64::from_be_bytes(self.read_array()?).into())?,
            Marker::F32 => writer.float(f32::from_be_bytes(self.read_array()?).into())?,
            Marker::F64 => writer.float(f64::from_be_bytes(self.read_array()?))?,
            Marker::FixStr(length) => writer.text(self.read_text(at, length.into())?)?,
            Marker::Str8 => self.read_sized_text::<1>(at, writer)?,
            Marker::Str16 => self.read_sized_text::<2>(at, writer)?,
            Marker::Str32 => self.read_sized_text::<4>(at, writer)?,
            Marker::Bin8 => self.read_sized_bytes::<1>(writer)?,
            Marker::Bin16 => self.read_sized_bytes::<2>(writer)?,
            Marker::Bin32 => self.read_sized_bytes::<4>(writer)?,
            Marker::FixArray(length) => return open_array(writer, length.into()),
            Marker::Array16 => return open_array(writer, self.read_number::<2>()?),
            Marker::Array32 => return open_array(writer, self.read_number::<4>()?),
            Marker::FixMap(pairs) => return open_map(writer, pairs.into()),
            Marker::Map16 => return open_map(writer, self.read_number::<2>()?),
            Marker::Map32 => return open_map(writer, self.read_number::<4>()?),
            Marker::FixExt1 => self.read_extension(at, 1, writer)?,
            Marker::FixExt2 => self.read_extension(at, 2, writer)?,
            Marker::FixExt4 => self.read_extension(at, 4, writer)?,
            Marker::FixExt8 => self.read_extension(at, 8, writer)?,
            Marker::FixExt16 => self.read_extension(at, 16, writer)?,
            Marker::Ext8 => self.read_sized_extension::<1>(at, writer)?,
            Marker::Ext16 => self.read_sized_extension::<2>(at, writer)?,
            Marker::Ext32 => self.read_sized_extension::<4>(at, writer)?,
            Marker::Reserved => {
                return Err(Error::invalid_input(format_args!(
                    "byte {at}: expected a marker, found the reserved byte 0xc1"
                )));
            }
        }
        Ok(None)
    }

    fn read_sized_extension<const N: usize>(
        &mut self,
        at: usize,
        writer: &mut Writer,
    ) -> Result<()> {
        let length = self.read_number::<N>()?;
        self.read_extension(at, length, writer)
    }

    fn read_extension(&mut self, at: usize, length: u64, writer: &mut Writer) -> Result<()> {
        let kind = i8::from_be_bytes(self.read_array()?);
        let data = self.take(length)?;
        let refuse = |what: &dyn std::fmt::Display| {
            let what =
                format_args!("byte {at}: expected a value that a document can hold, found {what}");
            Err(Error::unsupported(writer.error(what)))
        };
        if kind == TIMESTAMP {
            if self.config.timestamps == Timestamps::Refuse {
                return refuse(&"extension type -1 (timestamp)");
            }
            let Some(time) = Time::from_bytes(data) else {
                return Err(Error::invalid_input(format_args!(
                    "byte {at}: expected a timestamp of 4, 8 or 12 bytes with less than 10^9 \
                     nanoseconds, found another one"
                )));
            };
            let Some(text) = time.to_text() else {
                return refuse(&"a timestamp outside the years 0 to 9999");
            };
            writer.open_tag(0)?;
            writer.text(&text)?;
            return Ok(());
        }
        if self.config.ext == Ext::Refuse {
            return refuse(&format_args!("extension type {kind}"));
        }
        // The keys and their punctuation take at most 32 bytes in any of the bundled formats.
        let Some(left) = self.repeats.checked_sub(32) else {
            return refuse(
                &"so many extension types that the keys of their maps exceed the limit of repetitions",
            );
        };
        self.repeats = left;
        writer.open_map()?;
        writer.text(EXT)?;
        writer.integer(kind.into())?;
        writer.text(DATA)?;
        writer.bytes(data)?;
        Ok(writer.close()?)
    }

    fn read_sized_text<const N: usize>(&mut self, at: usize, writer: &mut Writer) -> Result<()> {
        let length = self.read_number::<N>()?;
        Ok(writer.text(self.read_text(at, length)?)?)
    }

    fn read_sized_bytes<const N: usize>(&mut self, writer: &mut Writer) -> Result<()> {
        let length = self.read_number::<N>()?;
        Ok(writer.bytes(self.take(length)?)?)
    }

    fn read_text(&mut self, at: usize, length: u64) -> Result<&'a str> {
        std::str::from_utf8(self.take(length)?).map_err(|_| {
            Error::invalid_input(format_args!("byte {at}: expected utf-8 text, found other bytes"))
        })
    }

    /// Reads an unsigned number of `N` bytes, at most 8.
    fn read_number<const N: usize>(&mut self) -> Result<u64> {
        let bytes: [u8; N] = self.read_array()?;
        Ok(bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn read_array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N as u64)?);
        Ok(array)
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8]> {
        let rest = &self.bytes[self.at..];
        let taken = usize::try_from(length).ok().and_then(|length| rest.get(..length));
        let taken = taken.ok_or_else(|| {
            let (at, end) = (self.at, self.bytes.len());
            Error::invalid_input(format_args!(
                "expected {length} bytes from byte {at} on, the input ended at byte {end}"
            ))
        })?;
        self.at += taken.len();
        Ok(taken)
    }
}

fn open_array(writer: &mut Writer, length: u64) -> Result<Option<u64>> {
    writer.open_array()?;
    Ok(Some(length))
}

fn open_map(writer: &mut Writer, pairs: u64) -> Result<Option<u64>> {
    writer.open_map()?;
    Ok(Some(pairs * 2))
}
