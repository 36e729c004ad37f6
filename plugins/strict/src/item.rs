//! Reading CBOR, one head at a time.

use std::borrow::Cow;

use crate::Refused;

/// One data item, or the head of one that holds others.
#[derive(Clone, Debug, PartialEq)]
pub enum Item<'a> {
    /// `null`
    Null,
    /// `undefined`
    Undefined,
    /// `true` or `false`
    Bool(bool),
    /// An integer from -2^64 to 2^64 - 1.
    Integer(i128),
    /// A float; the shorter widths are widened, which loses nothing.
    Float(f64),
    /// A byte string; chunks are joined.
    Bytes(Cow<'a, [u8]>),
    /// A text string; chunks are joined.
    Text(Cow<'a, str>),
    /// The head of an array, with its length if that is given.
    Array(Option<u64>),
    /// The head of a map, with its number of pairs if that is given.
    Map(Option<u64>),
    /// A tag; the item that it applies to follows.
    Tag(u64),
    /// A simple value that has no name.
    Simple(u8),
    /// The end of an array or a map whose length was not given.
    Break,
}

/// Pulls [`Item`]s from bytes. It keeps no track of what is open: whoever pulls does.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

const BYTES: u8 = 2;
const TEXT: u8 = 3;

impl<'a> Reader<'a> {
    /// Reads `bytes` from `at` on.
    pub fn new(bytes: &'a [u8], at: usize) -> Self {
        Self { bytes, at }
    }

    /// The offset of the next item.
    pub fn at(&self) -> usize {
        self.at
    }

    /// What has not been read yet.
    pub fn rest(&self) -> &'a [u8] {
        &self.bytes[self.at.min(self.bytes.len())..]
    }

    /// The next item.
    pub fn pull(&mut self) -> Result<Item<'a>, Refused> {
        let at = self.at;
        let initial = self.take(1)?[0];
        let (major, info) = (initial >> 5, initial & 0x1f);
        if major == 7 {
            return self.simple(at, info);
        }
        let argument = self.argument(at, info)?;
        Ok(match (major, argument) {
            (0, Some(n)) => Item::Integer(n.into()),
            (1, Some(n)) => Item::Integer(-1 - i128::from(n)),
            (BYTES, Some(n)) => Item::Bytes(self.take_len(n)?.into()),
            (BYTES, None) => Item::Bytes(self.chunks(BYTES)?.into()),
            (TEXT, Some(n)) => Item::Text(text(at, self.take_len(n)?)?.into()),
            (TEXT, None) => {
                let bytes = self.chunks(TEXT)?;
                let text = String::from_utf8(bytes).map_err(|_| not_utf8(at))?;
                Item::Text(text.into())
            }
            (4, length) => Item::Array(length),
            (5, pairs) => Item::Map(pairs),
            (6, Some(tag)) => Item::Tag(tag),
            _ => return Err(reserved(at, initial)),
        })
    }

    fn simple(&mut self, at: usize, info: u8) -> Result<Item<'a>, Refused> {
        Ok(match info {
            20 => Item::Bool(false),
            21 => Item::Bool(true),
            22 => Item::Null,
            23 => Item::Undefined,
            0..=19 => Item::Simple(info),
            24 => match self.take(1)?[0] {
                short @ 0..=31 => {
                    return Err(Refused::new(format_args!(
                        "byte {at}: simple value {short} in two bytes"
                    )));
                }
                value => Item::Simple(value),
            },
            25 => Item::Float(half(u16::from_be_bytes(self.array()?))),
            26 => Item::Float(f32::from_be_bytes(self.array()?).into()),
            27 => Item::Float(f64::from_be_bytes(self.array()?)),
            31 => Item::Break,
            _ => return Err(reserved(at, 0xe0 | info)),
        })
    }

    fn argument(&mut self, at: usize, info: u8) -> Result<Option<u64>, Refused> {
        Ok(Some(match info {
            0..=23 => info.into(),
            24 => u8::from_be_bytes(self.array()?).into(),
            25 => u16::from_be_bytes(self.array()?).into(),
            26 => u32::from_be_bytes(self.array()?).into(),
            27 => u64::from_be_bytes(self.array()?),
            31 => return Ok(None),
            _ => return Err(reserved(at, self.bytes[at])),
        }))
    }

    /// The chunks of a string of indefinite length, each of which is checked by itself.
    fn chunks(&mut self, major: u8) -> Result<Vec<u8>, Refused> {
        let mut joined = Vec::new();
        loop {
            let at = self.at;
            let initial = self.take(1)?[0];
            if initial == 0xff {
                return Ok(joined);
            }
            let argument = self.argument(at, initial & 0x1f)?;
            let (true, Some(length)) = (initial >> 5 == major, argument) else {
                let kind = if major == TEXT { "text" } else { "byte string" };
                return Err(Refused::new(format_args!(
                    "byte {at}: expected a chunk of {kind}, found 0x{initial:02x}"
                )));
            };
            let chunk = self.take_len(length)?;
            if major == TEXT {
                text(at, chunk)?;
            }
            joined.extend_from_slice(chunk);
        }
    }

    fn take_len(&mut self, length: u64) -> Result<&'a [u8], Refused> {
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Refused> {
        let rest = self.rest();
        let taken = rest.get(..length).ok_or_else(|| {
            Refused::new(format_args!(
                "the input ended at byte {}, expected {length} bytes from byte {} on",
                self.bytes.len(),
                self.at,
            ))
        })?;
        self.at += length;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Refused> {
        let mut array = [0; N];
        array.copy_from_slice(self.take(N)?);
        Ok(array)
    }
}

fn text(at: usize, bytes: &[u8]) -> Result<&str, Refused> {
    std::str::from_utf8(bytes).map_err(|_| not_utf8(at))
}

fn not_utf8(at: usize) -> Refused {
    Refused::new(format_args!("byte {at}: expected utf-8 text, found other bytes"))
}

fn reserved(at: usize, initial: u8) -> Refused {
    Refused::new(format_args!("byte {at}: 0x{initial:02x} is reserved"))
}

/// A half-precision float, widened.
fn half(bits: u16) -> f64 {
    let sign = if bits & 0x8000 == 0 { 1.0 } else { -1.0 };
    let (exponent, mantissa) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let magnitude = match exponent {
        0 => mantissa * 2f64.powi(-24),
        31 if mantissa == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (mantissa + 1024.0) * 2f64.powi(exponent - 25),
    };
    magnitude.copysign(sign)
}
