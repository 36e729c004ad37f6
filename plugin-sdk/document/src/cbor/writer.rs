//! Writing CBOR, while the depth is bounded and equal keys are refused.

use std::fmt;

use super::head::{self, ARRAY, FALSE, MAP, NULL, Open, SIMPLE, TAG, TRUE, UNDEFINED};
use super::{Reader, Token};
use crate::{Document, Error, MAX_DEPTH, Path};

/// In which width a [`Writer`] writes floats.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Floats {
    /// Always 64 bits: what documents hold.
    #[default]
    Double,
    /// The shortest of 16, 32 and 64 bits that keeps the value (RFC 8949 section 4.1). Every NaN
    /// becomes the plain one.
    Shortest,
}

/// In which order a [`Writer`] writes the pairs of a map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Order {
    /// As they came.
    #[default]
    Kept,
    /// By the bytes of their encoded keys (RFC 8949 section 4.2.1).
    Sorted,
}

/// Writes one CBOR item from what a codec reads, and refuses what no document may be: one that
/// nests deeper than [`MAX_DEPTH`] levels, that has equal keys in a map, or that has an integer of
/// more than 64 bits and its sign.
///
/// Arrays and maps are opened and closed; their lengths need not be known. A map takes a key,
/// then its value, then the next key.
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
/// A function that fails says why and where in the document; the item is to be thrown away then.
/// Every function that writes fails for an item after the first.
#[derive(Debug, Default)]
pub struct Writer {
    out: Vec<u8>,
    open: Vec<Level>,
    /// The first byte of each key, and the byte after it, of all open maps.
    keys: Vec<(usize, usize)>,
    floats: Floats,
    order: Order,
    /// The item is there.
    complete: bool,
}

/// An array, a map or a tag whose content is being written.
#[derive(Clone, Copy, Debug)]
struct Level {
    kind: Kind,
    /// Where its head is.
    start: usize,
    /// Its items so far; of a map, keys and values each count.
    items: usize,
    /// Where its keys begin in `Writer::keys`.
    keys: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Array = ARRAY as isize,
    Map = MAP as isize,
    Tag = TAG as isize,
}

/// Up to this many keys are compared one by one as they come; more are sorted in the end.
const FEW: usize = 16;

impl Writer {
    /// A writer that reserves `bytes` bytes for the item.
    #[must_use]
    pub fn with_capacity(bytes: usize) -> Self {
        Self { out: Vec::with_capacity(bytes), ..Self::default() }
    }

    /// The same with floats in this width.
    #[must_use]
    pub fn floats(self, floats: Floats) -> Self {
        Self { floats, ..self }
    }

    /// The same with pairs in this order.
    #[must_use]
    pub fn order(self, order: Order) -> Self {
        Self { order, ..self }
    }

    /// The bytes of the item.
    ///
    /// # Panics
    ///
    /// If nothing was written, or an array, a map or a tag is still open.
    #[must_use]
    pub fn finish(self) -> Vec<u8> {
        assert!(self.complete && self.open.is_empty(), "expected a whole item, found part of one");
        self.out
    }

    /// The item as a document.
    ///
    /// # Panics
    ///
    /// As [`Writer::finish`].
    ///
    /// ```
    /// use plugbay_document::{Document, cbor::Writer};
    ///
    /// let mut writer = Writer::default();
    /// writer.bool(true)?;
    /// assert_eq!(writer.into_document(), Document::from_value(&true)?);
    /// # Ok::<(), plugbay_document::Error>(())
    /// ```
    #[must_use]
    pub fn into_document(self) -> Document {
        Document::from_trusted_cbor(self.finish())
    }

