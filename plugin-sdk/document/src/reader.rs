//! Reads CBOR one head at a time, and trusts no length.

use std::borrow::Cow;

use crate::head::{
    ARRAY, BREAK, BYTES, FALSE, FLOAT_32, FLOAT_64, IN_1_BYTE, IN_2_BYTES, IN_4_BYTES, IN_8_BYTES,
    INDEFINITE, MAP, NEGATIVE, NULL, TAG, TAG_BIG_NEGATIVE, TAG_BIG_UNSIGNED, TAG_SELF_DESCRIBED,
    TEXT, TRUE, UNDEFINED, UNSIGNED,
};
use crate::{Error, MAX_DEPTH};

/// What an item begins with, or all of it if it holds no others.
#[derive(Debug)]
pub(crate) enum Token<'a> {
    Unsigned(u64),
    /// Stands for `-1 - n`.
    Negative(u64),
    Bytes(Cow<'a, [u8]>),
    Text(Cow<'a, str>),
    /// So many items follow, or those up to a break.
    Array(Option<usize>),
    /// So many pairs of items follow, or those up to a break.
    Map(Option<usize>),
    Tag(u64),
    Bool(bool),
    Null,
    Undefined,
    /// The simple values that mean nothing yet.
    Simple(u8),
    F32(f32),
    F64(f64),
}

/// A number that needs more than 64 bits.
pub(crate) enum Wide {
    Unsigned(u128),
    Signed(i128),
}

/// A place in the bytes of an item.
#[derive(Clone, Copy)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
    /// How many bytes there were at the beginning.
    total: usize,
    /// How many levels may still be entered.
    depth: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(cbor: &'a [u8]) -> Self {
        Self { rest: cbor, total: cbor.len(), depth: MAX_DEPTH }
    }

    #[cold]
    fn malformed(&self, message: impl std::fmt::Display) -> Error {
        Error::malformed(self.total - self.rest.len(), message)
    }

    /// Goes one level down; [`Reader::leave`] comes back up.
    #[inline]
    pub(crate) fn enter(&mut self) -> Result<(), Error> {
        self.depth = self.depth.checked_sub(1).ok_or_else(Error::too_deep)?;
        Ok(())
    }

    #[inline]
    pub(crate) fn leave(&mut self) {
        self.depth += 1;
    }

    /// Nothing may follow.
    pub(crate) fn finish(&self) -> Result<(), Error> {
        match self.rest.len() {
            0 => Ok(()),
            left => Err(self.malformed(format_args!("expected one item, found {left} bytes more"))),
        }
    }

    /// The first byte of what follows.
    #[inline]
    pub(crate) fn peek(&self) -> Result<u8, Error> {
        match self.rest.first() {
            Some(byte) => Ok(*byte),
            None => Err(self.malformed("expected an item, found the end")),
        }
    }

    /// Takes the break that ends an item of indefinite length, if it is what follows.
    #[inline]
    pub(crate) fn take_break(&mut self) -> Result<bool, Error> {
        let found = self.peek()? == BREAK;
        if found {
            self.rest = &self.rest[1..];
        }
        Ok(found)
    }

    /// Whether another element follows in an array or map, of which `left` remain, if that is
    /// known. Takes the break at the end.
    #[inline]
    pub(crate) fn more(&mut self, left: &mut Option<usize>) -> Result<bool, Error> {
        match left {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None => Ok(!self.take_break()?),
        }
    }

    #[inline]
    fn take(&mut self, count: u64) -> Result<&'a [u8], Error> {
        let taken = usize::try_from(count).ok().and_then(|count| self.rest.split_at_checked(count));
        let (taken, rest) = taken.ok_or_else(|| self.short(count))?;
        self.rest = rest;
        Ok(taken)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (bytes, rest) = self.rest.split_first_chunk().ok_or_else(|| self.short(N as u64))?;
        self.rest = rest;
        Ok(*bytes)
    }

    #[cold]
    fn short(&self, count: u64) -> Error {
        let left = self.rest.len();
        self.malformed(format_args!("expected {count} bytes, found {left}"))
    }

    /// The number of a head, or `None` for an indefinite length.
    #[inline]
    fn number(&mut self, first: u8) -> Result<Option<u64>, Error> {
        match first & 0x1f {
            // most heads
            small @ 0..IN_1_BYTE => Ok(Some(u64::from(small))),
            _ => self.number_behind(first),
        }
    }

    fn number_behind(&mut self, first: u8) -> Result<Option<u64>, Error> {
        Ok(Some(match first & 0x1f {
            IN_1_BYTE => u64::from(u8::from_be_bytes(self.array()?)),
            IN_2_BYTES => u64::from(u16::from_be_bytes(self.array()?)),
            IN_4_BYTES => u64::from(u32::from_be_bytes(self.array()?)),
            IN_8_BYTES => u64::from_be_bytes(self.array()?),
            INDEFINITE => return Ok(None),
            _ => return Err(self.malformed(format_args!("expected a head, found {first:#04x}"))),
        }))
    }

    #[inline]
    fn definite(&mut self, first: u8) -> Result<u64, Error> {
        self.number(first)?
            .ok_or_else(|| self.malformed(format_args!("expected a number, found {first:#04x}")))
    }

    /// A count of elements, each of which takes `width` bytes at least.
    #[inline]
    fn count(&mut self, first: u8, width: usize) -> Result<Option<usize>, Error> {
        let Some(count) = self.number(first)? else { return Ok(None) };
        let left = self.rest.len() / width;
        match usize::try_from(count) {
            Ok(count) if count <= left => Ok(Some(count)),
            _ => Err(self.malformed(format_args!(
                "expected {count} elements, found the bytes of {left} at most"
            ))),
        }
    }

    /// Takes the next token.
    #[inline]
    pub(crate) fn next(&mut self) -> Result<Token<'a>, Error> {
        let first = self.peek()?;
        let start = *self;
        self.rest = &self.rest[1..];
        Ok(match first >> 5 {
            UNSIGNED => Token::Unsigned(self.definite(first)?),
            NEGATIVE => Token::Negative(self.definite(first)?),
            BYTES => Token::Bytes(self.string(first)?),
            TEXT => Token::Text(self.text(first)?),
            ARRAY => Token::Array(self.count(first, 1)?),
            MAP => Token::Map(self.count(first, 2)?),
            TAG => Token::Tag(self.definite(first)?),
            _ => match first {
                FALSE => Token::Bool(false),
                TRUE => Token::Bool(true),
                NULL => Token::Null,
                UNDEFINED => Token::Undefined,
                0xe0..=0xf3 => Token::Simple(first & 0x1f),
                0xf8 => match self.array()? {
                    [value @ 32..=255] => Token::Simple(value),
                    [value] => {
                        return Err(start.malformed(format_args!(
                            "expected a simple value above 31, found {value}"
                        )));
                    }
                },
                0xf9 => Token::F32(half(u16::from_be_bytes(self.array()?))),
                FLOAT_32 => Token::F32(f32::from_be_bytes(self.array()?)),
                FLOAT_64 => Token::F64(f64::from_be_bytes(self.array()?)),
                _ => {
                    return Err(
                        start.malformed(format_args!("expected an item, found {first:#04x}"))
                    );
                }
            },
        })
    }

    /// A text. Its chunks, if it comes in any, are texts themselves.
    #[inline]
    fn text(&mut self, first: u8) -> Result<Cow<'a, str>, Error> {
        let start = *self;
        if let Some(count) = self.number(first)? {
            return match std::str::from_utf8(self.take(count)?) {
                Ok(text) => Ok(Cow::Borrowed(text)),
                Err(error) => Err(start.not_utf8(&error)),
            };
        }
        self.text_in_chunks().map(Cow::Owned)
    }

    #[cold]
    fn text_in_chunks(&mut self) -> Result<String, Error> {
        let start = *self;
        let mut text = String::new();
        self.chunks(TEXT, |chunk| {
            text.push_str(std::str::from_utf8(chunk).map_err(|error| start.not_utf8(&error))?);
            Ok(())
        })?;
        Ok(text)
    }

    #[cold]
    fn not_utf8(&self, error: &std::str::Utf8Error) -> Error {
        self.malformed(format_args!("expected UTF-8: {error}"))
    }

    #[inline]
    fn string(&mut self, first: u8) -> Result<Cow<'a, [u8]>, Error> {
        if let Some(count) = self.number(first)? {
            return self.take(count).map(Cow::Borrowed);
        }
        self.bytes_in_chunks().map(Cow::Owned)
    }

    #[cold]
    fn bytes_in_chunks(&mut self) -> Result<Vec<u8>, Error> {
        let mut bytes = Vec::new();
        self.chunks(BYTES, |chunk| {
            bytes.extend_from_slice(chunk);
            Ok(())
        })?;
        Ok(bytes)
    }

    /// The chunks of a string of indefinite length: strings of that kind and of definite length.
    fn chunks(
        &mut self,
        kind: u8,
        mut each: impl FnMut(&'a [u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while !self.take_break()? {
            let first = self.peek()?;
            if first >> 5 != kind {
                return Err(self.malformed(format_args!("expected a chunk, found {first:#04x}")));
            }
            self.rest = &self.rest[1..];
            let count = self.definite(first)?;
            each(self.take(count)?)?;
        }
        Ok(())
    }

    /// What follows a tag that `serde` has a word for: a bignum, or `None` where the tag says
    /// nothing and the item after it is meant.
    pub(crate) fn tagged(&mut self, tag: u64) -> Result<Option<Wide>, Error> {
        let negative = match tag {
            TAG_BIG_UNSIGNED => false,
            TAG_BIG_NEGATIVE => true,
            TAG_SELF_DESCRIBED => return Ok(None),
            _ => {
                return Err(Error::new(format_args!(
                    "expected a plain value, found CBOR tag {tag}, which only CBOR can hold"
                )));
            }
        };
        let Token::Bytes(bytes) = self.next()? else {
            return Err(self.malformed("expected the bytes of a bignum"));
        };
        let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
        let digits = &bytes[zeros..];
        let mut number = [0; 16];
        let wide = (number.len().checked_sub(digits.len()))
            .map(|gap| {
                number[gap..].copy_from_slice(digits);
                u128::from_be_bytes(number)
            })
            .and_then(|number| {
                if negative {
                    i128::try_from(number).ok().map(|number| Wide::Signed(!number))
                } else {
                    Some(Wide::Unsigned(number))
                }
            });
        wide.map(Some).ok_or_else(|| {
            let bits = digits.len() * 8;
            Error::new(format_args!("expected an integer of 128 bits, found one of about {bits}"))
        })
    }

    /// Takes a whole item and checks it.
    pub(crate) fn skip(&mut self) -> Result<(), Error> {
        let (mut left, per_element) = match self.next()? {
            Token::Array(count) => (count, 1),
            Token::Map(count) => (count, 2),
            Token::Tag(_) => (Some(1), 1),
            _ => return Ok(()),
        };
        self.enter()?;
        while self.more(&mut left)? {
            for _ in 0..per_element {
                self.skip()?;
            }
        }
        self.leave();
        Ok(())
    }
}

/// What the negative integer with the number `n` is, if `i64` holds it.
pub(crate) fn negative(n: u64) -> Result<i64, i128> {
    i64::try_from(n).map(|n| !n).map_err(|_| !i128::from(n))
}

/// A float of 16 bits: sign, five bits of exponent, ten of fraction.
fn half(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let exponent = u32::from(bits >> 10 & 0x1f);
    let fraction = u32::from(bits & 0x03ff);
    match exponent {
        // zero and subnormals: fraction × 2^-24, exact in 32 bits
        0 => {
            let magnitude = f32::from(bits & 0x03ff) * f32::from_bits(0x3380_0000);
            f32::from_bits(sign | magnitude.to_bits())
        }
        // infinities and NaNs
        31 => f32::from_bits(sign | 0x7f80_0000 | fraction << 13),
        // from the bias of 15 to that of 127
        _ => f32::from_bits(sign | (exponent + 112) << 23 | fraction << 13),
    }
}
