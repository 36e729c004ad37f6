//! Writes CBOR, with a limit of the depth, and refuses equal keys.

mod keys;
mod repeat;

use std::fmt;

pub use self::repeat::{Anchor, escaped_len};
use super::head::{
    self, ARRAY, FALSE, MAP, NULL, Open, SIMPLE, TAG, TAG_BIG_NEGATIVE, TAG_BIG_UNSIGNED, TRUE,
    UNDEFINED,
};
use super::{Integer, Reader, Token};
use crate::{Error, MAX_DEPTH, Path, reserve};

/// The width in which a [`Writer`] writes floats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Floats {
    /// Always 64 bits, as in documents.
    #[default]
    Double,
    /// The shortest of 16, 32 and 64 bits that keeps the value (RFC 8949 section 4.1). Every NaN
    /// becomes the plain one.
    Shortest,
}

/// The order in which a [`Writer`] writes the pairs of a map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// The order in which they were written.
    #[default]
    Insertion,
    /// By the bytes of their encoded keys (RFC 8949 section 4.2.1).
    Sorted,
}

/// Writes one CBOR item, and refuses an item that cannot be a document: one with more than
/// [`MAX_DEPTH`] levels, or with equal keys in a map.
///
/// Integers are written in preferred form, and so are bignums: one that fits into 64 bits becomes
/// an ordinary integer, and leading zeros are removed.
///
/// Arrays and maps are opened and closed; their lengths need not be known. In a map, keys and
/// values are written alternately.
///
/// ```
/// use plugbay_document::cbor::Writer;
///
/// let mut writer = Writer::default();
/// writer.open_map()?;
/// writer.text("a")?;
/// writer.integer(1)?;
/// let error = writer.text("a").unwrap_err();
/// assert_eq!(error.to_string(), r#"duplicate key "a" in the document"#);
/// # Ok::<(), plugbay_document::Error>(())
/// ```
///
/// # Errors
///
/// The error of a function says why it failed and where in the document; the item must be discarded
/// then. Every function that writes fails for an item after the first.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    /// The open arrays, maps and tags, the outermost first.
    levels: Vec<Level>,
    /// The start and the end of each key of all open maps.
    keys: Vec<(u32, u32)>,
    /// The start and the end of the item of each anchor, in the order of their starts. While the
    /// item is not complete, the end is its start.
    anchors: Vec<(u32, u32)>,
    floats: Floats,
    order: Order,
    /// Whether the whole item was written.
    complete: bool,
}

/// An array, a map or a tag whose content is being written.
#[derive(Clone, Copy, Debug)]
struct Level {
    kind: Kind,
    /// The offset of its head.
    start: usize,
    /// The number of its items so far; in a map, keys and values count separately.
    items: usize,
    /// The index of its first key in `Writer::keys`.
    keys: usize,
    /// The tag's number.
    tag: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Array = ARRAY as isize,
    Map = MAP as isize,
    Tag = TAG as isize,
}

impl Writer {
    /// A writer that reserves `bytes` bytes for the item.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// The writer, with floats of this width.
    #[must_use]
    pub fn floats(self, floats: Floats) -> Self {
        Self { floats, ..self }
    }