    /// Writes an item that holds no others, or opens a level for one that does; the length that
    /// the token gives is not used.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn token(&mut self, token: &Token<'_>) -> Result<(), Error> {
        match token {
            Token::Null => self.null(),
            Token::Undefined => self.byte(UNDEFINED),
            Token::Bool(value) => self.bool(*value),
            Token::Unsigned(value) => self.head(head::UNSIGNED, *value),
            Token::Negative(value) => self.head(head::NEGATIVE, *value),
            Token::F32(value) => self.float((*value).into()),
            Token::F64(value) => self.float(*value),
            Token::Bytes(bytes) => self.bytes(bytes),
            Token::Text(text) => self.text(text),
            Token::Array(_) => self.open_array(),
            Token::Map(_) => self.open_map(),
            Token::Tag(tag) => self.open_tag(*tag),
            Token::Simple(value) => self.head(SIMPLE, u64::from(*value)),
        }
    }

    /// Writes null.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn null(&mut self) -> Result<(), Error> {
        self.byte(NULL)
    }

    /// Writes a boolean.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn bool(&mut self, value: bool) -> Result<(), Error> {
        self.byte(if value { TRUE } else { FALSE })
    }

    /// Writes an integer from -2^64 to 2^64-1.
    ///
    /// # Errors
    ///
    /// An integer beyond; else see [`Writer`].
    pub fn integer(&mut self, value: i128) -> Result<(), Error> {
        match Token::from_integer(value) {
            Some(token) => self.token(&token),
            None => Err(self.error(format_args!("integer {value} is beyond 64 bits"))),
        }
    }

    /// Writes a float.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn float(&mut self, value: f64) -> Result<(), Error> {
        let start = self.out.len();
        match self.floats {
            Floats::Double => head::write_f64(&mut self.out, value),
            Floats::Shortest => head::write_shortest(&mut self.out, value),
        }
        self.done(start)
    }

    /// Writes a text.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn text(&mut self, value: &str) -> Result<(), Error> {
        let start = self.out.len();
        head::write_text(&mut self.out, value);
        self.done(start)
    }

    /// Writes a byte string.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn bytes(&mut self, value: &[u8]) -> Result<(), Error> {
        let start = self.out.len();
        head::write_bytes(&mut self.out, value);
        self.done(start)
    }

    /// Opens an array.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn open_array(&mut self) -> Result<(), Error> {
        self.open(Kind::Array, 0)
    }

    /// Opens a map.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn open_map(&mut self) -> Result<(), Error> {
        self.open(Kind::Map, 0)
    }

    /// Tags the next item. A tag needs no [`Writer::close`]: its item closes it.
    ///
    /// # Errors
    ///
    /// See [`Writer`].
    pub fn open_tag(&mut self, tag: u64) -> Result<(), Error> {
        self.open(Kind::Tag, tag)
    }

    /// Closes the innermost array or map.
    ///
    /// # Errors
    ///
    /// If none is open, or a key lacks its value, or a tag its item; else see [`Writer`].
    pub fn close(&mut self) -> Result<(), Error> {
        let complete = |level: &Level| match level.kind {
            Kind::Array => true,
            Kind::Map => level.items.is_multiple_of(2),
            Kind::Tag => false,
        };
        let Some(level) = self.open.last().copied().filter(complete) else {
            return Err(self.error("found a break where an item is expected"));
        };
        let count = if level.kind == Kind::Map {
            self.finish_map(level)?;
            level.items / 2
        } else {
            level.items
        };
        self.keys.truncate(level.keys);
        self.open.pop();
        Open::empty(level.kind as u8, level.start).close(&mut self.out, count as u64);
        self.done(level.start)
    }

    /// An error that says where in the document the writer stands: `{what} in orders[3]`.
    #[must_use]
    pub fn error(&self, what: impl fmt::Display) -> Error {
        self.with_path(|path| Error::new(format_args!("{what} in {path}")))
    }

    fn open(&mut self, kind: Kind, argument: u64) -> Result<(), Error> {
        if self.open.len() == MAX_DEPTH {
            return Err(Error::too_deep());
        }
        self.open.push(Level { kind, start: self.out.len(), items: 0, keys: self.keys.len() });
        head::write(&mut self.out, kind as u8, argument);
        Ok(())
    }

    fn byte(&mut self, byte: u8) -> Result<(), Error> {
        self.out.push(byte);
        self.done(self.out.len() - 1)
    }

    fn head(&mut self, kind: u8, number: u64) -> Result<(), Error> {
        let start = self.out.len();
        head::write(&mut self.out, kind, number);
        self.done(start)
    }

    /// Counts the item that begins at `start` and ends here.
    #[inline]
    fn done(&mut self, mut start: usize) -> Result<(), Error> {
        while let Some(level) = self.open.last_mut() {
            level.items += 1;
            let level = *level;
            match level.kind {
                Kind::Tag => {
                    self.open.pop();
                    start = level.start;
                }
                Kind::Map if level.items % 2 == 1 => return self.key(level, start),
                _ => return Ok(()),
            }
        }
        self.end(start)
    }

    /// The item that begins at `start` is in no other.
    #[cold]
    fn end(&mut self, start: usize) -> Result<(), Error> {
        if self.complete {
            self.out.truncate(start);
            return Err(Error::new("expected one item, found another after it"));
        }
        self.complete = true;
        Ok(())
    }

    fn key(&mut self, level: Level, start: usize) -> Result<(), Error> {
        let key = &self.out[start..];
        let known = &self.keys[level.keys..];
        if known.len() < FEW && known.iter().any(|&(from, to)| self.out[from..to] == *key) {
            return Err(self.duplicate(start, self.out.len()));
        }
        self.keys.push((start, self.out.len()));
        Ok(())
    }

    /// What is left to do for a map when all its pairs are there.
    fn finish_map(&mut self, level: Level) -> Result<(), Error> {
        let keys = &self.keys[level.keys..];
        if keys.len() <= FEW && (self.order == Order::Kept || keys.len() < 2) {
            return Ok(());
        }
        let mut sorted: Vec<usize> = (0..keys.len()).collect();
        let bytes = |index: usize| &self.out[keys[index].0..keys[index].1];
        sorted.sort_unstable_by(|&a, &b| bytes(a).cmp(bytes(b)));
        if let Some(pair) = sorted.windows(2).find(|pair| bytes(pair[0]) == bytes(pair[1])) {
            let (from, to) = keys[pair[0].max(pair[1])];
            return Err(self.duplicate(from, to));
        }
        if self.order == Order::Sorted {
            let end = |index: usize| keys.get(index + 1).map_or(self.out.len(), |next| next.0);
            let pairs: Vec<u8> = sorted
                .iter()
                .flat_map(|&index| &self.out[keys[index].0..end(index)])
                .copied()
                .collect();
            self.out.truncate(level.start + 1);
            self.out.extend(pairs);
        }
        Ok(())
    }

    #[cold]
    fn duplicate(&self, from: usize, to: usize) -> Error {
        let key = &self.out[from..to];
        self.error(format_args!("duplicate key {}", Key(key)))
    }

    fn with_path<T>(&self, with: impl FnOnce(Path<'_>) -> T) -> T {
        self.walk(0, Path::Root, with)
    }

    /// Every level but the innermost is a step: an element that is not yet counted, or the value
    /// of the last key.
    fn walk<T>(&self, index: usize, path: Path<'_>, with: impl FnOnce(Path<'_>) -> T) -> T {
        let Some([level, inner]) = self.open.get(index..index + 2) else {
            return with(path);
        };
        match level.kind {
            Kind::Array => self.walk(index + 1, Path::Index(&path, level.items), with),
            Kind::Tag => self.walk(index + 1, path, with),
            Kind::Map => {
                let key = self.keys[..inner.keys].last().filter(|_| level.items % 2 == 1);
                match key.map(|&(from, to)| Reader::new(&self.out[from..to]).next_token()) {
                    Some(Ok(Token::Text(key))) => {
                        self.walk(index + 1, Path::Key(&path, &key), with)
                    }
                    _ => with(path),
                }
            }
        }
    }
}

