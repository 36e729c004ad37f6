//! Reads CBOR one head at a time, and checks each length before it is used.

use std::borrow::Cow;

use super::half;
use super::head::{
    ARRAY, BREAK, BYTES, FALSE, FLOAT_32, FLOAT_64, IN_1_BYTE, IN_2_BYTES, IN_4_BYTES, IN_8_BYTES,
    INDEFINITE, MAP, NEGATIVE, NULL, TAG, TAG_BIG_NEGATIVE, TAG_BIG_UNSIGNED, TAG_DATE,
    TAG_DATE_TIME, TAG_SELF_DESCRIBED, TEXT, TRUE, UNDEFINED, UNSIGNED,
};
use super::integer::Integer;
use super::token::Token;
use crate::{Error, MAX_DEPTH};

/// A number that needs more than 64 bits.
pub(crate) enum Wide {
    Unsigned(u128),
    Signed(i128),
}

/// Reads [`Token`]s from the bytes of an item. A copy of the reader stays at its place, so that an
/// item can be read again.
///
/// See the [module's page](crate::cbor) for an example.
///
/// # Errors
///
/// Every function fails on bytes that are not well-formed CBOR, and says at which byte, counted
/// from 0. After an error, the results of further reads are meaningless.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    rest: &'a [u8],
    /// How many bytes there were at the beginning.
    total: usize,
    /// How many levels may still be entered.
    depth: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the first of these bytes, which need not be valid.
    #[must_use]
    pub fn new(cbor: &'a [u8]) -> Self {
        Self { rest: cbor, total: cbor.len(), depth: MAX_DEPTH }
    }

    /// How many bytes were read.
    pub(crate) fn offset(&self) -> usize {
        self.total - self.rest.len()
    }

    /// The bytes that were not read yet.
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.rest
    }

    #[cold]
    fn malformed(&self, message: impl std::fmt::Display) -> Error {
        Error::malformed(self.total - self.rest.len(), message)
    }

    /// Enters one level: an array, a map or a tag. [`Reader::leave`] leaves it again. A caller that
    /// recurses into items limits the depth of its recursion in this way.
    ///
    /// # Errors
    ///
    /// More than [`MAX_DEPTH`] levels.
    #[inline]
    pub fn enter(&mut self) -> Result<(), Error> {
        self.depth = self.depth.checked_sub(1).ok_or_else(Error::too_deep)?;
        Ok(())
    }

    /// Leaves one level.
    ///
    /// # Panics
    ///
    /// In builds with debug assertions, if no level was entered.
    #[inline]
    pub fn leave(&mut self) {
        debug_assert!(self.depth < MAX_DEPTH, "left more levels than were entered");
        self.depth += 1;
    }

    /// Checks that all bytes were read.
    ///
    /// # Errors
    ///
    /// Bytes that were not read.
    pub fn finish(&self) -> Result<(), Error> {
        match self.rest.len() {
            0 => Ok(()),
            1 => Err(self.malformed("expected one item, found 1 byte after it")),
            left => {
                Err(self.malformed(format_args!("expected one item, found {left} bytes after it")))
            }
        }
    }

    /// The next byte, which is not read.
    #[inline]
    pub(crate) fn peek(&self) -> Result<u8, Error> {
        match self.rest.first() {
            Some(byte) => Ok(*byte),
            None => Err(self.malformed("expected an item, the input ended")),
        }
    }

    /// Reads the break that ends an item of indefinite length, if it is next; `false` otherwise.
    #[inline]
    pub(crate) fn take_break(&mut self) -> Result<bool, Error> {
        let found = self.peek()? == BREAK;
        if found {
            self.rest = &self.rest[1..];
        }
        Ok(found)
    }

    /// Advances to the next element of an array, or the next pair of a map; `false` at the end.
    /// `left` is the content of [`Token::Array`] or [`Token::Map`], and is counted down; if it is
    /// `None`, the break at the end is read.
    ///
    /// # Errors
    ///
    /// Bytes that end before the break.
    #[inline]
    pub fn advance(&mut self, left: &mut Option<usize>) -> Result<bool, Error> {
        match left {
            Some(0) => Ok(false),
            Some(left) => {
                *left -= 1;
                Ok(true)
            }
            None => Ok(!self.take_break()?),
        }
    }

    /// The number of elements of an array, or pairs of a map, of which `left` is the content of
    /// [`Token::Array`] or [`Token::Map`]. If that is `None`, the elements up to the break are
    /// counted, each of which is `items` items, and the reader stays where it is.
    ///
    /// # Errors
    ///
    /// Elements that are not well-formed.
    pub fn count(&self, left: Option<usize>, items: usize) -> Result<usize, Error> {
        if let Some(count) = left {
            return Ok(count);
        }
        let (mut ahead, mut left, mut count) = (*self, None, 0);
        while ahead.advance(&mut left)? {
            for _ in 0..items {
                ahead.skip()?;
            }
            count += 1;
        }
        Ok(count)
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
        self.malformed(format_args!("expected {count} bytes, the input ended after {left}"))
    }

    /// Reads the number of a head; `None` for an indefinite length.
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
            _ => return Err(self.reserved(first)),
        }))
    }

    /// The error for `first`, the byte that was read last.
    #[cold]
    fn reserved(&self, first: u8) -> Error {
        let at = self.total - self.rest.len() - 1;
        Error::malformed(at, format_args!("expected an item, found the reserved byte {first:#04x}"))
    }

    #[inline]
    fn definite(&mut self, first: u8) -> Result<u64, Error> {
        self.number(first)?.ok_or_else(|| self.reserved(first))
    }

    /// The number of elements in a head. Each element takes at least `width` bytes.
    #[inline]
    fn length(&mut self, first: u8, width: usize) -> Result<Option<usize>, Error> {
        let Some(count) = self.number(first)? else { return Ok(None) };
        let left = self.rest.len() / width;
        match usize::try_from(count) {
            Ok(count) if count <= left => Ok(Some(count)),
            _ => Err(self.malformed(format_args!(
                "expected {count} {}, the input ended after {} bytes",
                if width == 1 { "elements" } else { "pairs" },
                self.rest.len()
            ))),
        }
    }

    /// Reads the next token.
    ///
    /// # Errors
    ///
    /// Bytes that are not well-formed, a break where an item is expected, text that is not UTF-8,
    /// and a length that the bytes cannot hold.
    #[inline]
    pub fn next_token(&mut self) -> Result<Token<'a>, Error> {
        let first = self.peek()?;
        let start = *self;
        self.rest = &self.rest[1..];
        Ok(match first >> 5 {
            UNSIGNED => Token::Unsigned(self.definite(first)?),
            NEGATIVE => Token::Negative(self.definite(first)?),
            BYTES => Token::Bytes(self.string(first)?),
            TEXT => Token::Text(self.text(start, first)?),
            ARRAY => Token::Array(self.length(first, 1)?),
            MAP => Token::Map(self.length(first, 2)?),
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
                0xf9 => Token::F32(half::to_f32(u16::from_be_bytes(self.array()?))),
                FLOAT_32 => Token::F32(f32::from_be_bytes(self.array()?)),
                FLOAT_64 => Token::F64(f64::from_be_bytes(self.array()?)),
                BREAK => return Err(start.malformed("expected an item, found a break")),
                _ => return Err(self.reserved(first)),
            },
        })
    }

    /// Reads a text that begins at `start`. If it has chunks, each of them is a text.
    #[inline]
    fn text(&mut self, start: Self, first: u8) -> Result<Cow<'a, str>, Error> {
        if let Some(count) = self.number(first)? {
            return match std::str::from_utf8(self.take(count)?) {
                Ok(text) => Ok(Cow::Borrowed(text)),
                Err(_) => Err(start.not_utf8()),
            };
        }
        self.text_in_chunks(start).map(Cow::Owned)
    }

    #[cold]
    fn text_in_chunks(&mut self, start: Self) -> Result<String, Error> {
        let mut text = String::new();
        self.chunks(TEXT, |chunk| {
            text.push_str(std::str::from_utf8(chunk).map_err(|_| start.not_utf8())?);
            Ok(())
        })?;
        Ok(text)
    }

    #[cold]
    fn not_utf8(&self) -> Error {
        self.malformed("expected utf-8 text, found other bytes")
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

    /// Calls `each` with the chunks of a string of indefinite length: strings of the same kind, of
    /// definite length.
    fn chunks(
        &mut self,
        kind: u8,
        mut each: impl FnMut(&'a [u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        while !self.take_break()? {
            let first = self.peek()?;
            if first >> 5 != kind || first & 0x1f == INDEFINITE {
                let what = if kind == TEXT { "text" } else { "byte string" };
                return Err(
                    self.malformed(format_args!("expected a chunk of {what}, found {first:#04x}"))
                );
            }
            self.rest = &self.rest[1..];
            let count = self.definite(first)?;
            each(self.take(count)?)?;
        }
        Ok(())
    }

    /// Reads the integer of which `tag`, the token that was read last, is the tag. `None`, and
    /// nothing is read, if the tag is not one of bignums (2 and 3) or no byte string follows.
    ///
    /// ```
    /// use plugbay_document::cbor::{Reader, Token};
    ///
    /// // 2(h'010000000000000000')
    /// let cbor = [0xc2, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    /// let mut reader = Reader::new(&cbor);
    /// let Token::Tag(tag) = reader.next_token()? else { panic!("expected a tag") };
    /// let integer = reader.bignum(tag)?.expect("a bignum");
    /// assert_eq!(integer.to_string(), "18446744073709551616");
    /// # Ok::<(), plugbay_document::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Bytes that are not well-formed.
    pub fn bignum(&mut self, tag: u64) -> Result<Option<Integer>, Error> {
        if !matches!(tag, TAG_BIG_UNSIGNED | TAG_BIG_NEGATIVE) {
            return Ok(None);
        }
        let start = *self;
        let Token::Bytes(bytes) = self.next_token()? else {
            *self = start;
            return Ok(None);
        };
        Ok(Some(Integer::from_bytes(tag == TAG_BIG_NEGATIVE, &bytes)))
    }

    /// Reads the text of the date, or date and time, of which `tag`, the token that was read last,
    /// is the tag. `None`, and nothing is read, if the tag is not one of dates (0 and 1004) or no
    /// text follows.
    ///
    /// # Errors
    ///
    /// Bytes that are not well-formed.
    pub fn date(&mut self, tag: u64) -> Result<Option<Cow<'a, str>>, Error> {
        if !matches!(tag, TAG_DATE_TIME | TAG_DATE) {
            return Ok(None);
        }
        let start = *self;
        let Token::Text(text) = self.next_token()? else {
            *self = start;
            return Ok(None);
        };
        Ok(Some(text))
    }

    /// Reads the value under a tag that `serde` can express: a bignum; or `None` if the value is
    /// the next item, because the tag has no meaning or says that a text is a date.
    pub(crate) fn tagged(&mut self, tag: u64) -> Result<Option<Wide>, Error> {
        let negative = match tag {
            TAG_BIG_UNSIGNED => false,
            TAG_BIG_NEGATIVE => true,
            TAG_SELF_DESCRIBED => return Ok(None),
            TAG_DATE_TIME | TAG_DATE if self.peek()? >> 5 == TEXT => return Ok(None),
            _ => {
                return Err(Error::new(format_args!(
                    "expected a plain value, found CBOR tag {tag}, which only CBOR can hold"
                )));
            }
        };
        let Some(integer) = self.bignum(tag)? else {
            return Err(self.malformed("expected the bytes of a bignum"));
        };
        let bytes = integer.as_bytes();
        let mut number = [0; 16];
        let wide = (number.len().checked_sub(bytes.len()))
            .map(|gap| {
                number[gap..].copy_from_slice(bytes);
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
            let bits = bytes.len() * 8;
            Error::new(format_args!("expected an integer of 128 bits, found one of about {bits}"))
        })
    }

    /// Skips a whole item with its content, and checks that it is well-formed.
    ///
    /// # Errors
    ///
    /// An item that is not well-formed, or that has more than [`MAX_DEPTH`] levels together with
    /// those that were entered.
    pub fn skip(&mut self) -> Result<(), Error> {
        let (mut left, per_element) = match self.next_token()? {
            Token::Array(count) => (count, 1),
            Token::Map(count) => (count, 2),
            Token::Tag(_) => (Some(1), 1),
            _ => return Ok(()),
        };
        self.enter()?;
        while self.advance(&mut left)? {
            for _ in 0..per_element {
                self.skip()?;
            }
        }
        self.leave();
        Ok(())
    }
}