    /// The writer, with pairs in this order.
    #[must_use]
    pub fn order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// The bytes of the item.
    ///
    /// # Panics
    ///
    /// If no item was written, or an array, a map or a tag is still open.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        assert!(
            self.complete && self.levels.is_empty(),
            "expected a whole item, found part of one"
        );
        self.out
    }

    /// Writes an item without content, or opens an array, a map or a tag; the length in the token
    /// is not used.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn token(&mut self, token: &Token<'_>) -> Result<(), Error> {
        match token {
            Token::Null => self.null(),
            Token::Undefined => self.write_byte(UNDEFINED),
            Token::Bool(value) => self.bool(*value),
            Token::Unsigned(value) => self.write_head(head::UNSIGNED, *value),
            Token::Negative(value) => self.write_head(head::NEGATIVE, *value),
            Token::F32(value) => self.float((*value).into()),
            Token::F64(value) => self.float(*value),
            Token::Bytes(bytes) => self.bytes(bytes),
            Token::Text(text) => self.text(text),
            Token::Array(_) => self.open_array(),
            Token::Map(_) => self.open_map(),
            Token::Tag(tag) => self.open_tag(*tag),
            Token::Simple(value) => self.write_head(SIMPLE, u64::from(*value)),
        }
    }

    /// Writes null.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn null(&mut self) -> Result<(), Error> {
        self.write_byte(NULL)
    }

    /// Writes a boolean.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn bool(&mut self, value: bool) -> Result<(), Error> {
        self.write_byte(if value { TRUE } else { FALSE })
    }

    /// Writes an integer; as a bignum if it does not fit into 64 bits and a sign.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn integer(&mut self, value: i128) -> Result<(), Error> {
        let start = self.reserve(32)?;
        head::write_i128(&mut self.out, value);
        self.count_item(start)
    }

    /// Writes an integer of any size.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn big_integer(&mut self, value: &Integer) -> Result<(), Error> {
        let start = self.reserve(value.as_bytes().len() + 16)?;
        head::write_big(&mut self.out, value.is_negative(), value.as_bytes());
        self.count_item(start)
    }

    /// Writes a float.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn float(&mut self, value: f64) -> Result<(), Error> {
        let start = self.reserve(9)?;
        match self.floats {
            Floats::Double => head::write_f64(&mut self.out, value),
            Floats::Shortest => head::write_shortest(&mut self.out, value),
        }
        self.count_item(start)
    }

    /// Writes a text.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn text(&mut self, value: &str) -> Result<(), Error> {
        let start = self.reserve(value.len() + 9)?;
        head::write_text(&mut self.out, value);
        self.count_item(start)
    }

    /// Writes a byte string.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn bytes(&mut self, value: &[u8]) -> Result<(), Error> {
        let mut start = self.reserve(value.len() + 18)?;
        match self.levels.last() {
            Some(level) if level.is_bignum() => {
                start = level.start;
                let negative = level.tag == TAG_BIG_NEGATIVE;
                self.levels.pop();
                self.out.truncate(start);
                head::write_big(&mut self.out, negative, value);
            }
            _ => head::write_bytes(&mut self.out, value),
        }
        self.count_item(start)
    }

    pub(crate) fn unsigned(&mut self, value: u128) -> Result<(), Error> {
        let start = self.reserve(32)?;
        head::write_u128(&mut self.out, value);
        self.count_item(start)
    }

    /// Writes a float in 32 bits, in spite of [`Floats`].
    pub(crate) fn single(&mut self, value: f32) -> Result<(), Error> {
        let start = self.reserve(5)?;
        head::write_f32(&mut self.out, value);
        self.count_item(start)
    }

    /// Copies one item with its content, and writes it in preferred form.
    ///
    /// # Errors
    ///
    /// An item that is not well-formed; otherwise see [`Writer`].
    pub fn copy(&mut self, reader: &mut Reader<'_>) -> Result<(), Error> {
        // The writer limits the depth, and with it the recursion.
        let token = reader.next_token()?;
        self.token(&token)?;
        match token {
            Token::Array(mut left) => {
                while reader.advance(&mut left)? {
                    self.copy(reader)?;
                }
                self.close()
            }
            Token::Map(mut left) => {
                while reader.advance(&mut left)? {
                    self.copy(reader)?;
                    self.copy(reader)?;
                }
                self.close()
            }
            Token::Tag(_) => self.copy(reader),
            _ => Ok(()),
        }
    }

    /// The bytes that were written so far. Closing an array or a map changes its head.
    #[must_use]
    pub fn written(&self) -> &[u8] {
        &self.out
    }

    /// Opens an array.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn open_array(&mut self) -> Result<(), Error> {
        self.open_level(Kind::Array, 0)
    }

    /// Opens a map.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn open_map(&mut self) -> Result<(), Error> {
        self.open_level(Kind::Map, 0)
    }

    /// Tags the next item. A tag needs no [`Writer::close`]: its item closes it.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn open_tag(&mut self, tag: u64) -> Result<(), Error> {
        self.open_level(Kind::Tag, tag)
    }

    /// Closes the innermost array or map.
    ///
    /// # Errors
    ///
    /// If none is open, a key has no value, or a tag has no item; otherwise see [`Writer`].
    pub fn close(&mut self) -> Result<(), Error> {
        let complete = |level: &Level| match level.kind {
            Kind::Array => true,
            Kind::Map => level.items.is_multiple_of(2),
            Kind::Tag => false,
        };
        let Some(level) = self.levels.last().copied().filter(complete) else {
            return Err(self.error("found a break where an item is expected"));
        };
        let count = if level.kind == Kind::Map {
            self.finish_map(level)?;
            level.items / 2
        } else {
            level.items
        };
        self.keys.truncate(level.keys);
        self.levels.pop();
        self.reserve(9)?;
        let before = self.out.len();
        Open::empty(level.kind as u8, level.start).close(&mut self.out, count as u64);
        self.shift_anchors(level.start, self.out.len() - before);
        self.count_item(level.start)
    }

    /// An error with the current place in the document: `{what} in orders[3]`.
    #[must_use]
    pub fn error(&self, what: impl fmt::Display) -> Error {
        self.with_path(|path| Error::new(format_args!("{what} in {path}")))
    }

    fn open_level(&mut self, kind: Kind, argument: u64) -> Result<(), Error> {
        if self.levels.len() == MAX_DEPTH {
            return Err(Error::too_deep());
        }
        let start = self.reserve(9)?;
        self.levels.push(Level { kind, start, items: 0, keys: self.keys.len(), tag: argument });
        head::write(&mut self.out, kind as u8, argument);
        Ok(())
    }

    /// Reserves so many bytes, and returns the offset of the next byte.
    #[inline]
    fn reserve(&mut self, bytes: usize) -> Result<usize, Error> {
        let start = self.out.len();
        if self.out.capacity() - start < bytes {
            self.grow(bytes)?;
        }
        Ok(start)
    }

    #[cold]
    fn grow(&mut self, bytes: usize) -> Result<(), Error> {
        if u32::try_from(self.out.len() + bytes).is_err() {
            return Err(Error::new("expected a document of less than 4 GiB"));
        }
        reserve(&mut self.out, bytes);
        Ok(())
    }

    fn write_byte(&mut self, byte: u8) -> Result<(), Error> {
        let start = self.reserve(1)?;
        self.out.push(byte);
        self.count_item(start)
    }

    fn write_head(&mut self, kind: u8, number: u64) -> Result<(), Error> {
        let start = self.reserve(9)?;
        head::write(&mut self.out, kind, number);
        self.count_item(start)
    }

    /// Counts the item that begins at `start` and has just ended.
    #[inline]
    fn count_item(&mut self, mut start: usize) -> Result<(), Error> {
        while let Some(level) = self.levels.last_mut() {
            level.items += 1;
            let level = *level;
            match level.kind {
                Kind::Tag => {
                    self.levels.pop();
                    start = level.start;
                }
                Kind::Map if level.items % 2 == 1 => return self.add_key(level, start),
                _ => return Ok(()),
            }
        }
        self.complete_root(start)
    }

    /// Marks the outermost item as complete; it begins at `start`.
    #[cold]
    fn complete_root(&mut self, start: usize) -> Result<(), Error> {
        if self.complete {
            self.out.truncate(start);
            return Err(Error::new("expected one item, found another after it"));
        }
        self.complete = true;
        Ok(())
    }

    fn with_path<T>(&self, with: impl FnOnce(Path<'_>) -> T) -> T {
        self.path_from(0, Path::Root, with)
    }

    /// Calls `with` with the path from the level `index` on. Each level except the innermost is one
    /// step: to an element that is not counted yet, or to the value of the last key.
    fn path_from<T>(&self, index: usize, path: Path<'_>, with: impl FnOnce(Path<'_>) -> T) -> T {
        let Some([level, inner]) = self.levels.get(index..index + 2) else {
            return with(path);
        };
        match level.kind {
            Kind::Array => self.path_from(index + 1, Path::Index(&path, level.items), with),
            Kind::Tag => self.path_from(index + 1, path, with),
            Kind::Map => {
                let key = self.keys[..inner.keys].last().filter(|_| level.items % 2 == 1);
                let bytes = key.map(|&(from, to)| &self.out[from as usize..to as usize]);
                match bytes.map(|key| Reader::new(key).next_token()) {
                    Some(Ok(Token::Text(key))) => {
                        self.path_from(index + 1, Path::Key(&path, &key), with)
                    }
                    _ => with(path),
                }
            }
        }
    }
}