/// A key as a message names it: as its text or number, or else in hexadecimal.
struct Key<'a>(&'a [u8]);

impl fmt::Display for Key<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let token = Reader::new(self.0).next_token().map_err(|_| fmt::Error)?;
        if let Some(integer) = token.as_integer() {
            return write!(f, "{integer}");
        }
        if let Some(float) = token.as_float() {
            return write!(f, "{float:?}");
        }
        match token {
            Token::Text(text) => write!(f, "{text:?}"),
            Token::Bool(value) => write!(f, "{value}"),
            Token::Null => f.write_str("null"),
            _ => self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_one_item() {
        let mut writer = Writer::default();
        writer.null().unwrap();
        let error = writer.open_array().and_then(|()| writer.close()).unwrap_err();
        assert_eq!(error.to_string(), "expected one item, found another after it");
        assert!(writer.null().is_err());
        assert_eq!(writer.finish(), [0xf6]);
    }

    #[test]
    #[should_panic = "expected a whole item"]
    fn an_open_array_is_no_item() {
        let mut writer = Writer::default();
        writer.open_array().unwrap();
        let _ = writer.finish();
    }

    #[test]
    fn what_cannot_be_closed_stays_open() {
        let mut writer = Writer::default();
        assert!(writer.close().is_err());
        writer.open_map().unwrap();
        writer.null().unwrap();
        assert!(writer.close().is_err(), "a key lacks its value");
        writer.open_tag(1).unwrap();
        assert!(writer.close().is_err(), "a tag lacks its item");
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
        assert_eq!(written(1 << 64), None);
        assert_eq!(written(-(1 << 64) - 1), None);
    }

    /// Few keys are compared as they come, many when the map is closed.
    #[test]
    fn equal_keys_are_named_with_their_place() {
        for count in [2, 40] {
            let mut writer = Writer::default();
            writer.open_map().unwrap();
            writer.text("inner").unwrap();
            writer.open_map().unwrap();
            let mut result = Ok(());
            for key in (0..count).chain([1]) {
                result = result.and_then(|()| writer.integer(key)).and_then(|()| writer.null());
            }
            let error = result.and_then(|()| writer.close()).unwrap_err();
            assert_eq!(error.to_string(), "duplicate key 1 in inner");
        }
    }
}