impl Level {
    /// Whether its item is the bytes of a bignum.
    fn is_bignum(&self) -> bool {
        self.kind == Kind::Tag && matches!(self.tag, TAG_BIG_UNSIGNED | TAG_BIG_NEGATIVE)
    }
}

/// An offset in the item as 32 bits: [`Writer::grow`] ensures that it fits.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_item_is_refused() {
        let mut writer = Writer::default();
        writer.null().unwrap();
        let error = writer.open_array().and_then(|()| writer.close()).unwrap_err();
        assert_eq!(error.to_string(), "expected one item, found another after it");
        assert!(writer.null().is_err());
        assert_eq!(writer.finish(), [0xf6]);
    }

    #[test]
    #[should_panic = "expected a whole item"]
    fn an_open_array_cannot_be_finished() {
        let mut writer = Writer::default();
        writer.open_array().unwrap();
        let _ = writer.finish();
    }

    #[test]
    fn an_incomplete_level_cannot_be_closed() {
        let mut writer = Writer::default();
        assert!(writer.close().is_err());
        writer.open_map().unwrap();
        writer.null().unwrap();
        assert!(writer.close().is_err(), "a key without a value");
        writer.open_tag(1).unwrap();
        assert!(writer.close().is_err(), "a tag without an item");
        writer.null().unwrap();
        writer.close().unwrap();
        assert_eq!(writer.finish(), [0xa1, 0xf6, 0xc1, 0xf6]);
    }

    #[test]
    fn integers_are_exact_or_refused() {
        let written = |value| {
            let mut writer = Writer::default();
            writer.integer(value).map(|()| writer.finish()).ok()
        };
        for value in [0, -1, 23, 24, 1 << 53, (1 << 64) - 1, -(1 << 64)] {
            let cbor = written(value).unwrap();
            assert_eq!(Reader::new(&cbor).next_token().unwrap().as_integer(), Some(value));
        }
        let bignum = |tag| [&[tag, 0x49, 1][..], &[0; 8]].concat();
        assert_eq!(written(1 << 64), Some(bignum(0xc2)));
        assert_eq!(written(-(1 << 64) - 1), Some(bignum(0xc3)));
    }

    /// RFC 8949 section 3.4.3: a bignum that fits is an integer, and has no leading zeros.
    #[test]
    fn bignums_are_in_preferred_form() {
        let rewritten = |cbor: &[u8]| {
            let mut writer = Writer::default();
            writer.copy(&mut Reader::new(cbor)).map(|()| writer.finish())
        };
        for (found, preferred) in [
            (&[0xc2, 0x41, 0x01][..], &[0x01][..]),
            (&[0xc2, 0x40], &[0x00]),
            (&[0xc3, 0x40], &[0x20]),
            (&[0xc2, 0x42, 0x00, 0x18], &[0x18, 0x18]),
            (
                &[0xc3, 0x48, 255, 255, 255, 255, 255, 255, 255, 255],
                &[0x3b, 255, 255, 255, 255, 255, 255, 255, 255],
            ),
            (&[0xc2, 0x4a, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0], &[0xc2, 0x49, 1, 0, 0, 0, 0, 0, 0, 0, 0]),
            // in chunks, under another tag, and in a list
            (&[0x81, 0xc4, 0xc2, 0x5f, 0x41, 0x00, 0x41, 0x05, 0xff], &[0x81, 0xc4, 0x05]),
        ] {
            assert_eq!(rewritten(found).as_deref(), Ok(preferred), "{found:02x?}");
        }
        let error = rewritten(&[0xa2, 0x01, 0x00, 0xc2, 0x41, 0x01, 0x00]).unwrap_err();
        assert_eq!(error.to_string(), "duplicate key 1 in the document");
    }
}
